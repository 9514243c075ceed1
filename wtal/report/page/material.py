"""What a page is made of, found in run folders, comparisons and prediction files."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd

from wtal.data.annotations import Annotations, read_annotations
from wtal.errors import ConfigError, PredictionError
from wtal.io.bounds import read_yaml
from wtal.report.style import DEFAULT_VIEWS, PALETTE, shown
from wtal.results.about import About, read_about
from wtal.results.comparison import read_comparison, read_csv
from wtal.results.ground_truth import other_names
from wtal.results.predictions import read_predictions
from wtal.results.scores import StudentLabels, TestScores, read_pseudo_labels, read_scores
from wtal.views import CBP, FUSED, VLP, View

__all__ = ["Material", "Method", "Training", "Truth", "gather", "label"]

_TITLES = {view.name: view.title for view in DEFAULT_VIEWS} | {FUSED.name: "collaboration"}
# What a page of a comparison shows: run, source, name, and whether it is shown at first.
_COMPARED = (
    ("apart", CBP.name, f"{CBP.title} alone", True),
    ("apart", VLP.name, f"{VLP.title} alone", True),
    ("apart", FUSED.name, "late fusion", False),
    ("alternation", CBP.name, f"{CBP.title}, taught", False),
    ("alternation", VLP.name, f"{VLP.title}, taught", False),
    ("alternation", FUSED.name, "collaboration", True),
)

_TRAINED = ("warm_up", "apart", "alternation")  # the first of them that was trained has the shared warm-up


@dataclass(frozen=True)
class Method:
    """One row of the page's tables and one lane of its timelines.

    Args:
        source: As its file is called.
        name: As shown, unlike any other.
        colour: Name of a colour of the page.
        detections: Rows of :data:`~wtal.results.predictions.COLUMNS`.
        scores: Its curves, where there are any.
        leading: Whether it is shown at first; the others on demand.
    """

    source: str
    name: str
    colour: str
    detections: pd.DataFrame
    scores: TestScores | None = None
    leading: bool = True


@dataclass(frozen=True)
class Truth:
    """Ground truth of the videos that are measured.

    Args:
        segments: One row an instance: ``video_id``, ``label``, ``start_s``, ``end_s``.
        durations_s: Of every video, NaN where unknown.
    """

    segments: pd.DataFrame
    durations_s: dict[str, float]


@dataclass(frozen=True)
class Training:
    """How a run went.

    Args:
        name: Of the run.
        epochs: One row an epoch, indexed by its number: the columns of Lightning's ``metrics.csv``, NaN where nothing
            was logged.
        exchange: Whether the branches' roles were exchanged.
        pair: The two branches.
    """

    name: str
    epochs: pd.DataFrame
    exchange: bool = False
    pair: tuple[View, View] = (CBP, VLP)


@dataclass(frozen=True)
class Material:
    """All that a page shows.

    Args:
        methods: In the order of the tables.
        truth: None where it is not known; there are no numbers then.
        about: What the numbers were made on.
        training: One a run that was trained.
        comparison: One row a method and seed, as ``comparison.csv`` has them.
        pseudo: Last pseudo-labels of the training videos.
        train_segments: Ground truth of these, for the eye alone, where annotations are given.
        notes: What a reader must know besides.
    """

    methods: list[Method]
    truth: Truth | None
    about: About
    training: list[Training] = field(default_factory=list)
    comparison: pd.DataFrame | None = None
    pseudo: StudentLabels | None = None
    train_segments: pd.DataFrame | None = None
    notes: list[str] = field(default_factory=list)


def gather(sources: Sequence[Path], annotations: Path | None = None, subset: str | None = None) -> Material:
    """Read what the page shows.

    Args:
        sources: Run folders, folders of a comparison, or prediction files.
        annotations: Ground truth of prediction files, and of training videos.
        subset: Which of its videos prediction files are held against.

    Raises:
        WTALError: If a source is none of these, files are damaged, or runs were tested on different videos.
    """
    known = None if annotations is None else read_annotations(annotations)
    parts = [_part(Path(source)) for source in sources]
    if not parts:
        raise ConfigError("There is nothing to report: give run folders or prediction files.")
    truths = [part.truth for part in parts if part.truth is not None]
    for other in truths[1:]:
        if other.durations_s.keys() != truths[0].durations_s.keys() or len(other.segments) != len(truths[0].segments):
            raise PredictionError(
                f"{sources[0]} and the others were measured on different videos or segments: report them apart."
            )
    truth = truths[0] if truths else None if known is None else _truth(known, subset)
    methods = _distinct([part.methods for part in parts], sources)
    methods, notes = _measurable(methods, truth)
    pseudo = next((part.pseudo for part in parts if part.pseudo), None)
    return Material(
        methods=methods,
        truth=truth,
        about=next((part.about for part in parts if part.about.benchmark), parts[0].about),
        training=[training for part in parts for training in part.training],
        comparison=next((part.comparison for part in parts if part.comparison is not None), None),
        pseudo=pseudo,
        train_segments=None if known is None or pseudo is None else known.segments,
        notes=list(dict.fromkeys([note for part in parts for note in part.notes] + notes)),
    )


def _measurable(methods: list[Method], truth: Truth | None) -> tuple[list[Method], list[str]]:
    """Methods with the names of videos that the ground truth has, and what is to be said of the others.

    As in `wtal evaluate`, a video is also found with or without ``v_``, and detections in unknown ones are false.
    """
    if truth is None:
        return methods, ["No ground truth is known, so nothing is measured."] if methods else []
    named, notes = [], []
    for method in methods:
        other = other_names(method.detections["video_id"], truth.durations_s, {})
        names = method.detections["video_id"].map(lambda name, other=other: other.get(name, name))
        strangers = set(names) - truth.durations_s.keys()
        if strangers:
            notes.append(
                f"{method.name}: detections in {len(strangers)} videos that the ground truth does not have, such as "
                f"{min(strangers)}, count as false."
            )
        named.append(replace(method, detections=method.detections.assign(video_id=names)))
    return named, notes


def _distinct(groups: list[list[Method]], sources: Sequence[Path]) -> list[Method]:
    """The methods of all sources, with different names and, where they would repeat, other colours."""
    methods = [method for group in groups for method in group]
    if len({method.name for method in methods}) < len(methods):
        labels = [label(Path(source)) for source in sources]
        if len(set(labels)) < len(labels):
            labels = [f"{place} {name}" for place, name in enumerate(labels, 1)]
        methods = [
            replace(method, name=f"{method.name} ({name})")
            for group, name in zip(groups, labels, strict=True)
            for method in group
        ]
    if len(groups) > 1 or not all(method.colour for method in methods):
        methods = [replace(m, colour=f"p{i % len(PALETTE)}") for i, m in enumerate(methods)]
    return methods


def label(source: Path) -> str:
    """What tells a source from others of its kind.

    >>> label(Path("runs/CollaborationModule/version_3")), label(Path("runs/demo"))
    ('CollaborationModule version_3', 'demo')
    """
    name = source.resolve()
    return f"{name.parent.name} {name.name}" if name.name.startswith("version_") else name.name


def _part(source: Path) -> Material:
    if source.is_file():
        return Material([Method(source.stem, source.stem, "", read_predictions(source))], None, About())
    if not source.is_dir():
        raise PredictionError(f"{source} does not exist: give a run folder, a comparison or a prediction file.")
    seeds = [source] if any((source / run).is_dir() for run in ("apart", "alternation")) else _numbered(source, "seed")
    if seeds:
        return _comparison(source, seeds[0])
    folder = next((f for f in reversed(_numbered(source, "version"))), source)
    if not any((folder / name).exists() for name in ("predictions", "metrics.csv", "pseudo_labels.npz")):
        raise PredictionError(
            f"{source} is no run: it has no `predictions`, `metrics.csv` or `pseudo_labels.npz`; give the folder that "
            "`wtal fit`, `wtal test` or `wtal compare` has written."
        )
    return _run(folder)


# Kinds of sources ---------------------------------------------------------------------------------------------------


def _run(folder: Path, name_of_run: str = "") -> Material:
    """A run folder; that of a test alone is joined with the run whose checkpoint it tested."""
    files = {path.stem: path for path in sorted((folder / "predictions").glob("*.json"))}
    truth = files.pop("ground_truth", None)
    about = read_about(folder / "about.json") if (folder / "about.json").is_file() else About()
    views, methods = about.views or DEFAULT_VIEWS, []
    order = [*(view.name for view in views if view.name in files), *sorted(files.keys() - {v.name for v in views})]
    for place, source in enumerate(order):
        scores = folder / "scores" / f"{source}.npz"
        read = read_scores(scores) if scores.is_file() else None
        name, colour = _page_style(source, place, views)
        methods.append(Method(source, name, colour, read_predictions(files[source]), read))
    trained = folder
    tested = _setting(folder, "ckpt_path")
    if tested and not (folder / "pseudo_labels.npz").is_file() and _epochs(folder).empty:
        trained = next((p for p in Path(str(tested)).parents if (p / "metrics.csv").is_file()), folder)
    run = name_of_run or f"{trained.parent.name} {trained.name}"
    epochs, pseudo = _epochs(trained), trained / "pseudo_labels.npz"
    exchange = _setting(trained, "model", "init_args", "schedule", "exchange") is True
    return Material(
        methods,
        None if truth is None else _truth(read_annotations(truth)),
        about,
        [] if epochs.empty else [Training(run, epochs, exchange, _pair(views))],
        pseudo=read_pseudo_labels(pseudo) if pseudo.is_file() else None,
    )


def _page_style(source: str, place: int, views: Sequence[View]) -> tuple[str, str]:
    """Title and name of the page's colour of a source; an empty one is chosen later."""
    if source in _TITLES:
        return _TITLES[source], source
    title, colour = shown(source, place, views)
    declared = any(view.name == source for view in views)
    return title, f"p{PALETTE.index(colour)}" if declared and colour in PALETTE else ""


