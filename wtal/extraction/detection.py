"""From videos to detections: features, a model's scores, and its localizer's detections."""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd
from pytorch_lightning import Trainer
from pytorch_lightning.utilities import rank_zero_warn

from wtal.branches import VLPBranch
from wtal.branches.localization import LocalizationModule
from wtal.data.annotations import Annotations
from wtal.data.datamodule import SnippetDataModule
from wtal.data.features import FeatureSource, part_of
from wtal.data.manifest import read_manifest
from wtal.errors import ConfigError, WTALError
from wtal.extraction.adapted import extract_adapted, trained_encoders
from wtal.extraction.pipeline import Extraction, Running, extract_features
from wtal.io.text import counted
from wtal.nn.heads import ZeroShotHead
from wtal.nn.text.prompts import TemplateText
from wtal.results.predictions import as_table, read_predictions
from wtal.results.record import About, read_about
from wtal.results.run_folder import RunFolder
from wtal.results.scores import read_scores
from wtal.training.checkpoint import Run
from wtal.training.outputs import WritePredictions
from wtal.types import Benchmark
from wtal.video.decode import probe

__all__ = ["Found", "detect_actions", "needed", "note_of", "text_tower", "zero_shot_model"]

_MEANINGLESS = "features of random weights, which mean nothing"
_NO_CHECKPOINT = "none: CLIP without training"
_NAMESAKE_S = 5.0  # by which features of a damaged film may differ from its stated duration
_KINDS = {"rgb": "i3d", "flow": "i3d", "clip": "clip"}


@dataclass(frozen=True)
class Found:
    """What was found in videos.

    Args:
        table: Detections of the model's last source in these and earlier videos of the same folder, with the columns
            :data:`~wtal.results.predictions.COLUMNS`.
        videos: Files of the videos that could be read, by name.
        failed: Names of the others.
        note: A warning to readers of the detections; empty if there is none.
        names: Names of these and earlier videos.
        floors: Score that the best detection of each class must reach in a video; empty if none is known.
    """

    table: pd.DataFrame
    videos: dict[str, Path]
    failed: list[str]
    note: str
    names: list[str]
    floors: Mapping[str, float]


def detect_actions(
    model: LocalizationModule,
    videos: Mapping[str, Path],
    output: Path,
    making: Extraction,
    store: Path,
    workers: int | None = None,
    trained: Run | None = None,
    stored: Mapping[str, Any] | None = None,
) -> Found:
    """Localize actions in videos.

    Args:
        model: Any model; only the features that its branches read are made.
        videos: Video files by name.
        output: Folder for the detections of every source and for all scores, as ``wtal report`` reads them. Those of
            earlier videos are kept.
        making: Settings of the features.
        store: Folder of the features; existing ones are reused.
        workers: Processes that decode; None for a number that suits the machine.
        trained: The model's run; a warning is given if its features were made in another way.
        stored: Settings of the existing features, see :class:`~wtal.extraction.settled.Settled`. If they are those of
            ``making`` and no video lacks features, no weights of networks are needed.

    Raises:
        ConfigError: If the folder has detections of another model in other videos, or features of another film.
        WTALError: As :func:`~wtal.extraction.pipeline.extract_features` does.
    """
    streams, note = _streams_of(model), note_of(making)
    frozen = streams - trained_encoders(model).keys()
    making = needed(model, making)
    _refuse_other_model(output, model, videos, trained)
    failed = extract_adapted(model, videos, store).failed
    if frozen:
        failed = {**failed, **_make_features(videos, store, frozen, making, workers, stored or {})}
    readable = {name: path for name, path in videos.items() if name not in failed}
    floors = model.floors.get(model.sources[-1], {})
    if not readable:
        return Found(as_table({}, model.class_names), readable, sorted(failed), note, [], floors)
    data = _unlabelled(model.class_names, readable, store, streams, making)
    _refuse_other_films(data, readable, store)
    if trained is not None:
        _warn_of_other_features(trained, data, frozen)
    folder = RunFolder(output)
    _predict(model, data, output, _name_of(model, trained))
    table = read_predictions(folder.predictions_of(model.sources[-1]))
    names = list(read_scores(folder.scores_of(model.sources[-1])).grids.video_ids)
    return Found(table, readable, sorted(failed), note, names, floors)


