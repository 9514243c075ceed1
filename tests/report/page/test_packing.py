import base64
import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from wtal.report.page.material import gather
from wtal.report.page.measures import judge, measure
from wtal.report.page.packing import DETECTION, pack
from wtal.results.pseudo_instances import COLUMNS, PseudoInstances
from wtal.results.scores import read_scores


@pytest.fixture(scope="module")
def packed(made):
    material = gather([made.folder])
    measured = {method.name: measure(method, material.truth, (0.5,)) for method in material.methods}
    data = json.loads(json.dumps(pack(material, measured, {"plain_1": "../films/plain_1.mp4"}), allow_nan=False))
    return material, measured, data


def test_all_videos_are_there_test_before_training(made, packed):
    _, _, data = packed
    parts = [video["part"] for video in data["videos"]]
    assert parts == ["test"] * len(made.videos) + ["training"] * 2
    assert [video["id"] for video in data["videos"][: len(made.videos)]] == [video.video_id for video in made.videos]
    assert [video["id"] for video in data["videos"] if "file" in video] == ["plain_1"]


def test_curves_and_detections_are_unpacked_as_they_were(made, packed):
    material, _, data = packed
    for video in data["videos"][: len(made.videos)]:
        raw, at = base64.b64decode(video["data"]), 0
        for method, (count, first, step) in zip(material.methods, video["grids"], strict=True):
            scores = read_scores(made.folder / "scores" / f"{method.source}.npz")
            place, row = scores.grids.slices[video["id"]], scores.grids.rows[video["id"]]
            assert (count, first, step) == (
                place.stop - place.start,
                scores.grids.first_s[row],
                scores.grids.step_s[row],
            )
            names = [data["classes"][k] for k in video["classes"]]
            columns = [scores.class_names.index(name) for name in names]
            for expected in [scores.actionness[place], *scores.probability[place][:, columns].T]:
                curve = np.frombuffer(raw, np.uint8, count, at) / 255
                assert np.abs(curve - expected).max() <= 0.5 / 255 + 1e-3  # half a step, and float16
                at += count
        for method, count in zip(material.methods, video["counts"], strict=True):
            rows = np.frombuffer(raw, DETECTION, count, at)
            at += rows.nbytes
            table = method.detections
            mine = table["video_id"] == video["id"]
            judged = judge(table, material.truth)
            order = np.argsort(-table["score"][mine].to_numpy(), kind="stable")[:count]
            expected = table[mine].iloc[order]
            assert np.allclose(rows["start"] / 1000, expected["start_s"], rtol=0, atol=0.0005 + 1e-9)
            assert np.allclose(rows["tiou"] / 255, judged.tiou[mine][order], rtol=0, atol=1 / 255)
            assert [data["classes"][label] for label in rows["label"]] == list(expected["label"])
            assert np.array_equal(rows["flags"] & 1, judged.true[mine][order])
            assert np.array_equal(rows["flags"] >> 1, judged.counted[mine][order])
        assert at == len(raw)


def test_errors_of_a_video_are_those_of_its_profile(made, packed):
    material, measured, data = packed
    for video in data["videos"][: len(made.videos)]:
        for method, errors in zip(material.methods, video["errors"], strict=True):
            profile = vars(measured[method.name].videos[video["id"]]).values()
            assert [np.nan if e is None else e for e in errors] == pytest.approx(list(profile), abs=5e-5, nan_ok=True)


def test_pseudo_labels_are_unpacked_as_they_were(made, packed):
    material, _, data = packed
    assert data["students"] == ["cbp", "vlp"]
    for video in data["videos"][len(made.videos) :]:
        place = material.pseudo.grids.slices[video["id"]]
        expected = np.concatenate([material.pseudo.label[student][place] for student in data["students"]])
        assert np.array_equal(np.frombuffer(base64.b64decode(video["data"]), np.uint8).astype(int) - 1, expected)


def test_detections_without_ground_truth_make_timelines_too(made):
    material = gather([made.folder / "predictions" / "cbp.json"])
    data = pack(material, {}, {})
    names = {name for name, found in made.detections["cbp"].items() if len(found.score)}
    assert {video["id"] for video in data["videos"]} == names
    assert all(video["duration"] > 1 and video["errors"] == [None] for video in data["videos"])


def test_pseudo_instances_are_shown_in_their_training_videos(packed):
    material, _, before = packed
    known = material.pseudo.grids.video_ids[0]
    rows = [
        ("other", "swimming", 1.0, 3.5, 0.8, 0.4567, 0.9, 0.1, 0.0),
        ("other", "swimming", 7.0, 8.0, 0.3, 0.0, 1.0, 0.0, 1.0),
    ]
    found = PseudoInstances(pd.DataFrame(rows, columns=list(COLUMNS)), {known: 25.6, "other": float("nan")})
    data = json.loads(json.dumps(pack(replace(material, instances=found), {}, {}), allow_nan=False))
    first, second, other = [video for video in data["videos"] if video["part"] == "training"]
    swimming = data["classes"].index("swimming")
    assert other["instances"] == [[swimming, 1, 3.5, 0.457, 0], [swimming, 7, 8, 0, 1]]
    assert (other["duration"], other["classes"], other["data"]) == (8, [swimming], "")
    assert "labels" not in other
    assert first["instances"] == []
    assert "instances" not in second
    assert first["data"] == next(video["data"] for video in before["videos"] if video["id"] == known)

    alone = pack(replace(material, pseudo=None, instances=found), {}, {})
    assert [video["id"] for video in alone["videos"] if video["part"] == "training"] == [known, "other"]


def test_points_are_packed_by_video_with_their_classes(made):
    points = pd.DataFrame(
        [("plain_1", "diving", 1.25), ("plain_1", "a class of its own", 3.0)], columns=["video_id", "label", "time_s"]
    )
    material = replace(gather([made.folder]), points=points)
    packed = pack(material, {}, {})
    (video,) = (v for v in packed["videos"] if "points" in v)
    assert video["id"] == "plain_1"
    assert [(packed["classes"][label], time) for label, time in video["points"]] == [
        ("diving", 1.25),
        ("a class of its own", 3.0),
    ]
