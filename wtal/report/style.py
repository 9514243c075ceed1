"""How figures look: colours that colour-blind readers can tell apart, names of the sources, and files for print."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from wtal.errors import ConfigError
from wtal.io.files import drafted
from wtal.views import CBP, FUSED, STUDENT, VLP, View

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = [
    "COMPARED_COLOURS",
    "COMPARED_LANES",
    "COMPARED_NAMES",
    "DARK_COLOURS",
    "DEFAULT_VIEWS",
    "LANE_METHODS",
    "PAGE_COLOURS",
    "PAGE_NAMES",
    "PALETTE",
    "SOURCE_COLOURS",
    "SOURCE_NAMES",
    "colour_of",
    "page_colour",
    "page_name",
    "save_figure",
    "shown",
]

# Okabe and Ito, Color Universal Design, 2008.
PALETTE = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#f0e442", "#000000")

# Sources ------------------------------------------------------------------------------------------------------------

DEFAULT_VIEWS = (CBP, VLP, FUSED)
SOURCE_COLOURS = {"truth": "#444444"} | {view.name: view.colour for view in DEFAULT_VIEWS}
SOURCE_NAMES = {view.name: view.title for view in DEFAULT_VIEWS}  # in figures
PAGE_NAMES = {**SOURCE_NAMES, FUSED.name: "collaboration"}  # on pages

# A page of `wtal compare`: names and colours of its methods in tables; and its lanes, each a run, a source, a name, and
# whether it is visible from the start.
COMPARED_NAMES = {"cbp": f"{CBP.title} alone", "vlp": f"{VLP.title} alone", "alternation": "collaboration"}
COMPARED_NAMES |= {"student": STUDENT.title}
COMPARED_COLOURS = {"cbp": CBP.name, "vlp": VLP.name, "late_fusion": "late", "alternation": FUSED.name}
COMPARED_COLOURS |= {"student": "p5", "supervised": "p7"}
COMPARED_LANES = (
    ("apart", CBP.name, f"{CBP.title} alone", True),
    ("apart", VLP.name, f"{VLP.title} alone", True),
    ("apart", FUSED.name, "late fusion", False),
    ("alternation", CBP.name, f"{CBP.title}, taught", False),
    ("alternation", VLP.name, f"{VLP.title}, taught", False),
    ("alternation", FUSED.name, "collaboration", True),
    ("student", STUDENT.name, STUDENT.title, True),
    ("supervised", STUDENT.name, "student on true segments", False),
)
LANE_METHODS = {"late fusion": "late_fusion", STUDENT.title: "student", "student on true segments": "supervised"}


# Colours that a page knows by name: the sources, late fusion, and the palette by position; lighter on a dark page.
PAGE_COLOURS = {view.name: view.colour for view in DEFAULT_VIEWS} | {"late": "#cc79a7"}
PAGE_COLOURS |= {f"p{place}": colour for place, colour in enumerate(PALETTE)}
DARK_COLOURS = PAGE_COLOURS | {"p0": "#3d9be0", "p2": "#2fc79a", "p7": "#d0d0cc"}
DARK_COLOURS |= {CBP.name: "#56b4e9", FUSED.name: "#2fc79a"}


def colour_of(name: str, place: int) -> str:
    """Colour of a source by its name, of anything else by its position in the legend."""
    return SOURCE_COLOURS.get(name.lower(), PALETTE[place % len(PALETTE)])


def shown(source: str, place: int, views: Sequence[View] = ()) -> tuple[str, str]:
    """Title and colour of a source.

    Args:
        source: Name of the source.
        place: Its place among the sources, which gives the colour where none is declared.
        views: The views that a model declares.

    >>> shown("hand", 0, [View("hand", title="Hand")]), shown("vlp", 0)
    (('Hand', '#0072b2'), ('VLP', '#e69f00'))
    """
    view = next((view for view in (*views, *DEFAULT_VIEWS) if view.name == source), None)
    if view is None:
        return source, colour_of(source, place)
    return view.title, view.colour or PALETTE[place % len(PALETTE)]


def page_name(source: str, views: Sequence[View]) -> str:
    """Name of a source on a page.

    >>> page_name("hand", [View("hand", title="Hand")]), page_name("fused", DEFAULT_VIEWS)
    ('Hand', 'collaboration')
    """
    declared = {view.name: view.title for view in views}
    return PAGE_NAMES.get(source) or declared.get(source, source)


def page_colour(source: str, place: int, views: Sequence[View] = ()) -> str:
    """Name of the page's colour for a source.

    It is the source's own, or that of its declared colour in the palette, or else that of its place.

    >>> page_colour("vlp", 1), page_colour("hand", 0, [View("hand", colour=PALETTE[3])]), page_colour("arm", 1)
    ('vlp', 'p3', 'p1')
    """
    if source in PAGE_NAMES:
        return source
    colour = shown(source, place, views)[1]
    return f"p{PALETTE.index(colour) if colour in PALETTE else place % len(PALETTE)}"


def check_figure_path(path: Path) -> None:
    """Refuse a figure that could not be written, before the work for it begins.

    Raises:
        ConfigError: If the path does not end in ``.pdf``, ``.png`` or ``.svg``.
    """
    if path.suffix.lower() not in {".pdf", ".png", ".svg"}:
        raise ConfigError(f"{path} must end in .pdf, .png or .svg: figures are written in these formats.")


def save_figure(figure: "Figure", path: Path) -> None:
    """Write a figure as ``.pdf``, ``.png`` or ``.svg``, completely or not at all.

    Raises:
        ConfigError: If the path has another extension.
    """
    check_figure_path(path)
    with drafted(path) as draft:
        figure.savefig(draft, format=path.suffix[1:].lower(), dpi=200, bbox_inches="tight")
