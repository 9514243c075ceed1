import json

import pytest

from wtal.data.annotations import read_annotations
from wtal.errors import AnnotationError
from wtal.results.exports import export_table
from wtal.results.predictions import read_predictions

EAF = """<?xml version="1.0" encoding="UTF-8"?>
<ANNOTATION_DOCUMENT AUTHOR="me"><HEADER>{media}</HEADER><TIME_ORDER>
<TIME_SLOT TIME_SLOT_ID="t1" TIME_VALUE="1000"/><TIME_SLOT TIME_SLOT_ID="t2" TIME_VALUE="2500"/></TIME_ORDER>
<TIER TIER_ID="jump"><ANNOTATION><ALIGNABLE_ANNOTATION TIME_SLOT_REF1="t1" TIME_SLOT_REF2="t2">
<ANNOTATION_VALUE>{text}</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION></TIER></ANNOTATION_DOCUMENT>"""


def read(tmp_path, name, content, **options):
    (tmp_path / name).write_text(content if isinstance(content, str) else json.dumps(content))
    return read_annotations(tmp_path / name, **options)


def rows(annotations):
    return annotations.segments.to_numpy().tolist()


def test_elan_documents(tmp_path):
    media = '<MEDIA_DESCRIPTOR MEDIA_URL="file:///clips/my%20film.mp4" TIME_ORIGIN="500"/>'
    found = read(tmp_path, "x.eaf", EAF.format(media=media, text="run"))
    assert rows(found) == [["my film", "run", 1.5, 3.0]]
    unlinked = read(tmp_path, "a.eaf", EAF.format(media="", text=""))
    assert rows(unlinked) == [["a", "jump", 1.0, 2.5]]  # an empty text: the tier is the label
    assert "links to no video" in unlinked.notes[0]


def test_our_own_elan_documents_are_ground_truth(tmp_path):
    (tmp_path / "found.csv").write_text(
        "video,label,start,end,score\na,High Jump,1,2.5,0.9\na,High Jump,2,4,0.8\na,run,5,6,0.7\n"
    )
    table = read_predictions(tmp_path / "found.csv")
    export_table(table, tmp_path / "out", ["eaf"], overlapping=True)
    assert sorted(rows(read_annotations(tmp_path / "out"))) == [
        ["a", "High Jump", 1.0, 2.5],
        ["a", "High Jump", 2.0, 4.0],
        ["a", "run", 5.0, 6.0],
    ]


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("default\t00:00:01.000\t1.0\t00:00:02.500\t2.5\trun", "a"),
        ("default\tme\t00:00:01.000\t1.0\t00:00:02.500\t2.5\t00:00:01.500\t1.5\trun", "a"),
        ("default\t\t00:00:01.000\t00:00:02.500\t00:00:01.500\trun\tfilm.mp4", "film"),
        ("film.eaf\tdefault\t\t00:00:01.000\t00:00:02.500\trun", "film"),
        ("run\t\t00:00:01.000\t00:00:02.500\t", "a"),
    ],
)
def test_tab_text_of_elan(tmp_path, line, name):
    found = read(tmp_path, "a.txt", f"{line}\n")
    assert rows(found) == [[name, "run", 1.0, 2.5]]
    assert bool(found.notes) == (name == "a")
    with pytest.raises(AnnotationError, match=r"a.txt, line 2: a row of ELAN needs begin and end"):
        read(tmp_path, "a.txt", f"{line}\ndefault\tx\n")


VIA_HEADER = "# CSV_HEADER = metadata_id,file_list,flags,temporal_coordinates,spatial_coordinates,metadata\n"


