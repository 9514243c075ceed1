"""Weakly-supervised temporal action localization.

For notebooks the functions of :mod:`wtal.api` are names of the package, imported when first used: ``wtal.load``,
``wtal.predict``, ``wtal.localize``, ``wtal.evaluate`` and ``wtal.plot``.
"""

from typing import TYPE_CHECKING, Any

from wtal import _torchvision_compat

if TYPE_CHECKING:
    from wtal.api import evaluate, load, localize, plot, predict

__all__ = ["evaluate", "load", "localize", "plot", "predict"]
__version__ = "0.1.0"

_torchvision_compat.install()


def __getattr__(name: str) -> Any:  # noqa: ANN401  what `wtal.api` has of that name
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from wtal import api

    return getattr(api, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
