import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from wtal.data.annotations import Annotations, read_annotations, with_subsets
from wtal.errors import AnnotationError

THUMOS = "data/thumos14"
ANET12, ANET13 = "data/activitynet1.2", "data/activitynet1.3"


def instances(annotations: Annotations, videos: pd.Index | None = None) -> pd.DataFrame:
    """Segments in an order that does not depend on the file, in hundredths of a second."""
    segments = annotations.segments
    if videos is not None:
        segments = segments[segments["video_id"].isin(videos)]
    return segments.round(2).sort_values(list(segments.columns)).reset_index(drop=True)


@pytest.mark.parametrize(
    ("file", "subsets", "counts"),
    [
        ("Thumos14reduced-Annotations", {"validation": 200, "test": 212}, {"validation": 3007, "test": 3358}),
        ("gt.json", {"train": 200, "test": 210}, {"train": 3007, "test": 3311}),
        ("gt_acmnet_212.json", {"validation": 200, "test": 212}, {"validation": 3007, "test": 3358}),
        ("thumos14_bare.json", {"validation": 200, "test": 212}, {"validation": 3007, "test": 3358}),
        ("gt_full.json", {"Validation": 200, "Test": 212}, {"Validation": 3007, "Test": 3358}),
        ("official_txt", {"validation": 200, "test": 213}, {"validation": 3007, "test": 3358}),
        ("thumos_anno_action.json", {"": 413}, {"": 3003 + 3332}),
    ],
)
def test_reads_every_form_of_thumos14(shared: Path, file: str, subsets: dict[str, int], counts: dict[str, int]) -> None:
    found = read_annotations(shared / THUMOS / file)
    assert found.videos["subset"].value_counts().to_dict() == subsets
    assert found.segments["video_id"].map(found.videos["subset"]).value_counts().to_dict() == counts
    assert len(found.class_names) == 20
    assert found.class_names == tuple(sorted(found.class_names))


@pytest.mark.parametrize(
    "file", ["gt.json", "gt_acmnet_212.json", "thumos14_bare.json", "gt_full.json", "official_txt"]
)
def test_forms_of_thumos14_agree(shared: Path, file: str) -> None:
    wtalc = read_annotations(shared / THUMOS / "Thumos14reduced-Annotations")
    other = read_annotations(shared / THUMOS / file)
    common = wtalc.videos.index.intersection(other.videos.index)
    assert len(common) in (410, 412)
    pd.testing.assert_frame_equal(instances(wtalc, common), instances(other, common), atol=0.011)


def test_labels_of_the_wtalc_folder_are_labels_all(shared: Path) -> None:
    wtalc = read_annotations(shared / THUMOS / "Thumos14reduced-Annotations")
    of_segments = read_annotations(shared / THUMOS / "gt_full.json").videos["labels"]
    train = wtalc.in_subset(["validation"])["labels"]
    differing = [video for video in train.index if train[video] != of_segments[video]]
    assert [video[-4:] for video in differing] == ["0171", "0173", "0178", "0183", "0316", "0665", "0786", "0932"]
    assert wtalc.videos["labels"]["video_test_0000270"] == ()
    assert wtalc.videos["labels"]["video_test_0001496"] == ("FrisbeeCatch",)
    assert of_segments["video_test_0001496"] == ("CricketShot",)
    assert wtalc.videos.index[0] == "video_validation_0000051"  # the order of the joint feature file


def test_durations(shared: Path) -> None:
    durations = {
        file: read_annotations(shared / THUMOS / file).videos["duration_s"]
        for file in (
            "Thumos14reduced-Annotations",
            "gt_full.json",
            "thumos_anno_action.json",
            "gt.json",
            "official_txt",
        )
    }
    wtalc = durations["Thumos14reduced-Annotations"]
    assert wtalc["video_validation_0000051"] == pytest.approx(169.794)
    assert (wtalc - durations["gt_full.json"]).abs().max() < 1
    assert (wtalc - durations["thumos_anno_action.json"]).abs().max() < 1
    assert durations["gt.json"].isna().all()
    assert durations["official_txt"].isna().all()