def _make_features(
    videos: Mapping[str, Path],
    store: Path,
    kinds: Collection[str],
    making: Extraction,
    workers: int | None,
    stored: Mapping[str, Any],
) -> Mapping[str, str]:
    """Make the features that no encoder of the model makes, unless they are there, and return which videos failed."""
    if stored and not _differs(making, stored) and _have_features(videos, store, kinds):
        print(f"No features were made: those of {counted(len(videos), 'video')} are in {store}.")
        return {}
    return extract_features(videos, store, making, Running(workers=workers, devices="1")).failed


def needed(model: LocalizationModule, making: Extraction) -> Extraction:
    """The settings with those streams alone that the model reads and does not make by encoders of its own.

    Raises:
        ConfigError: If it reads a stream that cannot be extracted from video.
    """
    frozen = _streams_of(model) - trained_encoders(model).keys()
    return replace(making, streams=tuple(s for s in making.streams if _KINDS[s] in frozen)) if frozen else making


def note_of(making: Extraction) -> str:
    """A warning to readers of detections on such features; empty if there is none."""
    return _MEANINGLESS if making.random_weights else ""


def text_tower(settings: object) -> dict[str, str]:
    """``model`` and ``pretrained`` of the text tower in a checkpoint's settings; its image tower made the features.

    >>> text_tower({"text": {"class_path": "wtal.nn.text.PromptedText", "init_args": {"model": "ViT-B-32"}}})
    {'model': 'ViT-B-32'}
    """
    if isinstance(settings, Mapping):
        if str(settings.get("class_path")).endswith(("PromptedText", "TemplateText")):
            given = settings.get("init_args", {})
            return {name: given[name] for name in ("model", "pretrained") if name in given}
        for value in settings.values():
            if found := text_tower(value):
                return found
    return {}


def _streams_of(model: LocalizationModule) -> set[str]:
    """The streams that the model's branches, or a student, read, all of which can be extracted from video."""
    streams = {stream for part in model.modules() for stream in getattr(part, "streams", ())}
    unknown = streams - set(_KINDS.values()) - trained_encoders(model).keys()
    if unknown:
        raise ConfigError(
            f"The model reads the stream {min(unknown)!r}, which cannot be extracted from video: make its features by "
            "other means, and run `wtal predict` on them."
        )
    return streams


def zero_shot_model(labels: Sequence[str], making: Extraction, past: int | None = None) -> LocalizationModule:
    """The VLP branch for any classes, without training.

    Args:
        labels: Names of the classes.
        making: Settings of the features.
        past: See :class:`~wtal.nn.heads.ZeroShotHead`.
    """
    texts = TemplateText(labels, making.clip_model, "random" if making.random_weights else making.clip_weights)
    return VLPBranch(labels, lambda names: ZeroShotHead(names, lambda _: texts, past=past), average=0).eval()


def _unlabelled(
    class_names: Sequence[str],
    videos: Mapping[str, Path],
    store: Path,
    streams: Collection[str],
    making: Extraction,
) -> SnippetDataModule:
    """Test videos without annotations; only their durations are known."""
    durations_s = {name: probe(path).duration_s or math.nan for name, path in videos.items()}
    table = pd.DataFrame(
        {"subset": "test", "duration_s": durations_s.values(), "labels": [()] * len(durations_s), "alias": ""},
        index=pd.Index(durations_s, name="video_id"),
    )
    segments = pd.DataFrame(columns=["video_id", "label", "start_s", "end_s"])
    annotations = Annotations(store, table, segments, tuple(class_names), segments.drop(columns="label"))
    kinds = [*(kind for kind in dict.fromkeys(_KINDS.values()) if kind in streams), *sorted(streams)]
    sources = {kind: FeatureSource(store) for kind in dict.fromkeys(kinds)}
    note = _MEANINGLESS if making.random_weights else "own videos"
    return SnippetDataModule(annotations, Benchmark("none", (0.5,), ((0.5, 0.5),)), streams=sources, features_note=note)


