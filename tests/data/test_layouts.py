import pickle
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch

from wtal.data.features import FeatureSource, open_features
from wtal.data.store import FeatureStore
from wtal.errors import FeatureError

LENGTHS = {"a": 5, "b": 3, "c": 9}
WIDTH = 4
Write = Callable[[Path], Path | None]


def rows_of(name: str) -> np.ndarray:
    return np.random.default_rng(ord(name)).normal(size=(LENGTHS[name], WIDTH)).astype(np.float32)


def halves(name: str) -> dict[str, np.ndarray]:
    return {"rgb": rows_of(name)[:, : WIDTH // 2], "flow": rows_of(name)[:, WIDTH // 2 :]}


def opened(path: Path, **options: Any) -> FeatureStore:
    return open_features(FeatureSource(path, **options), list(LENGTHS))


def everything(convert: Callable[[np.ndarray], Any] = lambda rows: rows) -> dict[str, Any]:
    return {name: convert(rows_of(name)) for name in LENGTHS}


def assert_whole(store: FeatureStore) -> None:
    assert store.dim == WIDTH
    for name in LENGTHS:
        np.testing.assert_allclose(store[name], rows_of(name), atol=1e-2)
        assert store.length(name) == LENGTHS[name]


def put(save: Callable[[Path, Any], object], *parts: str, content: Any) -> Write:
    def write(folder: Path) -> Path:
        file = folder.joinpath(*parts)
        file.parent.mkdir(parents=True, exist_ok=True)
        save(file, content)
        return file

    return write


def to_pickle(file: Path, content: Any) -> None:
    file.write_bytes(pickle.dumps(content))


def to_torch(file: Path, content: Any) -> None:
    torch.save(content, file)


def to_npz(file: Path, content: Any) -> None:
    np.savez(file, **content)


def to_npy(file: Path, content: Any) -> None:
    np.save(file, content, allow_pickle=True)


def to_hdf5(file: Path, content: dict[str, Any]) -> None:
    with h5py.File(file, "w") as opened_file:
        for name, rows in content.items():
            opened_file[name] = rows


STREAMS = {name: {**halves(name), "fps": 25} for name in LENGTHS}
ONE_FILE: dict[str, Write] = {
    "pickle": put(to_pickle, "all.pkl", content=everything()),
    "pickle of lists": put(to_pickle, "all.pkl", content=everything(np.ndarray.tolist)),
    "pickle below one name": put(to_pickle, "all.pkl", content={"features": everything()}),
    "pickle of RGB and flow": put(to_pickle, "all.pkl", content=STREAMS),
    "npz": put(to_npz, "all.npz", content=everything()),
    "dictionary in npy": put(to_npy, "all.npy", content=everything()),
    "torch": put(to_torch, "all.pt", content=everything(torch.from_numpy)),
    "torch in half precision": put(to_torch, "all.pth", content=everything(lambda r: torch.from_numpy(r).half())),
    "torch with arrays of NumPy": put(to_torch, "all.pt", content=everything()),
    "torch by split": put(
        to_torch, "all.pt", content={"train": everything(torch.from_numpy), "test": {"x": torch.zeros(2, WIDTH)}}
    ),
    "HDF5 by split": put(
        to_hdf5, "all.h5", content={f"{'test' if n == 'c' else 'Train'}/{n}": rows for n, rows in everything().items()}
    ),
    "HDF5 by video": put(to_hdf5, "all.h5", content={f"{n}/features": rows for n, rows in everything().items()}),
    "HDF5 by stream": put(to_hdf5, "all.h5", content={f"{s}/{n}": r for n in LENGTHS for s, r in halves(n).items()}),
    "HDF5 by split, video and stream": put(
        to_hdf5, "all.h5", content={f"train/{n}/{s}": r for n in LENGTHS for s, r in halves(n).items()}
    ),
}


@pytest.mark.parametrize("kind", ONE_FILE)
@pytest.mark.parametrize("in_folder", [False, True])
def test_one_file_of_all_videos(tmp_path: Path, kind: str, in_folder: bool) -> None:
    file = ONE_FILE[kind](tmp_path)
    assert file is not None
    assert_whole(opened(tmp_path if in_folder else file))


EACH: dict[str, tuple[str, Callable[[Path, Any], object]]] = {
    "h5": ("{}.h5", lambda file, rows: to_hdf5(file, {"features": rows})),
    "by class": ("run/{}.npy", np.save),
    "Train": ("Train/{}.npy", np.save),
    "split and class": ("Test/run/{}.npy", np.save),
    "a film's suffix": ("{}.mp4.npy", np.save),
    "a common ending": ("{}_clip.npy", np.save),
    "half precision": ("{}.pt", lambda file, rows: torch.save(torch.from_numpy(rows).half(), file)),
    "bfloat16": ("{}.pt", lambda file, rows: torch.save(torch.from_numpy(rows).bfloat16(), file)),
    "a list of rows": ("{}.pt", lambda file, rows: torch.save(list(torch.from_numpy(rows)), file)),
    "savez without a name": ("{}.npz", lambda file, rows: np.savez(file, rows)),
    "a folder a video": ("{}/features.npy", np.save),
    "a dictionary in npy": ("{}.npy", lambda file, rows: to_npy(file, {"feature": rows, "fps": 25})),
}


@pytest.mark.parametrize("kind", EACH)
def test_one_file_a_video(tmp_path: Path, kind: str) -> None:
    pattern, save = EACH[kind]
    for name, rows in everything().items():
        file = tmp_path / pattern.format(name)
        file.parent.mkdir(parents=True, exist_ok=True)
        save(file, rows)
    assert_whole(opened(tmp_path))


@pytest.mark.parametrize(
    "pattern", ["RGB/{}.npy", "Train/rgb/{}.npy", "rgb_features/run/{}.npy", "all/{}_rgb.npy", "Train/{}/rgb.npy"]
)
def test_two_streams(tmp_path: Path, pattern: str) -> None:
    for name in LENGTHS:
        for stream, rows in halves(name).items():
            file = tmp_path / pattern.replace("rgb", stream).replace("RGB", stream.title()).format(name)
            file.parent.mkdir(parents=True, exist_ok=True)
            np.save(file, rows[None])  # (1, T, D)
    assert_whole(opened(tmp_path))


def test_files_of_videos_without_annotation(tmp_path: Path) -> None:
    for name, rows in everything().items():
        np.savez(tmp_path / f"{name}.npz", rows)  # as `arr_0`, which is no video
    store = open_features(FeatureSource(tmp_path), ["a"])
    assert store.length("a") == LENGTHS["a"]
    assert sorted(store) == ["a", "b", "c"]


def test_a_file_of_equal_name_in_each_folder(tmp_path: Path) -> None:
    for folder, names in (("Train", "ab"), ("Test", "c")):
        (tmp_path / folder).mkdir()
        np.savez(tmp_path / folder / "features.npz", **{name: rows_of(name) for name in names})
    assert_whole(opened(tmp_path))


def test_two_streams_in_two_files(tmp_path: Path) -> None:
    for stream in ("rgb", "flow"):
        to_hdf5(tmp_path / f"{stream}.h5", {name: halves(name)[stream] for name in LENGTHS})
    assert_whole(opened(tmp_path))


def test_rgb_alone_with_what_video_features_writes(tmp_path: Path) -> None:
    for name, rows in everything().items():
        np.save(tmp_path / f"{name}_rgb.npy", rows)
        np.save(tmp_path / f"{name}_fps.npy", np.array(29.97))
        np.save(tmp_path / f"{name}_timestamps_ms.npy", np.arange(3))
    store = opened(tmp_path)
    assert_whole(store)
    assert store.notes() == [
        f"The features at {tmp_path}: only rgb is read, as there are no files of the other stream.",
        f"The features at {tmp_path}: a_fps.npy states 29.97 frames per second, but `fps` is 25.",
    ]
    stated = opened(tmp_path, fps=tmp_path)
    assert stated.grid("a").fps == 29.97
    assert len(stated.notes()) == 1


def test_a_store_goes_to_other_processes(tmp_path: Path) -> None:
    for name in LENGTHS:
        np.save(tmp_path / f"{name}_rgb.npy", np.repeat(rows_of(name)[:, None], 10, 1))
    source = FeatureSource(tmp_path, rows="rescaled", columns=f"0:{WIDTH}")
    store = pickle.loads(pickle.dumps(open_features(source, list(LENGTHS), durations_s=dict.fromkeys(LENGTHS, 10.0))))
    assert_whole(store)
    assert store.grid("a").step_s == 10 / LENGTHS["a"]
    assert len(store.notes()) == 2


def test_linked_folders(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "features").mkdir()
    for name, rows in everything().items():
        np.save(tmp_path / "elsewhere" / f"{name}.npy", rows)
    (tmp_path / "features" / "train").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "circle").symlink_to(tmp_path / "features")
    assert_whole(opened(tmp_path / "features"))


def test_names_of_macos(tmp_path: Path) -> None:
    name = unicodedata.normalize("NFD", "käse")
    np.save(tmp_path / f"{name}.npy", rows_of("a"))
    store = open_features(FeatureSource(tmp_path), ["käse"])
    assert "käse" in store
    assert name in store
    np.testing.assert_array_equal(store["käse"], rows_of("a"))


def test_a_video_in_two_folders_is_refused_unless_it_is_the_same(tmp_path: Path) -> None:
    for folder in ("run", "jump"):
        (tmp_path / folder).mkdir()
        for name, rows in everything().items():
            np.save(tmp_path / folder / f"{name}.npy", rows)
    assert_whole(opened(tmp_path))
    np.save(tmp_path / "run" / "b.npy", 2 * rows_of("b"))
    with pytest.raises(
        FeatureError, match=r"jump/b.npy and .*run/b.npy both hold features of video b: give the folder"
    ):
        opened(tmp_path)


def test_a_video_twice_in_a_file_is_refused(tmp_path: Path) -> None:
    to_hdf5(tmp_path / "all.h5", {"run/a": rows_of("a"), "run/b": rows_of("b"), "train/a": rows_of("a")})
    with pytest.raises(FeatureError, match=r"all.h5: a is twice in the file, at run/a and train/a: keep one of them"):
        opened(tmp_path / "all.h5")


def test_groups_of_hdf5_that_contain_each_other(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "all.h5", "w") as file:
        group = file.create_group("group")
        for number in range(50):
            group[f"loop{number}"] = group
        for name, rows in everything().items():
            group[name] = rows
    assert_whole(opened(tmp_path / "all.h5"))


def test_torch_runs_no_code(tmp_path: Path) -> None:
    torch.save({"features": Path("a")}, tmp_path / "a.pt")
    with pytest.raises(FeatureError, match=r"a.pt holds more than tensors .*torch.save\(torch.as_tensor"):
        opened(tmp_path)["a"]
