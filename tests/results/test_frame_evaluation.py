"""`wtal evaluate --task anomaly`: anyone's scores, the lengths of videos, and what the evaluators make of them."""

import json
from pathlib import Path

import numpy as np
import pytest

from wtal.commands import evaluate as command
from wtal.data.anomaly_lists import read_video_list
from wtal.data.anomaly_truth import AnnotatedVideo, Interval
from wtal.errors import AnnotationError, ConfigError, PredictionError
from wtal.metrics import FRAME_RULE_SETS, precision_area, roc_area
from wtal.results import evaluate_frames, load_frame_truth, read_frame_scores
from wtal.results.frame_truth import length_problem
from wtal.results.scores import TestScores, VideoGrids, write_scores

UCF = """Abuse028_x264  Abuse  40  79  -1  -1
Arson011_x264  Arson  10  20  100  127
Normal_Videos_003_x264  Normal  -1  -1  -1  -1
"""
FRAMES = {"Abuse028_x264": 160, "Arson011_x264": 128, "Normal_Videos_003_x264": 96}
ABNORMAL = {"Abuse028_x264": [(40, 79)], "Arson011_x264": [(10, 20), (100, 127)], "Normal_Videos_003_x264": []}


@pytest.fixture
def truth_file(tmp_path: Path) -> Path:
    (tmp_path / "truth.txt").write_text(UCF)
    return tmp_path / "truth.txt"


