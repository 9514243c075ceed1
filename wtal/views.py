"""The name of a branch, the streams that it reads, and how figures and tables show it. Needs no torch."""

import re
from dataclasses import dataclass

from wtal.errors import ConfigError

__all__ = ["CBP", "FUSED", "STUDENT", "VLP", "WARM_UP_ONLY", "View"]

WARM_UP_ONLY = "warm-up only: no branch taught the other"  # of a collaboration that ended before its first lesson

_RESERVED = ("ground_truth", "truth")  # the ground truth's own file and colour


@dataclass(frozen=True)
class View:
    """One way to see a video, declared once.

    Args:
        name: Prefix of what is logged and stem of the files that are written, such as ``predictions/cbp.json``.
        streams: Feature streams that are read, concatenated in this order.
        title: Name in figures, tables and messages; if empty, ``name``.
        colour: Hexadecimal colour in figures; if empty, the next one of the palette.

    Raises:
        ConfigError: If the name is not valid for a file, or is reserved.

    >>> View("hand", ("hand",)).title
    'hand'
    """

    name: str
    streams: tuple[str, ...] = ()
    title: str = ""
    colour: str = ""

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[A-Za-z0-9_-]+", self.name) or self.name in _RESERVED:
            raise ConfigError(
                f"A branch cannot be called {self.name!r}: use letters, digits, `_` and `-`, but not "
                f"{' or '.join(_RESERVED)}."
            )
        object.__setattr__(self, "title", self.title or self.name)


CBP = View("cbp", ("i3d",), "CBP", "#0072b2")
VLP = View("vlp", ("clip",), "VLP", "#e69f00")
FUSED = View("fused", (), "ours", "#009e73")
STUDENT = View("student", ("i3d", "clip"), "student", "#cc79a7")
