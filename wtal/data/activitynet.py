"""ActivityNet 1.2: 4819 training and 2383 validation videos, 100 classes."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from wtal.data.annotations import read_annotations
from wtal.data.datamodule import SnippetDataModule
from wtal.errors import AnnotationError
from wtal.types import Protocol

__all__ = ["ActivityNet12DataModule"]


class ActivityNet12DataModule(SnippetDataModule):
    """ActivityNet 1.2 in any form of annotation, tested on its validation subset.

    Detections are measured at tIoU 0.5 to 0.95. Features are found with and without the prefix ``v_`` of their names.

    Args:
        annotations: A file or folder, see :func:`~wtal.data.annotations.read_annotations`.
        train_subset: See :class:`~wtal.data.datamodule.SnippetDataModule`.
        test_subset: See :class:`~wtal.data.datamodule.SnippetDataModule`.
        class_names: Order of the classes; None takes the file's, which is the usual one if it has all 100.
        **options: See :class:`~wtal.data.datamodule.SnippetDataModule`.

    Raises:
        AnnotationError: If the file has not 100 classes and ``class_names`` is not given.
    """

    def __init__(
        self,
        annotations: Path,
        train_subset: Sequence[str] = ("training", "train"),
        test_subset: Sequence[str] = ("validation", "val"),
        class_names: Sequence[str] | None = None,
        **options: Any,  # noqa: ANN401  the base class's, by name
    ) -> None:
        content = read_annotations(annotations, class_names)
        if class_names is None and len(content.class_names) != 100:
            raise AnnotationError(
                f"{annotations} has {len(content.class_names)} classes, ActivityNet 1.2 has 100: give its own "
                "annotations, name the classes in `data.class_names`, or use CustomDataModule."
            )
        protocol = Protocol("activitynet1.2", tuple(percent / 100 for percent in range(50, 100, 5)), ((0.5, 0.95),))
        super().__init__(content, protocol, train_subset=train_subset, test_subset=test_subset, **options)