def test_activitynet12_json_and_folder_agree(shared: Path) -> None:
    official = read_annotations(shared / ANET12 / "activity_net.v1-2.min.json")
    folder = read_annotations(shared / ANET12 / "ActivityNet1.2-Annotations")
    assert official.videos["subset"].value_counts().to_dict() == {"training": 4819, "validation": 2383, "testing": 2480}
    by_subset = official.segments["video_id"].map(official.videos["subset"]).value_counts().to_dict()
    assert by_subset == {"training": 7151, "validation": 3582}
    assert official.class_names == folder.class_names
    assert len(official.class_names) == 100

    folder.segments["video_id"] = folder.segments["video_id"].map(folder.videos["alias"])
    pd.testing.assert_frame_equal(instances(official), instances(folder), atol=0.011)
    named = folder.videos.set_index("alias")
    annotated = official.videos.loc[named.index]
    assert (annotated["subset"] == named["subset"]).all()
    assert np.allclose(annotated["duration_s"], named["duration_s"])
    assert (annotated["labels"] == named["labels"]).all()


def test_activitynet13_forms_agree(shared: Path) -> None:
    bsn = read_annotations(shared / ANET13 / "anet_anno_action.json")
    folder = read_annotations(shared / ANET13 / "ActivityNet1.3-Annotations")
    assert (len(bsn.videos), len(bsn.segments)) == (19228, 14859 + 7293)
    assert folder.videos["subset"].value_counts().to_dict() == {"train": 9032, "val": 4427, "test": 4540}
    assert bsn.class_names == folder.class_names
    common = folder.videos.index.intersection(bsn.videos.index)
    pd.testing.assert_frame_equal(instances(folder, common), instances(bsn, common), atol=0.011)


# Made-up files ------------------------------------------------------------------------------------------------------


def write(path: Path, content: object) -> Path:
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_json_with_strings_and_without_duration(tmp_path: Path) -> None:
    video = {"subset": "train", "annotations": [{"segment": ["1.5", "2.5"], "label": "Run", "id": 7}], "more": {}}
    for content in ({"database": {"a": video}, "version": "1"}, {"a": video}):
        found = read_annotations(write(tmp_path / "gt.json", content))
        assert found.segments.to_dict("records") == [{"video_id": "a", "label": "Run", "start_s": 1.5, "end_s": 2.5}]
        assert found.videos.loc["a", ["subset", "labels"]].tolist() == ["train", ("Run",)]
        assert np.isnan(found.videos.loc["a", "duration_s"])


@pytest.mark.parametrize(
    "text",
    [
        "video,label\na,run\nb,jump\n",
        "\ufeffvideo,label\r\na,run\r\nb,jump\r\n",
        "Filename;Class\na.mp4;run\nb.MOV;jump\n",
        "File name,Labels\nclips/a.avi,run\nC:\\clips\\b.avi,jump\n",
        "video , label\n a , run\n b , jump\n",
        "video,label,,\na,run,,\n,,,\n\nb,jump,,\n",
        "video\tlabel\na\trun\nb\tjump\n",
        "label,video_id,note\nrun,a,x\njump,b,y\n",
        "video,label\na,run\nb,jump\na,run\n",
    ],
)
def test_tables_as_spreadsheets_and_people_write_them(tmp_path: Path, text: str) -> None:
    found = read_annotations(write(tmp_path / "own.csv", text))
    assert found.videos["labels"].to_dict() == {"a": ("run",), "b": ("jump",)}
    assert found.segments.empty


def test_a_cell_may_have_several_labels(tmp_path: Path) -> None:
    found = read_annotations(write(tmp_path / "own.csv", 'video,start,end,label\na,1,2,run; jump;\nb,,,"jump;run"\n'))
    assert found.videos["labels"].to_dict() == {"a": ("jump", "run"), "b": ("jump", "run")}
    assert found.segments.to_numpy().tolist() == [["a", "run", 1, 2], ["a", "jump", 1, 2]]