def _refuse_other_model(
    output: Path, model: LocalizationModule, videos: Mapping[str, Path], trained: Run | None
) -> None:
    """Refuse to mix detections of different models in one folder.

    Raises:
        ConfigError: If it has some in other videos, of other classes or another checkpoint.
    """
    folder = RunFolder(output)
    for source in folder.sources:
        if not folder.scores_of(source).is_file():
            continue
        earlier = read_scores(folder.scores_of(source))
        others = sorted(set(earlier.grids.video_ids) - videos.keys())
        about = read_about(folder.about) if folder.about.is_file() else About()
        same = source in model.sources and list(earlier.class_names) == model.class_names
        if others and not (same and about.checkpoint == _name_of(model, trained)):
            raise ConfigError(
                f"{output} holds what another model ({about.checkpoint}) found in {len(others)} other videos, such as "
                f"{others[0]}: choose another folder as `--output`."
            )


def _differs(making: Extraction, stored: Mapping[str, Any]) -> bool:
    """Whether features would be made in another way than the stored ones; a CLIP model may be the path of a file."""
    now = {name: getattr(making, name) for name in stored if name != "streams"}
    return any(Path(str(stored[name])).stem != Path(str(value)).stem for name, value in now.items())


def _have_features(videos: Collection[str], store: Path, streams: Collection[str]) -> bool:
    manifests = [read_manifest(store / kind) for kind in streams]
    return all(manifest is not None and set(videos) <= manifest.videos.keys() for manifest in manifests)


def _refuse_other_films(data: SnippetDataModule, videos: Mapping[str, Path], store: Path) -> None:
    """Refuse features that last much longer or shorter than the film, which those of a namesake do.

    Raises:
        ConfigError: If a film is not the one that the features were made from.
    """
    for video in data.videos("test"):
        end_s = video.grid.edge_s(video.num_snippets)
        if abs(end_s - video.duration_s) > max(_NAMESAKE_S, 2 * video.grid.step_s, 0.05 * video.duration_s):
            raise ConfigError(
                f"{store} has features of {end_s:.1f} s for {video.video_id}, but {videos[video.video_id]} lasts "
                f"{video.duration_s:.1f} s: if it is another film of that name, rename it or choose another "
                "`--output`; if it has changed, delete its features."
            )


def _name_of(model: LocalizationModule, trained: Run | None) -> str:
    """Where the weights come from: a checkpoint, or the file of an exported model."""
    return str(trained.path) if trained else model.checkpoint_name or _NO_CHECKPOINT


def _predict(model: LocalizationModule, data: SnippetDataModule, output: Path, checkpoint: str) -> None:
    """Write the detections and all scores of every source, for ``wtal report`` too."""
    model.checkpoint_name = checkpoint
    trainer = Trainer(
        devices=1,
        logger=False,
        default_root_dir=output,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[WritePredictions(add=True)],
    )
    trainer.predict(model, datamodule=data, return_predictions=False)


def _warn_of_other_features(run: Run, data: SnippetDataModule, kinds: Collection[str]) -> None:
    """Warn if features were made in another way than those that the model learned from."""
    for kind in kinds:
        try:
            learned, here = (known.streams.get(kind) for known in (run.data, data))
            there, now = (source and read_manifest(part_of(source, kind).path) for source in (learned, here))
        except WTALError:  # the training's data no longer exist
            return
        for name in ("origin", "crop", "grid") if there and now else ():
            if getattr(there, name) != getattr(now, name):
                rank_zero_warn(
                    f"The {kind} features of the training have another {name}: {getattr(there, name)}, and those of "
                    f"these videos {getattr(now, name)}; detections may be poor."
                )