def test_via(tmp_path):
    row = '"1_x","[""a.mp4""]",0,"[1.2,3.4]","[]","{""1"":""%s""}"\n'
    assert rows(read(tmp_path, "v.csv", VIA_HEADER + row % "run")) == [["a", "run", 1.2, 3.4]]
    options = '# ATTRIBUTE = {"1":{"aname":"action","options":{"0":"run","1":"jump"}}}\n'
    assert rows(read(tmp_path, "v.csv", options + VIA_HEADER + row % "1")) == [["a", "jump", 1.2, 3.4]]
    project = {
        "attribute": {"1": {"options": {"0": "run"}}},
        "file": {"1": {"fname": "a.mp4"}, "2": {"fname": "b.mp4"}},
        "metadata": {"x": {"vid": "1", "z": [1.2, 3.4], "av": {"1": "0"}}, "y": {"vid": "1", "z": [2.0], "av": {}}},
        "view": {"1": {"fid_list": ["1"]}, "2": {"fid_list": ["2"]}},
    }
    found = read(tmp_path, "v.json", project)
    assert rows(found) == [["a", "run", 1.2, 3.4]]
    assert found.videos["labels"].to_dict() == {"a": ("run",), "b": ()}
    assert found.notes == ()
    project["metadata"]["z"] = {"vid": "2", "z": [4.0, 5.0], "av": {}}
    assert read(tmp_path, "v.json", project).notes == (
        f"1 segments of {tmp_path}/v.json have no label and are not read.",
    )
    with pytest.raises(AnnotationError, match=r"v.csv cannot be read as annotations of VIA"):
        read(tmp_path, "v.csv", VIA_HEADER + "1,2\n")


def test_label_studio(tmp_path):
    ranges = {"ranges": [{"start": 11, "end": 50}], "timelinelabels": ["run"]}
    long = {"id": 1, "data": {"video": "/upload/1/0a1b2c3d-a.mp4"}, "annotations": [{"result": [{"value": ranges}]}]}
    short = {"id": 1, "video": "/upload/1/0a1b2c3d-a.mp4", "tricks": [ranges]}
    for task in (long, short):
        found = read(tmp_path, "l.json", [task])
        assert (rows(found), found.videos["labels"].to_dict()) == ([], {"a": ("run",)})
        assert "are frames" in found.notes[0]
        assert rows(read(tmp_path, "l.json", [task], fps=10)) == [["a", "run", 1.0, 5.0]]
    choice = {
        "id": 2,
        "data": {"video": "s3://x/b.mp4"},
        "annotations": [{"result": [{"value": {"choices": ["run"]}}]}],
    }
    own_rate = long | {"data": {"video": "c.mp4", "fps": 20}}
    found = read(tmp_path, "l.json", [choice, own_rate])
    assert found.videos["labels"].to_dict() == {"b": ("run",), "c": ("run",)}
    assert rows(found) == [["c", "run", 0.5, 2.5]]
    with pytest.raises(AnnotationError, match="task 3 of Label Studio cannot be read"):
        read(tmp_path, "l.json", [{"id": 3, "data": {"text": "x"}, "annotations": []}])


def test_cvat(tmp_path):
    boxes = '<box frame="10" outside="0"/><box frame="20" outside="0"/><box frame="30" outside="1"/><box frame="50"/>'
    text = (
        "<annotations><meta><task><source>a.mp4</source></task></meta>"
        f'<track id="0" label="run">{boxes}</track><tag label="jump" frame="3"/></annotations>'
    )
    found = read(tmp_path, "c.xml", text, fps=10)
    assert rows(found) == [["a", "run", 1.0, 3.0], ["a", "run", 5.0, 5.1]]
    assert found.videos.loc["a", "labels"] == ("jump", "run")
    assert rows(read(tmp_path, "c.xml", text)) == []


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x.xml", "<foo/>", "not a file of CVAT, as it begins with <foo>"),
        ("x.eaf", "<foo", r"not a file of ELAN \("),
        ("x.eaf", '<!DOCTYPE x [<!ENTITY a "a">]><ANNOTATION_DOCUMENT/>', "declares entities"),
        ("x.xml", '<annotations><track label="a"><box frame="x"/></track></annotations>', "frame that is not a number"),
    ],
)
def test_other_files_are_one_sentence(tmp_path, name, content, message):
    with pytest.raises(AnnotationError, match=rf"{name}.*{message}"):
        read(tmp_path, name, content)
