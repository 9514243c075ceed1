import multiprocessing
import os
import pickle
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from wtal.data import joint_file
from wtal.data.features import FeatureSource, open_features, part_of, resample
from wtal.data.store import FeatureStore, StoreWriter
from wtal.errors import FeatureError, FeatureNotFoundError
from wtal.types import TimeGrid

LENGTHS = {"a": 5, "b": 2, "c": 9}
WIDTH = 4


def rows_of(name: str) -> np.ndarray:
    """Row ``i`` of video number ``n`` holds ``100 n + i`` and its column."""
    number = list(LENGTHS).index(name)
    return (100 * number + np.arange(LENGTHS[name])[:, None] + np.arange(WIDTH) / 10).astype(np.float32)


def halves(name: str) -> dict[str, np.ndarray]:
    return {"rgb": rows_of(name)[:, : WIDTH // 2], "flow": rows_of(name)[:, WIDTH // 2 :]}


def opened(path: Path, video_ids: tuple[str, ...] = (), **options: Any) -> FeatureStore:
    return open_features(FeatureSource(path, **options), video_ids)


def assert_whole(store: FeatureStore) -> None:
    assert sorted(store) == sorted(LENGTHS)
    assert store.dim == WIDTH
    assert {name: store.length(name) for name in store} == LENGTHS
    for name in LENGTHS:
        np.testing.assert_allclose(store[name], rows_of(name))


# Layouts --------------------------------------------------------------------------------------------------------


def write_csv(file: Path, rows: np.ndarray) -> None:
    np.savetxt(file, rows, delimiter=",", header=",".join(f"f{i}" for i in range(rows.shape[1])), comments="")


def write_pkl(file: Path, rows: np.ndarray) -> None:
    file.write_bytes(pickle.dumps(rows))


WRITERS: dict[str, Any] = {
    "npy": np.save,
    "float64.npy": lambda file, rows: np.save(file, rows.astype(np.float64)),
    "npz": lambda file, rows: np.savez(file, feats=rows),
    "many.npz": lambda file, rows: np.savez_compressed(file, features=rows, fps=25),
    "pt": lambda file, rows: torch.save(torch.from_numpy(rows), file),
    "dict.pt": lambda file, rows: torch.save({"features": torch.from_numpy(rows).requires_grad_(), "fps": 25}, file),
    "pkl": write_pkl,
    "dict.pkl": lambda file, rows: file.write_bytes(pickle.dumps({"any": rows})),
    "csv": write_csv,
    "bare.csv": lambda file, rows: np.savetxt(file, rows, delimiter=","),
}


@pytest.mark.parametrize("kind", WRITERS)
@pytest.mark.parametrize("transposed", [False, True])
def test_joint(tmp_path: Path, kind: str, transposed: bool) -> None:
    for name, part in (("a", ""), ("b", "train"), ("c", "test")):
        (tmp_path / part).mkdir(exist_ok=True)
        rows = rows_of(name).T if transposed else rows_of(name)
        WRITERS[kind](tmp_path / part / f"{name}.{kind.rpartition('.')[2]}", rows)
    assert_whole(opened(tmp_path))
    assert_whole(opened(tmp_path, layout="joint", dim=WIDTH, transposed=transposed))


@pytest.mark.parametrize("suffix", [".h5", ".hdf5"])
def test_joint_hdf5(tmp_path: Path, suffix: str) -> None:
    with h5py.File(tmp_path / f"all{suffix}", "w") as file:
        file["a"] = rows_of("a")
        file["b/any"] = rows_of("b")
        file["c/features"], file["c/fps"], file["c/logits"] = rows_of("c"), 25, np.zeros((9, 20))
    assert_whole(opened(tmp_path / f"all{suffix}"))


def test_two_stream(tmp_path: Path) -> None:
    for name in LENGTHS:
        for stream, rows in halves(name).items():
            folder = tmp_path / ("test" if name == "c" else "train") / stream
            folder.mkdir(parents=True, exist_ok=True)
            np.save(folder / f"{name}.npy", rows)
    assert_whole(opened(tmp_path))
    assert opened(tmp_path).grid("a") == TimeGrid(25, 16, 16)


@pytest.mark.parametrize(("suffix", "write"), [("npy", np.save), ("pkl", write_pkl)])
def test_video_features(tmp_path: Path, suffix: str, write: Any) -> None:
    for name in LENGTHS:
        for stream, rows in halves(name).items():
            write(tmp_path / f"{name}_{stream}.{suffix}", rows)
        np.save(tmp_path / f"{name}_fps.npy", np.array(25.0))  # the tool writes these as well
        np.save(tmp_path / f"{name}_timestamps_ms.npy", np.zeros(3))
    assert_whole(opened(tmp_path, stride=24, window=24))


def test_clip(tmp_path: Path) -> None:
    for name in LENGTHS:
        np.save(tmp_path / f"v_{name}.npy", rows_of(name).astype(np.float64))
    np.save(tmp_path / "text.npy", np.zeros((20, WIDTH)))
    snippets, frames = (opened(tmp_path, ("a",), layout=layout, fps=30) for layout in ("clip_snippet", "clip_frame"))
    assert len(snippets) == 3
    np.testing.assert_array_equal(snippets["a"], rows_of("a"))
    assert snippets.grid("a") == TimeGrid(30, 16, 16)
    assert frames.grid("a") == TimeGrid(30, 1, 1)
    assert opened(tmp_path, layout="clip_frame", stride=5).grid("a") == TimeGrid(25, 5, 1)


def test_store(tmp_path: Path) -> None:
    with StoreWriter(tmp_path / "store", TimeGrid(15, 16, 16, 0.2)) as store:
        for name in LENGTHS:
            store.add(name, rows_of(name))
    assert_whole(opened(tmp_path / "store"))
    assert opened(tmp_path / "store", fps=99).grid("a") == TimeGrid(15, 16, 16, 0.2)  # the manifest takes precedence


def test_real_csv(shared: Path) -> None:
    store = opened(shared / "data" / "activitynet1.3" / "features_sample", ("test1",))
    assert (store.dim, store.length("v_test1"), len(store)) == (400, 5, 2)
    assert store["test2"].shape == (5, 400)


# W-TALC ---------------------------------------------------------------------------------------------------------


def write_wtalc(folder: Path, names: tuple[str, ...] = tuple(LENGTHS), kind: str = "S") -> Path:
    joint = np.empty(3, object)
    joint[:] = [rows_of(name) for name in LENGTHS]
    (folder / "Toy-Annotations").mkdir(exist_ok=True)
    np.save(folder / "Toy-Annotations" / "videoname.npy", np.array(names, kind))
    path = folder / "Toy-I3D-JOINTFeatures.npy"
    np.save(path, joint, allow_pickle=True)
    return path


@pytest.mark.parametrize("kind", ["S", "U", "O"])
def test_wtalc(tmp_path: Path, kind: str) -> None:
    path = write_wtalc(tmp_path, kind=kind)
    for where in (path, tmp_path):
        assert_whole(opened(where))
    assert_whole(opened(path, names=tmp_path / "Toy-Annotations", store=tmp_path / "x" / "kept"))
    assert_whole(open_features(FeatureSource(path), ["a"], tmp_path / "Toy-Annotations" / "videoname.npy"))
    assert_whole(opened(path.with_suffix(".store")))
    visible = sorted(file.name for file in tmp_path.iterdir() if file.name[0] != ".")
    assert visible == ["Toy-Annotations", "Toy-I3D-JOINTFeatures.npy", "Toy-I3D-JOINTFeatures.store", "x"]


def test_wtalc_is_converted_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_wtalc(tmp_path)
    opened(path)
    monkeypatch.setattr(joint_file, "iterate_joint_arrays", None)
    assert_whole(opened(path))


def test_wtalc_is_converted_again_when_it_has_changed(tmp_path: Path) -> None:
    path = write_wtalc(tmp_path)
    opened(path)
    write_wtalc(tmp_path, ("c", "x", "y"))
    assert sorted(opened(path)) == ["c", "x", "y"]  # other names
    stat, content = path.stat(), path.read_bytes()
    path.write_bytes(content.replace(np.float32(8).tobytes(), np.float32(800).tobytes()))
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert opened(path)["y"].max() == pytest.approx(208.3)
    assert opened(path)["c"].max() == pytest.approx(4.3)


def test_a_corrected_grid_needs_no_conversion(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_wtalc(tmp_path)
    opened(path)
    monkeypatch.setattr(joint_file, "iterate_joint_arrays", None)
    (tmp_path / "fps.json").write_text('{"a": 24, "b": 30, "c": 25}')
    for fps, expected in ((50, 50), (tmp_path / "fps.json", 30)):
        assert opened(path, fps=fps, offset_s=1).grid("b") == TimeGrid(expected, 16, 16, 1)
        assert opened(path.with_suffix(".store")).grid("b") == TimeGrid(expected, 16, 16, 1)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("a", "b"), "more videos than the 2 of .*videoname.npy"),
        (("a", "b", "c", "d"), "has 3 videos and .*videoname.npy names 4"),
        (("a", "b", "a"), "row 2: 'a' is given to two videos"),
        (("a", "b", "../c"), "row 2: '../c' .* cannot be the name of a file"),
    ],
)
def test_wtalc_names_must_fit(tmp_path: Path, names: tuple[str, ...], message: str) -> None:
    path = write_wtalc(tmp_path, names)
    with pytest.raises(FeatureError, match=rf"{path}.*{message}"):
        opened(path)
    assert not list(tmp_path.glob("*.store"))
    assert not list(tmp_path.glob(".*.new-*"))


