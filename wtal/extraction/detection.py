"""``wtal detect``: from videos to timelines."""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import pandas as pd
from pytorch_lightning import Trainer
from pytorch_lightning.utilities import rank_zero_warn

from wtal.branches import VLPBranch
from wtal.branches.branch import Branch
from wtal.branches.localization import LocalizationModule
from wtal.data.annotations import Annotations
from wtal.data.datamodule import SnippetDataModule
from wtal.data.features import FeatureSource, part_of
from wtal.data.store import read_manifest
from wtal.errors import ConfigError, VideoError, WTALError
from wtal.extraction.pipeline import Extraction, Running, extract_features
from wtal.nn.heads import ZeroShotHead
from wtal.nn.text.prompts import TemplateText
from wtal.report.page.build import report
from wtal.results.exports import Format, export_table
from wtal.results.predictions import as_table
from wtal.training.checkpoint import Run, load
from wtal.training.outputs import WritePredictions
from wtal.types import Benchmark, Detections
from wtal.video.decode import probe
from wtal.video.files import find_videos

__all__ = ["detect"]

_MEANINGLESS = "features of random weights, which mean nothing"
_KINDS = {"rgb": "i3d", "flow": "i3d", "clip": "clip"}


def detect(
    videos: Sequence[Path],
    output: Path,
    checkpoint: Path | None = None,
    labels: Sequence[str] = (),
    features: Path | None = None,
    formats: Sequence[Format] = ("json", "csv", "vtt", "eaf"),
    page: bool = True,
    rgb_weights: Path = Path("weights/rgb_imagenet.pt"),
    flow_weights: Path = Path("weights/flow_imagenet.pt"),
    clip_model: str | None = None,
    clip_weights: str | None = None,
    random_weights: bool = False,
    flow: Literal["tvl1", "dis"] = "tvl1",
    crops: Literal["center", "ten"] = "center",
    fps: float = 25.0,
    stride: int = 16,
    window: int = 16,
    workers: int | None = None,
    trust: Sequence[str] = (),
) -> None:
    """Find when actions happen in videos: features, scores, detections, and a page that shows them.

    In OUTPUT: ``detections.json`` (ActivityNet's form) and ``detections.csv`` of all videos, ``<video>.vtt``
    (subtitles) and ``<video>.eaf`` (ELAN) of each, ``page/index.html``, and what ``wtal report`` and ``wtal evaluate``
    read (``predictions``, ``scores``). Features that are there are taken.

    Args:
        videos: Files, and folders in which all videos are taken.
        output: Folder of the results.
        checkpoint: Of ``wtal fit``, or the folder of a run.
        labels: Instead of a checkpoint: names of any actions, which CLIP looks for without training.
        features: Where features are kept; by default ``OUTPUT/features``.
        formats: Which files to write.
        page: Whether to write the page.
        rgb_weights: See ``wtal extract``.
        flow_weights: See ``wtal extract``.
        clip_model: See ``wtal extract``; by default that of the checkpoint's texts, else ViT-B-16.
        clip_weights: See ``wtal extract``; by default those of the checkpoint's texts, else openai.
        random_weights: See ``wtal extract``.
        flow: See ``wtal extract``.
        crops: See ``wtal extract``.
        fps: See ``wtal extract``.
        stride: See ``wtal extract``.
        window: See ``wtal extract``.
        workers: See ``wtal extract``.
        trust: Packages beside this one whose classes the checkpoint may name, such as your own heads.

    Raises:
        ConfigError: If neither or both of checkpoint and labels are given.
        VideoError: At the end, if some videos could not be read.
        WTALError: As ``wtal extract`` and :func:`wtal.load` do.
    """
    if (checkpoint is None) == (not labels):
        raise ConfigError("Give either `--checkpoint` or `--labels`: a trained model, or names of actions to look for.")
    found = find_videos(videos)
    run = None if checkpoint is None else load(checkpoint, trust=trust)
    texts = _texts(run.hyperparameters) if run else {}
    making = Extraction(
        rgb_weights=rgb_weights,
        flow_weights=flow_weights,
        clip_model=clip_model or texts.get("model", "ViT-B-16"),
        clip_weights=clip_weights or texts.get("pretrained", "openai"),
        random_weights=random_weights,
        flow=flow,
        crops=crops,
        fps=fps,
        stride=stride,
        window=window,
    )
    model = run.model if run else _zero_shot(labels, making)
    streams = _streams_of(model)
    making = replace(making, streams=tuple(s for s in making.streams if _KINDS[s] in streams))
    store = features or output / "features"
    failed = extract_features(found, store, making, Running(workers=workers, devices="1")).failed
    readable = {name: path for name, path in found.items() if name not in failed}
    if readable:
        durations_s = {name: probe(path).duration_s or math.nan for name, path in readable.items()}
        data = _unlabelled(model.class_names, durations_s, store, streams, making)
        if run is not None:
            _warn_of_other_features(run, data)
        table = _predict(model, data, output)
        export_table(table, output, formats, list(readable), readable, note=_MEANINGLESS if random_weights else "")
        if page:
            folders = {path.resolve().parent for path in readable.values()}
            title = next(iter(readable)) if len(readable) == 1 else f"{len(readable)} videos"
            report([output], output / "page", videos=folders.pop() if len(folders) == 1 else None, title=title)
    if failed:
        raise VideoError(f"{len(failed)} of {len(found)} videos cannot be read: {', '.join(sorted(failed))}.")