@pytest.fixture
def scores() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {name: np.repeat(rng.random(frames // 16), 16) for name, frames in FRAMES.items()}


def folder_of(folder: Path, arrays: dict[str, np.ndarray], ending: str = "") -> Path:
    folder.mkdir()
    for name, array in arrays.items():
        np.save(folder / f"{name}{ending}.npy", array)
    return folder


def evaluated(path: Path, truth_file: Path, rules: str = "wtal", step: int = 1):
    found = read_frame_scores(path, step)
    return evaluate_frames(found, "x", load_frame_truth(truth_file, found.scores), FRAME_RULE_SETS[rules])


def by_hand(scores: dict[str, np.ndarray], last: int = 1) -> tuple[np.ndarray, np.ndarray]:
    truth = []
    for name, frames in FRAMES.items():
        mask = np.zeros(frames, bool)
        for first, end in ABNORMAL[name]:
            mask[first : end + last] = True
        truth.append(mask)
    return np.concatenate(list(scores.values())), np.concatenate(truth)


@pytest.mark.parametrize("ending", ["", "_i3d"])
def test_a_folder_of_one_file_a_video(tmp_path: Path, truth_file: Path, scores, ending: str):
    score, truth = by_hand(scores)
    result = evaluated(folder_of(tmp_path / "s", scores, ending), truth_file)
    assert result.measures["AUC"] == pytest.approx(roc_area(score, truth), abs=1e-12)
    assert result.measures["AP"] == pytest.approx(precision_area(score, truth), abs=1e-12)
    assert set(result.per_class) == {"Abuse", "Arson"}
    assert result.fine is None


def test_the_rules_decide_about_the_last_frame_and_the_area(tmp_path: Path, truth_file: Path, scores):
    folder = folder_of(tmp_path / "s", scores)
    score, truth = by_hand(scores, last=0)
    vadclip = evaluated(folder, truth_file, "vadclip-ucf").measures
    assert vadclip["AP"] == pytest.approx(precision_area(score, truth), abs=1e-12)
    score, truth = by_hand(scores)
    assert evaluated(folder, truth_file, "rtfm").measures["PR-AUC"] == pytest.approx(
        precision_area(score, truth, trapezoid=True), abs=1e-12
    )


@pytest.mark.parametrize("compressed", [True, False])
def test_an_archive_of_all_videos(tmp_path: Path, truth_file: Path, scores, compressed: bool):
    (np.savez_compressed if compressed else np.savez)(tmp_path / "s.npz", **scores)
    same = evaluated(folder_of(tmp_path / "s", scores), truth_file).measures
    assert evaluated(tmp_path / "s.npz", truth_file).measures == same


def test_scores_of_snippets_stand_for_sixteen_frames(tmp_path: Path, truth_file: Path, scores):
    snippets = folder_of(tmp_path / "snippets", {name: array[::16] for name, array in scores.items()})
    same = evaluated(folder_of(tmp_path / "frames", scores), truth_file).measures
    assert evaluated(snippets, truth_file, step=16).measures == same


@pytest.mark.parametrize("reverse", [False, True])
def test_one_long_array_follows_its_list(tmp_path: Path, truth_file: Path, scores, reverse: bool):
    names = list(FRAMES)[::-1] if reverse else list(FRAMES)
    rows = "".join(f"{name},{'Normal' if 'Normal' in name else name[:5]},{FRAMES[name]}\n" for name in names)
    (tmp_path / "list.csv").write_text("video,label,frames\n" + rows)
    np.save(tmp_path / "all.npy", np.concatenate([scores[name] for name in names]))
    output = tmp_path / "out.json"
    command.run([tmp_path / "all.npy"], truth_file, task="anomaly", video_list=tmp_path / "list.csv", output=output)
    same = evaluated(folder_of(tmp_path / "s", scores), truth_file).measures
    assert json.loads(output.read_text())["measures"] == pytest.approx(same, abs=1e-12)
    _, mask = by_hand({name: scores[name] for name in FRAMES})
    parts = dict(zip(FRAMES, np.split(mask, np.cumsum(list(FRAMES.values()))[:-1]), strict=True))
    np.save(tmp_path / "gt.npy", np.concatenate([parts[name] for name in names]).astype(float))
    command.run(
        [tmp_path / "all.npy"],
        tmp_path / "gt.npy",
        task="anomaly",
        video_list=tmp_path / "list.csv",
        output=output,
        per_class=True,
    )
    assert json.loads(output.read_text())["measures"] == pytest.approx(same, abs=1e-12)


def test_class_probabilities_give_the_fine_grained_map(tmp_path: Path, truth_file: Path, scores):
    wide = {}
    for name, array in scores.items():
        rows = np.full((len(array), 3), 0.05)
        for first, last in ABNORMAL[name]:
            rows[first : last + 1, 1 + (name[:5] == "Arson")] = 0.9
        rows[:, 0] = 1 - rows[:, 1:].sum(axis=1)
        wide[name] = rows
    result = evaluated(folder_of(tmp_path / "s", wide), truth_file)
    assert result.measures["mAP@0.5"] == 1
    assert result.measures["AUC"] == 1


def test_the_scores_of_a_run_are_read_with_its_truth(tmp_path: Path):
    grids = VideoGrids(["a", "b"], np.array([10, 5]), np.zeros(2), np.ones(2), np.array([10.0, 5.0]))
    rng = np.random.default_rng(0)
    attention = rng.random(15)
    write_scores(
        tmp_path / "scores" / "cbp.npz",
        TestScores(grids, ["fall"], attention[:, None], attention, np.ones((2, 1))),
    )
    predictions = tmp_path / "predictions"
    predictions.mkdir()
    (predictions / "cbp.json").write_text(json.dumps({"results": {"a": [], "b": []}}))
    segment = [{"segment": [2.0, 4.5], "label": "fall"}]
    database = {"a": {"subset": "test", "annotations": segment}, "b": {"subset": "test", "annotations": []}}
    (predictions / "ground_truth.json").write_text(json.dumps({"database": database}))
    command.run([tmp_path], task="anomaly", output=tmp_path / "out.json")
    truth = np.zeros(240, bool)
    truth[32:72] = True
    frames = np.repeat(attention.astype(np.float16).astype(float), 16)
    found = json.loads((tmp_path / "out.json").read_text())["measures"]
    assert found["AUC"] == pytest.approx(roc_area(frames, truth), abs=1e-9)
    assert "mAP@0.1:0.5" in found


def test_all_forms_of_output_are_written(tmp_path: Path, truth_file: Path, scores, capsys):
    folder = folder_of(tmp_path / "s", scores)
    for suffix, expected in ((".csv", "AUC"), (".md", "protocol rtfm")):
        command.run(
            [folder], truth_file, protocol="rtfm", task="anomaly", output=tmp_path / f"out{suffix}", per_class=True
        )
        assert expected in (tmp_path / f"out{suffix}").read_text()
    assert "Arson" in capsys.readouterr().out


# Lengths ------------------------------------------------------------------------------------------------------------

KNOWN = AnnotatedVideo("a", ("Abuse",), (Interval("Abuse", 40, 79),), 320)
UNKNOWN = AnnotatedVideo("a", ("Abuse",), (Interval("Abuse", 400, 799),))


@pytest.mark.parametrize(
    ("video", "scored", "step", "reason"),
    [
        (KNOWN, 320, 1, ""),
        (KNOWN, 304, 16, ""),
        (KNOWN, 20, 1, "add `--frames_per_score 16`"),
        (KNOWN, 5120, 16, "leave out `--frames_per_score`"),
        (KNOWN, 200, 1, "the features end early"),
        (KNOWN, 3200, 1, "of 10 crops one after the other"),
        (KNOWN, 1600, 1, "of 5 crops"),
        (KNOWN, 500, 1, "a longer copy of the video"),
        (UNKNOWN, 5000, 1, ""),
        (UNKNOWN, 50, 1, "add `--frames_per_score 16`"),
        (UNKNOWN, 600, 16, "the features end early"),
    ],
)
def test_a_length_that_does_not_fit_has_a_reason(video, scored: int, step: int, reason: str):
    problem = length_problem(video, scored, step)
    assert (reason in problem) if reason else problem == ""


def test_a_truncated_video_is_named(tmp_path: Path, truth_file: Path, scores):
    scores["Arson011_x264"] = scores["Arson011_x264"][:64]
    with pytest.raises(PredictionError, match="video Arson011_x264: 64 frames are scored, an anomaly lasts to 128"):
        evaluated(folder_of(tmp_path / "s", scores), truth_file)


def test_a_mask_is_continued_to_whole_snippets(tmp_path: Path):
    masks = tmp_path / "masks"
    masks.mkdir()
    np.save(masks / "01_0015.npy", np.array([0] * 20 + [1] * 10))
    scores = folder_of(tmp_path / "s", {"01_0015": np.repeat([0.1, 0.9], 16), "01_015": np.repeat([0.3], 16)})
    result = evaluated(scores, masks)
    assert (result.score.frames, result.score.abnormal) == (48, 12)
    assert result.notes == ("The truth of 1 video was cut or continued to whole snippets.",)


def test_all_normal_is_said_not_to_be_measurable(tmp_path: Path):
    (tmp_path / "truth.txt").write_text("Normal_Videos_003_x264  Normal  -1  -1  -1  -1\n")
    result = evaluated(folder_of(tmp_path / "s", {"Normal_Videos_003_x264": np.zeros(96)}), tmp_path / "truth.txt")
    assert all(np.isnan(value) for value in result.measures.values())
    assert result.as_json()["measures"]["AUC"] is None


# Mistakes -----------------------------------------------------------------------------------------------------------


def test_a_video_without_a_score_is_named(tmp_path: Path, truth_file: Path, scores):
    del scores["Arson011_x264"]
    with pytest.raises(PredictionError, match="1 of 3 videos have no score: Arson011_x264"):
        evaluated(folder_of(tmp_path / "s", scores), truth_file)


def test_a_foreign_video_is_named(tmp_path: Path, truth_file: Path, scores):
    with pytest.raises(PredictionError, match="such as holiday"):
        evaluated(folder_of(tmp_path / "s", {**scores, "holiday": np.zeros(16)}), truth_file)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.full(160, np.nan), "not all finite"),
        (np.zeros((160, 2, 2)), "instead of one number"),
        (np.zeros(0), "instead of one number"),
    ],
)
def test_scores_must_be_numbers(tmp_path: Path, array: np.ndarray, message: str):
    with pytest.raises(PredictionError, match=message):
        read_frame_scores(folder_of(tmp_path / "s", {"a": array}))


