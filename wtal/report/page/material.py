"""What a page is made of, gathered from run folders, comparisons and prediction files."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import TypeVar

from wtal.data.annotations import Annotations, read_annotations
from wtal.data.points import read_points
from wtal.errors import ConfigError, PredictionError
from wtal.report.page.comparisons import first_seed, read_compared
from wtal.report.page.contents import Material, Method
from wtal.report.page.runs import is_run, numbered_folders, read_run
from wtal.report.style import PALETTE
from wtal.results.cues import above_floor
from wtal.results.ground_truth import GroundTruth, other_names, unlikely_times
from wtal.results.predictions import read_predictions
from wtal.results.record import About
from wtal.results.run_folder import RunFolder

__all__ = ["Material", "gather", "label"]

T = TypeVar("T")


def gather(
    sources: Sequence[Path],
    annotations: Path | None = None,
    subset: str | None = None,
    points: Path | None = None,
) -> Material:
    """Read what a page shows.

    Args:
        sources: Run folders, folders of a comparison, or prediction files.
        annotations: Ground truth for prediction files, and for training videos.
        subset: The subset of the annotations that prediction files are measured on.
        points: Points to begin with, see :func:`~wtal.data.points.read_points`.

    Raises:
        WTALError: If a source is none of these, a file is damaged, or the runs were tested on different videos.
    """
    known = None if annotations is None else read_annotations(annotations)
    parts = [_part(Path(source)) for source in sources]
    if not parts:
        raise ConfigError("There is nothing to report: give run folders or prediction files.")
    truth = _common_truth(parts, sources)
    if truth is None and known is not None:
        truth = _ground_truth(known, subset)
    if truth is None:
        parts = [_above_floors(part) for part in parts]
    methods, notes = _measurable(_distinct([part.methods for part in parts], sources), truth)
    joined = _joined(parts)
    return replace(
        joined,
        methods=methods,
        truth=truth,
        train_segments=None if known is None or not joined.shows_training else known.segments,
        points=None if points is None else read_points(points).table,
        notes=list(dict.fromkeys([*joined.notes, *notes])),
    )


def label(source: Path) -> str:
    """What distinguishes a source from others of its kind.

    >>> label(Path("runs/CollaborationModule/version_3")), label(Path("runs/demo"))
    ('CollaborationModule version_3', 'demo')
    """
    name = source.resolve()
    return f"{name.parent.name} {name.name}" if name.name.startswith("version_") else name.name


def _part(source: Path) -> Material:
    """What one source holds."""
    if source.is_file():
        return Material([Method(source.stem, source.stem, "", read_predictions(source))], None, About())
    if not source.is_dir():
        raise PredictionError(f"{source} does not exist: give a run folder, a comparison or a prediction file.")
    seed = first_seed(source)
    if seed is not None:
        return read_compared(source, seed)
    folder = RunFolder([source, *numbered_folders(source, "version")][-1])
    if not is_run(folder):
        raise PredictionError(
            f"{source} is not a run: it has no `predictions`, `metrics.csv` or `pseudo_labels.npz`; give the folder "
            "that `wtal fit`, `wtal test` or `wtal compare` has written."
        )
    return read_run(folder)


def _above_floors(part: Material) -> Material:
    """Without the classes that stay below their floor in a video, which only mislead where nothing is measured."""
    methods, dropped = [], 0
    for method in part.methods:
        kept = method.detections[above_floor(method.detections, part.about.floors.get(method.source, {}))]
        dropped += len(method.detections) - len(kept)
        methods.append(replace(method, detections=kept))
    note = f"{dropped} detections of classes that stay below the lowest score of an action are not shown."
    return replace(part, methods=methods, notes=[*part.notes, *([note] if dropped else [])])


def _joined(parts: Sequence[Material]) -> Material:
    """The parts joined, without methods and ground truth; the first one for what a page shows only once."""
    return Material(
        methods=[],
        truth=None,
        about=next((part.about for part in parts if part.about.benchmark), parts[0].about),
        training=list(chain.from_iterable(part.training for part in parts)),
        comparison=_first(part.comparison for part in parts),
        pseudo=_first(part.pseudo for part in parts),
        instances=_first(part.instances for part in parts),
        notes=list(chain.from_iterable(part.notes for part in parts)),
        exchanged=list(chain.from_iterable(part.exchanged for part in parts)),
        walls=list(chain.from_iterable(part.walls for part in parts)),
        followed=list(chain.from_iterable(part.followed for part in parts)),
    )


def _first(values: Iterable[T | None]) -> T | None:
    return next((value for value in values if value is not None), None)


# Ground truth -------------------------------------------------------------------------------------------------------


def _ground_truth(annotations: Annotations, subset: str | None) -> GroundTruth:
    videos = annotations.videos if subset is None else annotations.in_subset([subset])
    if videos["subset"].nunique() > 1:
        names = ", ".join(sorted(videos["subset"].unique()))
        raise ConfigError(f"{annotations.path} has the subsets {names}: choose one with `--subset`.")
    return GroundTruth.of(annotations, videos, "all videos" if subset is None else f"subset {subset!r}")


def _common_truth(parts: Sequence[Material], sources: Sequence[Path]) -> GroundTruth | None:
    """The ground truth that the runs hold; None if none of them holds any.

    Raises:
        PredictionError: If they were measured on different ground truth.
    """
    truths = [part.truth for part in parts if part.truth is not None]
    for other in truths[1:]:
        if other.rows.keys() != truths[0].rows.keys() or len(other.segments) != len(truths[0].segments):
            raise PredictionError(
                f"{sources[0]} and the other sources were measured on different videos or segments: "
                "make a page for each."
            )
    return truths[0] if truths else None


# Methods ------------------------------------------------------------------------------------------------------------


def _distinct(groups: Sequence[list[Method]], sources: Sequence[Path]) -> list[Method]:
    """The methods of all sources with distinct names and, for several sources, distinct colours."""
    methods = [method for group in groups for method in group]
    if len({method.name for method in methods}) < len(methods):
        methods = [
            replace(method, name=f"{method.name} ({name})")
            for group, name in zip(groups, _labels(sources), strict=True)
            for method in group
        ]
    if len(groups) == 1 and all(method.colour for method in methods):
        return methods
    return [replace(method, colour=f"p{place % len(PALETTE)}") for place, method in enumerate(methods)]


def _labels(sources: Sequence[Path]) -> list[str]:
    """Distinct labels of the sources, numbered if necessary."""
    labels = [label(Path(source)) for source in sources]
    if len(set(labels)) < len(labels):
        return [f"{place} {name}" for place, name in enumerate(labels, 1)]
    return labels


def _measurable(methods: list[Method], truth: GroundTruth | None) -> tuple[list[Method], list[str]]:
    """Methods with the names of videos that the ground truth uses, and notes on the detections in other videos.

    As in `wtal evaluate`, a video is also found by its name with or without ``v_``, and detections in unknown videos
    are false.
    """
    if truth is None:
        return methods, ["There is no ground truth, so nothing is measured."] if methods else []
    named, notes = [], []
    for method in methods:
        other = other_names(method.detections["video_id"], truth.video_ids, truth.aliases)
        names = method.detections["video_id"].map(lambda name, other=other: other.get(name, name))
        unknown = set(names) - truth.rows.keys()
        if unknown:
            notes.append(
                f"{method.name}: detections in {len(unknown)} videos that the ground truth lacks, such as "
                f"{min(unknown)}, count as false."
            )
        named.append(replace(method, detections=method.detections.assign(video_id=names)))
        notes += [f"{method.name}: {note}" for note in unlikely_times(named[-1].detections, truth)]
    return named, notes