def test_wtalc_without_names(tmp_path: Path) -> None:
    path = write_wtalc(tmp_path).rename(tmp_path / "Other-I3D-JOINTFeatures.npy")
    with pytest.raises(FeatureError, match=f"{path} does not name its videos: set `names`"):
        opened(path)


def test_wtalc_runs_no_payload(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[Any, ...]:
            return os.system, (f"touch {tmp_path}/pwned",)

    path = write_wtalc(tmp_path)
    joint = np.load(path, allow_pickle=True)
    joint[2] = Evil()
    np.save(path, joint, allow_pickle=True)
    with pytest.raises(FeatureError, match=rf"{path} is refused, as it names `.*system`"):
        opened(path)
    assert sorted(file.name for file in tmp_path.iterdir() if file.name[0] != ".") == ["Toy-Annotations", path.name]


def _convert_and_count(path: Path, barrier: Any) -> None:
    convert = joint_file._convert

    def counted(*arguments: Any) -> None:
        (path.parent / f"converted-{os.getpid()}").touch()
        convert(*arguments)

    joint_file._convert = counted
    barrier.wait()
    assert_whole(opened(path))


def test_of_several_processes_one_converts(tmp_path: Path) -> None:
    path = write_wtalc(tmp_path)
    (tmp_path / f".{path.stem}.store.new-killed").mkdir()  # left by a killed process
    fork = multiprocessing.get_context("fork")
    barrier = fork.Barrier(3)
    processes = [fork.Process(target=_convert_and_count, args=(path, barrier)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0, 0]
    assert len(list(tmp_path.glob("converted-*"))) == 1
    assert not list(tmp_path.glob(".*.new-*"))


def test_wtalc_into_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    path = write_wtalc(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(FeatureError, match=r"cannot be written .*: set `store`"):
        opened(path, store=tmp_path / "file" / "store")


# Frame rates ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("fps.json", '{"a": 29.97, "v_b": 24}'),
        ("fps.json", '{"database": {"a": {"fps": 29.97, "duration": 3}, "v_b": {"fps": "24"}}}'),
        ("fps.csv", "video,fps,count\na,29.97,7\nv_b,24,8\n"),
        ("fps.csv", "Video;FPS\na;29,97\nv_b;24\n"),
        ("fps.csv", 'Video,FPS\na.mp4,"29,97"\nv_b.mp4,24\n'),
    ],
)
def test_each_video_may_have_its_own_rate(tmp_path: Path, name: str, content: str) -> None:
    for video in "abc":
        np.save(tmp_path / f"{video}.npy", rows_of(video))
    (tmp_path / name).write_text(content)
    store = opened(tmp_path, fps=tmp_path / name, stride=4, window=16)
    assert store.grid("a") == TimeGrid(29.97, 4, 16)
    assert store.grid("b") == TimeGrid(24, 4, 16)
    with pytest.raises(FeatureError, match=rf"{name} has no frame rate of video c"):
        store.grid("c")


def test_real_rates(shared: Path, tmp_path: Path) -> None:
    thumos = shared / "data" / "thumos14"
    np.save(tmp_path / "video_validation_0000311.npy", rows_of("a"))
    for file in ("fps_dict.json", "val_video_info.csv", "gt_full.json"):
        (name,) = store = opened(tmp_path, fps=thumos / file)
        assert store.grid(name).fps == pytest.approx(25, abs=0.01)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("x.json", "{"),
        ("x.json", '{"a": null}'),
        ("x.json", '{"a": 0}'),
        ("x.json", '{"a": 5e-324}'),
        ("x.csv", "name,rate\na,25\n"),
        ("x.csv", None),
    ],
)
def test_rates_that_cannot_be_read(tmp_path: Path, name: str, content: str | None) -> None:
    np.save(tmp_path / "a.npy", rows_of("a"))
    if content is not None:
        (tmp_path / name).write_text(content)
    with pytest.raises(FeatureError, match=f"{name} cannot be read as frame rates"):
        opened(tmp_path, fps=tmp_path / name)