def _pair(views: Sequence[View]) -> tuple[View, View]:
    return (views[0], views[1]) if len(views) > 1 else (CBP, VLP)


def _comparison(source: Path, seed: Path) -> Material:
    """A comparison: the alternation of its first seed, beside the branches that were trained apart."""
    runs: dict[str, Material] = {}
    for name in dict.fromkeys(run for run, *_ in _COMPARED):
        versions = _versions(seed / name)
        if versions:
            runs[name] = _run(versions[-1], name)
    if not any(run.methods for run in runs.values()):
        raise PredictionError(
            f"{source} holds no predictions of `apart` or `alternation`: run `wtal compare` anew into an empty folder."
        )
    methods = []
    for name, of, title, leading in _COMPARED:
        for method in runs[name].methods if name in runs else ():
            if method.source == of:
                colour = "late" if title == "late fusion" else method.colour
                methods.append(replace(method, name=title, colour=colour, leading=leading))
    main = runs.get("alternation", next(iter(runs.values())))
    file = next((f / "comparison.csv" for f in (source, source.parent) if (f / "comparison.csv").is_file()), None)
    table = None if file is None else read_comparison(file)
    many = table is not None and table["seed"].nunique() > 1
    notes = [f"The table averages over seeds; errors, curves and timelines are of {seed.name.replace('_', ' ')}."]
    return replace(
        main,
        methods=methods,
        training=_with_warm_up(main.training, [_epochs(v) for run in _TRAINED for v in _versions(seed / run)]),
        comparison=table,
        notes=notes if many else [],
    )


