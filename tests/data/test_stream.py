import warnings
from pathlib import Path

import numpy as np
import pytest
from streams import Stream

from wtal.errors import CheckpointError, ConfigError, FeatureNotFoundError


@pytest.fixture
def stream(tmp_path: Path) -> Stream:
    made = Stream(tmp_path / "stream")
    for name, label in (("a", "archery"), ("b", "bowling")):
        made.deliver(name, label)
    return made


def names(data):
    return [video.video_id for video in data.videos("train")]


def test_a_video_joins_with_its_label_and_whole_features(stream, recwarn):
    data = stream.data()
    assert names(data) == ["a", "b"]
    stream.features("c", "archery")
    assert not data.look(1).changes_training
    stream.label("c", "archery")
    arrivals = data.look(2)
    assert (arrivals.videos, arrivals.class_names) == (["c"], [])
    assert names(data) == ["a", "b"]  # not before it is taken
    assert data.take(arrivals) == [0, 1, None]
    assert names(data) == ["a", "b", "c"]
    assert data.train_lengths == [30, 30, 30]
    assert data.came["c"] == (2, ("archery",))


def test_a_video_without_a_label_is_named_once(stream):
    data = stream.data()
    data.setup("fit")
    stream.features("c", "archery")
    with pytest.warns(UserWarning, match=r"until they have a label in .*labels.csv: c \(1 video\)\.") as said:
        data.look(1)
    assert len(said) == 1
    stream.features("d", "archery")
    with pytest.warns(UserWarning, match=r"until they have a label in .*labels.csv: d \(1 video\)\.") as said:
        data.look(2)
    assert len(said) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        data.look(3)


def test_a_label_without_features_and_an_empty_label_are_named(stream):
    data = stream.data()
    data.setup("fit")
    stream.features("e", "archery")
    with stream.table.open("a") as table:
        table.write("d,,,archery\ne,,,\n")
    with pytest.warns(UserWarning, match="Left out until they have") as said:
        assert not data.look(1).videos
    assert [str(one.message).rpartition("have ")[2] for one in said] == [
        f"a label in {stream.table}: e (1 video).",
        "features in every stream: d (1 video).",
    ]


def test_a_half_written_row_is_left_for_the_next_epoch(stream):
    data = stream.data()
    data.setup("fit")
    stream.features("c", "archery")
    with stream.table.open("a") as table:
        table.write("c,3.2,7.04,archery\nc,11.52,15.36,arch")
    with pytest.warns(UserWarning, match="has no line end, so it may be unfinished: it is left for the next epoch"):
        arrivals = data.look(1)
    assert (arrivals.videos, arrivals.class_names) == (["c"], [])
    assert data.class_names == ["archery", "bowling"]
    with stream.table.open("a") as table:
        table.write("ery\nd,1,2")
    data.look(2)
    assert len(data.segments_for_testing(["c"])) == 2


def test_a_table_that_cannot_be_read_now_is_left_for_the_next_epoch(stream):
    data = stream.data()
    data.setup("fit")
    whole = stream.table.read_text()
    stream.table.write_text(whole + "c,9,1,archery\n")
    with pytest.warns(UserWarning, match=r"left for the next epoch: .*labels.csv: a segment of video c ends before"):
        assert not data.look(1).changes_training
    assert names(data) == ["a", "b"]
    stream.table.write_text(whole)
    stream.deliver("c", "archery")
    assert data.look(2).videos == ["c"]


def test_a_half_written_feature_file_is_left_for_the_next_epoch(tmp_path):
    folder = tmp_path / "features"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for name in "abc":
        np.save(folder / f"{name}.npy", rng.standard_normal((30, 12)).astype(np.float32))
    whole = (folder / "c.npy").read_bytes()
    (folder / "c.npy").write_bytes(whole[:500])
    stream = Stream(tmp_path / "stream")
    for name in "abc":
        stream.label(name, "archery")
    data = stream.data(i3d=folder, clip=folder)
    with pytest.warns(UserWarning, match=r"Video c is left for the next epoch: .*c\.npy"):
        assert names(data) == ["a", "b"]
    (folder / "c.npy").write_bytes(whole)
    assert data.look(1).videos == ["c"]