def _texts(setting: object) -> dict[str, str]:
    """Which text tower a checkpoint's settings name; its image tower made the features."""
    if isinstance(setting, Mapping):
        if str(setting.get("class_path")).endswith(("PromptedText", "TemplateText")):
            said = setting.get("init_args", {})
            return {name: said[name] for name in ("model", "pretrained") if name in said}
        for value in setting.values():
            if found := _texts(value):
                return found
    return {}


def _streams_of(model: LocalizationModule) -> set[str]:
    """The streams that the model's branches read, all of which can be extracted from video."""
    streams = {stream for branch in model.modules() if isinstance(branch, Branch) for stream in branch.streams}
    unknown = streams - set(_KINDS.values())
    if unknown:
        raise ConfigError(
            f"The model reads the stream {min(unknown)!r}, which is not extracted from video: extract its features by "
            "other means, and run `wtal predict` on them."
        )
    return streams


def _zero_shot(labels: Sequence[str], making: Extraction) -> LocalizationModule:
    """The VLP branch for any classes, nothing learned."""
    texts = TemplateText(labels, making.clip_model, "random" if making.random_weights else making.clip_weights)
    return VLPBranch(labels, lambda names: ZeroShotHead(names, lambda _: texts), average=0).eval()


def _unlabelled(
    class_names: Sequence[str],
    durations_s: Mapping[str, float],
    store: Path,
    streams: Collection[str],
    making: Extraction,
) -> SnippetDataModule:
    """Videos of which no more is known than how long they are, as test videos."""
    table = pd.DataFrame(
        {"subset": "test", "duration_s": durations_s.values(), "labels": [()] * len(durations_s), "alias": ""},
        index=pd.Index(durations_s, name="video_id"),
    )
    segments = pd.DataFrame(columns=["video_id", "label", "start_s", "end_s"])
    annotations = Annotations(store, table, segments, tuple(class_names), segments.drop(columns="label"))
    sources = {kind: FeatureSource(store) for kind in _KINDS.values() if kind in streams}
    note = _MEANINGLESS if making.random_weights else "own videos"
    return SnippetDataModule(annotations, Benchmark("none", (0.5,), ((0.5, 0.5),)), streams=sources, features_note=note)


def _predict(model: LocalizationModule, data: SnippetDataModule, output: Path) -> pd.DataFrame:
    """Detections of the model's own answer; those of every source and all scores are written for ``wtal report``."""
    trainer = Trainer(
        devices=1,
        logger=False,
        default_root_dir=output,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[WritePredictions()],
    )
    found: dict[str, Detections] = {}
    results: Any = trainer.predict(model, datamodule=data)
    for batch in results:
        found |= {name: result.detections for name, result in batch[model.sources[-1]].items()}
    return as_table(found, model.class_names)


def _warn_of_other_features(run: Run, data: SnippetDataModule) -> None:
    """Say where features were made otherwise than those that the model has learned from."""
    for kind in data.streams:
        try:
            learned, here = (known.streams.get(kind) for known in (run.data, data))
            there, now = (source and read_manifest(part_of(source, kind).path) for source in (learned, here))
        except WTALError:  # the training's data are no longer there
            return
        for name in ("origin", "crop", "grid") if there and now else ():
            if getattr(there, name) != getattr(now, name):
                rank_zero_warn(
                    f"The {kind} features of the training have another {name}: {getattr(there, name)}, and those of "
                    f"these videos {getattr(now, name)}; detections may be poor."
                )
