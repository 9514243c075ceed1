"""Lets torchvision import where its compiled extension cannot load: a CUDA wheel beside CPU-only torch.

There ``import torchvision`` fails while it attaches Python code to two operators that only the extension declares
("operator torchvision::nms does not exist"), and torchmetrics, open_clip and Lightning fail with it. They need only
torchvision's Python code, so declaring the two operators is enough. A matched installation is left alone.
"""

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

__all__ = ["install"]

_SCHEMA = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
_declared: list[Any] = []  # torch.library.Library: a declaration lives as long as its library


class _Finder(MetaPathFinder):
    """Waits for the import that would fail; by then ``torchvision.extension`` knows whether it has loaded."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname == "torchvision._meta_registrations":
            sys.meta_path.remove(self)
            if not sys.modules["torchvision.extension"]._has_ops():
                _declare()
        return None  # the ordinary finders carry on


def _declare() -> None:
    import torch

    library = torch.library.Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]
    for name in ("nms", "qnms"):
        if not hasattr(torch.ops.torchvision, name):
            library.define(name + _SCHEMA)  # type: ignore[no-untyped-call]
    _declared.append(library)


def install() -> None:
    """Wait for torchvision's import; cheap, as nothing is imported here. A second call does nothing."""
    if "torchvision" not in sys.modules and not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())
