from pathlib import Path

import pytest

from wtal.data.annotations import read_annotations
from wtal.data.growing import finished, read_finished, spelled_alike
from wtal.errors import AnnotationError


@pytest.mark.parametrize(
    ("content", "whole"),
    [
        (b"video,label\na,run\n", b"video,label\na,run\n"),
        (b"video,label\r\na,run\r\nb", b"video,label\r\na,run\r\n"),
        (b"video,lab", b""),
        ("video,label\na,run".encode("utf-16"), "video,label\na,run".encode("utf-16")),
    ],
)
def test_only_whole_lines_are_finished(content: bytes, whole: bytes) -> None:
    assert finished(content) == whole


def test_every_prefix_of_a_table_is_read_or_refused_and_never_cuts_a_label(tmp_path: Path) -> None:
    text = b"video,label\nfirst,high jump\nsecond,long jump\nthird,high jump\n"
    path, read = tmp_path / "labels.csv", set()
    for size in range(1, len(text) + 1):
        path.write_bytes(text[:size])
        if text[:size].count(b"\n") < 2:
            with pytest.raises(AnnotationError, match=str(path)):  # not the copy
                read_finished(path, read_annotations)
            continue
        found, left = read_finished(path, read_annotations)
        assert bool(left) == (text[size - 1 : size] != b"\n")
        assert found.path == path
        read |= {name for labels in found.videos["labels"] for name in labels}
    assert read == {"high jump", "long jump"}


def test_other_formats_are_read_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "labels.json"
    path.write_text('{"a": ["run"]}')
    assert read_finished(path, read_annotations)[1] == ""
    path.write_text('{"a": ["ru')
    with pytest.raises(AnnotationError):
        read_finished(path, read_annotations)


def test_the_usual_spelling_may_change_and_two_known_ones_stay_apart(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_text("video,start,end,label\na,1,2,HighJump\nb,1,2,high jump\nc,1,2,high jump\nd,1,2,swim\n")
    found = spelled_alike(read_annotations(path), ["swim", "HighJump"])
    assert found.class_names == ("swim", "HighJump")
    assert [*found.videos["labels"]] == [("HighJump",)] * 3 + [("swim",)]
    assert [*found.segments["label"]] == ["HighJump"] * 3 + ["swim"]
    apart = spelled_alike(read_annotations(path, ["HighJump", "high jump", "swim"]), ["HighJump", "high jump"])
    assert [*apart.videos["labels"]] == [("HighJump",), ("high jump",), ("high jump",), ("swim",)]
