"""The student of a comparison's own method, and the same student on true segments."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wtal.errors import CheckpointError
from wtal.results.pseudo_instances import write_pseudo_instances
from wtal.results.record import Record, read_record
from wtal.results.run_folder import RunFolder, records_below
from wtal.student.distill import distill, student_settings, write_configs
from wtal.training.checkpoint import load

__all__ = ["run_of_record", "student_configs"]


def run_of_record(folder: Path, record: Record) -> RunFolder:
    """The run below a folder that has left a record.

    Raises:
        CheckpointError: If its checkpoint is gone.
    """
    for path in reversed(records_below(folder)):
        found, run = read_record(path), RunFolder(path.parent)
        if found is not None and found.identity == record.identity and run.last.is_file():
            return run
    raise CheckpointError(
        f"{folder} has no checkpoint any more of the run that its record describes, so no student can learn from it: "
        "delete the folder, and compare again."
    )


def student_configs(teacher: RunFolder, settings: Mapping[str, Any], folder: Path) -> dict[str, Path]:
    """The configurations of the student and of the supervised reference, written with the labels of a teacher.

    Args:
        teacher: The teacher's finished run.
        settings: Its configuration.
        folder: Folder for the files; labels that are already there are kept.

    Returns:
        Paths of ``student.yaml`` and ``supervised.yaml``, by what the student learns from: ``run`` and ``segments``.
    """
    labels = folder / "pseudo_instances.json"
    paths = {"run": folder / "student.yaml", "segments": folder / "supervised.yaml"}
    if labels.is_file() and all(path.is_file() for path in paths.values()):
        return paths
    trained = load(teacher.last)
    data = trained.data
    write_pseudo_instances(labels, distill(trained.model, data, about={"teacher": str(teacher)}))
    return write_configs(student_settings(trained.model, data, settings, labels), folder)
