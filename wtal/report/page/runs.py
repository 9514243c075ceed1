"""Reading of a run folder for a page."""

import math
import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from wtal.data.annotations import read_annotations
from wtal.errors import ConfigError
from wtal.io.bounds import read_yaml
from wtal.report.page.contents import Material, Method, Training
from wtal.report.style import PAGE_NAMES
from wtal.results.about import About, read_about
from wtal.results.comparison import read_csv
from wtal.results.ground_truth import GroundTruth
from wtal.results.predictions import read_predictions
from wtal.results.scores import read_pseudo_labels, read_scores

__all__ = ["is_run", "numbered_folders", "read_epochs", "read_run"]


def is_run(folder: Path) -> bool:
    """Whether a folder has anything of a run that a page shows."""
    return any((folder / name).exists() for name in ("predictions", "metrics.csv", "pseudo_labels.npz"))


def read_run(folder: Path, name: str = "") -> Material:
    """Read a run folder; the folder of a separate test is joined with that of the run whose checkpoint it tested.

    Args:
        folder: The run folder.
        name: Title of the training; by default the names of the folder and the one above.
    """
    files = {path.stem: path for path in sorted((folder / "predictions").glob("*.json"))}
    truth = files.pop("ground_truth", None)
    trained = _trained(folder)
    epochs, pseudo, about = read_epochs(trained), trained / "pseudo_labels.npz", folder / "about.json"
    exchange = _setting(trained, "model", "init_args", "schedule", "exchange") is True
    title = name or f"{trained.parent.name} {trained.name}"
    return Material(
        methods=[_method(folder, source, files[source]) for source in _in_order(files)],
        truth=None if truth is None else _ground_truth(truth),
        about=read_about(about) if about.is_file() else About(),
        training=[] if epochs.empty else [Training(title, epochs, exchange)],
        pseudo=read_pseudo_labels(pseudo) if pseudo.is_file() else None,
    )


def _in_order(sources: Iterable[str]) -> list[str]:
    """Sources that pages know by name first, in their order."""
    return [*(name for name in PAGE_NAMES if name in sources), *(name for name in sources if name not in PAGE_NAMES)]


def _method(folder: Path, source: str, predictions: Path) -> Method:
    scores = folder / "scores" / f"{source}.npz"
    return Method(
        source,
        PAGE_NAMES.get(source, source),
        source if source in PAGE_NAMES else "",
        read_predictions(predictions),
        read_scores(scores) if scores.is_file() else None,
    )


def _ground_truth(path: Path) -> GroundTruth:
    content = read_annotations(path)
    return GroundTruth.of(content, content.videos, "test videos")


def _trained(folder: Path) -> Path:
    """The folder of the training: for a separate test, the one that its checkpoint lies in; else the folder itself."""
    tested = _setting(folder, "ckpt_path")
    if not tested or (folder / "pseudo_labels.npz").is_file() or not read_epochs(folder).empty:
        return folder
    return next((above for above in Path(str(tested)).parents if (above / "metrics.csv").is_file()), folder)


def read_epochs(folder: Path) -> pd.DataFrame:
    """Read what was logged in each epoch of a training; the table is empty if nothing was."""
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
    """A value of a run's ``config.yaml``; None if the value or a readable file is missing."""
    try:
        value = read_yaml(folder / "config.yaml", ConfigError)
    except ConfigError:
        return None
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def numbered_folders(folder: Path, prefix: str) -> list[Path]:
    """Subfolders ``<prefix>_<n>``, ordered by their number."""
    found = [(re.fullmatch(rf"{prefix}_(\d+)", path.name), path) for path in folder.iterdir() if path.is_dir()]
    return [path for _, path in sorted((int(match[1]), path) for match, path in found if match)]
