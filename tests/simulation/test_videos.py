import pytest

from wtal.data.annotations import read_annotations
from wtal.errors import AnnotationError
from wtal.simulation.videos import Instance, chosen, videos_of
from wtal.types import TimeGrid

GRID = TimeGrid(25.0, 16.0, 16.0)


def videos(tmp_path, *lines: str):
    (tmp_path / "own.csv").write_text("\n".join(["video,label,start,end,subset,duration", *lines]))
    return videos_of(read_annotations(tmp_path / "own.csv"), GRID, seed=0)


def test_a_video_lasts_as_long_as_annotated(annotations):
    found, notes = videos_of(annotations, GRID, seed=0)
    assert [video.name for video in found] == ["a", "b", "c", "d", "e"]
    assert [video.length for video in found] == [62, 46, 46, 31, 31]  # 40, 30, 30, 20, 20 s at 1.5625 a second
    assert found[4].instances == ()
    assert notes == []


def test_equal_times_are_one_event_with_two_labels(annotations):
    found, _ = videos_of(annotations, GRID, seed=0)
    assert found[2].instances == (Instance(5.0, 9.0, (0, 1)),)
    assert found[1].instances == (Instance(5.0, 8.0, (0,)), Instance(12.0, 20.0, (1,)))


def test_an_unknown_duration_is_the_last_end_and_five_seconds(tmp_path):
    found, notes = videos(tmp_path, "a,run,3,11,train,", "b,run,3,6,train,20")
    assert [video.length for video in found] == [25, 31]
    assert notes == [
        "The duration of 1 videos is unknown (a): each ends 5 s after its last instance, or lasts 60 s without one."
    ]


def test_labels_without_segments_get_instances_that_are_made_up(tmp_path):
    (tmp_path / "weak.csv").write_text("video,label\na,run\na,jump\nb,none\n")
    annotations = read_annotations(tmp_path / "weak.csv")
    (a, b), notes = videos_of(annotations, GRID, seed=0)
    assert sorted(label for event in a.instances for label in event.labels) == [0, 0, 0, 1, 1, 1]
    assert all(0 <= event.start_s < event.end_s <= 60 for event in a.instances)
    assert all(one.end_s <= other.start_s for one, other in zip(a.instances, a.instances[1:], strict=False))
    assert b.instances == ()
    assert "1 videos have labels but no segments (a): instances are made up" in notes[1]
    assert videos_of(annotations, GRID, seed=0)[0][0] == a != videos_of(annotations, GRID, seed=1)[0][0]


def test_a_segment_is_cut_at_the_end_of_its_video_and_left_out_beyond_it(tmp_path):
    found, notes = videos(tmp_path, "a,run,8,14,train,10", "a,run,12,13,train,10", "a,run,4,4,train,10")
    assert found[0].instances == (Instance(8.0, 9.6, (0,)),)  # 15 snippets of 0.64 s
    assert notes == ["2 segments are left out, as they have no length, lie beyond their video, or are repeated."]


def test_videos_are_chosen_by_name_and_subset(annotations):
    found, _ = videos_of(annotations, GRID, seed=0)
    assert [video.name for video in chosen(found, ["d", "a"], [])] == ["a", "d"]
    assert [video.name for video in chosen(found, [], ["Test"])] == ["c", "d"]
    with pytest.raises(AnnotationError, match=r"1 of the --videos are not annotated \(z\); names are such as a, b, c"):
        chosen(found, ["a", "z"], [])
    with pytest.raises(AnnotationError, match="No video is of the subset 'val'; there are: 'test', 'train'"):
        chosen(found, [], ["val"])
    with pytest.raises(AnnotationError, match="None of the --videos is in the chosen --subset"):
        chosen(found, ["a"], ["test"])


def test_a_name_that_leads_out_of_the_folder_is_refused(tmp_path):
    with pytest.raises(AnnotationError, match=r"'\.\./a' cannot be the name of a file: rename this video"):
        videos(tmp_path, "../a,run,3,11,train,20")


def test_durations_that_are_no_seconds_are_refused(tmp_path):
    with pytest.raises(AnnotationError, match="video a lasts 200 hours: correct its duration, in seconds"):
        videos(tmp_path, "a,run,3,11,train,720000")


def test_without_any_label_there_is_nothing_to_show(tmp_path):
    with pytest.raises(AnnotationError, match=r"own\.csv has no label yet: write one beside each video"):
        videos(tmp_path, "a,none,,,train,20")