def test_decimal_commas_where_semicolons_separate(tmp_path: Path) -> None:
    rows = "video;start;end;label;split;duration\na.b;1,5;2;run, fast;train;10,25\na.b;1,5;2;run, fast;train;10,25\n"
    found = read_annotations(write(tmp_path / "own.csv", rows))
    assert found.segments.to_numpy().tolist() == [["a.b", "run, fast", 1.5, 2.0]]  # the repeated line counts once
    assert found.videos.loc["a.b", ["subset", "duration_s"]].tolist() == ["train", 10.25]


def test_table_of_labels_alone(tmp_path: Path) -> None:
    found = read_annotations(write(tmp_path / "own.csv", "video,label\na,run\na,jump\na,run\nb,\nc,jump\n"))
    assert found.videos["labels"].to_dict() == {"a": ("jump", "run"), "b": (), "c": ("jump",)}
    assert found.segments.empty
    assert found.class_names == ("jump", "run")


def test_table_with_everything(tmp_path: Path) -> None:
    text = "\ufeffVideo\tStart\tEnd\tLabel\tSubset\tDuration\na\t1\t2.5\trun, fast\ttrain\t10\na\t\t\tjump\t\t\n"
    found = read_annotations(write(tmp_path / "own.tsv", text), ["run, fast", "jump"])
    assert found.videos.loc["a"].to_dict() == {
        "subset": "train",
        "duration_s": 10,
        "labels": ("run, fast", "jump"),
        "alias": "",
    }
    assert found.segments.to_dict("records") == [{"video_id": "a", "label": "run, fast", "start_s": 1, "end_s": 2.5}]


def test_thumos_text_names_videos_with_only_ambiguous_segments(tmp_path: Path) -> None:
    (tmp_path / "test").mkdir()
    write(tmp_path / "test" / "Diving_test.txt", "video_test_0000001 1.0 2.0\r\n")
    write(tmp_path / "test" / "Ambiguous_test.txt", "video_test_0000002  3.0 4.0\n\n")
    found = read_annotations(tmp_path)
    assert found.videos["labels"].to_dict() == {"video_test_0000001": ("Diving",), "video_test_0000002": ()}
    assert found.class_names == ("Diving",)


def test_in_subset_ignores_case_and_knows_alternatives(tmp_path: Path) -> None:
    path = write(tmp_path / "own.csv", "video,label,subset\na,run,Training\nb,run,test\nc,run,\n")
    found = read_annotations(path)
    assert found.in_subset(["train", "training"]).index.tolist() == ["a"]
    with pytest.raises(
        AnnotationError, match=r"own.csv has no video of subset 'val'; .*'Training' \(1 videos\).*1 without"
    ):
        found.in_subset(["val"])


def _wtalc_folder(folder: Path, **changed: object) -> Path:
    def objects(*values: object) -> np.ndarray:
        array = np.empty(len(values), object)
        array[:] = values
        return array

    arrays: dict[str, object] = {
        "videoname": np.array([b"a", b"b"]),
        "subset": np.array([b"validation", b"test"]),
        "classlist": np.array([b"Run", b"Jump"]),
        "duration": np.array([[10.0], [20.0]]),
        "labels_all": objects(["Run", "Jump"], []),
        "labels": objects(["Run"], ["Jump", "Jump"]),
        "segments": objects([[1, 2]], [[3.0, 4.0], [5.0, 6.0]]),
    }
    folder.mkdir()
    for name, array in (arrays | changed).items():
        if array is not None:
            np.save(folder / f"{name}.npy", np.asarray(array), allow_pickle=True)
    return folder


def test_wtalc_folder(tmp_path: Path) -> None:
    found = read_annotations(_wtalc_folder(tmp_path / "set"))
    assert found.class_names == ("Run", "Jump")  # the file's own order
    assert found.videos["labels"].to_dict() == {"a": ("Run", "Jump"), "b": ()}
    assert found.videos["duration_s"].tolist() == [10, 20]
    assert found.segments["start_s"].tolist() == [1, 3, 5]


