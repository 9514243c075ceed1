"""From a finished run to pseudo-instances of its training videos, and to the configuration of a student."""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from wtal.branches.labels import Clicks, LabelSource
from wtal.branches.localization import LocalizationModule
from wtal.branches.scoring import score_videos
from wtal.data.datamodule import SnippetDataModule
from wtal.errors import ConfigError
from wtal.functional.segments import temporal_iou
from wtal.io.files import write_text
from wtal.results.pseudo_instances import PseudoInstances
from wtal.student.inputs import check_inputs, write_inputs
from wtal.student.pseudo_instances import Selection, pseudo_instances

__all__ = ["distill", "label_quality", "student_settings", "write_configs"]

# Chosen on the embedded benchmark of data seed 1, see `experiments/student.md`.
_STEPS, _LEAST_EPOCHS, _MOST_EPOCHS = 320, 40, 100
_HEAD = {"input_dropout": 0.5, "uncertainty": "laplace"}
_CROP, _LEAST_CROP = 0.8, 32  # share of the median video, and snippets: every epoch sees other parts


def distill(
    model: LocalizationModule,
    data: SnippetDataModule,
    selection: Selection = Selection(),  # noqa: B008  frozen
    about: Mapping[str, Any] | None = None,
) -> PseudoInstances:
    """Find pseudo-instances in the training videos of a model, by its scores, the video labels and its points, if any.

    Args:
        model: The trained model, in evaluation mode.
        data: The data that it was trained on; neither test videos nor segments are read.
        selection: What is chosen.
        about: What the file states about the model.

    Raises:
        WTALError: If features or annotations cannot be read.
    """
    scores, videos = score_videos(model, data, "train"), data.videos("train")
    labels = data.split_table("train")["labels"]
    clicks = _clicks_of(model, data)
    points: dict[str, list[tuple[str, float]]] = {}
    for row, label, time_s in clicks.points if clicks else ():
        points.setdefault(videos[row].video_id, []).append((data.class_names[label], time_s))
    table = pseudo_instances(
        scores,
        {video.video_id: labels[video.video_id] for video in videos},
        selection,
        points,
        clicks is None or clicks.complete,
    )
    return PseudoInstances(
        table, {video.video_id: video.duration_s for video in videos}, about or {}, ", ".join(model.marks)
    )


def _clicks_of(model: LocalizationModule, data: SnippetDataModule) -> Clicks | None:
    """The points that a model, or the first of its branches that has any, learned from."""
    sources = (getattr(part, "labels", None) for part in model.modules())
    clicks = (source.clicks(data) for source in sources if isinstance(source, LabelSource))
    return next((found for found in clicks if found is not None), None)


def label_quality(found: pd.DataFrame, segments: pd.DataFrame, tiou: float = 0.5) -> tuple[float, float]:
    """Precision and recall of instances.

    Each segment is found once at most, by the first instance in the order of scores that overlaps it enough.

    Args:
        found: Instances: ``video_id``, ``label``, ``start_s``, ``end_s``, ``score``; ignored ones do not count.
        segments: True segments: ``video_id``, ``label``, ``start_s``, ``end_s``.
        tiou: Temporal IoU from which an instance is right.

    >>> true = pd.DataFrame({"video_id": ["a", "a"], "label": "run", "start_s": [0.0, 9.0], "end_s": [4.0, 12.0]})
    >>> label_quality(true.iloc[:1].assign(score=1.0, ignored=0.0), true)
    (1.0, 0.5)
    """
    found = found[found["ignored"] == 0]
    truth = {key: rows[["start_s", "end_s"]].to_numpy(float) for key, rows in segments.groupby(["video_id", "label"])}
    right = 0
    for key, rows in found.groupby(["video_id", "label"]):
        left = truth.get(key, np.empty((0, 2)))
        for span in rows.sort_values("score", ascending=False)[["start_s", "end_s"]].to_numpy(float):
            overlap = temporal_iou(span[None], left)[0]
            if overlap.max(initial=0) >= tiou:
                right, left = right + 1, np.delete(left, overlap.argmax(), axis=0)
    return right / max(len(found), 1), right / max(len(segments), 1)


