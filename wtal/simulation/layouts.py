"""Simulated features on disk, in the layouts of real ones. Every file appears whole or not at all."""

import pickle
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import IO, Any, Literal, Protocol

import numpy as np
from numpy.lib import format as npy

from wtal.data.appending import StoreAppender
from wtal.data.store import read_npy, write_npy
from wtal.errors import FeatureError
from wtal.io.bounds import is_file_name
from wtal.io.files import drafted
from wtal.io.unpickle import load_object_array
from wtal.simulation.videos import SimulatedVideo
from wtal.types import TimeGrid

__all__ = ["JOINT_FILE", "JOINT_NAMES", "FeatureWriter", "Layout", "writer_of_clip", "writer_of_i3d"]

Layout = Literal["store", "two_stream", "joint", "wtalc"]
Arrays = Mapping[str, np.ndarray]  # `rgb` and `flow`, or `clip`

JOINT_FILE, JOINT_NAMES = "Simulated-I3D-JOINTFeatures.npy", "Simulated-Annotations/videoname.npy"


class FeatureWriter(Protocol):
    """Takes the features of videos one at a time."""

    def __contains__(self, video: SimulatedVideo) -> bool:
        """Whether a video is already there."""
        ...

    def add(self, video: SimulatedVideo, arrays: Arrays) -> None:
        """Write one video."""
        ...

    def finish(self, videos: Sequence[SimulatedVideo]) -> None:
        """Write what can only be written when all videos are there."""
        ...


def writer_of_i3d(output: Path, layout: Layout, grid: TimeGrid, note: str) -> FeatureWriter:
    """The writer of the I3D-like features.

    Args:
        output: Folder of all features.
        layout: ``store`` (one file a video, and a manifest), ``two_stream`` (``SUBSET/rgb/VIDEO.npy`` and
            ``SUBSET/flow/VIDEO.npy``), ``joint`` (one file a video), or ``wtalc`` (one object array of all videos).
        grid: Time grid of the snippets.
        note: What the manifest says about the features.
    """
    if layout == "store":
        return _Store(output / "i3d", grid, note)
    if layout == "two_stream":
        return _Files(partial(_two_streams, output / "i3d"))
    if layout == "joint":
        return _Files(lambda video: {"rgb flow": output / "i3d" / f"{video.name}.npy"})
    return _JointFile(output)


def writer_of_clip(output: Path, layout: Layout, grid: TimeGrid, note: str) -> FeatureWriter:
    """The writer of the CLIP-like features, which have a file a video in every layout; see :func:`writer_of_i3d`."""
    if layout == "store":
        return _Store(output / "clip", grid, note)
    return _Files(lambda video: {"clip": output / "clip" / f"{video.name}.npy"})


def _two_streams(folder: Path, video: SimulatedVideo) -> dict[str, Path]:
    subset = video.subset.lower()
    part = folder / (subset if is_file_name(subset) else "videos")
    return {stream: part / stream / f"{video.name}.npy" for stream in ("rgb", "flow")}


def _side_by_side(arrays: Arrays) -> np.ndarray:
    return np.concatenate(list(arrays.values()), axis=1)


class _Store:
    """A store with a manifest."""

    def __init__(self, folder: Path, grid: TimeGrid, note: str) -> None:
        self.store = StoreAppender(folder, grid, origin={"simulation": note}, notes=note)

    def __contains__(self, video: SimulatedVideo) -> bool:
        return video.name in self.store

    def add(self, video: SimulatedVideo, arrays: Arrays) -> None:
        self.store.add(video.name, _side_by_side(arrays))

    def finish(self, videos: Sequence[SimulatedVideo]) -> None:
        pass


class _Files:
    """Files of single videos; each holds the streams in its name, side by side."""

    def __init__(self, files: Callable[[SimulatedVideo], dict[str, Path]]) -> None:
        self.files = files

    def __contains__(self, video: SimulatedVideo) -> bool:
        return all(file.is_file() for file in self.files(video).values())

    def add(self, video: SimulatedVideo, arrays: Arrays) -> None:
        for streams, file in self.files(video).items():
            with drafted(file) as draft:
                write_npy(draft, _side_by_side({name: arrays[name] for name in streams.split()}))

    def finish(self, videos: Sequence[SimulatedVideo]) -> None:
        pass


class _JointFile:
    """One object array of all videos, and their names; until all are there, they are kept in files of their own."""

    def __init__(self, output: Path) -> None:
        self.file, self.names, self.parts = output / JOINT_FILE, output / JOINT_NAMES, output / ".joint"
        self.single = _Files(lambda video: {"rgb flow": self.parts / f"{video.name}.npy"})
        self.held = set(load_object_array(self.names).tolist()) if self.file.is_file() else set()

    def __contains__(self, video: SimulatedVideo) -> bool:
        return video.name in self.held or video in self.single

    def add(self, video: SimulatedVideo, arrays: Arrays) -> None:
        self.single.add(video, arrays)

    def finish(self, videos: Sequence[SimulatedVideo]) -> None:
        names = [video.name for video in videos]
        if not set(names) <= self.held:
            self._assemble(names)
        for part in self.parts.glob("*.npy"):
            part.unlink()
        if self.parts.is_dir():
            self.parts.rmdir()

    def _assemble(self, names: Sequence[str]) -> None:
        if self.held:
            raise FeatureError(
                f"{self.file} holds other videos, and none can be added to it: delete it, or choose another --output."
            )
        with drafted(self.names) as draft:
            write_npy(draft, np.array(names))
        with drafted(self.file) as draft, draft.open("wb") as out:
            _pickle_arrays(out, [self.parts / f"{name}.npy" for name in names])


class _ReadWhenPickled:
    """Stands for the array in a file, which is read when it is its turn to be pickled."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> str | tuple[Any, ...]:
        return read_npy(self.file).__reduce__()


def _pickle_arrays(out: IO[bytes], files: Sequence[Path]) -> None:
    """Write an object array of the arrays in some files as NumPy does, while memory holds one of them at a time."""
    array = np.empty(len(files), object)
    array[:] = [_ReadWhenPickled(file) for file in files]
    npy.write_array_header_1_0(out, {"descr": "|O", "fortran_order": False, "shape": array.shape})
    pickler = pickle.Pickler(out, protocol=4)
    pickler.fast = True  # keeps nothing of what it has written
    pickler.dump(array)