def test_wtalc_folder_without_segments_is_enough_to_train(tmp_path: Path) -> None:
    found = read_annotations(_wtalc_folder(tmp_path / "set", labels=None, segments=None, duration=None))
    assert found.segments.empty
    assert found.videos["duration_s"].isna().all()


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"labels_all": None}, "labels_all.npy is missing"),
        ({"segments": None}, "only one of `segments.npy` and `labels.npy`"),
        ({"subset": np.array([b"test"])}, "subset.npy has 1 rows, `videoname.npy` 2"),
        ({"videoname": np.array([b"a", b"a"])}, "names the video a twice"),
        ({"classlist": np.array([b"Run"])}, "class 'Jump' of video a is not among the 1 class names"),
        ({"duration": np.array([10.0, 0.0])}, "duration of video b is 0 s"),
    ],
)
def test_says_what_is_wrong_with_a_wtalc_folder(tmp_path: Path, changed: dict[str, object], message: str) -> None:
    with pytest.raises(AnnotationError, match=message):
        read_annotations(_wtalc_folder(tmp_path / "set", **changed))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("gt.json", "{", "is not valid JSON"),
        ("gt.json", "[]", "has no `database`"),
        ("gt.json", {"version": "1", "results": {}}, "has no `database`"),
        ("gt.json", {"results": {"a": 1}}, "the entry 'results' has neither"),
        ("gt.json", {"a": {"label": "Run"}}, "'a' has neither `annotations` nor `subset`"),
        ("gt.json", {"database": {}}, "names no video"),
        ("gt.json", {"a": {"annotations": [{"label": "Run"}]}}, "annotation of video a is not"),
        ("gt.json", {"a": {"annotations": [{"label": "Run", "segment": [1]}]}}, "annotation of video a is not"),
        ("gt.json", {"a": {"annotations": [{"label": "Run", "segment": ["x", 1]}]}}, "segment of video a has 'x'"),
        (
            "gt.json",
            {"a": {"annotations": [{"label": "Run", "segment": [2, 1]}]}},
            r"video a ends before it starts: \[2, 1\]",
        ),
        ("own.csv", "title,label\n", "has the columns title, label"),
        ("own.csv", "", "has the columns none"),
        ("own.csv", "video,label,start\n", "has the columns"),
        ("own.csv", "video,label,Label\na,run,jump\n", "names the column `label` twice"),
        ("own.csv", "video,label\na\n", "line 2: 2 columns expected"),
        ("own.csv", "video,label\na,run,jump\n", "line 2: 2 columns expected"),
        ("own.csv", "video,label\n,run\n", "line 2: the video has no name"),
        (
            "own.csv",
            "video,label,subset\na,run,train\na,run,test\n",
            "video a has 2 different values of `subset`: train, test",
        ),
        ("own.csv", "video,label,duration\na,run,1\na,run,2\n", "video a has 2 different values of `duration`: 1, 2"),
        ("own.csv", "video,label,start,end\na,run,1,\n", "segment of video a has '' instead of a number"),
        ("own.csv", "video,label,start,end\na,,1,2\n", "a segment of video a has no label"),
        ("own.csv", "video,label,duration\na,run,long\n", "duration of video a has 'long'"),
        ("own.xlsx", "", "has no known format of annotations"),
    ],
)
def test_says_what_is_wrong_with_a_file(tmp_path: Path, name: str, content: object, message: str) -> None:
    path = write(tmp_path / name, content)
    with pytest.raises(AnnotationError, match=message) as raised:
        read_annotations(path)
    assert str(path) in str(raised.value)


def test_says_what_is_wrong_with_a_path(tmp_path: Path) -> None:
    with pytest.raises(AnnotationError, match="does not exist"):
        read_annotations(tmp_path / "gt.json")
    with pytest.raises(AnnotationError, match=r"neither `videoname.npy`"):
        read_annotations(tmp_path)
    write(tmp_path / "Diving_val.txt", "video_validation_0000001 1.0\n")
    with pytest.raises(AnnotationError, match="line 1: expected `video start end`"):
        read_annotations(tmp_path)


