"""Configurations with which a training runs on simulated features at once."""

from pathlib import Path
from typing import Any

import yaml

from wtal.data.annotations import Annotations
from wtal.data.thumos14_lists import THUMOS14_CLASSES, TestList, lacking_videos
from wtal.io.files import write_text
from wtal.simulation.layouts import JOINT_FILE, JOINT_NAMES, Layout
from wtal.simulation.params import SimulationParams

__all__ = ["base_config", "write_overlays"]

_ACTIVITYNET = {100: {}, 200: {"class_path": "wtal.data.ActivityNet13DataModule"}}  # over the configuration of 1.2
_TEST_LISTS: tuple[TestList, ...] = ("212", "211", "210")


def base_config(annotations: Annotations) -> str:
    """The shipped configuration that suits the annotations, by name."""
    if _is_thumos14(annotations):
        return "thumos14/collaboration.yaml"
    return "activitynet12/collaboration.yaml" if _is_activitynet(annotations) else "custom.yaml"


def _is_thumos14(annotations: Annotations) -> bool:
    names = annotations.videos.index
    both = all(names.str.startswith(prefix).any() for prefix in ("video_validation_", "video_test_"))
    return both and set(annotations.class_names) == set(THUMOS14_CLASSES)


def _is_activitynet(annotations: Annotations) -> bool:
    subsets = {subset.lower() for subset in annotations.videos["subset"]}
    divided = bool(subsets & {"training", "train"} and subsets & {"validation", "val"})
    return len(annotations.class_names) in _ACTIVITYNET and divided


def _of_benchmark(annotations: Annotations) -> dict[str, Any]:
    """What the configuration of a benchmark lacks: its data module, or the list of test videos that the file has."""
    if _is_activitynet(annotations):
        return {**_ACTIVITYNET[len(annotations.class_names)], "init_args": {}}
    if not _is_thumos14(annotations):
        return {"init_args": {}}
    lists = [name for name in _TEST_LISTS if not lacking_videos(name, annotations.videos.index)]
    return {"init_args": {"test_list": lists[0]} if lists[0] != _TEST_LISTS[0] else {}}


def write_overlays(
    output: Path, annotations: Annotations, params: SimulationParams, layout: Layout, note: str, whole: bool
) -> str:
    """Write what goes over a configuration: ``data.yaml``, and ``texts.yaml`` for those with a VLP branch.

    Args:
        output: Folder of the features.
        annotations: What they were made from.
        params: Parameters.
        layout: Layout of the files.
        note: What tables state about the features.
        whole: Whether every annotated video has features.

    Returns:
        The command of a training.
    """
    grid = {} if layout == "store" else {"fps": params.fps, "stride": params.stride, "window": params.stride}
    joint = {"path": str(output / JOINT_FILE), "names": str(output / JOINT_NAMES)}
    data: dict[str, Any] = {
        "annotations": str(annotations.path),
        "i3d": (joint if layout == "wtalc" else {"path": str(output / "i3d")}) | grid,
        "clip": {"path": str(output / "clip")} | grid,
        "features_note": note,
    }
    if not whole:
        data["missing"] = "skip"
    module = _of_benchmark(annotations)
    module["init_args"] |= data
    _write(output / "data.yaml", "over any configuration: simulated features", {"data": module})
    text = {
        "class_path": "wtal.nn.text.FileText",
        "init_args": {"path": str(output / "clip" / "text.npy"), "residual": 1.0},
    }
    head = {"init_args": {"text": text, "dim": params.clip.dim}}
    model = {"model": {"init_args": {"vlp": {"init_args": {"head": head}}}}}
    _write(output / "texts.yaml", "over a configuration with a VLP branch: the texts of simulated CLIP", model)
    return f"wtal fit -c {base_config(annotations)} -c {output / 'data.yaml'} -c {output / 'texts.yaml'}"


def _write(file: Path, title: str, content: dict[str, Any]) -> None:
    write_text(file, f"# Written by `wtal simulate`, {title}.\n" + yaml.safe_dump(content, sort_keys=False, width=1000))
