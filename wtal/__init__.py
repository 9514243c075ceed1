"""Weakly-supervised temporal action localization.

For notebooks the names of :mod:`wtal.api` are names of the package, imported when first used: ``wtal.load``,
``wtal.predict``, ``wtal.localize``, ``wtal.evaluate``, ``wtal.plot``, and the types ``wtal.Run`` and
``wtal.VideoScores``.
"""

from typing import TYPE_CHECKING

from wtal import _torchvision_compat
from wtal._lazy import lazy
from wtal._version import __version__ as __version__

if TYPE_CHECKING:
    from wtal.api import Run, VideoScores, evaluate, load, localize, plot, predict
else:
    __getattr__, __dir__ = lazy(__name__)

__all__ = ["Run", "VideoScores", "evaluate", "load", "localize", "plot", "predict"]

_torchvision_compat.install()