def test_classes_keep_their_order_and_new_ones_come_at_the_end(stream):
    data = stream.data()
    data.setup("fit")
    for name in "cd":
        stream.features(name, "archery")
        stream.label(name, "Archery")
    stream.deliver("e", "curling")
    arrivals = data.look(1)
    assert arrivals.class_names == ["curling"] == data.class_names[2:]
    data.take(arrivals)
    table = data.split("train").table
    assert [*table["labels"]] == [("archery",), ("bowling",), ("archery",), ("archery",), ("curling",)]
    batch = next(iter(data.pseudo_label_dataloader()))
    assert batch.labels.tolist() == [[1, 0, 0]]


def test_a_video_keeps_the_labels_that_it_came_with_and_its_row(stream):
    data = stream.data()
    data.setup("fit")
    stream.table.write_text("video,start,end,label\na,3.2,7.04,bowling\n")
    stream.deliver("c", "archery")
    data.take(data.look(1))
    assert [*data.split("train").table["labels"]] == [("archery",), ("bowling",), ("archery",)]


def test_a_checkpoint_has_the_videos_and_the_order_of_the_classes(stream):
    data = stream.data(memory=2)
    data.setup("fit")
    state = data.state_dict()
    stream.deliver("c", "archery")
    data.take(data.look(1))
    other = stream.data(memory=2)
    other.setup("fit")
    assert len(other.came) == 3
    assert other.know(["bowling", "archery"], may_grow=True)
    other.load_state_dict(state)
    assert names(other) == ["a", "b"]
    assert other.class_names == ["bowling", "archery"]
    other.take(other.look(1))
    assert (names(other), other.memory.held) == (names(data), data.memory.held)
    with pytest.raises(CheckpointError, match=r"another `data\.memory`"):
        stream.data().load_state_dict(state)


def test_a_checkpoint_with_other_classes_is_known_only_if_it_may_grow(stream):
    data = stream.data()
    data.setup("fit")
    assert not data.know(["archery"], may_grow=False)
    assert not data.know(["archery", "swimming"], may_grow=True)
    assert data.know(["archery"], may_grow=True)
    assert [*data.annotations.videos["labels"]] == [("archery",), ()]
    assert data.look(1).class_names == ["bowling"]


def test_test_videos_are_never_trained_on_and_may_have_more_classes(stream, tmp_path):
    (tmp_path / "test.csv").write_text("video,label\nt,curling\n")
    stream.features("t", "curling")
    stream.deliver("c", "archery")
    data = stream.data(test_annotations=tmp_path / "test.csv")
    assert data.class_names == ["archery", "bowling", "curling"]
    data.setup("fit")
    assert names(data) == ["a", "b", "c"]
    assert [video.video_id for video in data.videos("test")] == ["t"]


def test_without_subsets_the_videos_that_have_come_are_tested(stream):
    data = stream.data()
    stream.label("later", "archery")
    data.setup("test")
    assert [video.video_id for video in data.videos("test")] == ["a", "b"]
    assert "the training videos" in data.benchmark.name


def test_nothing_to_begin_with_and_held_out_videos_are_refused(tmp_path):
    stream = Stream(tmp_path / "stream")
    stream.features("a", "archery")
    stream.label("b", "archery")
    with pytest.raises(FeatureNotFoundError):
        stream.data().setup("fit")
    with pytest.raises(ConfigError, match=r"`data\.held_out` keeps no videos of a stream"):
        stream.data(held_out=0.2)


def test_cached_videos_are_read_once(stream):
    data = stream.data(cache=True)
    data.setup("fit")
    before = data.split("train").features.read("a", slice(None))["i3d"]
    stream.deliver("c", "archery")
    data.take(data.look(1))
    after = data.split("train").features
    assert np.shares_memory(after.read("a", slice(None))["i3d"], before)
    assert set(after._kept) == {"a", "b", "c"}
