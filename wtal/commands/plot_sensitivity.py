"""Draw how much the results depend on the thresholds of localizer and teachers."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from wtal.errors import ConfigError

if TYPE_CHECKING:
    from wtal.training.checkpoint import Run

__all__ = ["run"]


def run(runs: Sequence[Path], /, output: Path, split: Literal["test", "val"] = "test") -> None:
    """Draw how much the results depend on thresholds: where the localizer cuts, and how sure a teacher must be.

    Nothing is trained: the scores of the checkpoints stay as they are. For the localizer's thresholds this is the whole
    effect; for the teachers' it shows which labels they would give, not what a student would learn from them.

    Args:
        runs: Checkpoints, or folders whose newest `last.ckpt` is used. Several, such as seeds, become a mean and a
            band from the smallest to the largest value.
        output: A .pdf, .png or .svg file.
        split: Split of the videos: `test`, or `val` for the held-out ones, on which thresholds may be chosen.

    Raises:
        ConfigError: If a run is a student, of which nothing is cut, or the runs differ in their branches.
        WTALError: If a file does not exist, or the videos' segments may not be seen.
    """
    from wtal.api import load, predict, truth_of
    from wtal.collaboration import CollaborationModule
    from wtal.collaboration.sensitivity import teacher_curves
    from wtal.report.sensitivity import sensitivity_figure
    from wtal.report.style import check_figure_path, save_figure
    from wtal.results.sensitivity import cut_curves

    check_figure_path(output)
    loaded = [load(path) for path in runs]
    _refuse_students_and_mixtures(loaded)
    data = loaded[0].data
    segments = data.named_segments(split)
    if segments.empty:
        raise ConfigError(
            f"No segments of the {split} videos may be seen: thresholds are judged by them"
            + (", so set `data.validate_on: segments`." if split == "val" else ".")
        )
    scores = [predict(one, data, split) for one in loaded]
    pairs = [one.model for one in loaded if isinstance(one.model, CollaborationModule)]
    labels = dict(data.split(split).table["labels"])
    cuts = cut_curves(scores, truth_of(data, split), data.benchmark.tious)
    teachers = list(teacher_curves(pairs, scores, segments, labels)) if pairs else []
    caption = (
        f"{data.benchmark.name}, {split} videos{_averaged(len(loaded))}; features: {data.features_note}\n"
        "scores of the last epoch, cut and labelled again; nothing is trained again"
    )
    save_figure(sensitivity_figure(cuts, teachers, caption, loaded[0].model.views), output)


def _refuse_students_and_mixtures(loaded: Sequence["Run"]) -> None:
    from wtal.student import StudentModule

    students = [one.path for one in loaded if isinstance(one.model, StudentModule)]
    if students:
        raise ConfigError(f"{students[0]} is a student, which predicts whole instances: no threshold cuts them.")
    kinds = {one.model.sources: one.path for one in loaded}
    if len(kinds) > 1:
        one, other, *_ = kinds.values()
        raise ConfigError(f"{one} and {other} hold models with different branches: give runs of one kind.")


def _averaged(count: int) -> str:
    return f"; mean and range of {count} runs" if count > 1 else ""