def test_a_video_whose_name_is_not_text(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "all.h5", "w") as file:
        file.create_dataset(b"\xff\xfe", data=rows_of("a"))
    with pytest.raises(FeatureError, match="one of its names is not text"):
        opened(tmp_path / "all.h5")


@pytest.mark.parametrize("options", [{"fps": 0}, {"stride": -1}, {"window": float("nan")}, {"fps": 5e-324}])
def test_a_grid_has_positive_numbers(tmp_path: Path, options: dict[str, float]) -> None:
    np.save(tmp_path / "a.npy", rows_of("a"))
    with pytest.raises(FeatureError, match=f"`{next(iter(options))}` of the features at {tmp_path} is"):
        opened(tmp_path, **options)


# What is wrong with files ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("difference", [1, 2])
def test_streams_that_differ_by_rounding_are_cut(tmp_path: Path, difference: int) -> None:
    np.save(tmp_path / "c_rgb.npy", halves("c")["rgb"])
    np.save(tmp_path / "c_flow.npy", halves("c")["flow"][:-difference])
    store = opened(tmp_path)
    assert store.length("c") == 9 - difference
    np.testing.assert_array_equal(store["c"], rows_of("c")[:-difference])


def test_streams_that_differ_by_more_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "c_rgb.npy", halves("c")["rgb"])
    np.save(tmp_path / "c_flow.npy", halves("c")["flow"][:-3])
    with pytest.raises(FeatureError, match=r"video c differ .*: 9 rows in .*c_rgb.npy, 6 in .*c_flow.npy"):
        opened(tmp_path)["c"]


