"""What can go wrong with a user's files and settings: one sentence that names the file, the video and the mend."""

import reprlib

__all__ = [
    "AnnotationError",
    "CheckpointError",
    "ConfigError",
    "FeatureError",
    "FeatureNotFoundError",
    "PredictionError",
    "VideoError",
    "WTALError",
    "brief",
    "one_line",
]

_LONGEST = 1000  # characters of a sentence


class WTALError(Exception):
    """Base of every error a user can mend; the command line prints it without traceback and exits with 2."""

    def __str__(self) -> str:
        """One printable line, whatever names and values out of files it quotes."""
        return one_line(super().__str__())


class AnnotationError(WTALError):
    """An annotation file is unreadable, incomplete or contradicts itself or the class list."""


class FeatureError(WTALError):
    """A feature file is unreadable, has a wrong shape, holds NaN or disagrees with another stream."""


class FeatureNotFoundError(FeatureError):
    """A labelled video has no features."""


class PredictionError(WTALError):
    """A prediction file is unreadable, incomplete or disagrees with the class list."""


class VideoError(WTALError):
    """A video file is missing, unreadable, or holds no picture."""


class ConfigError(WTALError):
    """Settings that cannot work together or name something that does not exist."""


class CheckpointError(WTALError):
    """A checkpoint is unreadable or belongs to another model, class list or training set."""


def one_line(text: str) -> str:
    r"""Text as one printable line of bounded length: what a terminal would obey is spelt out.

    >>> one_line("video a\nis \x1b[2J gone")
    'video a is \\x1b[2J gone'
    """
    line = _shortened(" ".join(filter(None, map(str.strip, text.splitlines()))))
    return _shortened("".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in line))


def _shortened(line: str) -> str:
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST * 2 // 3]} ... {line[-_LONGEST // 4 :]}"


class _Brief(reprlib.Repr):
    """Looks at a few values and levels only: content may be deep, or hold itself many times over."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlevel, self.maxstring, self.maxother = 3, 80, 80

    def repr_int(self, x: int, level: int) -> str:
        """Python refuses to write out very long ones."""
        return repr(x) if x.bit_length() < 200 else f"a number of {x.bit_length()} bits"

    def repr_ndarray(self, x: object, level: int) -> str:
        """An array may hold anything."""
        return f"an array of shape {getattr(x, 'shape', '?')}"

    repr_Tensor = repr_ndarray  # noqa: N815  by the name of the type


def brief(value: object) -> str:
    """A value out of a file, as messages quote it.

    >>> brief({"label": "run", "segment": [[[[0]]]]}), brief(10**400)
    ("{'label': 'run', 'segment': [[[...]]]}", 'a number of 1329 bits')
    """
    return _Brief().repr(value)
