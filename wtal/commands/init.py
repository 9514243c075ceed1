"""``wtal init``: from a folder of videos and a list of labels to a configuration that runs."""

import csv
import io
import math
import os
import re
import shlex
from collections.abc import Iterator, Sequence
from importlib.resources import files
from pathlib import Path

from wtal.data.annotations import Annotations, first, read_annotations
from wtal.errors import AnnotationError, ConfigError, VideoError
from wtal.io.files import write_text
from wtal.video.files import find_videos

__all__ = ["init"]

_STEPS = 20  # of an epoch with 200 videos in batches of 10, for which the template's epochs were chosen


def init(folder: Path, videos: Path | None = None, labels: Path | None = None) -> None:
    """Write `config.yaml` for own videos, and say what to do next; without labels first a list of videos to fill in.

    Args:
        folder: Where the configuration goes, and later features and runs; nothing in it is overwritten.
        videos: Folder of the videos; by default `videos` in that folder, or the folder itself.
        labels: Table `video,label`, maybe with `start,end` and `subset`; by default `labels.csv` in the folder.

    Raises:
        ConfigError: If there is a configuration already.
        VideoError: If there are no videos, or two have the same name.
        AnnotationError: If the table cannot be read, or has no label, or is of other videos.
    """
    config = folder / "config.yaml"
    if config.exists():
        raise ConfigError(f"{config} exists, and nothing is overwritten: move it away, or choose another folder.")
    if videos is None:
        videos = folder / "videos" if (folder / "videos").is_dir() else folder
    if not videos.is_dir():
        raise VideoError(f"{videos} is no folder: give the folder of the videos as --videos.")
    found = find_videos([videos])
    if labels is None and not (folder / "labels.csv").is_file():
        _write_list(folder, videos, list(found))
        return
    annotations = read_annotations(labels or folder / "labels.csv")
    for remark in _remarks(annotations, videos, found):
        print(remark)
    write_text(config, _config(annotations, folder))
    _print_next(annotations, folder, videos)


def _write_list(folder: Path, videos: Path, found: Sequence[str]) -> None:
    """Write ``labels.csv`` with an empty label for each video."""
    table = io.StringIO()
    csv.writer(table, lineterminator="\n").writerows([("video", "label"), *((name, "") for name in found)])
    write_text(folder / "labels.csv", table.getvalue())
    given = "" if videos in (folder, folder / "videos") else f" --videos {shlex.quote(str(videos))}"
    print(
        f"{folder / 'labels.csv'} lists {len(found)} videos. Write beside each what is done in it, as plain English "
        "words: `high jump`, or `run;high jump` for two.\n"
        "Columns that you may add: `start,end`, in seconds, a line each time it is done, to measure results by; "
        "`subset`, train or test.\n"
        f"Then again: wtal init {shlex.quote(str(folder))}{given}"
    )


def _remarks(annotations: Annotations, folder: Path, found: dict[str, Path]) -> Iterator[str]:
    """What does not fit together.

    Raises:
        AnnotationError: If nothing does.
    """
    table = annotations.videos
    if not annotations.class_names:
        raise AnnotationError(f"{annotations.path} has no label yet: write one beside each video.")
    absent = [name for name in table.index if name not in found]
    unlisted = [name for name in found if name not in table.index]
    if len(absent) == len(table):
        raise AnnotationError(
            f"None of the {len(table)} videos in {annotations.path}, such as {absent[0]}, is among the {len(found)} in "
            f"{folder}, such as {unlisted[0]}: write their names as those of the files."
        )
    if absent:
        yield f"{len(absent)} videos of {annotations.path} have no file in {folder}: {first(absent)}."
    if unlisted:
        yield f"{len(unlisted)} files in {folder} are not in {annotations.path}, and not used: {first(unlisted)}."
    training = _training(annotations)
    unlabelled = [name for name in training if not table.loc[name, "labels"]]
    if unlabelled:
        yield f"{len(unlabelled)} videos have no label: {first(unlabelled)}; give them one, or the subset test."
    if len(annotations.class_names) == 1:
        yield "There is one class alone: it is told from background only, and VLP has no other text to compare with."


def _training(annotations: Annotations) -> list[str]:
    """Names of the videos to learn from."""
    subsets = annotations.videos["subset"]
    chosen = subsets.str.lower().isin(["train", "training"]) | (not subsets.any())
    return list(annotations.videos.index[chosen])


def _config(annotations: Annotations, folder: Path) -> str:
    """The packaged template with what depends on the videos.

    Few videos make short epochs: there are so many more of them that the steps are as many as with 200. With 12 videos
    of the embedded benchmark, 3 times the epochs, somewhat fewer steps than that, bring the pair's mAP from 60.2 to
    64.5 and, on that of another seed, from 48.5 to 60.6; 10 times as many are too many (59.0, 55.7).
    """
    text = (files("wtal.data") / "custom.yaml").read_text(encoding="utf-8")
    count = len(_training(annotations))
    batch = max(1, min(10, count))
    rounds = max(1, round(_STEPS / math.ceil(max(1, count) / batch)))
    values = {"batch_size": batch, "annotations": _yaml(os.path.relpath(annotations.path, folder))}
    values |= {name: rounds * int(_value(text, name)) for name in ("max_epochs", "warm_up", "period")}
    for name, value in values.items():
        text = text.replace(f"{name}: {_value(text, name)}", f"{name}: {value}", 1)
    return text


def _value(text: str, name: str) -> str:
    found = re.search(rf"^[^#\n]*\b{name}: ([^\s,}}]+)", text, re.MULTILINE)
    assert found is not None
    return found[1]


def _yaml(path: str) -> str:
    """A path as YAML takes it, in quotes where it must.

    >>> [_yaml(path) for path in ("../labels.csv", "my: labels.csv")]
    ['../labels.csv', "'my: labels.csv'"]
    """
    return path if re.fullmatch(r"[\w./-]*[A-Za-z][\w./-]*", path) else "'" + path.replace("'", "''") + "'"


def _print_next(annotations: Annotations, folder: Path, videos: Path) -> None:
    names = annotations.class_names
    given = shlex.quote(os.path.relpath(videos, folder))
    run = "runs/CollaborationModule/version_0"
    print(
        f"{folder / 'config.yaml'} written: {len(annotations.videos)} videos, {len(names)} classes ({first(names)}).\n"
        "Next:\n"
        f"  cd {shlex.quote(str(folder))}\n"
        f"  wtal extract {given} --output features\n"
        "  wtal data check config.yaml\n"
        "  wtal fit -c config.yaml\n"
        f"  wtal detect {given} --checkpoint {run} --features features --output detections"
    )
