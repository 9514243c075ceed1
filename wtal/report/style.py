"""How figures look: colours that colour-blind people can tell apart, and files that a paper can print."""

from pathlib import Path
from typing import TYPE_CHECKING

from wtal.errors import ConfigError
from wtal.io.files import drafted

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["DARK_COLOURS", "PAGE_COLOURS", "PALETTE", "SOURCE_COLOURS", "SOURCE_NAMES", "colour_of", "save_figure"]

# Okabe and Ito, Color Universal Design, 2008.
PALETTE = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#f0e442", "#000000")
SOURCE_COLOURS = {"truth": "#444444", "cbp": "#0072b2", "vlp": "#e69f00", "fused": "#009e73"}
SOURCE_NAMES = {"cbp": "CBP", "vlp": "VLP", "fused": "ours"}

# What a page names: the sources, late fusion, and places of the palette; lighter where the page is dark.
PAGE_COLOURS = {name: SOURCE_COLOURS[name] for name in ("cbp", "vlp", "fused")} | {"late": "#cc79a7"}
PAGE_COLOURS |= {f"p{place}": colour for place, colour in enumerate(PALETTE)}
DARK_COLOURS = PAGE_COLOURS | {"cbp": "#56b4e9", "fused": "#2fc79a", "p0": "#3d9be0", "p2": "#2fc79a", "p7": "#d0d0cc"}


def colour_of(name: str, place: int) -> str:
    """Colour of a source by its name, of anything else by its place in the legend."""
    return SOURCE_COLOURS.get(name.lower(), PALETTE[place % len(PALETTE)])


def save_figure(figure: "Figure", path: Path) -> None:
    """Write a figure as ``.pdf``, ``.png`` or ``.svg``, complete or not at all.

    Raises:
        ConfigError: If the path ends otherwise.
    """
    if path.suffix.lower() not in {".pdf", ".png", ".svg"}:
        raise ConfigError(f"{path} must end in .pdf, .png or .svg: figures are written in these forms.")
    with drafted(path) as draft:
        figure.savefig(draft, format=path.suffix[1:].lower(), dpi=200, bbox_inches="tight")