def test_names_a_class_that_the_list_lacks(tmp_path: Path) -> None:
    path = write(tmp_path / "own.csv", "video,label\na,run\n")
    with pytest.raises(AnnotationError, match=r"own.csv: the class 'run' of video a is not among the 1 class names"):
        read_annotations(path, ["jump"])
    with pytest.raises(AnnotationError, match="names 'run' twice"):
        read_annotations(path, ["run", "run"])


def test_subsets_from_a_table_of_their_own(shared: Path, tmp_path: Path) -> None:
    bsn = read_annotations(shared / ANET13 / "anet_anno_action.json")
    found = with_subsets(bsn, shared / ANET13 / "video_info_new.csv")
    by_subset = found.segments["video_id"].map(found.videos["subset"]).value_counts().to_dict()
    assert by_subset == {"training": 14859, "validation": 7293}
    assert len(found.in_subset(["training"])) == 9649
    assert len(found.in_subset(["validation"])) == 4728
    with pytest.raises(AnnotationError, match="must name `video` and `subset`"):
        with_subsets(bsn, shared / ANET13 / "action_name.csv")
    with pytest.raises(AnnotationError, match="names none of the videos"):
        with_subsets(bsn, write(tmp_path / "other.csv", "video,subset\nx,train\n"))


@pytest.mark.parametrize("encoding", ["cp1252", "utf-16", "utf-8-sig"])
def test_tables_of_spreadsheets_in_their_own_encoding(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "own.csv").write_bytes("sep=;\nVideo;Label\na;Kür\n".encode(encoding))
    assert read_annotations(tmp_path / "own.csv").videos["labels"].to_dict() == {"a": ("Kür",)}


def test_names_files_that_are_damaged(tmp_path: Path) -> None:
    folder = _wtalc_folder(tmp_path / "set")
    whole = (folder / "duration.npy").read_bytes()
    for damaged in (b"", whole[:-3], b"no array"):
        (folder / "duration.npy").write_bytes(damaged)
        with pytest.raises(AnnotationError, match=r"duration.npy is .*download it again"):
            read_annotations(folder)


def test_coins_name_of_the_annotations(tmp_path):
    video = {"subset": "training", "class": "Tea", "annotation": [{"id": "1", "segment": [1, 3], "label": "pour"}]}
    (tmp_path / "coin.json").write_text(json.dumps({"database": {"a": video}}))
    assert read_annotations(tmp_path / "coin.json").segments.to_numpy().tolist() == [["a", "pour", 1, 3]]


def test_annotations_of_an_unknown_name_are_not_taken_for_none(tmp_path):
    (tmp_path / "own.json").write_text(json.dumps({"a": {"duration": 9, "subset": "train", "actions": [[1, 2, 3]]}}))
    with pytest.raises(AnnotationError, match=r"no video has `annotations`, but `actions`: give each video a list"):
        read_annotations(tmp_path / "own.json")


def test_a_segment_before_its_video_is_noted(tmp_path):
    (tmp_path / "own.csv").write_text("video,label,start,end\na,run,-5,3\nb,run,0,3\n")
    (note,) = read_annotations(tmp_path / "own.csv").notes
    assert note == f"1 segments of {tmp_path}/own.csv start before their video, such as one of a: correct them."


def test_segments_that_are_shares_of_their_videos_are_noted(tmp_path):
    file = tmp_path / "own.csv"
    rows = [f"{name},run,0.2,0.8" for name in "abc"]
    file.write_text("\n".join(["video,label,start,end", *rows]))
    (note,) = read_annotations(file).notes
    assert note.startswith(f"All 3 segments of {file} lie in the first second of their video: if they are shares")
    file.write_text("\n".join(["video,label,start,end,duration", *(f"{row},2.5" for row in rows)]))
    assert read_annotations(file).notes == ()
