import json

import numpy as np
import pandas as pd
import pytest

from wtal.errors import AnnotationError, PredictionError
from wtal.results.ground_truth import detection_rows, load_truth
from wtal.results.predictions import COLUMNS


def database(**videos):
    return {
        "database": {
            name: {"subset": subset, "annotations": [{"label": c, "segment": [s, e]} for c, s, e in segments]}
            for name, (subset, segments) in videos.items()
        }
    }


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "truth.json"
    content = database(v_a=("val", [("run", 1, 2), ("jump", 3, 4)]), v_b=("val", [("run", 5, 6)]), v_c=("test", []))
    path.write_text(json.dumps(content))
    return path


def table(*rows):
    return pd.DataFrame(rows, columns=list(COLUMNS))


def test_rows_of_the_only_annotated_subset(file):
    truth = load_truth(file)
    assert (truth.video_ids, truth.class_names, truth.conventions) == (("v_a", "v_b"), ("jump", "run"), "activitynet")
    assert truth.segments.tolist() == [[0, 1, 1, 2], [0, 0, 3, 4], [1, 1, 5, 6]]
    assert truth.table.to_numpy().tolist() == [["v_a", "run", 1, 2], ["v_a", "jump", 3, 4], ["v_b", "run", 5, 6]]
    assert np.isnan(truth.duration_s).all()
    assert truth.tious == pytest.approx([0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95])


def test_detections_that_do_not_fit_are_left_out_or_false_and_noted(file):
    rows, notes = detection_rows(
        table(
            ("a", "run", 0, 1, 0.9),
            ("v_b", "swim", 0, 1, 0.8),
            ("other", "run", 0, 1, 0.7),
            ("a", "run", 0, 1, 0.9),
            ("a", "jump", 1, 1, 0.2),
        ),
        load_truth(file),
    )
    assert rows.tolist() == [[0, 1, 0, 1, 0.9], [2, 1, 0, 1, 0.7], [0, 1, 0, 1, 0.9], [0, 0, 1, 1, 0.2]]
    assert [note.partition(" ")[0] for note in notes] == ["1"] * 5 + ["1"]
    text = " ".join(notes)
    for words in ("another name", "'swim'", "other; they count as false", "end where they start", "exact copies"):
        assert words in text
    assert "1 of 2 annotated videos have no detection, such as v_b: their 1 instances" in text


def test_a_name_with_a_prefix_never_stands_for_a_video_that_is_predicted_itself(file):
    rows, notes = detection_rows(table(("v_a", "run", 0, 1, 0.9), ("a", "run", 0, 1, 0.8)), load_truth(file))
    assert rows[:, 0].tolist() == [0, 2]
    assert "1 detections lie in 1 videos that the ground truth lacks, such as a" in notes[0]


def test_the_official_rule_refuses_an_unknown_label(file):
    with pytest.raises(PredictionError, match=r"label 'swim' predicted in video v_b has no instance in subset 'val'"):
        detection_rows(table(("v_b", "swim", 0, 1, 0.8)), load_truth(file), "refuse")


def test_a_note_says_that_nothing_was_predicted(file):
    rows, notes = detection_rows(table(), load_truth(file))
    assert rows.shape == (0, 5)
    assert notes[0] == "No detection is left to count: every number is 0."


def test_asks_for_the_subset_if_there_are_several(tmp_path):
    path = tmp_path / "two.json"
    path.write_text(json.dumps(database(a=("train", [("run", 1, 2)]), b=("test", [("run", 1, 2)]))))
    with pytest.raises(AnnotationError, match=r"name one with --subset \(test, train\)"):
        load_truth(path)
    with pytest.raises(AnnotationError, match=r"no video of subset 'val'"):
        load_truth(path, "val")
    assert load_truth(path, "TEST").video_ids == ("b",)


