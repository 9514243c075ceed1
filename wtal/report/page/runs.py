"""Reading a run folder for a page."""

import math
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from wtal.data.annotations import read_annotations
from wtal.errors import ConfigError
from wtal.io.bounds import read_yaml
from wtal.report.page.contents import Followed, Material, Method, Training, Wall
from wtal.report.page.exchanges import read_exchanged
from wtal.report.style import DEFAULT_VIEWS, page_colour, page_name
from wtal.results.comparison import read_csv
from wtal.results.ground_truth import GroundTruth
from wtal.results.predictions import read_predictions
from wtal.results.pseudo_instances import PseudoInstances, read_pseudo_instances
from wtal.results.record import About, read_about, read_record
from wtal.results.run_folder import RunFolder
from wtal.results.scores import read_pseudo_labels, read_scores
from wtal.results.stream import StreamRecord
from wtal.views import CBP, VLP, View

__all__ = ["is_run", "numbered_folders", "read_epochs", "read_run"]


def is_run(folder: RunFolder) -> bool:
    """Whether a folder has anything of a run that a page shows."""
    return any(path.exists() for path in (folder.predictions, folder.metrics, folder.pseudo_labels))


def read_run(folder: RunFolder, name: str = "") -> Material:
    """Read a run folder; the folder of a separate test is joined with that of the run whose checkpoint it tested.

    Args:
        folder: The run folder.
        name: Title of the training; by default the names of the folder and the one above.
    """
    trained = _trained(folder)
    epochs, pseudo = read_epochs(trained), trained.pseudo_labels
    exchange = _setting(trained, "model", "init_args", "schedule", "exchange") is True
    title = name or f"{trained.path.parent.name} {trained.path.name}"
    about = read_about(folder.about) if folder.about.is_file() else About()
    views = about.views or DEFAULT_VIEWS
    sources = _in_order(folder.sources, views)
    exchanged = read_exchanged(trained, title, _pair(views), _setting(trained, "exchange", "bound"))
    return Material(
        methods=[_method(folder, source, place, views) for place, source in enumerate(sources)],
        truth=_ground_truth(folder.ground_truth) if folder.ground_truth.is_file() else None,
        about=about,
        training=[] if epochs.empty else [Training(title, epochs, exchange, _pair(views))],
        pseudo=read_pseudo_labels(pseudo) if pseudo.is_file() else None,
        instances=_instances(trained),
        exchanged=[] if exchanged is None else [exchanged],
        walls=_walls(trained, title, exchanged is not None),
        followed=_followed(trained, title, views),
    )


def _walls(folder: RunFolder, title: str, at_once: bool) -> list[Wall]:
    """The wall time of the training of a pair; none if the run has no record of it."""
    try:
        record = read_record(folder.record) if folder.record.is_file() else None
    except ConfigError:  # the page lives without it
        return []
    if record is None or not record.seconds or not _setting(folder, "model", "init_args", "schedule"):
        return []
    epochs = _setting(folder, "trainer", "max_epochs")
    return [Wall(title, record.seconds, at_once, epochs if isinstance(epochs, int) else None)]


def _followed(folder: RunFolder, title: str, views: Sequence[View]) -> list[Followed]:
    return (
        [Followed(title, StreamRecord.read(folder.stream), tuple(views))] if StreamRecord.is_in(folder.stream) else []
    )


def _instances(folder: RunFolder) -> PseudoInstances | None:
    """The pseudo-instances from which a student learned, if the file still lies where it was."""
    path = _setting(folder, "model", "init_args", "labels", "init_args", "path")
    if not isinstance(path, str) or not Path(path).is_file():
        return None
    return read_pseudo_instances(Path(path))


def _in_order(sources: Sequence[str], views: Sequence[View]) -> list[str]:
    """Declared sources first, in the order of the model."""
    declared = [view.name for view in views if view.name in sources]
    return [*declared, *(name for name in sources if name not in declared)]


def _pair(views: Sequence[View]) -> tuple[View, View]:
    return (views[0], views[1]) if len(views) > 1 else (CBP, VLP)


def _method(folder: RunFolder, source: str, place: int, views: Sequence[View]) -> Method:
    scores = folder.scores_of(source)
    return Method(
        source,
        page_name(source, views),
        page_colour(source, place, views) if any(view.name == source for view in views) else "",
        read_predictions(folder.predictions_of(source)),
        read_scores(scores) if scores.is_file() else None,
    )


def _ground_truth(path: Path) -> GroundTruth:
    content = read_annotations(path)
    return GroundTruth.of(content, content.videos, "test videos")


def _trained(folder: RunFolder) -> RunFolder:
    """The folder of the training: for a separate test, the one that its checkpoint lies in; else the folder itself."""
    tested = _setting(folder, "ckpt_path")
    if not tested or folder.pseudo_labels.is_file() or not read_epochs(folder).empty:
        return folder
    return next((run for run in map(RunFolder, Path(str(tested)).parents) if run.metrics.is_file()), folder)


def read_epochs(folder: RunFolder) -> pd.DataFrame:
    """Read what was logged in each epoch of a training; the table is empty if nothing was."""
    table = read_csv(folder.metrics) if folder.metrics.is_file() else pd.DataFrame()
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


def _setting(folder: RunFolder, *keys: str) -> object:
    """A value of a run's ``config.yaml``; None if the value or a readable file is missing."""
    try:
        value = read_yaml(folder.config, ConfigError)
    except ConfigError:
        return None
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def numbered_folders(folder: Path, prefix: str) -> list[Path]:
    """Subfolders ``<prefix>_<n>``, ordered by their number."""
    found = [(re.fullmatch(rf"{prefix}_(\d+)", path.name), path) for path in folder.iterdir() if path.is_dir()]
    return [path for _, path in sorted((int(match[1]), path) for match, path in found if match)]
