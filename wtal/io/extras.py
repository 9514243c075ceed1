"""Optional packages: the error about a missing one names the extra that installs it."""

from collections.abc import Iterator
from contextlib import contextmanager

from wtal.errors import WTALError

__all__ = ["MissingPackageError", "from_extra"]


class MissingPackageError(WTALError, ImportError):
    """A package that only some commands need is not installed."""


@contextmanager
def from_extra(extra: str) -> Iterator[None]:
    """Import packages of an extra.

    Args:
        extra: Name of the extra in ``pyproject.toml``.

    Raises:
        MissingPackageError: If one of them is not installed.

    >>> with from_extra("video"):
    ...     import no_such_package
    Traceback (most recent call last):
    wtal.io.extras.MissingPackageError: no_such_package is not installed: run `pip install 'wtal[video]'`.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or extra).partition(".")[0]
        raise MissingPackageError(f"{package} is not installed: run `pip install 'wtal[{extra}]'`.") from error