def test_refuses_files_without_instances(tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text("video,label\na,run\n")
    with pytest.raises(AnnotationError, match="only video-level labels"):
        load_truth(path)
    path.write_text("video,label,subset\na,run,val\n")
    with pytest.raises(AnnotationError, match="no instance in the subset 'val'"):
        load_truth(path, "val")


@pytest.mark.parametrize(
    ("test_list", "videos", "instances"), [("213", 212, 3358), ("212", 212, 3358), ("210", 210, 3311)]
)
def test_lists_of_thumos14(shared, test_list, videos, instances):
    truth = load_truth(shared / "data/thumos14/Thumos14reduced-Annotations", test_list=test_list)
    assert (len(truth.video_ids), len(truth.segments), len(truth.class_names)) == (videos, instances, 20)
    assert (truth.conventions, len(truth.ambiguous) > 80) == ("thumos14", True)
    found = table(("video_test_0000270", "HammerThrow", 0.0, 1.0, 0.5))
    rows, notes = detection_rows(found, truth)
    assert len(rows) == (test_list != "210")
    assert ("leaves out" in notes[0]) == (test_list == "210")


def test_a_list_needs_its_videos(shared):
    with pytest.raises(AnnotationError, match=r"lacks video_test_0000270 and video_test_0001496"):
        load_truth(shared / "data/thumos14/gt.json", test_list="212")
    assert len(load_truth(shared / "data/thumos14/gt.json", test_list="210").segments) == 3311


def test_ambiguous_segments_from_a_file_of_their_own(shared):
    folder = shared / "data/thumos14"
    lists = load_truth(folder / "Thumos14reduced-Annotations", test_list="210")
    file = load_truth(folder / "gt.json", test_list="210", ambiguous=folder / "official_txt/test/Ambiguous_test.txt")
    by_name = [
        sorted((truth.video_ids[int(video)], *span) for video, *span in truth.ambiguous) for truth in (lists, file)
    ]
    assert by_name[0] == by_name[1]
    assert len(load_truth(folder / "gt.json", "test").ambiguous) == 0


def test_activitynets_anonymous_videos_are_found_by_their_names_on_youtube(shared):
    folder = shared / "data/activitynet1.2"
    truth = load_truth(folder / "ActivityNet1.2-Annotations", "validation")
    official = load_truth(folder / "activity_net.v1-2.min.json", "validation")
    assert (
        (len(truth.video_ids), len(truth.segments)) == (len(official.video_ids), len(official.segments)) == (2383, 3582)
    )
    found = table(*((name, "Archery", 0.0, 1.0, 0.5) for name in official.video_ids))
    rows, notes = detection_rows(found, truth)
    assert rows[:, 0].max() < 2383
    assert "2383 videos were found under another name" in notes[0]


def test_labels_in_other_spellings_are_found(file):
    truth = load_truth(file)
    rows, notes = detection_rows(table(("v_a", "Run ", 1, 2, 0.5), ("v_a", "jump", 3, 4, 0.5)), truth, "refuse")
    assert rows[:, 1].tolist() == [1, 0]
    assert "1 predicted labels are spelled otherwise in the ground truth, and are read so: 'Run ' as 'run'." in notes


def test_numbers_stand_for_classes_that_are_known(file, tmp_path):
    found = table(("v_a", "0", 1, 2, 0.5), ("v_a", "1", 3, 4, 0.5))
    for rules in ("ignore", "refuse"):
        with pytest.raises(PredictionError, match=r"numbers such as 0, and .*truth.json.*`--classes`"):
            detection_rows(found, load_truth(file), rules)
    (tmp_path / "classes.txt").write_text("1 run\n2 jump\n")
    with pytest.raises(PredictionError, match=r"numbers such as 0, and only 1 to 2 have names: give a class list"):
        detection_rows(found, load_truth(file, classes=tmp_path / "classes.txt"))
    (tmp_path / "classes.txt").write_text("run\njump\nswim\n")
    rows, notes = detection_rows(found, load_truth(file, classes=tmp_path / "classes.txt"))
    assert rows[:, 1].tolist() == [1, 0]
    assert "The predicted labels are numbers; 0 is read as 'run'." in notes


def test_numbers_of_the_annotations(tmp_path):
    annotations = [{"label": "run", "label_id": 7, "segment": [1, 2]}]
    (tmp_path / "gt.json").write_text(json.dumps({"database": {"a": {"subset": "test", "annotations": annotations}}}))
    rows, _ = detection_rows(table(("a", "7", 1, 2, 0.5)), load_truth(tmp_path / "gt.json"), "refuse")
    assert rows[:, 1].tolist() == [0]


def test_numbers_as_classes(tmp_path):
    (tmp_path / "gt.json").write_text(json.dumps(database(a=("test", [(0, 1, 2), (1, 3, 4)]))))
    rows, notes = detection_rows(table(("a", "1", 1, 2, 0.5)), load_truth(tmp_path / "gt.json"), "refuse")
    assert (rows[:, 1].tolist(), notes) == ([1], [])


def test_ground_truth_in_frames_needs_a_frame_rate(tmp_path):
    (tmp_path / "gt.csv").write_text("video,label,start_frame,end_frame\na,run,10,20\n")
    with pytest.raises(AnnotationError, match=r"no instances.*are frames.*`fps`"):
        load_truth(tmp_path / "gt.csv")
    assert load_truth(tmp_path / "gt.csv", fps=10).segments.tolist() == [[0, 0, 1, 2]]


def test_subsets_differ_in_more_than_case(tmp_path):
    content = database(a=("Test", [("run", 1, 2)]), b=("test", [("run", 1, 2)]))
    (tmp_path / "gt.json").write_text(json.dumps(content))
    assert load_truth(tmp_path / "gt.json").video_ids == ("a", "b")
