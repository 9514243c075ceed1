import pandas as pd
import pytest

from wtal.data.annotations import read_annotations
from wtal.data.remarks import in_no_split, of_untimed


@pytest.mark.parametrize(
    ("rows", "remark"),
    [
        ("a,run,train\nb,run,Test \n", None),
        ("a,run,\nb,run,\n", None),  # without any subset, every split has all videos
        (
            "a,run,train\nb,run,traning\nc,run,\n",
            "2 of 3 annotated videos are in no split (subset 'traning' instead of",
        ),
        ("a,run,train\nb,run,val\nc,,val\n", "2 of 3 annotated videos are in no split (subset 'val'), such as b"),
        ("a,run,train\nb,,\n", "1 of 2 annotated videos are in no split (subset none), such as b"),
        ("a,run,train\nb,,testing set\n", None),  # its labels are secret
    ],
)
def test_videos_in_no_split_are_named(tmp_path, rows, remark):
    (tmp_path / "own.csv").write_text(f"video,label,subset\n{rows}")
    annotations = read_annotations(tmp_path / "own.csv")
    subsets = annotations.videos["subset"].str.lower()
    used = annotations.videos.index[subsets.isin(["train", "test"])]
    found = in_no_split(annotations, used, ("train", "test"))
    assert found[0].startswith(remark) if remark else not found


def test_test_videos_without_segments_are_named():
    labels = pd.Series({"a": ("run",), "b": ("run",), "c": ()})
    (remark,) = of_untimed(labels, {"a"})
    assert remark.startswith("1 of 3 test videos have labels but no segments, such as b")
    assert of_untimed(labels, {"a", "b"}) == of_untimed(labels, ()) == []
