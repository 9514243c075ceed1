from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from wtal.data import CustomDataModule, FeatureSource
from wtal.data.datamodule import hold_out
from wtal.data.inspection import inspect
from wtal.data.store import StoreWriter
from wtal.errors import AnnotationError, ConfigError, FeatureError, FeatureNotFoundError
from wtal.types import SnippetBatch, TimeGrid

STEP_S = 16 / 25
LENGTHS = {"a": 5, "b": 30, "c": 12, "d": 8, "t": 9, "u": 4}
TABLE = """video,start,end,label,subset
a,,,run,train
b,1,2,run,train
b,3,4,jump,train
c,0,1,jump,train
d,0,1,run,train
t,0.5,1.5,jump,test
t,2,3,run,test
u,1,2,run,test
"""


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """Annotations and features of six videos; row ``i`` of video number ``n`` is ``100 n + i``."""
    (tmp_path / "own.csv").write_text(TABLE)
    for stream, dim in (("i3d", 6), ("clip", 4)):
        (tmp_path / stream).mkdir()
        for number, (name, length) in enumerate(LENGTHS.items()):
            rows = 100 * number + np.arange(length)[:, None] + np.zeros(dim)
            np.save(tmp_path / stream / f"{name}.npy", rows.astype(np.float32))
    return tmp_path


def module(files: Path, **options: Any) -> CustomDataModule:
    defaults = {
        "i3d": FeatureSource(files / "i3d", layout="joint"),
        "clip": FeatureSource(files / "clip", layout="clip_snippet"),
        "batch_size": 2,
        "num_snippets": 6,
        "seed": 1,
    }
    return CustomDataModule(files / "own.csv", **(defaults | options))


def assert_equal(one: SnippetBatch, two: SnippetBatch) -> None:
    assert one.streams.keys() == two.streams.keys()
    assert all(torch.equal(rows, two.streams[name]) for name, rows in one.streams.items())
    assert all(torch.equal(a, b) for a, b in zip(one[1:5], two[1:5], strict=True))  # type: ignore[arg-type]
    assert (one.clips, one.films) == (two.clips, two.films) == ({}, {})


def test_lists_videos_classes_and_lengths(files: Path) -> None:
    data = module(files)
    assert data.class_names == ["jump", "run"]
    assert [video.video_id for video in data.videos("train")] == ["a", "b", "c", "d"]
    assert data.train_lengths == [5, 30, 12, 8]
    (t, u) = data.videos("test")
    assert (t.video_id, t.num_snippets, u.num_snippets) == ("t", 9, 4)
    assert t.duration_s == pytest.approx(9 * STEP_S)  # not in the table: the end of the last snippet


def test_loaders_give_whole_videos_in_order(files: Path) -> None:
    data = module(files)
    for loader, rows in (
        (data.pseudo_label_dataloader(), 4),
        (data.test_dataloader(), 2),
        (data.predict_dataloader(), 2),
    ):
        batches: list[SnippetBatch] = list(loader)
        assert [batch.video.tolist() for batch in batches] == [[row] for row in range(rows)]
        assert all(batch.mask.all() for batch in batches)
    assert batches[1].streams["i3d"][0, :, 0].tolist() == [500, 501, 502, 503]
    assert batches[0].labels.tolist() == [[1, 1]]


def test_training_batches_find_their_video_and_place(files: Path) -> None:
    batches = list(module(files).train_dataloader())
    assert sorted(row for batch in batches for row in batch.video.tolist()) == [0, 1, 2, 3]
    for batch in batches:
        assert batch.mask.shape[1] <= 6
        expected = (100 * batch.video[:, None] + batch.grid_index).float()
        assert torch.equal(batch.streams["i3d"][batch.mask][:, 0], expected[batch.mask])
        assert torch.equal(batch.streams["clip"][batch.mask][:, 0], expected[batch.mask])


