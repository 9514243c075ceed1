"""What benchmarks that are made up share: a folder that is written once, whole, and the data module that reads it."""

import json
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wtal.data.annotations import read_annotations
from wtal.data.datamodule import SnippetDataModule
from wtal.data.features import FeatureSource
from wtal.errors import ConfigError
from wtal.io.locks import alone
from wtal.types import Benchmark

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

__all__ = ["MadeUpDataModule", "write_once"]

_PARAMS = "params.json"


def write_once(root: Path, params: "DataclassInstance", parts: Sequence[str], write: Callable[[Path], None]) -> None:
    """Write a benchmark to a folder, which appears only when it is complete, unless it has that of equal parameters.

    Args:
        root: The folder.
        params: Parameters that the benchmark is made from, which identify it; written to ``params.json``.
        parts: Names of files and folders by which an older benchmark is known, which may be replaced.
        write: Writes the benchmark to an empty folder.

    Raises:
        ConfigError: If the folder holds other files.
    """
    if _is_made_from(params, root):
        return
    root.parent.mkdir(parents=True, exist_ok=True)
    with alone(root):
        if _is_made_from(params, root):  # another process was faster
            return
        ours = all((root / name).exists() for name in (_PARAMS, *parts))
        if root.is_dir() and any(root.iterdir()) and not ours:
            raise ConfigError(
                f"{root} holds other files, which the embedded benchmark would replace: give another `root`."
            )
        with tempfile.TemporaryDirectory(dir=root.parent, prefix=f".{root.name}.new-") as scratch:
            fresh = Path(scratch) / "fresh"
            fresh.mkdir()
            write(fresh)
            (fresh / _PARAMS).write_text(json.dumps(asdict(params)))
            if root.exists():
                shutil.rmtree(root)
            fresh.rename(root)


def _is_made_from(params: "DataclassInstance", root: Path) -> bool:
    saved = root / _PARAMS
    return saved.is_file() and json.loads(saved.read_text()) == asdict(params)


class MadeUpDataModule(SnippetDataModule):
    """Annotations and features of a benchmark that :func:`write_once` has written.

    Args:
        root: Folder of the benchmark.
        benchmark: How it is measured.
        note: Origin of the features, unless the options state it.
        videos: Folder of the videos; None if there are only features.
        **options: See :class:`~wtal.data.datamodule.SnippetDataModule`.
    """

    def __init__(
        self,
        root: Path,
        benchmark: Benchmark,
        note: str,
        videos: Path | None,
        **options: Any,  # noqa: ANN401  the base class types them
    ) -> None:
        self.root = root
        super().__init__(
            read_annotations(root / "annotations.json"),
            benchmark,
            FeatureSource(root / "i3d", videos=videos),
            FeatureSource(root / "clip", videos=videos),
            **options,
        )
        if self.features_note == "not stated":
            self.features_note = note