def test_two_crops_of_a_video_are_refused(tmp_path: Path):
    folder = folder_of(tmp_path / "s", {"a__0": np.zeros(16), "a__1": np.zeros(16)})
    with pytest.raises(PredictionError, match="several arrays of the video a"):
        read_frame_scores(folder)


def test_a_long_array_needs_a_list_that_fits(tmp_path: Path, truth_file: Path):
    np.save(tmp_path / "all.npy", np.zeros(384 // 16))
    with pytest.raises(PredictionError, match="give the list of its videos"):
        read_frame_scores(tmp_path / "all.npy")
    (tmp_path / "a.list").write_text("\n".join(f"{name}.npy" for name in FRAMES))
    (tmp_path / "a.csv").write_text("video,frames\n" + "".join(f"{name},{n}\n" for name, n in FRAMES.items()))
    options = {"task": "anomaly", "annotations": truth_file}
    with pytest.raises(PredictionError, match="does not say how many frames Abuse028_x264 has"):
        command.run([tmp_path / "all.npy"], video_list=tmp_path / "a.list", **options)
    with pytest.raises(PredictionError, match="so add `--frames_per_score 16`"):
        command.run([tmp_path / "all.npy"], video_list=tmp_path / "a.csv", **options)
    command.run([tmp_path / "all.npy"], video_list=tmp_path / "a.csv", frames_per_score=16, **options)
    np.save(tmp_path / "all.npy", np.zeros(300))
    with pytest.raises(PredictionError, match="must come from the same features"):
        command.run([tmp_path / "all.npy"], video_list=tmp_path / "a.csv", **options)
    np.save(tmp_path / "gt.npy", np.zeros(300))
    with pytest.raises(AnnotationError, match="300 frames, the videos of the list have 384"):
        load_frame_truth(tmp_path / "gt.npy", (), read_video_list(tmp_path / "a.csv"))


def test_list_and_annotation_must_agree(tmp_path: Path, truth_file: Path):
    (tmp_path / "a.csv").write_text("video,label\nAbuse028_x264,Abuse\nArrest001_x264,Arrest\n")
    with pytest.raises(AnnotationError, match="The list calls Arrest001_x264 abnormal"):
        load_frame_truth(truth_file, (), read_video_list(tmp_path / "a.csv"))


def test_times_in_seconds_need_a_frame_rate(tmp_path: Path):
    (tmp_path / "truth.csv").write_text("video,start,end,label\na,1,2,fall\n")
    with pytest.raises(AnnotationError, match="give the frame rate of the videos in `--fps`"):
        load_frame_truth(tmp_path / "truth.csv", ["a"])
    truth = load_frame_truth(tmp_path / "truth.csv", ["a"], fps=30)
    assert truth.videos["a"].intervals == (Interval("fall", 30, 59),)


def test_a_protocol_belongs_to_a_task(tmp_path: Path):
    with pytest.raises(ConfigError, match="--protocol opentad measures no anomaly"):
        command.run([tmp_path], protocol="opentad", task="anomaly")
    with pytest.raises(ConfigError, match="--protocol rtfm measures no localization"):
        command.run([tmp_path], protocol="rtfm")
    with pytest.raises(ConfigError, match="stands for 1 frame or more"):
        command.run([tmp_path], task="anomaly", frames_per_score=0)


def test_a_damaged_archive_is_named(tmp_path: Path):
    (tmp_path / "s.npz").write_bytes(b"PK\x03\x04broken")
    with pytest.raises(PredictionError, match="may be damaged"):
        read_frame_scores(tmp_path / "s.npz")
    (tmp_path / "s.txt").write_text("0.5")
    with pytest.raises(PredictionError, match="holds no scores of frames"):
        read_frame_scores(tmp_path / "s.txt")
