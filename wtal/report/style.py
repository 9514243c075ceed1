"""How figures look: colours that colour-blind readers can tell apart, names of the sources, and files for print."""

from pathlib import Path
from typing import TYPE_CHECKING

from wtal.errors import ConfigError
from wtal.io.files import drafted

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = [
    "BRANCHES",
    "COMPARED_COLOURS",
    "COMPARED_LANES",
    "COMPARED_NAMES",
    "DARK_COLOURS",
    "PAGE_COLOURS",
    "PAGE_NAMES",
    "PALETTE",
    "SOURCE_COLOURS",
    "SOURCE_NAMES",
    "colour_of",
    "save_figure",
]

# Okabe and Ito, Color Universal Design, 2008.
PALETTE = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#f0e442", "#000000")

# Sources ------------------------------------------------------------------------------------------------------------

BRANCHES = (
    "cbp",
    "vlp",
)  # the first teaches the second in the turns B, and learns from it in the turns F
SOURCE_COLOURS = {"truth": "#444444", "cbp": "#0072b2", "vlp": "#e69f00", "fused": "#009e73"}
SOURCE_NAMES = {"cbp": "CBP", "vlp": "VLP", "fused": "ours"}  # in figures
PAGE_NAMES = {**SOURCE_NAMES, "fused": "collaboration"}  # on pages

# A page of `wtal compare`: names and colours of its methods in tables; and its lanes, each a run, a source, a name, and
# whether it is visible from the start.
COMPARED_NAMES = {"cbp": "CBP alone", "vlp": "VLP alone", "alternation": "collaboration"}
COMPARED_COLOURS = {"cbp": "cbp", "vlp": "vlp", "late_fusion": "late", "alternation": "fused"}
COMPARED_LANES = (
    ("apart", "cbp", "CBP alone", True),
    ("apart", "vlp", "VLP alone", True),
    ("apart", "fused", "late fusion", False),
    ("alternation", "cbp", "CBP, taught", False),
    ("alternation", "vlp", "VLP, taught", False),
    ("alternation", "fused", "collaboration", True),
)

# Colours that a page knows by name: the sources, late fusion, and the palette by position; lighter on a dark page.
PAGE_COLOURS = {name: SOURCE_COLOURS[name] for name in PAGE_NAMES} | {"late": "#cc79a7"}
PAGE_COLOURS |= {f"p{place}": colour for place, colour in enumerate(PALETTE)}
DARK_COLOURS = PAGE_COLOURS | {"cbp": "#56b4e9", "fused": "#2fc79a", "p0": "#3d9be0", "p2": "#2fc79a", "p7": "#d0d0cc"}


def colour_of(name: str, place: int) -> str:
    """Colour of a source by its name, of anything else by its position in the legend."""
    return SOURCE_COLOURS.get(name.lower(), PALETTE[place % len(PALETTE)])


def save_figure(figure: "Figure", path: Path) -> None:
    """Write a figure as ``.pdf``, ``.png`` or ``.svg``, completely or not at all.

    Raises:
        ConfigError: If the path has another ending.
    """
    if path.suffix.lower() not in {".pdf", ".png", ".svg"}:
        raise ConfigError(f"{path} must end in .pdf, .png or .svg: figures are written in these formats.")
    with drafted(path) as draft:
        figure.savefig(draft, format=path.suffix[1:].lower(), dpi=200, bbox_inches="tight")
