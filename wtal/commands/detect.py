"""Find actions in videos: features, detections, timelines."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from wtal.errors import ConfigError, VideoError
from wtal.results.exports import Format, export_table
from wtal.video.files import find_videos

__all__ = ["run"]


def run(
    videos: Sequence[Path],
    /,
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

    OUTPUT gets ``detections.json`` (ActivityNet's format) and ``detections.csv`` of all videos, ``<video>.vtt``
    (subtitles) and ``<video>.eaf`` (ELAN) of each, ``page/index.html``, and what ``wtal report`` and ``wtal evaluate``
    read (``predictions``, ``scores``). Existing features are reused.

    Args:
        videos: Video files, or folders of which every video is used.
        output: Folder of the results.
        checkpoint: Checkpoint of ``wtal fit``, or the folder of a run.
        labels: Names of any actions, which CLIP finds without training, in place of a checkpoint.
        features: Folder of the features; by default ``OUTPUT/features``.
        formats: Formats of the files to write.
        page: Write the page.
        rgb_weights: I3D's weights for frames; see ``wtal extract``.
        flow_weights: I3D's weights for flow; see ``wtal extract``.
        clip_model: Any model of open_clip; by default that of the checkpoint's text tower, else ViT-B-16.
        clip_weights: Tag of its weights, or a file; by default those of the checkpoint's text tower, else openai.
        random_weights: Use random weights; see ``wtal extract``.
        flow: Method of optical flow; see ``wtal extract``.
        crops: What I3D sees of a frame; see ``wtal extract``.
        fps: Frames per second; see ``wtal extract``.
        stride: Frames between neighbouring snippets; see ``wtal extract``.
        window: Frames in a snippet; see ``wtal extract``.
        workers: Processes that decode; see ``wtal extract``.
        trust: Packages besides this one whose classes the checkpoint may name, such as your own heads.

    Raises:
        ConfigError: If neither a checkpoint nor labels are given, or both.
        VideoError: At the end, if some videos could not be read.
        WTALError: As ``wtal extract`` and :func:`wtal.load` do.
    """
    if (checkpoint is None) == (not labels):
        raise ConfigError("Give either `--checkpoint` or `--labels`: a trained model, or names of actions to find.")
    files = find_videos(videos)

    from wtal.extraction.detection import detect_actions, text_tower, zero_shot_model
    from wtal.extraction.pipeline import Extraction
    from wtal.training.checkpoint import load

    trained = None if checkpoint is None else load(checkpoint, trust=trust)
    tower = text_tower(trained.hyperparameters) if trained else {}
    making = Extraction(
        rgb_weights=rgb_weights,
        flow_weights=flow_weights,
        clip_model=clip_model or tower.get("model", "ViT-B-16"),
        clip_weights=clip_weights or tower.get("pretrained", "openai"),
        random_weights=random_weights,
        flow=flow,
        crops=crops,
        fps=fps,
        stride=stride,
        window=window,
    )
    model = trained.model if trained else zero_shot_model(labels, making)
    found = detect_actions(model, files, output, making, features or output / "features", workers, trained)
    if found.videos:
        export_table(found.table, output, formats, list(found.videos), found.videos, note=found.note)
        if page:
            _write_page(output, found.videos)
    if found.failed:
        raise VideoError(f"{len(found.failed)} of {len(files)} videos cannot be read: {', '.join(found.failed)}.")


def _write_page(output: Path, videos: dict[str, Path]) -> None:
    """Write the page of the detections, with links to the videos if they lie in one folder."""
    from wtal.commands import report

    folders = {path.resolve().parent for path in videos.values()}
    title = next(iter(videos)) if len(videos) == 1 else f"{len(videos)} videos"
    report.run([output], output / "page", videos=folders.pop() if len(folders) == 1 else None, title=title)
