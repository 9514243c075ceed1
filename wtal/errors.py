"""Errors in a user's files and settings: each is one sentence that names the file, the video and the remedy."""

import reprlib

__all__ = [
    "AnnotationError",
    "CheckpointError",
    "ConfigError",
    "FeatureError",
    "FeatureNotFoundError",
    "HubError",
    "PredictionError",
    "RemoteError",
    "VideoError",
    "WTALError",
    "brief",
    "one_line",
]

_MAX_LENGTH = 1000  # characters of a message


class WTALError(Exception):
    """Base of every error that a user can fix; the command line prints it without a traceback and exits with code 2."""

    def __str__(self) -> str:
        """One printable line, whatever names and values from files it quotes."""
        return one_line(super().__str__())


class AnnotationError(WTALError):
    """An annotation file is unreadable or incomplete, or contradicts itself or the class list."""


class FeatureError(WTALError):
    """A feature file is unreadable, has the wrong shape, holds NaN or disagrees with another stream."""


class FeatureNotFoundError(FeatureError):
    """A labelled video has no features."""


class PredictionError(WTALError):
    """A prediction file is unreadable or incomplete, or disagrees with the class list."""


class VideoError(WTALError):
    """A video file is missing, unreadable or without pictures."""


class ConfigError(WTALError):
    """Settings that cannot work together or name something that does not exist."""


class CheckpointError(WTALError):
    """A checkpoint is unreadable or belongs to another model, class list or training set."""


class HubError(WTALError):
    """A repository on the Hugging Face Hub is missing or unusable, or a transfer failed."""


class RemoteError(WTALError):
    """What lies at an address, ``s3://`` for example, is missing or unusable, or a transfer failed."""


def one_line(text: str) -> str:
    r"""Text as one printable line of bounded length, with the control characters of a terminal escaped.

    >>> one_line("video a\nis \x1b[2J gone")
    'video a is \\x1b[2J gone'
    """
    line = _shortened(" ".join(filter(None, map(str.strip, text.splitlines()))))
    return _shortened("".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in line))


def _shortened(line: str) -> str:
    return line if len(line) <= _MAX_LENGTH else f"{line[: _MAX_LENGTH * 2 // 3]} ... {line[-_MAX_LENGTH // 4 :]}"


class _Brief(reprlib.Repr):
    """Visits only a few values and levels, because content may be deep or contain itself many times over."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlevel, self.maxstring, self.maxother = 3, 80, 80

    def repr_int(self, x: int, level: int) -> str:
        """A very long integer by its size, as Python refuses to print its digits."""
        return repr(x) if x.bit_length() < 200 else f"a number of {x.bit_length()} bits"

    def repr_ndarray(self, x: object, level: int) -> str:
        """An array by its shape, as it may hold anything."""
        return f"an array of shape {getattr(x, 'shape', '?')}"

    repr_Tensor = repr_ndarray  # noqa: N815  named after the type


def brief(value: object) -> str:
    """A short representation of a value from a file, for messages.

    >>> brief({"label": "run", "segment": [[[[0]]]]}), brief(10**400)
    ("{'label': 'run', 'segment': [[[...]]]}", 'a number of 1329 bits')
    """
    return _Brief().repr(value)
