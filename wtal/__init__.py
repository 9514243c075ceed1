"""Weakly-supervised temporal action localization."""

from wtal import _torchvision_compat

__version__ = "0.1.0"

_torchvision_compat.install()
