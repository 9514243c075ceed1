"""What a notebook needs: ``load`` a checkpoint, ``predict`` scores, ``localize`` actions, ``evaluate``, ``plot``.

All five, and the types ``Run`` and ``VideoScores``, can also be imported from the package itself, whose help shows a
training:

>>> import wtal
>>> run = wtal.load("runs/demo/seed_0/alternation")  # doctest: +SKIP
>>> scores = wtal.predict(run)  # doctest: +SKIP
>>> detections = wtal.localize(scores)  # doctest: +SKIP
>>> wtal.evaluate(detections, run.data)  # doctest: +SKIP
>>> wtal.plot(scores["video_0088"], detections, run.data)  # doctest: +SKIP

``experiments/notebooks`` shows them at work.
"""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from wtal.branches.localization import LocalizationModule
from wtal.branches.scoring import score_videos
from wtal.data.datamodule import SnippetDataModule, Split
from wtal.errors import AnnotationError, CheckpointError, ConfigError, brief
from wtal.io.given import numbers, one_or_more
from wtal.localization.localizer import Localizer
from wtal.localization.scored import VideoScores
from wtal.metrics.rule_names import RuleSetName
from wtal.metrics.rule_sets import RULE_SETS
from wtal.metrics.rule_sets import evaluate as score_of
from wtal.results.evaluation import Evaluation
from wtal.results.ground_truth import GroundTruth, detection_rows, load_truth, unlikely_times
from wtal.results.predictions import as_table, read_predictions
from wtal.training.checkpoint import Run, load
from wtal.types import PseudoLabels

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Run", "VideoScores", "evaluate", "load", "localize", "plot", "predict", "truth_of"]

_SEGMENT = ["video_id", "label", "start_s", "end_s"]


def predict(
    run: Run | LocalizationModule | Path | str,
    data: SnippetDataModule | None = None,
    split: Split = "test",
    videos: Sequence[str] | str | None = None,
) -> dict[str, VideoScores]:
    """Score the snippets of whole videos.

    Args:
        run: A run from :func:`load` or its path, or a module that was trained here; ``run.model.cuda()`` moves the
            computation to a GPU.
        data: The data to score; by default those of the training, ``run.data``. A module needs them.
        split: ``test``, ``train`` or, if videos are held out, ``val``.
        videos: Names of videos of the split, or of one; None for all.

    Returns:
        Scores by name of the video, in the order of the split. A warning says so where the weights are random.

    Raises:
        CheckpointError: If the data have other classes than the checkpoint.
        ConfigError: If a video is not in the split, or a module is given without data.
        WTALError: If features or annotations do not exist.
    """
    run = load(run) if isinstance(run, str | Path) else run
    model, origin = (run.model, run.path) if isinstance(run, Run) else (run, "The module")
    if data is None and not isinstance(run, Run):
        raise ConfigError("A module does not know its data: give them as `data`.")
    data = run.data if data is None and isinstance(run, Run) else data
    if not isinstance(data, SnippetDataModule):
        raise ConfigError(f"`data` is {brief(data)}: give a data module, such as `CustomDataModule`.")
    if list(data.class_names) != list(model.class_names):
        raise CheckpointError(
            f"{origin} knows the classes {', '.join(model.class_names[:3])} ..., {data.annotations.path} has "
            f"{', '.join(data.class_names[:3])} ...: give data with the classes of the training, in its order."
        )
    if model.untrained:
        warnings.warn(
            f"The weights of {', '.join(model.untrained)} were neither trained nor loaded, so their scores mean "
            "nothing: train the module first, or give the run of a training.",
            stacklevel=2,
        )
    return score_videos(model, data, split, None if videos is None else one_or_more("videos", videos))


