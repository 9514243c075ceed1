"""Find actions in videos: features, detections, timelines."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from wtal.errors import ConfigError, VideoError
from wtal.extraction.presets import Preset, chosen_flow
from wtal.io.text import counted
from wtal.results.exports import Format, chosen_of, export_table, print_found
from wtal.video.files import find_videos
from wtal.video.flow_methods import FlowMethod

if TYPE_CHECKING:
    from wtal.branches import LocalizationModule
    from wtal.extraction.detection import Found
    from wtal.extraction.pipeline import Extraction
    from wtal.training.checkpoint import Run

__all__ = ["run"]

_NORMALISED = 255  # earlier snippets among which CLIP's cosines in a stream are normalised
_OF_FLOOR = 0.5  # the floor is for the best detection of a video, and a stream has no best one yet


def run(
    videos: Sequence[Path] = (),
    /,
    *,
    output: Path,
    checkpoint: Path | None = None,
    model: Path | None = None,
    labels: Sequence[str] = (),
    features: Path | None = None,
    formats: Sequence[Format] = ("json", "csv", "vtt", "eaf"),
    page: bool = True,
    rgb_weights: Path | None = None,
    flow_weights: Path | None = None,
    clip_model: str | None = None,
    clip_weights: str | None = None,
    random_weights: bool = False,
    preset: Preset | None = None,
    flow: FlowMethod | None = None,
    crops: Literal["center", "ten"] | None = None,
    fps: float | None = None,
    stride: int | None = None,
    window: int | None = None,
    frames_per_snippet: int | None = None,
    minimum: float | None = None,
    workers: int | None = None,
    trust: Sequence[str] = (),
    live: str | None = None,
    chunk: int = 1,
    loop: int = 1,
) -> None:
    """Find when actions happen in videos: features, scores, detections, and a page that shows them.

    OUTPUT gets ``detections.json`` (ActivityNet's format) and ``detections.csv`` of all videos, ``<video>.vtt``
    (subtitles) and ``<video>.eaf`` (ELAN) of each, ``page/index.html``, and what ``wtal report`` and ``wtal evaluate``
    read (``predictions``, ``scores``). Existing features are reused, and what was found in earlier videos is kept. New
    features are made as existing ones in the same folder, or as those of the training, unless an option differs.

    With ``--live``, a camera, a network stream or a file is watched instead: each detection becomes a line of JSON, on
    standard output and in ``OUTPUT/live.jsonl``, once its end has been seen, and is never changed. ``OUTPUT/live.html``
    reloads itself. Ctrl-C ends it.

    Args:
        videos: Video files, or folders of which every video is used.
        output: Folder of the results.
        checkpoint: Checkpoint of ``wtal fit``, or the folder of a run.
        model: File of ``wtal export-model`` in place of a checkpoint: its runtime makes the scores.
        labels: Names of any actions, which CLIP finds without training, in place of a checkpoint.
        features: Folder of the features; by default ``OUTPUT/features``.
        formats: Formats of the files to write.
        page: Write the page.
        rgb_weights: I3D's weights for frames; see ``wtal extract``.
        flow_weights: I3D's weights for flow; see ``wtal extract``.
        clip_model: Any model that ``wtal vlp`` lists; by default that of the checkpoint's text tower, else ViT-B-16.
        clip_weights: Tag of its weights, or a file; by default those of the checkpoint's text tower, else openai.
        random_weights: Use random weights; see ``wtal extract``.
        preset: Exact or fast features; see ``wtal extract``.
        flow: Method of optical flow; see ``wtal extract``.
        crops: What I3D sees of a frame; see ``wtal extract``.
        fps: Frames per second; see ``wtal extract``.
        stride: Frames between neighbouring snippets; see ``wtal extract``.
        window: Frames in a snippet; see ``wtal extract``.
        frames_per_snippet: Frames that a video model reads together; see ``wtal extract``.
        minimum: Lowest score in vtt and eaf; by default 0.3 times the best score of the video, and no class whose best
            score lies below what the training has learned to be the lowest of an action. The page shows no class that
            stays below it.
        workers: Processes that decode; see ``wtal extract``.
        trust: Packages besides this one whose classes the checkpoint may name, such as your own heads.
        live: Number of a camera, ``rtsp://`` address or file to watch, in place of videos. The checkpoint must be of a
            model that looks only back: `wtal fit -c ... -c profiles/causal.yaml`. ``--minimum`` is then by default half
            of the lowest score of an action in the training.
        chunk: Snippets that are encoded together with ``--live``: more are faster, and detections come later.
        loop: How many times a file is played with ``--live``, one after the other; 0 for ever.

    Raises:
        ConfigError: If not exactly one of checkpoint, model and labels is given, not either videos or a stream, or
            preset and flow disagree.
        VideoError: At the end, if some videos could not be read.
        WTALError: As ``wtal extract`` and :func:`wtal.load` do.
    """
    _check([checkpoint is not None, model is not None, bool(labels)], [live is not None, bool(videos)])
    files = find_videos(videos)

    from wtal.extraction.detection import detect_actions, zero_shot_model
    from wtal.extraction.settled import settle

    chosen = _chosen(checkpoint, model, trust)
    given = _stated(
        rgb_weights=rgb_weights,
        flow_weights=flow_weights,
        clip_model=clip_model,
        clip_weights=clip_weights,
        random_weights=random_weights or None,
        flow=chosen_flow(preset, flow),
        crops=crops,
        fps=fps,
        stride=stride,
        window=window,
        frames_per_snippet=frames_per_snippet,
    )
    features = features or output / "features"
    settled = settle(given, chosen.texts, features, chosen.trained, chosen.learned)
    print(settled.remark, end="\n" if settled.remark else "", file=sys.stderr)
    if live is not None:
        _watch(live, chosen.model or list(labels), settled.making, output, minimum, chunk, loop)
        return
    scoring = chosen.model or zero_shot_model(labels, settled.making)
    if minimum is not None:
        scoring.floors = {source: dict.fromkeys(scoring.class_names, minimum) for source in scoring.sources}
    found = detect_actions(scoring, files, output, settled.making, features, workers, chosen.trained, settled.stored)
    if found.videos:
        _write(found, output, formats, minimum, page)
    if found.failed:
        names = ", ".join(found.failed)
        raise VideoError(f"{len(found.failed)} of {counted(len(files), 'video')} cannot be read: {names}.")


def _check(models: Sequence[bool], sources: Sequence[bool]) -> None:
    """Refuse anything but one model, and one of a stream and videos.

    Raises:
        ConfigError: If more than one of either is given, or none.
    """
    if models.count(True) != 1:
        raise ConfigError(
            "Give either `--checkpoint` or `--labels`, or `--model`: a trained model, names of actions to find, or an "
            "exported model."
        )
    if sources.count(True) != 1:
        raise ConfigError("Give either videos or, as `--live`, a camera, an rtsp:// address or a file to watch.")


def _watch(
    source: str,
    model: "LocalizationModule | list[str]",
    making: "Extraction",
    output: Path,
    minimum: float | None,
    chunk: int,
    loop: int,
) -> None:
    """Detect in a stream by a model, or by CLIP alone the actions of some names.

    Raises:
        ConfigError: If a number is out of range, or the model cannot score a stream.
        VideoError: If the stream cannot be read.
    """
    if chunk < 1 or loop < 0:
        raise ConfigError(f"--chunk and --loop must be 1 or more, and --loop may be 0, got {chunk} and {loop}.")
    from wtal.extraction.detection import note_of, zero_shot_model
    from wtal.extraction.live import LiveDetector
    from wtal.extraction.live_output import run_live
    from wtal.video.live import LiveReader

    reader = LiveReader(source, making.fps, loop or None)
    scoring = zero_shot_model(model, making, past=_NORMALISED) if isinstance(model, list) else model
    floors = scoring.floors.get(scoring.sources[-1], {})
    lowest = {name: _OF_FLOOR * floors.get(name, 0.0) if minimum is None else minimum for name in scoring.class_names}
    name = Path(source).stem if reader.is_file else reader.title
    run_live(LiveDetector(scoring, making, chunk=chunk), reader, name, output, lowest, note_of(making))


class _Chosen(NamedTuple):
    """The model that was given, and what it knows about the features that it reads."""

    model: "LocalizationModule | None" = None
    trained: "Run | None" = None
    texts: Mapping[str, str] = {}
    learned: Mapping[str, Any] | None = None


def _chosen(checkpoint: Path | None, model: Path | None, trust: Sequence[str]) -> _Chosen:
    """A checkpoint's model or an exported one; nothing if neither is given."""
    from wtal.deployment import ExportedModule
    from wtal.extraction.detection import text_tower
    from wtal.training.checkpoint import load

    if checkpoint is not None:
        trained = load(checkpoint, trust=trust)
        return _Chosen(trained.model, trained, text_tower(trained.hyperparameters))
    if model is None:
        return _Chosen()
    exported = ExportedModule(model)
    return _Chosen(exported, None, exported.description.texts, exported.description.making)


def _stated(**options: object) -> dict[str, object]:
    """The options that were given."""
    return {name: value for name, value in options.items() if value is not None}


def _write(found: "Found", output: Path, formats: Sequence[Format], minimum: float | None, page: bool) -> None:
    """Write the files, those of all videos and those of each new one, and print what was found."""
    of_all = [kind for kind in formats if kind in ("json", "csv")]
    of_each = [kind for kind in formats if kind not in of_all]
    names = list(found.videos)
    export_table(found.table, output, of_all, found.names, note=found.note)
    new = found.table[found.table["video_id"].isin(names)]
    floors = found.floors if minimum is None else {}
    export_table(new, output, of_each, names, found.videos, minimum=minimum, floors=floors, note=found.note)
    if page:
        _write_page(output, found.videos)
    print_found(chosen_of(new, names, minimum, floors=floors), output, not found.floors)


def _write_page(output: Path, videos: dict[str, Path]) -> None:
    """Write the page of the detections, with links to the videos if they lie in one folder."""
    from wtal.commands import report

    folders = {path.resolve().parent for path in videos.values()}
    title = next(iter(videos)) if len(videos) == 1 else f"{len(videos)} videos"
    report.run([output], output / "page", videos=folders.pop() if len(folders) == 1 else None, title=title)
