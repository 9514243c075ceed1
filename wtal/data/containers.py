"""Names and arrays in nested content: a file of several videos, by split or class, each with one array or several."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from wtal.errors import FeatureError

__all__ = ["FOLDERS", "Keys", "Tree", "array_keys", "video_keys"]

Keys = tuple[str, ...]
Tree = Mapping[str, Any]  # of trees and of arrays, which have a `shape`

FOLDERS = frozenset(
    ("train", "training", "val", "valid", "validation", "test", "testing", "features", "feats", "data", "videos")
)  # in lower case: a level of this name is never a video
_FEATURES = ("features", "feature", "feats", "feat")  # names of the array of a video beside others
_MAX_DEPTH = 5


def array_keys(tree: Tree, place: str) -> list[Keys]:
    """Where the features of one video are: in one array, or in RGB and flow, which belong side by side.

    Args:
        tree: What is known of the video.
        place: The file or the video in it, for the message.

    Raises:
        FeatureError: If there are several arrays, none of which has a known name.
    """
    found = _array_keys(tree)
    if not found:
        names = ", ".join(map(str, tree)) or "no array"
        raise FeatureError(f"{place} holds {names}: save the features alone, or name them `features`.")
    return found


def video_keys(tree: Tree) -> dict[str, list[Keys]]:
    """Where the features of each video are in a file of several videos.

    Raises:
        FeatureError: If a video is in it twice.

    >>> from numpy import zeros
    >>> rows = zeros((3, 4))
    >>> video_keys({"train": {"a": rows, "b": {"features": rows, "fps": 25}}, "c": {"rgb": rows, "flow": rows}})
    {'a': [('train', 'a')], 'b': [('train', 'b', 'features')], 'c': [('c', 'rgb'), ('c', 'flow')]}
    """
    places: dict[str, list[tuple[Keys, list[Keys]]]] = defaultdict(list)
    for keys, arrays in _videos(tree, ()):
        places[keys[-1].rpartition("/")[2]].append((keys, arrays))
    return {name: _joined(name, found) for name, found in places.items()}


def _joined(name: str, places: list[tuple[Keys, list[Keys]]]) -> list[Keys]:
    """The arrays of a video, which may be at two places: below ``rgb`` and below ``flow``."""
    streams = {
        stream: arrays for keys, arrays in places for stream in map(str.lower, keys) if stream in ("rgb", "flow")
    }
    if len(places) == len(streams) == 2:
        return [*streams["rgb"], *streams["flow"]]
    if len(places) > 1:
        first, second = ("/".join(keys) for keys, _ in places[:2])
        raise FeatureError(f"{name} is twice in the file, at {first} and {second}: keep one of them.")
    return places[0][1]


def _videos(tree: Tree, above: Keys) -> Iterator[tuple[Keys, list[Keys]]]:
    for name, content in tree.items():
        keys = (*above, name)
        if not isinstance(content, Mapping):
            if len(_shape(content)) > 1:
                yield keys, [keys]
        elif name.lower() not in FOLDERS and (arrays := _array_keys(content)):
            yield keys, [(*keys, *array) for array in arrays]
        elif len(keys) < _MAX_DEPTH:
            yield from _videos(content, keys)


def _array_keys(tree: Tree) -> list[Keys]:
    """Keys of the array of known name, of RGB and flow, or of the only array; empty if there is none of these."""
    named = {name.lower(): name for name in tree}
    for name in (named[name] for name in _FEATURES if name in named):
        content = tree[name]
        return [(name, *keys) for keys in _array_keys(content)] if isinstance(content, Mapping) else [(name,)]
    return [(name,) for name in _unnamed_arrays(tree)]


def _unnamed_arrays(tree: Tree) -> list[str]:
    """Names of RGB and flow, or of the only array beside numbers and texts; empty for anything else."""
    if any(isinstance(content, Mapping) for content in tree.values()):
        return []
    matrices = sorted((name for name, content in tree.items() if len(_shape(content)) > 1), reverse=True)  # rgb, flow
    return matrices if len(matrices) == 1 or [name.lower() for name in matrices] == ["rgb", "flow"] else []


def _shape(content: object) -> Sequence[int]:
    """Shape of an array, or of a list of rows of equal length; empty for anything else."""
    if isinstance(content, list | tuple):
        rows = [len(row) if isinstance(row, list | tuple) else len(_shape(row)) and _shape(row)[0] for row in content]
        return (len(rows), rows[0]) if rows and len(set(rows)) == 1 and rows[0] else ()
    return tuple(getattr(content, "shape", ()))