def localize(scores: Mapping[str, VideoScores], localizer: Localizer | None = None) -> pd.DataFrame:
    """Localize actions in scored videos.

    Args:
        scores: Scores from :func:`predict`.
        localizer: The localizer; by default the model's own, of which
            ``dataclasses.replace(run.model.localizer, sigma=0.5)`` changes one setting.

    Returns:
        One row per detection: ``source``, ``video_id``, ``label``, ``start_s``, ``end_s``, ``score``; best first within
        each source and video.

    >>> import torch
    >>> from wtal.types import SnippetScores, TimeGrid, Video
    >>> seen = SnippetScores(torch.tensor([[0.1], [0.9], [0.9], [0.1]]), torch.ones(4), torch.tensor([1.0]))
    >>> video = Video("a", 4, TimeGrid(fps=1, stride=1, window=1), 4.0)
    >>> scores = {"a": VideoScores(video, {"cbp": seen}, ["dive"], Localizer(upsampling=1, thresholds=(0.5,)))}
    >>> localize(scores).round(2).iloc[0].to_dict()
    {'source': 'cbp', 'video_id': 'a', 'label': 'dive', 'start_s': 1.0, 'end_s': 3.0, 'score': 0.69}
    """
    _check_scores("scores", scores)
    if localizer is not None and not isinstance(localizer, Localizer):
        raise ConfigError(f"`localizer` is {brief(localizer)}: give a `Localizer`, such as `run.model.localizer`.")
    tables = []
    for source in next(iter(scores.values())).sources if scores else ():
        found = {name: one.detections(source, localizer) for name, one in scores.items()}
        table = as_table(found, next(iter(scores.values())).class_names)
        tables.append(table.assign(source=source)[["source", *table.columns]])
    if not tables:
        return pd.DataFrame(columns=["source", *_SEGMENT, "score"])
    return pd.concat(tables, ignore_index=True)


def _check_scores(name: str, scores: object) -> None:
    """Refuse what is not scores by name of the video, such as those of one video."""
    if not isinstance(scores, Mapping) or not all(isinstance(one, VideoScores) for one in scores.values()):
        raise ConfigError(
            f"`{name}` is {_kind(scores)}: give what `wtal.predict` returned, scores by name of the video."
        )


def _kind(value: object) -> str:
    """What a value is, in one word or two; its content may be long."""
    return f"of the type {type(value).__name__}"


def evaluate(
    detections: pd.DataFrame | Path | str,
    truth: SnippetDataModule | pd.DataFrame | Path | str,
    protocol: RuleSetName = "activitynet-official",
    tious: Sequence[float] | float = (),
    split: Split = "test",
    videos: Sequence[str] | str | None = None,
) -> pd.DataFrame:
    """Measure detections; the same numbers as ``wtal test`` and ``wtal evaluate``.

    Args:
        detections: Detections from :func:`localize`, or a prediction file.
        truth: Data whose segments are known, an annotation file, or a table ``video_id, label, start_s, end_s``.
        protocol: The evaluator's rules, see ``wtal evaluate --help``; labels without instances are never refused here.
        tious: Thresholds of temporal IoU; by default those of the data's benchmark.
        split: Split of the data.
        videos: Names of the only videos to measure on; by default all.

    Returns:
        Fractions: one row per source, one column per threshold (``0.5``) and usual range of thresholds (``0.1:0.7``).

    Raises:
        AnnotationError: If there are no segments.
        ConfigError: If there are no rules of this name.
        PredictionError: If the detections do not fit.

    >>> truth = pd.DataFrame([("a", "dive", 0.0, 8.0)], columns=["video_id", "label", "start_s", "end_s"])
    >>> found = truth.assign(end_s=10.0, score=0.9)
    >>> evaluate(found, truth, tious=(0.5, 0.9)).round(3).loc["all"].to_dict()
    {'0.5': 1.0, '0.9': 0.0, '0.5:0.9': 0.5}
    """
    if isinstance(detections, str | Path):
        detections = read_predictions(Path(detections))
    if not isinstance(detections, pd.DataFrame):
        raise ConfigError(f"`detections` is {_kind(detections)}: give the table of `wtal.localize`, or a file.")
    if protocol not in RULE_SETS:
        raise ConfigError(f"There is no protocol {protocol!r}: give one of {', '.join(RULE_SETS)}.")
    known, tious = truth_of(truth, split), numbers("tious", tious)
    if videos is not None:
        known = _only(known, set(one_or_more("videos", videos)))
    if not tious:
        tious = truth.benchmark.tious if isinstance(truth, SnippetDataModule) else known.tious
    rules = replace(RULE_SETS[protocol], unknown_labels="ignore")
    groups = [*detections.groupby("source", sort=False)] if "source" in detections else []
    rows = {}
    for source, found in groups or [("all", detections)]:
        rows_found, notes = detection_rows(found, known)
        for note in unlikely_times(found, known):
            warnings.warn(f"{source}: {note}", stacklevel=2)
        score = score_of(rows_found, known.segments, tious, rules, known.ambiguous)
        rows[source] = Evaluation(str(source), known.path, known, rules, tuple(tious), score, tuple(notes)).table
    return pd.DataFrame({source: table.loc["mean"] for source, table in rows.items()}).T.rename_axis("source")