def write_configs(settings: Mapping[str, Any], folder: Path) -> dict[str, Path]:
    """Write the configurations of a student and of its supervised reference, the same student on true segments.

    Args:
        settings: The student's configuration, see :func:`student_settings`.
        folder: Folder of the files.

    Returns:
        Paths of ``student.yaml`` and ``supervised.yaml``, by what the student learns from: ``run`` and ``segments``.
    """
    supervised = deepcopy(dict(settings))
    supervised["model"]["init_args"]["labels"] = {"class_path": "wtal.student.SupervisedInstances"}
    paths = {"run": folder / "student.yaml", "segments": folder / "supervised.yaml"}
    for path, content in zip(paths.values(), (dict(settings), supervised), strict=True):
        write_text(path, yaml.safe_dump(content, sort_keys=False))
    return paths


def student_settings(
    model: LocalizationModule,
    data: SnippetDataModule,
    settings: Mapping[str, Any],
    labels: Path,
    inputs: Sequence[str] = (),
) -> dict[str, Any]:
    """The configuration of a student of a run, ready for ``wtal fit``.

    Args:
        model: The run's model.
        data: Its data.
        settings: Its configuration.
        labels: The file of pseudo-instances; inputs that the run makes are written to the folder ``inputs`` beside it.
        inputs: What the student reads, see :func:`~wtal.student.inputs.check_inputs`; by default the streams that the
            run's model reads.

    Raises:
        ConfigError: If the configuration describes no data, or an input is unknown.
        WTALError: If features cannot be read.
    """
    if not isinstance(settings.get("data"), Mapping):
        raise ConfigError("The run's configuration has no `data` part: a student needs its data.")
    streams = inputs or streams_of(model, data)
    check_inputs(streams, model, data)
    made = write_inputs(model, data, streams, labels.parent / "inputs")
    steps = -(-len(data.videos("train")) // data.batch_size)
    epochs = min(max(-(-_STEPS // steps), _LEAST_EPOCHS), _MOST_EPOCHS)
    optimizer = {"class_path": "torch.optim.AdamW", "init_args": {"lr": 0.003, "weight_decay": 0.05}}
    scheduler = {"class_path": "torch.optim.lr_scheduler.CosineAnnealingLR", "init_args": {"T_max": epochs}}
    head = {
        "class_path": "wtal.nn.PyramidHead",
        "init_args": {"in_dim": sum({**data.dims, **made}[name] for name in streams), **_HEAD},
    }
    arguments: dict[str, Any] = {
        "labels": {"class_path": "wtal.student.FileInstances", "init_args": {"path": str(labels)}},
        "view": {"name": "student", "streams": list(streams)},
        "head": head,
        "optimizer": optimizer,
        "lr_scheduler": scheduler,
    }
    own_data = deepcopy(dict(settings["data"]))
    crop = max(round(_CROP * float(np.median(data.train_lengths))), _LEAST_CROP)
    own_data["init_args"] = {**(own_data.get("init_args") or {}), "num_snippets": min(crop, data.num_snippets)}
    own_data["init_args"]["sampling"] = "random"
    if made:
        stores = {name: {"path": str(labels.parent / "inputs" / name)} for name in made}
        own_data["init_args"]["streams"] = {**(own_data["init_args"].get("streams") or {}), **stores}
    return {
        "seed_everything": settings.get("seed_everything", 0),
        "trainer": {"max_epochs": epochs, "gradient_clip_val": 1.0},
        "model": {"class_path": "wtal.student.StudentModule", "init_args": arguments},
        "data": own_data,
    }


def streams_of(model: LocalizationModule, data: SnippetDataModule) -> Sequence[str]:
    """The streams that any part of a model reads, in the order of the data."""
    read = {name for part in model.modules() for name in getattr(part, "streams", ())}
    return [name for name in data.streams if name in read]