def test_rgb_without_flow_is_refused_when_it_is_read(tmp_path: Path) -> None:
    for name in "ab":
        for stream, rows in halves(name).items():
            np.save(tmp_path / f"{name}_{stream}.npy", rows)
    (tmp_path / "a_flow.npy").unlink()
    store = opened(tmp_path)
    assert store["b"].shape == (2, WIDTH)
    with pytest.raises(FeatureNotFoundError, match=r"Video a has .*a_rgb.npy, but no flow: extract it"):
        store["a"]


@pytest.mark.parametrize(
    ("suffix", "content", "message"),
    [
        ("npy", b"", "is not a .npy file"),
        ("npy", b"\x93NUMPY\x01\x00", "is not a .npy file"),
        ("npz", b"PK", "cannot be read and may be damaged"),
        ("pt", b"PK", "cannot be read and may be damaged"),
        ("pkl", b"\x80\x04", "is truncated or damaged"),
        ("csv", b"f0,f1\n1,x\n", "cannot be read and may be damaged"),
        ("csv", b"\xff\xfe\x00", "cannot be read and may be damaged"),
    ],
)
def test_a_damaged_file_is_named(tmp_path: Path, suffix: str, content: bytes, message: str) -> None:
    (tmp_path / f"bad.{suffix}").write_bytes(content)
    with pytest.raises(FeatureError, match=rf"^{tmp_path}/bad.{suffix} {message}"):
        opened(tmp_path)["bad"]