def _only(truth: GroundTruth, videos: set[str]) -> GroundTruth:
    """Ground truth with the instances of these videos alone; detections in the others are not counted."""
    measured = [row for row, name in enumerate(truth.video_ids) if name in videos]
    segments = truth.segments[np.isin(truth.segments[:, 0], measured)]
    return replace(truth, segments=segments, left_out=truth.left_out | set(truth.video_ids) - videos)


def truth_of(truth: SnippetDataModule | pd.DataFrame | Path | str, split: Split = "test") -> GroundTruth:
    """The ground truth that :func:`evaluate` measures against.

    Args:
        truth: As for :func:`evaluate`.
        split: Split of the data.

    Raises:
        AnnotationError: If there are no segments.
    """
    if isinstance(truth, Path | str):
        return load_truth(Path(truth))
    if isinstance(truth, pd.DataFrame):
        table, path, class_names = truth, Path("the table"), sorted(set(truth["label"]))
        videos = {str(name): np.nan for name in table["video_id"]}
    else:
        table, path, class_names = truth.named_segments(split), truth.annotations.path, truth.class_names
        videos = {video.video_id: video.duration_s for video in truth.videos(split)}
    if table.empty:
        raise AnnotationError(f"No segments of the {split} videos of {path} may be seen: nothing can be measured.")
    video_place, class_place = ({name: row for row, name in enumerate(names)} for names in (videos, class_names))
    columns = table["video_id"].map(video_place), table["label"].map(class_place), table["start_s"], table["end_s"]
    return GroundTruth(
        path=path,
        name=split,
        video_ids=tuple(videos),
        class_names=tuple(class_names),
        duration_s=np.array(list(videos.values())),
        segments=np.column_stack([column.to_numpy(float) for column in columns]),
        ambiguous=np.empty((0, 3)),
        left_out=frozenset(),
        aliases={},
    )


def plot(
    scores: VideoScores,
    detections: pd.DataFrame | None = None,
    truth: SnippetDataModule | pd.DataFrame | None = None,
    label: str | None = None,
    taught: Mapping[str, PseudoLabels] | None = None,
) -> "Figure":
    """Draw one video: ground truth, then for each source its score curve and, below it, its best detections.

    Args:
        scores: Scores of the video, from :func:`predict`.
        detections: Detections from :func:`localize`; by default those of the model's own localizer.
        truth: The data, or a table as for :func:`evaluate`; None draws no ground truth.
        label: The class; by default the most frequent in the ground truth or, without one, the most probable.
        taught: Pseudo-labels by student, such as ``{"cbp": run.pseudo_labels["cbp"][name]}``, drawn below its curve.

    Returns:
        A figure: a notebook shows it as the last value of a cell (after ``%matplotlib inline``), ``savefig`` writes it.
    """
    if not isinstance(scores, VideoScores):
        raise ConfigError(f"`scores` is {_kind(scores)}: give the scores of one video, such as `scores['video_0088']`.")
    from wtal.report.figures import panel_of, qualitative_figure

    if isinstance(truth, SnippetDataModule):
        truth = _shown_segments(truth, scores.video.video_id)
    strips = {student: np.asarray(pseudo.label) for student, pseudo in (taught or {}).items()}
    return qualitative_figure([panel_of(scores, detections, truth, label, strips)])


def _shown_segments(data: SnippetDataModule, video_id: str) -> pd.DataFrame | None:
    """Segments of a test video, or of a held-out one whose segments may be seen; else None."""
    splits: tuple[Split, ...] = ("test", "val") if data.held_out else ("test",)
    for split in splits:
        if video_id in data.split_table(split).index:
            return data.named_segments(split)
    return None
