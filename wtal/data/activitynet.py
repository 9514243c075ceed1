"""ActivityNet 1.2 (4819 training and 2383 validation videos, 100 classes) and 1.3 (10,024, 4926 and 200)."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from wtal.data.annotations import read_annotations, with_subsets
from wtal.data.datamodule import SnippetDataModule
from wtal.errors import AnnotationError
from wtal.types import Benchmark

__all__ = ["ActivityNet12DataModule", "ActivityNet13DataModule"]


class ActivityNet12DataModule(SnippetDataModule):
    """ActivityNet 1.2 in any form of annotation, tested on its validation subset.

    Detections are measured at tIoU 0.5 to 0.95. Features are found with and without the prefix ``v_`` of their names.

    Args:
        annotations: A file or folder, see :func:`~wtal.data.annotations.read_annotations`.
        train_subset: See :class:`~wtal.data.datamodule.SnippetDataModule`.
        test_subset: See :class:`~wtal.data.datamodule.SnippetDataModule`.
        class_names: Names of the classes in their order; None takes those of the file, which must have all of them.
        subsets: A table ``video,subset`` for annotations that name no subsets (BSN's file of 1.3).
        **options: See :class:`~wtal.data.datamodule.SnippetDataModule`.

    Raises:
        AnnotationError: If the file lacks classes and ``class_names`` is not given.
    """

    _version, _num_classes = "1.2", 100

    def __init__(
        self,
        annotations: Path,
        train_subset: Sequence[str] = ("training", "train"),
        test_subset: Sequence[str] = ("validation", "val"),
        class_names: Sequence[str] | None = None,
        subsets: Path | None = None,
        **options: Any,  # noqa: ANN401  the base class types them
    ) -> None:
        content = read_annotations(annotations, class_names)
        if class_names is None and len(content.class_names) != self._num_classes:
            raise AnnotationError(
                f"{annotations} has {len(content.class_names)} classes, but ActivityNet {self._version} has "
                f"{self._num_classes}: give its own annotations, name the classes in `data.class_names`, or use "
                "CustomDataModule."
            )
        if subsets is not None:
            content = with_subsets(content, subsets)
        tious = tuple(percent / 100 for percent in range(50, 100, 5))
        benchmark = Benchmark(f"activitynet{self._version}", tious, ((0.5, 0.95),))
        super().__init__(content, benchmark, train_subset=train_subset, test_subset=test_subset, **options)


class ActivityNet13DataModule(ActivityNet12DataModule):
    """ActivityNet 1.3; otherwise like :class:`ActivityNet12DataModule`."""

    _version, _num_classes = "1.3", 200