def test_a_truncated_file_is_found_without_reading_it(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", rows_of("a"))
    np.save(tmp_path / "b.npy", rows_of("b"))
    with (tmp_path / "b.npy").open("rb+") as file:
        file.truncate(140)
    with pytest.raises(FeatureError, match=rf"{tmp_path}/b.npy is truncated: it has 12 of the 32 bytes"):
        opened(tmp_path).length("b")


def test_python_objects_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array([{"features": rows_of("a")}]), allow_pickle=True)
    with pytest.raises(FeatureError, match=f"{tmp_path}/a.npy holds Python objects"):
        opened(tmp_path)["a"]


@pytest.mark.parametrize("suffix", ["pkl", "pt"])
def test_no_payload_is_run(tmp_path: Path, suffix: str) -> None:
    class Evil:
        def __reduce__(self) -> tuple[Any, ...]:
            return os.system, (f"touch {tmp_path}/pwned",)

    if suffix == "pt":
        torch.save({"features": Evil()}, tmp_path / "a.pt")
    else:
        (tmp_path / "a.pkl").write_bytes(pickle.dumps(Evil()))
    with pytest.raises(FeatureError, match=f"{tmp_path}/a.{suffix} "):
        opened(tmp_path)["a"]
    assert not (tmp_path / "pwned").exists()


