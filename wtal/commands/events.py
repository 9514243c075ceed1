"""Measure detected sounds by event-based F1 and PSDS."""

from collections.abc import Sequence
from pathlib import Path

from wtal.errors import ConfigError, PredictionError
from wtal.io.text import counted
from wtal.results.events import Collar, curves, event_f1, psds, staircases
from wtal.results.exports import chosen_of
from wtal.results.ground_truth import load_truth
from wtal.results.predictions import read_predictions
from wtal.results.run_folder import RunFolder
from wtal.results.scores import read_scores
from wtal.results.tables import percent, print_table

__all__ = ["run"]


def run(
    runs: Sequence[Path],
    /,
    collar: Collar = Collar(),  # noqa: B008  frozen
    minimum: float | None = None,
    per_class: bool = False,
) -> None:
    """Measure tested runs as sound events are measured: event-based F1 of the detections, and PSDS of the curves.

    F1 counts the detections that `wtal export` shows; PSDS, with DCASE's two settings, needs no threshold. Both are
    computed by the package sed_scores_eval.

    Args:
        runs: Folders of runs that were tested on recordings with known segments.
        collar: How far an event may lie from the true one, such as ``--collar.onset_s 0.05``.
        minimum: Lowest score of a detection; by default 0.3 times the best score of the recording.
        per_class: Also print the F1 of each class.

    Raises:
        PredictionError: If a run has no scores, detections or ground truth.
        MissingPackageError: If sed_scores_eval is not installed.
    """
    import pandas as pd

    rows: dict[str, dict[str, float]] = {}
    by_class: dict[str, dict[str, float]] = {}
    caption = ""
    for path in runs:
        folder = RunFolder(path)
        if not folder.ground_truth.is_file() or not folder.sources:
            raise PredictionError(f"{path} is no run that was tested on known segments: run `wtal test` first.")
        truth = load_truth(folder.ground_truth)
        durations_s = dict(zip(truth.video_ids, truth.duration_s.tolist(), strict=True))
        if any(duration_s != duration_s for duration_s in durations_s.values()):
            raise ConfigError(f"{folder.ground_truth} lacks durations of recordings, which PSDS needs.")
        classes = list(truth.class_names)
        for source in folder.sources:
            chosen = chosen_of(read_predictions(folder.predictions_of(source)), truth.video_ids, minimum)
            found = pd.concat([table.assign(video_id=name) for name, table in chosen.items()])
            f1 = event_f1(staircases(found, classes, durations_s), truth, collar)
            name = f"{path.name} {source}" if len(runs) > 1 else source
            seen = curves(read_scores(folder.scores_of(source)), classes, durations_s)
            rows[name] = {"event F1": f1.pop("mean"), **psds(seen, truth, durations_s)}
            by_class[name] = f1
        caption = (
            f"{counted(len(durations_s), 'recording')}, {counted(len(truth.segments), 'event')}; onset within "
            f"{collar.onset_s:g} s, offset within {collar.offset_s:g} s or {collar.offset_share:.0%}; in %"
        )
    print_table(percent(pd.DataFrame.from_dict(rows, orient="index"), 1).rename_axis("source"), caption)
    if per_class:
        print_table(percent(pd.DataFrame(by_class), 1).rename_axis("class"), "event-based F1 in %")