@pytest.mark.parametrize("workers", [0, 2])
def test_a_training_epoch_is_a_function_of_seed_and_epoch(files: Path, workers: int) -> None:
    loader, other = module(files).train_dataloader(), module(files, num_workers=workers).train_dataloader()
    for epoch in (0, 1):
        loader.sampler.set_epoch(epoch)
        other.sampler.set_epoch(epoch)
        for one, two in zip(loader, other, strict=True):
            assert_equal(one, two)


def test_processes_take_their_share(files: Path) -> None:
    train, test = [], []
    for rank in (0, 1):
        data = module(files)
        data.trainer = SimpleNamespace(world_size=2, global_rank=rank)  # type: ignore[assignment]
        train += [row for batch in data.train_dataloader() for row in batch.video.tolist()]
        test.append([row for batch in data.test_dataloader() for row in batch.video.tolist()])
        assert len(list(data.pseudo_label_dataloader())) == 4
    assert sorted(train) == [0, 1, 2, 3]
    assert test == [[0], [1]]


def test_the_runs_seed_is_the_default(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PL_GLOBAL_SEED", "9")
    assert module(files, seed=None).train_dataloader().sampler.seed == 9
    assert module(files, seed=2).train_dataloader().sampler.seed == 2


def test_only_evaluation_sees_segments(files: Path) -> None:
    data = module(files, held_out=0.5)
    assert data.ground_truth("train") is None
    assert data.ground_truth("val") is None
    truth = data.ground_truth("test")
    assert truth is not None
    assert truth.to_numpy().tolist() == [[0, 0, 0.5, 1.5], [0, 1, 2, 3], [1, 1, 1, 2]]
    open_data = module(files, held_out=0.5, validate_on="segments")
    assert open_data.ground_truth("train") is None
    shown = open_data.ground_truth("val")
    assert shown is not None
    assert set(shown["video"]) <= set(range(len(open_data.videos("val"))))


def test_held_out_videos_leave_training(files: Path) -> None:
    data = module(files, held_out=0.5)
    train, val = ([video.video_id for video in data.videos(split)] for split in ("train", "val"))
    assert sorted(train + val) == ["a", "b", "c", "d"]
    assert val
    assert val == [video.video_id for video in module(files, held_out=0.5).videos("val")]
    assert [batch.video.tolist() for batch in data.val_dataloader()] == [[row] for row in range(len(val))]
    assert module(files).val_dataloader() == []


@given(
    st.lists(st.sets(st.integers(0, 3), min_size=1, max_size=2), min_size=1, max_size=40),
    st.floats(0, 0.95),
    st.integers(0, 5),
)
def test_no_class_loses_its_last_training_video(videos: list[set[int]], share: float, seed: int) -> None:
    labels = np.array([[class_index in video for class_index in range(4)] for video in videos], float)
    out = hold_out(labels, share, seed)
    present = labels.any(axis=0)
    assert labels[~out].any(axis=0)[present].all()
    assert (labels[out].sum(axis=0) <= np.round(labels.sum(axis=0) * share) + len(videos)).all()
    assert (out == hold_out(labels, share, seed)).all()


def test_every_class_gives_its_share() -> None:
    labels = np.repeat(np.eye(4), 10, axis=0)
    out = hold_out(labels, 0.2, seed=0)
    assert labels[out].sum(axis=0).tolist() == [2, 2, 2, 2]
    assert (hold_out(labels, 0.2, seed=1) != out).any()
    assert not hold_out(labels, 0.0, seed=0).any()


def test_cached_videos_are_read_once(files: Path) -> None:
    data = module(files, cache=True)
    data.setup("fit")
    expected = list(module(files).pseudo_label_dataloader())
    for path in files.glob("*/*.npy"):
        path.unlink()
    for batch, plain in zip(data.pseudo_label_dataloader(), expected, strict=True):
        assert_equal(batch, plain)


# What may be wrong --------------------------------------------------------------------------------------------------


def test_names_videos_without_features(files: Path) -> None:
    (files / "clip" / "t.npy").unlink()
    data = module(files)
    data.setup("fit")
    with pytest.raises(
        FeatureNotFoundError, match=r"1 of 2 test videos have no clip features in .*clip: t;.*missing: skip"
    ):
        data.setup("test")


def test_skipped_videos_are_in_the_name_of_the_benchmark(files: Path) -> None:
    (files / "clip" / "t.npy").unlink()
    data = module(files, missing="skip")
    with pytest.warns(UserWarning, match="1 test videos have no features and are left out: t"):
        data.setup("test")
    assert data.benchmark.name == "custom without 1 videos"
    assert [video.video_id for video in data.videos("test")] == ["u"]
    truth = data.ground_truth("test")
    assert truth is not None
    assert truth.to_numpy().tolist() == [[0, 1, 1, 2]]


def test_short_videos_can_be_left_out(files: Path) -> None:
    data = module(files, drop_up_to=8)
    assert [video.video_id for video in data.videos("train")] == ["b", "c"]
    assert [video.video_id for video in data.videos("test")] == ["t"]
    assert data.benchmark.name == "custom-more-than-8-snippets"
    with pytest.raises(AnnotationError, match="no train video with features is left"):
        module(files, drop_up_to=30).setup("fit")


def test_refuses_to_validate_on_nothing(files: Path) -> None:
    with pytest.raises(ConfigError, match=r"`data.held_out` is 0"):
        module(files).setup("validate")


def test_needs_a_stream(files: Path) -> None:
    with pytest.raises(ConfigError, match=r"no features: give their source in `data.i3d`"):
        module(files, i3d=None, clip=None).setup("fit")


def test_says_which_subsets_exist(files: Path) -> None:
    with pytest.raises(
        AnnotationError, match=r"no video of subset 'val'; its subsets are: 'train' \(4 videos\), 'test' \(2"
    ):
        module(files, train_subset=["val"]).setup("fit")


def test_a_training_video_without_label_is_one_without_action(files: Path) -> None:
    (files / "own.csv").write_text("video,label\na,run\nb,\n")
    data = module(files)
    with pytest.warns(UserWarning, match="1 training videos have no label and are taken as videos without any action"):
        data.setup("fit")
    assert [video.video_id for video in data.videos("train")] == ["a", "b"]
    assert data.dataset("train").labels.tolist() == [[1], [0]]


def test_training_videos_without_label_may_be_left_out(files: Path) -> None:
    (files / "own.csv").write_text("video,label\na,run\nb,\n")
    data = module(files, without_action="skip")
    with pytest.warns(UserWarning, match=r"1 training videos have no label and are left out, .* `skip`: b"):
        data.setup("fit")
    assert [video.video_id for video in data.videos("train")] == ["a"]


def test_some_training_video_needs_a_label(files: Path) -> None:
    (files / "own.csv").write_text("video,label,subset\na,,train\nb,,train\nc,run,test\n")
    with pytest.raises(AnnotationError, match="none of the 2 training videos has a label"):
        module(files).setup("fit")


def test_videos_without_label_are_held_out_like_a_class() -> None:
    labels = np.zeros((20, 2))
    labels[:10, 0] = 1
    out = hold_out(labels, 0.2, seed=0)
    assert (out[:10].sum(), out[10:].sum()) == (2, 2)


def test_refuses_streams_of_different_length(files: Path) -> None:
    np.save(files / "clip" / "b.npy", np.zeros((60, 4), np.float32))
    with pytest.raises(FeatureError, match="streams of video b differ"):
        module(files).setup("fit")


@pytest.mark.parametrize(("name", "value"), [("batch_size", 0), ("num_snippets", 0), ("held_out", 1.0)])
def test_refuses_senseless_numbers(files: Path, name: str, value: float) -> None:
    with pytest.raises(ConfigError, match=f"`data.{name}`"):
        module(files, **{name: value})


def test_warns_of_segments_after_the_end(files: Path) -> None:
    (files / "own.csv").write_text(TABLE + "u,50,60,run,test\n")
    with pytest.warns(UserWarning, match=r"1 test segments start after the end of their video .*: u \(1\)"):
        module(files).setup("test")


# Streams by name ----------------------------------------------------------------------------------------------------


def test_streams_have_any_names_and_the_first_gives_the_grid(files: Path) -> None:
    hand, arm = (FeatureSource(files / "i3d", layout="joint", columns=columns) for columns in ("0:2", "2:6"))
    data = module(files, i3d=None, clip=None, streams={"hand": hand, "arm": arm})
    (batch, *_) = data.train_dataloader()
    assert {name: rows.shape[2] for name, rows in batch.streams.items()} == {"hand": 2, "arm": 4}
    assert data.feature_statistics("arm")[0].shape == (4,)
    assert torch.equal(batch.streams["arm"][..., :2], batch.streams["hand"])


def test_more_streams_come_after_the_default_pair(files: Path) -> None:
    data = module(files, streams={"pose": FeatureSource(files / "clip", layout="clip_snippet", columns="0")})
    assert list(data.split("train").features.streams) == ["i3d", "clip", "pose"]


def test_a_stream_given_twice_is_refused(files: Path) -> None:
    with pytest.raises(ConfigError, match=r"'clip' is given as `data.clip` and in `data.streams`"):
        module(files, streams={"clip": FeatureSource(files / "clip")})


def test_an_unknown_stream_is_named_with_those_that_exist(files: Path) -> None:
    with pytest.raises(FeatureError, match="reads the stream 'pose', but the data have i3d, clip"):
        module(files).feature_statistics("pose")


def test_a_stream_of_an_extracted_folder_is_opened_by_its_name(files: Path) -> None:
    """The case of ``wtal data check``, which used to look for the stream beside its folder."""
    for stream in ("i3d", "clip"):
        with StoreWriter(files / "all" / stream, TimeGrid()) as store:
            for name in LENGTHS:
                store.add(name, np.load(files / stream / f"{name}.npy"))
    data = module(files, i3d=FeatureSource(files / "all"), clip=FeatureSource(files / "all"))
    assert [data.open_stream(name, data.train_table()).dim for name in data.streams] == [6, 4]
    assert inspect(data).problems == []


# Segments for training ----------------------------------------------------------------------------------------------


def test_the_one_door_to_training_segments_marks_the_benchmark(files: Path) -> None:
    data = module(files)
    assert data.benchmark.name == "custom"
    segments = data.segments_for_supervision()
    assert segments.to_numpy().tolist() == [[1, 1, 1, 2], [1, 0, 3, 4], [2, 0, 0, 1], [3, 1, 0, 1]]
    data.segments_for_supervision()
    assert data.benchmark.name == "custom, supervised"


def test_a_mark_follows_the_rest_of_the_name(files: Path) -> None:
    (files / "clip" / "t.npy").unlink()
    data = module(files, missing="skip")
    data.mark_benchmark("supervised")
    with pytest.warns(UserWarning, match="are left out"):
        data.setup("test")
    data.mark_benchmark("supervised")
    data.mark_benchmark("")
    assert data.benchmark.name == "custom without 1 videos, supervised"


def test_a_fit_says_how_annotations_were_read(files: Path) -> None:
    (files / "own.csv").write_text(TABLE.replace("d,0,1,run,train", "d,0,1,Run,traning"))
    data = module(files)
    with pytest.warns(UserWarning, match="1 of 6 annotated videos are in no split .*'traning' instead of 'training'"):
        data.setup("fit")
    spelled, split = data.remarks()
    assert "'Run' are read as 'run'" in spelled
    assert "such as d: correct the subset, or name it in `data.train_subset`" in split
    assert inspect(data).remarks[:2] == [spelled, split]
