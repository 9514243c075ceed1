import os
import pickle
import zipfile

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wtal.data.annotations import read_annotations
from wtal.errors import PredictionError
from wtal.results.ground_truth import write_ground_truth
from wtal.results.scores import (
    StudentLabels,
    TestScores,
    VideoGrids,
    read_pseudo_labels,
    read_scores,
    write_pseudo_labels,
    write_scores,
)
from wtal.types import TimeGrid, Video

HOSTILE = ["</script><script>alert(1)</script>", 'a "b" \\ \0 c', "שלום\u202egnp", "\ud800"]


def grids(lengths=(3, 1, 0, 2)):
    return VideoGrids.of(
        [
            Video(name, n, TimeGrid(30, 4, 16, offset_s=i), 20.0 + i)
            for i, (name, n) in enumerate(zip(HOSTILE, lengths, strict=True))
        ]
    )


def scores():
    rng, videos = np.random.default_rng(0), grids()
    return TestScores(videos, ["a", "b"], rng.random((6, 2)), rng.random(6), rng.random((4, 2)))


def labels():
    rng = np.random.default_rng(0)
    label = {"cbp": rng.integers(-1, 2, 6), "vlp": rng.integers(-1, 2, 6)}
    return StudentLabels(grids(), ["a", "b"], label, {s: np.where(v == 1, 1, -1) for s, v in label.items()})


def test_scores_come_back_in_half_precision(tmp_path):
    write_scores(tmp_path / "new" / "cbp.npz", scores())
    back = read_scores(tmp_path / "new" / "cbp.npz")
    assert (back.class_names, back.grids.video_ids) == (["a", "b"], HOSTILE)
    for name in ("probability", "actionness", "video"):
        assert np.array_equal(getattr(back, name), getattr(scores(), name).astype(np.float16))
    assert os.listdir(tmp_path / "new") == ["cbp.npz"]


def test_every_snippet_is_found_at_its_time(tmp_path):
    write_scores(tmp_path / "x.npz", scores())
    back = read_scores(tmp_path / "x.npz").grids
    assert [back.slices[name] for name in HOSTILE] == [slice(0, 3), slice(3, 4), slice(4, 4), slice(4, 6)]
    row, grid = back.rows[HOSTILE[3]], TimeGrid(30, 4, 16, offset_s=3)
    starts = back.first_s[row] + np.arange(3) * back.step_s[row]
    assert starts == pytest.approx([grid.edge_s(i) for i in range(3)])
    assert back.duration_s[row] == 23


def test_pseudo_labels_come_back(tmp_path):
    write_pseudo_labels(tmp_path / "p.npz", labels())
    back = read_pseudo_labels(tmp_path / "p.npz")
    for student in ("cbp", "vlp"):
        assert back.label[student].dtype == np.int8
        assert np.array_equal(back.label[student], labels().label[student])
        assert np.array_equal(back.class_index[student], labels().class_index[student])


def refused(path, message, read=read_scores):
    with pytest.raises(PredictionError, match=message) as caught:
        read(path)
    assert path.name in str(caught.value)
    assert "\n" not in str(caught.value)


def arrays_of(path):
    with np.load(path) as file:
        return dict(file)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"probability": np.zeros((5, 2), np.float16)}, r"probability is float16 \(5, 2\), expected \(6, 2\)"),
        ({"actionness": np.zeros(6, np.int8)}, "actionness is int8"),
        ({"lengths": np.array([3, 1, 0, -2])}, "impossible length"),
        ({"lengths": np.array([3, 1, 0, 2**40])}, "impossible length"),
        ({"duration_s": np.array([1, np.nan, 1, 1])}, "impossible length"),
        ({"step_s": np.zeros(4)}, "impossible length"),
        ({"class_names": np.frombuffer(b'["a", "a"]', np.uint8)}, "not a list of distinct names"),
        ({"video_ids": np.frombuffer(b"[" * 100_000, np.uint8)}, "are not text"),
        ({"video_ids": np.array(["a"])}, "has no video_ids"),
    ],
)
def test_arrays_that_disagree_are_refused(tmp_path, change, message):
    write_scores(tmp_path / "x.npz", scores())
    np.savez(tmp_path / "y.npz", **{**arrays_of(tmp_path / "x.npz"), **change})
    refused(tmp_path / "y.npz", message)


def test_labels_out_of_range_are_refused(tmp_path):
    write_pseudo_labels(tmp_path / "x.npz", labels())
    arrays = arrays_of(tmp_path / "x.npz")
    np.savez(tmp_path / "y.npz", **{**arrays, "label_cbp": np.full(6, 2, np.int8)})
    refused(tmp_path / "y.npz", "pseudo-labels of cbp out of range", read_pseudo_labels)
    del arrays["class_index_vlp"]
    np.savez(tmp_path / "z.npz", **arrays)
    refused(tmp_path / "z.npz", "no array class_index_vlp", read_pseudo_labels)


class _Touch:
    def __reduce__(self):
        return os.mkdir, ("executed",)


def test_nothing_is_run_or_inflated(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    refused(tmp_path / "none.npz", "does not exist")
    np.savez(tmp_path / "pickle.npz", probability=np.array([_Touch()], dtype=object))
    refused(tmp_path / "pickle.npz", "holds objects")
    assert not (tmp_path / "executed").exists()
    np.savez_compressed(tmp_path / "bomb.npz", probability=np.zeros(10**7))
    refused(tmp_path / "bomb.npz", "compressed")
    with zipfile.ZipFile(tmp_path / "huge.npz", "w") as archive:
        head = "{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000,), }"
        archive.writestr("probability.npy", b"\x93NUMPY\x01\x00" + len(head).to_bytes(2, "little") + head.encode())
    refused(tmp_path / "huge.npz", "truncated")
    (tmp_path / "text.npz").write_bytes(pickle.dumps(_Touch()))
    refused(tmp_path / "text.npz", "damaged")


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_damaged_file_is_read_as_it_was_or_refused(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("damaged") / "x.npz"
    write_scores(path, scores())
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    try:
        back = read_scores(path)
    except PredictionError:
        return
    assert back.probability.shape == (back.grids.lengths.sum(), len(back.class_names))


def test_an_unknown_duration_stays_unknown(tmp_path):
    segments = pd.DataFrame([("a", "run", 0.0, 1.0)], columns=["video_id", "label", "start_s", "end_s"])
    write_ground_truth(tmp_path / "truth.json", segments, {"a": float("nan"), "b": 3.0}, "test")
    durations = read_annotations(tmp_path / "truth.json").videos["duration_s"]
    assert np.isnan(durations["a"])
    assert durations["b"] == 3.0
