"""The tables of a page about anomalies: how well the scores of frames tell them from what is normal."""

from pathlib import Path

from wtal.metrics.frame_scores import FRAME_RULE_SETS
from wtal.report.page.contents import Material
from wtal.report.page.tables import Table, table_of
from wtal.results.frame_evaluation import FrameEvaluation, evaluate_frames
from wtal.results.frame_scores import frames_of_run
from wtal.results.frame_truth import FrameTruth, in_frames

__all__ = ["areas_under_roc", "frame_tables"]


def frame_tables(material: Material) -> list[Table]:
    """The areas of all methods with scores, and those of each kind of anomaly; empty without scores or truth."""
    measured = _measured(material)
    if not measured:
        return []
    areas = {name: [one.score.auc, one.score.precision, one.score.auc_abnormal] for name, one in measured.items()}
    kinds = list(next(iter(measured.values())).per_class)
    by_kind = {name: [one.per_class[kind] for kind in kinds] for name, one in measured.items()}
    caption = (
        "Areas in % under the ROC (AUC) and under precision over recall (AP, average precision), of the frames of all "
        "test videos, normal ones included; 16 frames a snippet. Bold: best of the column."
    )
    columns = ["AUC", "AP", "AUC of abnormal videos"]
    return [
        table_of("Frames", columns, areas, [False] * 3, material, caption),
        table_of("AUC by kind", kinds, by_kind, [False] * len(kinds), material, "Of the videos of each kind alone."),
    ]


def areas_under_roc(material: Material) -> dict[str, float]:
    """The AUC of all frames by name of the method, in [0, 1]; of methods with scores, where the truth is known."""
    return {name: one.score.auc for name, one in _measured(material).items()}


def _measured(material: Material) -> dict[str, FrameEvaluation]:
    truth = material.truth
    if truth is None:
        return {}
    found = {}
    for method in material.methods:
        if (
            method.scores is None
            or len({*method.scores.grids.step_s}) != 1
            or not truth.rows.keys() <= method.scores.grids.rows.keys()
        ):
            continue
        frames = frames_of_run(method.scores, Path(method.source))
        videos = in_frames(truth.video_ids, truth.table, frames.fps)
        known = FrameTruth.of(truth.path, videos)
        found[method.name] = evaluate_frames(frames, method.name, known, FRAME_RULE_SETS["wtal"])
    return found
