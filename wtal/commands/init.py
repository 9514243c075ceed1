"""Write a configuration for your own videos and labels."""

import os
import shlex
from pathlib import Path

from wtal.data.annotations import Annotations, first, read_annotations
from wtal.data.own_videos import configuration, empty_list, lacking_weights, list_of_points, of_points, remarks
from wtal.data.points import read_points
from wtal.errors import ConfigError, VideoError
from wtal.io.files import write_text
from wtal.io.text import counted
from wtal.video.files import find_videos

__all__ = ["run"]


def run(folder: Path, /, videos: Path | None = None, labels: Path | None = None, points: Path | None = None) -> None:
    """Write `config.yaml` for your own videos; without labels, first write a list of videos to fill in.

    Points, a click inside each instance, teach much more than the names of the actions. The report's page saves what is
    clicked in it as such a table. Without labels, those of the points are written to `labels.csv`.

    Args:
        folder: Folder for the configuration, and later for features and runs; nothing in it is overwritten.
        videos: Folder of the videos; by default `videos` in that folder, or the folder itself.
        labels: Table `video,label`, optionally with `start,end` and `subset`; by default `labels.csv` in the folder.
        points: Table `video,label,time` of points inside instances, with times in seconds.

    Raises:
        ConfigError: If the folder already has a configuration.
        VideoError: If there are no videos, or two have the same name.
        AnnotationError: If a table cannot be read, has no label or point, or lists other videos.
    """
    config = folder / "config.yaml"
    if config.exists():
        raise ConfigError(f"{config} already exists and is not overwritten: move it away, or choose another folder.")
    if videos is None:
        videos = folder / "videos" if (folder / "videos").is_dir() else folder
    if not videos.is_dir():
        raise VideoError(f"{videos} is not a folder: give the folder of the videos in --videos.")
    found = find_videos([videos])
    labels = labels or _own_labels(folder / "labels.csv", points)
    if labels is None:
        write_text(folder / "labels.csv", empty_list(list(found)))
        _print_how_to_label(folder, videos, len(found))
        return
    annotations = read_annotations(labels)
    for remark in remarks(annotations, videos, found):
        print(remark)
    write_text(config, configuration(annotations, folder, points, points is None or _are_complete(points, annotations)))
    _print_next(annotations, folder, videos)
    for sentence in lacking_weights(folder):
        print(sentence)


def _own_labels(path: Path, points: Path | None) -> Path | None:
    """The table of labels in the folder, which is made from points if there are any; None without either."""
    if points is not None and not path.is_file():
        write_text(path, list_of_points(read_points(points).table))
    return path if path.is_file() else None


def _are_complete(points: Path, annotations: Annotations) -> bool:
    complete, sentences = of_points(annotations, read_points(points).table, points)
    for sentence in sentences:
        print(sentence)
    return complete


def _print_how_to_label(folder: Path, videos: Path, count: int) -> None:
    option = "" if videos in (folder, folder / "videos") else f" --videos {shlex.quote(str(videos))}"
    print(
        f"{folder / 'labels.csv'} lists {counted(count, 'video')}. Write the action that each shows beside it, in "
        "plain English words: `high jump`, or `run;high jump` for two, or nothing for a video without any action.\n"
        "Columns that you may add: `start,end` in seconds, with one line per instance, to measure results; "
        "`subset`, train or test.\n"
        f"Then run: wtal init {shlex.quote(str(folder))}{option}"
    )


def _print_next(annotations: Annotations, folder: Path, videos: Path) -> None:
    names, place = annotations.class_names, shlex.quote(os.path.relpath(videos, folder))
    run = "runs/CollaborationModule/version_0"
    counts = f"{counted(len(annotations.videos), 'video')}, {counted(len(names), 'class')}"
    print(
        f"{folder / 'config.yaml'} written: {counts} ({first(names)}).\n"
        "Next:\n"
        f"  cd {shlex.quote(str(folder))}\n"
        f"  wtal extract {place} --output features\n"
        "  wtal data check config.yaml\n"
        "  wtal fit -c config.yaml\n"
        f"  wtal detect {place} --checkpoint {run} --features features --output detections"
    )