def test_of_several_arrays_one_must_have_a_known_name(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", left=np.zeros((3, 4)), right=np.zeros((3, 4)))
    with pytest.raises(
        FeatureError, match=r"a.npz holds left, right: save the features alone, or name them `features`"
    ):
        opened(tmp_path, ("a",))["a"]


def test_a_damaged_video_does_not_affect_others(tmp_path: Path) -> None:
    (tmp_path / "a.npy").write_bytes(b"")
    np.save(tmp_path / "b.npy", rows_of("b"))
    assert opened(tmp_path)["b"].shape == (2, WIDTH)


def test_a_folder_without_features(tmp_path: Path) -> None:
    with pytest.raises(FeatureError, match=f"There are no features at {tmp_path}/none"):
        opened(tmp_path / "none")
    for layout in ("auto", "two_stream", "video_features", "clip_frame", "joint"):
        with pytest.raises(FeatureError, match=f"{tmp_path} holds no features of the layout"):
            opened(tmp_path, layout=layout)
    with pytest.raises(FeatureError, match=r"0 files \*JOINTFeatures.npy"):
        opened(tmp_path, layout="wtalc")


def test_a_path_that_is_too_long(tmp_path: Path) -> None:
    source = part_of(FeatureSource(tmp_path / ("x" * 5000)), "i3d")
    with pytest.raises(FeatureError, match="There are no features at"):
        open_features(source, [])


def test_none_of_the_wanted_videos(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", rows_of("a"))
    assert "b" not in opened(tmp_path, ("a", "b"))
    with pytest.raises(FeatureNotFoundError, match=r"None of the 2 videos, such as x, is among the 1 in .*, such as a"):
        opened(tmp_path, ("x", "y"))


# Resampling -----------------------------------------------------------------------------------------------------


def test_frames_are_averaged_in_their_snippet() -> None:
    frames = np.arange(64)[:, None]
    same_rate = resample(frames, TimeGrid(25, 1, 1), TimeGrid(25, 16, 16), 4)
    assert same_rate.ravel().tolist() == [7.5, 23.5, 39.5, 55.5]
    other_rate = resample(frames, TimeGrid(30, 1, 1), TimeGrid(25, 16, 16), 3)  # 19.2 frames in a snippet
    assert other_rate.ravel().tolist() == [9, 28, 47.5]  # frames 0 to 18, 19 to 37, 38 to 57


def test_a_window_is_centred() -> None:
    rows = np.arange(8)[:, None]
    dense = TimeGrid(30, 4, 16)  # row i is centred at frame 4 i + 8
    assert resample(rows, dense, TimeGrid(30, 8, 8), 3).ravel().tolist() == [0, 0.5, 2.5]


def test_where_there_is_nothing_the_nearest_row_is_taken() -> None:
    rows = np.array([[1.0], [2.0]])
    finer = resample(rows, TimeGrid(1, 1, 1), TimeGrid(4, 1, 1), 10)
    assert finer.ravel().tolist() == [1, 1, 1, 1, 2, 2, 2, 2, 2, 2]
    late = resample(rows, TimeGrid(1, 1, 1, offset_s=3), TimeGrid(1, 1, 1), 6)
    assert late.ravel().tolist() == [1, 1, 1, 1, 2, 2]


GRIDS = st.builds(
    TimeGrid,
    st.sampled_from([15, 24, 25, 29.97, 30]),
    st.sampled_from([1, 4, 8, 16]),
    st.sampled_from([1, 8, 16]),
    st.sampled_from([0, 0.3]),
)


@given(GRIDS, GRIDS, st.integers(1, 60), st.integers(1, 60))
def test_agrees_with_a_slow_reference(source: TimeGrid, target: TimeGrid, length: int, wanted: int) -> None:
    rows = np.random.default_rng(0).standard_normal((length, 2)).astype(np.float32)
    middles_s = np.array([sum(source.cell_s(i)) / 2 for i in range(length)])
    expected = []
    for index in range(wanted):
        start_s, end_s = (edge - 1e-9 * source.step_s for edge in target.cell_s(index))
        inside = (start_s <= middles_s) & (middles_s < end_s)
        place = source.index_of((start_s + end_s) / 2)
        expected.append(rows[inside].mean(axis=0) if inside.any() else rows[int(np.clip(place + 1e-8, 0, length - 1))])
    np.testing.assert_allclose(resample(rows, source, target, wanted), expected, atol=1e-5)


@given(GRIDS, st.integers(1, 30))
def test_the_same_grid_changes_nothing(grid: TimeGrid, length: int) -> None:
    rows = np.random.default_rng(0).standard_normal((length, 2)).astype(np.float32)
    np.testing.assert_array_equal(resample(rows, grid, grid, length), rows)


@pytest.mark.parametrize("name", ["features.zip", "features.tar.gz", "features.csv", "features.mat"])
def test_a_file_that_holds_no_videos_says_which_files_do(tmp_path, name):
    (tmp_path / name).write_text("1,2\n")
    with pytest.raises(FeatureError, match=r"is no file of several videos \(.*\.npz.*one file \(.*\) a video; unpack"):
        opened(tmp_path / name)
