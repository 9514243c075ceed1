"""How figures look: colours that colour-blind people can tell apart, and files that a paper can print."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from wtal.errors import ConfigError
from wtal.io.files import drafted
from wtal.views import CBP, FUSED, VLP, View

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = [
    "DARK_COLOURS",
    "DEFAULT_VIEWS",
    "PAGE_COLOURS",
    "PALETTE",
    "SOURCE_COLOURS",
    "SOURCE_NAMES",
    "colour_of",
    "save_figure",
    "shown",
]

# Okabe and Ito, Color Universal Design, 2008.
PALETTE = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#f0e442", "#000000")
DEFAULT_VIEWS = (CBP, VLP, FUSED)
SOURCE_COLOURS = {"truth": "#444444"} | {view.name: view.colour for view in DEFAULT_VIEWS}
SOURCE_NAMES = {view.name: view.title for view in DEFAULT_VIEWS}

# What a page names: the sources, late fusion, and places of the palette; lighter where the page is dark.
PAGE_COLOURS = {view.name: view.colour for view in DEFAULT_VIEWS} | {"late": "#cc79a7"}
PAGE_COLOURS |= {f"p{place}": colour for place, colour in enumerate(PALETTE)}
DARK_COLOURS = PAGE_COLOURS | {"p0": "#3d9be0", "p2": "#2fc79a", "p7": "#d0d0cc"}
DARK_COLOURS |= {CBP.name: "#56b4e9", FUSED.name: "#2fc79a"}


def colour_of(name: str, place: int) -> str:
    """Colour of a source by its name, of anything else by its place in the legend."""
    return SOURCE_COLOURS.get(name.lower(), PALETTE[place % len(PALETTE)])


def shown(source: str, place: int, views: Sequence[View] = ()) -> tuple[str, str]:
    """Title and colour of a source.

    Args:
        source: Its name.
        place: Its place among the sources, which gives the colour where none is declared.
        views: The views that a model declares.

    >>> shown("hand", 0, [View("hand", title="Hand")]), shown("vlp", 0)
    (('Hand', '#0072b2'), ('VLP', '#e69f00'))
    """
    view = next((view for view in (*views, *DEFAULT_VIEWS) if view.name == source), None)
    if view is None:
        return source, colour_of(source, place)
    return view.title, view.colour or PALETTE[place % len(PALETTE)]


def save_figure(figure: "Figure", path: Path) -> None:
    """Write a figure as ``.pdf``, ``.png`` or ``.svg``, complete or not at all.

    Raises:
        ConfigError: If the path ends otherwise.
    """
    if path.suffix.lower() not in {".pdf", ".png", ".svg"}:
        raise ConfigError(f"{path} must end in .pdf, .png or .svg: figures are written in these forms.")
    with drafted(path) as draft:
        figure.savefig(draft, format=path.suffix[1:].lower(), dpi=200, bbox_inches="tight")