def _versions(run: Path) -> list[Path]:
    """Folders of a comparison's run, the newest one last."""
    return [version for model in sorted(run.glob("*/")) for version in _numbered(model, "version")]


def _with_warm_up(shown: list[Training], all_of_seed: list[pd.DataFrame]) -> list[Training]:
    """The runs of a comparison share one warm-up, which is in the metrics of the first: put it before the others'."""
    whole = []
    for training in shown:
        first = int(training.epochs.index.min())
        donor = next((epochs for epochs in all_of_seed if set(range(first)) <= set(epochs.index)), None)
        if first and donor is not None:
            training = replace(training, epochs=pd.concat([donor[donor.index < first], training.epochs]))
        whole.append(training)
    return whole


# Files of a run -----------------------------------------------------------------------------------------------------


def _truth(annotations: Annotations, subset: str | None = None) -> Truth:
    videos = annotations.videos if subset is None else annotations.in_subset([subset])
    if videos["subset"].nunique() > 1:
        names = ", ".join(sorted(videos["subset"].unique()))
        raise ConfigError(f"{annotations.path} has the subsets {names}: say which one by `--subset`.")
    segments = annotations.segments[annotations.segments["video_id"].isin(videos.index)]
    return Truth(segments, {str(name): float(duration_s) for name, duration_s in videos["duration_s"].items()})


def _epochs(folder: Path) -> pd.DataFrame:
    """What was logged in each epoch of training; of no rows if nothing was."""
    path = folder / "metrics.csv"
    table = read_csv(path) if path.is_file() else pd.DataFrame()
    if "epoch" not in table:
        return pd.DataFrame()
    epoch = table["epoch"].map(_number)
    if not epoch.between(0, np.iinfo(np.int32).max).all():
        return pd.DataFrame()
    shown = [name for name in table if str(name).startswith(("train/", "pseudo_labels/", "val/"))]
    numbers = table[shown].map(_number).replace([math.inf, -math.inf], math.nan)
    epochs: pd.DataFrame = numbers.dropna(how="all").groupby(epoch.astype(int)).last()
    return epochs


def _number(value: object) -> float:
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return math.nan


def _setting(folder: Path, *keys: str) -> object:
    """A value of a run's ``config.yaml``; None where it has none."""
    try:
        value = read_yaml(folder / "config.yaml", ConfigError)
    except ConfigError:
        return None
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _numbered(folder: Path, prefix: str) -> list[Path]:
    """Subfolders ``<prefix>_<n>`` by their number."""
    found = [(re.fullmatch(rf"{prefix}_(\d+)", path.name), path) for path in folder.iterdir() if path.is_dir()]
    return [path for _, path in sorted((int(match[1]), path) for match, path in found if match)]
