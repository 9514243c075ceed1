"""What other programs read back: webvtt-py and pympi here, each file also by the rules of its format."""

import json
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from urllib.parse import unquote
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
import torch
import webvtt
from hypothesis import given
from hypothesis import strategies as st
from pympi.Elan import Eaf

from wtal.commands.main import main
from wtal.errors import ConfigError, PredictionError
from wtal.results.cues import one_line, shown
from wtal.results.exports import export, export_table, file_name
from wtal.results.predictions import COLUMNS, as_table, read_predictions, write_predictions
from wtal.results.record import About, write_about
from wtal.results.run_folder import RunFolder
from wtal.types import Detections

CLASSES = ["run", "High Jump, läufe"]
HOSTILE = [
    "../../out",
    "/etc/passwd",
    "a/b\\c",
    "..",
    ".hidden",
    "",
    "x" * 300,
    "nul\x00\n\x1b[31m",
    "\ud800",
    "é" * 150,
]


def found(*rows):
    """Detections of one video: start, end, label, score."""
    start_s, end_s, label, score = zip(*rows, strict=True) if rows else [()] * 4
    as_float = {"dtype": torch.float64}
    return Detections(
        torch.tensor(start_s, **as_float),
        torch.tensor(end_s, **as_float),
        torch.tensor(label, dtype=torch.long),
        torch.tensor(score, **as_float),
    )


def table_of(*rows):
    return pd.DataFrame(rows, columns=list(COLUMNS))


SOME = {
    "v_1": found(
        (3661.0015, 3662.9996, 0, 0.9),
        (0.0, 2.0, 0, 0.8),
        (1.5, 7.7, 1, 0.75),
        (1.0, 3.0, 0, 0.7),
        (1.9, 4.0, 0, 0.6),
        (2.0, 2.5, 0, 0.1),
    ),
    "v_2": found(),
}


def valid_eaf(path: Path) -> Eaf:
    """The file by pympi, after a look whether it keeps ELAN's rules."""
    root = ElementTree.parse(path).getroot()
    slots = [(slot.get("TIME_SLOT_ID"), int(slot.get("TIME_VALUE"))) for slot in root.find("TIME_ORDER")]
    times = dict(slots)
    assert len(times) == len(slots)
    assert [value for _, value in slots] == sorted(times.values())
    assert [child.tag for child in root][:2] == ["HEADER", "TIME_ORDER"]
    tiers = [tier.get("TIER_ID") for tier in root.iter("TIER")]
    assert tiers
    assert len(set(tiers)) == len(tiers)
    ids = [a.get("ANNOTATION_ID") for a in root.iter("ALIGNABLE_ANNOTATION")]
    assert len(set(ids)) == len(ids)
    types = {kind.get("LINGUISTIC_TYPE_ID"): kind.get("TIME_ALIGNABLE") for kind in root.iter("LINGUISTIC_TYPE")}
    for tier in root.iter("TIER"):
        assert types[tier.get("LINGUISTIC_TYPE_REF")] == "true"
        spans = [
            (times[a.get("TIME_SLOT_REF1")], times[a.get("TIME_SLOT_REF2")]) for a in tier.iter("ALIGNABLE_ANNOTATION")
        ]
        assert all(0 <= start < end for start, end in spans)
        assert all(before[1] <= after[0] for before, after in pairwise(spans))
    return Eaf(str(path))


def annotations(eaf: Eaf) -> dict[str, list[tuple[int, int, str]]]:
    return {name: sorted(eaf.get_annotation_data_for_tier(name)) for name in eaf.get_tier_names()}


def test_subtitles_have_the_milliseconds_and_the_order_of_time(tmp_path):
    (file, empty) = export(SOME, tmp_path, ["vtt"], CLASSES, overlapping=True)
    cues = [(cue.start, cue.end, cue.text) for cue in webvtt.read(str(file))]
    assert cues == [
        ("00:00:00.000", "00:00:02.000", "run 0.8"),
        ("00:00:01.000", "00:00:03.000", "run 0.7"),
        ("00:00:01.500", "00:00:07.700", "High Jump, läufe 0.75"),
        ("00:00:01.900", "00:00:04.000", "run 0.6"),
        ("01:01:01.002", "01:01:03.000", "run 0.9"),
    ]
    assert file.name == "v_1.vtt"
    assert empty.read_text() == "WEBVTT\n\nNOTE no action found\n"
    assert not list(webvtt.read(str(empty)))


def test_elan_has_further_tiers_for_detections_that_overlap(tmp_path):
    (file, empty) = export(SOME, tmp_path, ["eaf"], CLASSES, overlapping=True)
    assert annotations(valid_eaf(file)) == {
        "run": [(0, 2000, "run 0.8"), (3661002, 3663000, "run 0.9")],
        "run (2)": [(1000, 3000, "run 0.7")],
        "run (3)": [(1900, 4000, "run 0.6")],
        "High Jump, läufe": [(1500, 7700, "High Jump, läufe 0.75")],
    }
    assert annotations(valid_eaf(empty)) == {"default": []}


def test_tables_hold_all_detections_with_all_digits(tmp_path):
    files = export(SOME, tmp_path, ["csv", "json"], CLASSES)
    assert [file.name for file in files] == ["detections.csv", "detections.json"]
    for file in files:
        pd.testing.assert_frame_equal(read_predictions(file), as_table(SOME, CLASSES), check_exact=True)
    assert json.loads(files[1].read_text())["results"]["v_2"] == []


@pytest.mark.parametrize("name", ['a, "b"', "a\nb", "a\r\nb", "a\rb", "NA", "1.0", "\x1b", "a\u2028b", "#"])
def test_tables_hold_any_name(tmp_path, name):
    table = table_of((name, name, 0.0, 1.5, 0.5), (f"{name}2", "b", 0.0, 1 / 3, 0.5))
    for file in export_table(table, tmp_path, ["csv", "json"]):
        pd.testing.assert_frame_equal(read_predictions(file), table, check_exact=True)


def test_spaces_around_a_name_are_no_part_of_it(tmp_path):
    for file in export_table(table_of((" a ", " b", 0.0, 1.5, 0.5)), tmp_path, ["csv", "json"]):
        assert read_predictions(file)[["video_id", "label"]].values.tolist() == [["a", "b"]]


def test_a_name_that_csv_cannot_hold_is_refused(tmp_path):
    with pytest.raises(PredictionError, match="rename it, or write JSON"):
        export_table(table_of(("nul\x00", "a", 0.0, 1.5, 0.5)), tmp_path, ["csv"])


spans = st.tuples(st.floats(-5, 50), st.floats(0, 20), st.sampled_from([0, 1]), st.floats(-1, 1))


@given(st.lists(spans, min_size=1, max_size=40), st.booleans())
def test_any_detections_make_valid_files(tmp_path_factory, rows, overlapping):
    folder = tmp_path_factory.mktemp("any")
    rows = [(start, start + length, label, score) for start, length, label, score in rows]
    vtt, eaf = export({"v": found(*rows)}, folder, ["vtt", "eaf"], CLASSES, minimum=-1, overlapping=overlapping)
    tiers = annotations(valid_eaf(eaf))
    cues = [(cue.start_time.in_milliseconds(), cue.end_time.in_milliseconds(), cue.text) for cue in webvtt.read(vtt)]
    assert cues == sorted(cues, key=lambda cue: cue[0])
    assert sorted(cues) == sorted(one for tier in tiers.values() for one in tier)
    chosen = [row for row in rows if row[1] >= 0]
    if overlapping:
        assert len(cues) == len(chosen)
        most = [  # at once, of each class
            max(
                (sum(s <= start < e for s, e, text in cues if text.startswith(name)) for start, _, _ in cues), default=0
            )
            for name in CLASSES
        ]
        assert len(tiers) == max(1, sum(most))
    elif all(start < end for start, end, *_ in rows):
        kept = []  # the same by looking at every pair
        for row in sorted(rows, key=lambda row: -row[3]):
            if all(row[2] != k or row[1] <= s or e <= row[0] for s, e, k in kept):
                kept.append(row[:3])
        assert len(shown(as_table({"v": found(*rows)}, CLASSES), -1)) == len(kept)


def test_a_class_may_be_called_like_a_second_tier(tmp_path):
    rows = [("v", "run", 0.0, 2.0, 0.9), ("v", "run", 1.0, 3.0, 0.9), ("v", "run (2)", 0.0, 1.0, 0.9)]
    (file,) = export_table(table_of(*rows), tmp_path, ["eaf"], overlapping=True)
    assert {name: len(found) for name, found in annotations(valid_eaf(file)).items()} == {
        "run": 1,
        "run (2)": 1,
        "run (2) (2)": 1,
    }


def test_instants_and_detections_that_begin_before_the_video(tmp_path):
    table = table_of(("v", "a", -3.0, 1.0, 0.9), ("v", "a", 2.0, 2.0, 0.9), ("v", "a", -3.0, -1.0, 0.9))
    vtt, eaf = export_table(table, tmp_path, ["vtt", "eaf"])
    assert annotations(valid_eaf(eaf)) == {"a": [(0, 1000, "a 0.9"), (2000, 2001, "a 0.9")]}
    assert [cue.end for cue in webvtt.read(vtt)] == ["00:00:01.000", "00:00:02.001"]


@pytest.mark.parametrize(
    "name", ["a --> b", "<b>x</b> & y", "two\nlines\r\n\nWEBVTT", "\x00\x0b\x1b]]>", "\ufffe", " "]
)
def test_no_class_name_breaks_a_file(tmp_path, name):
    vtt, eaf = export_table(table_of(("v", name, 0.0, 1.0, 0.5)), tmp_path, ["vtt", "eaf"])
    (cue,) = webvtt.read(vtt)
    (tier, (annotation,)) = next(iter(annotations(valid_eaf(eaf)).items()))
    assert tier == one_line(name)
    assert annotation == (0, 1000, f"{one_line(name)} 0.5")
    assert "-->" not in cue.raw_text
    assert "<" not in cue.raw_text
    browser = cue.raw_text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    assert browser == f"{one_line(name)} 0.5"


def test_no_video_name_leads_out_of_the_folder(tmp_path):
    folder = tmp_path / "deep" / "inside"
    table = table_of(*((name, "a", 0.0, 1.0, 0.5) for name in HOSTILE))
    files = export_table(table, folder, ["vtt", "eaf"])
    assert len(set(files)) == 2 * len(HOSTILE)
    assert {file.parent for file in files} == {folder}
    assert sorted(folder.iterdir()) == sorted(files)
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file()) == sorted(file.name for file in files)


@given(st.text())
def test_a_name_becomes_one_of_a_file(name):
    file = file_name(name)
    assert file not in ("", ".", "..")
    assert not set(file) & set("/\\\0\n")
    assert len(f".{file}.json.tmp".encode()) <= 255
    assert file_name(file) == file


def test_the_video_is_linked_relatively(tmp_path):
    film = tmp_path / "my films" / "v_1.mp4"
    film.parent.mkdir()
    film.touch()
    (file, _) = export(SOME, tmp_path / "out", ["eaf"], CLASSES, media={"v_1": film})
    (link,) = valid_eaf(file).get_linked_files()
    assert link["RELATIVE_MEDIA_URL"] == "../my films/v_1.mp4"
    assert (file.parent / link["RELATIVE_MEDIA_URL"]).resolve() == film
    assert unquote(link["MEDIA_URL"]) == f"file://{film}"
    assert link["MIME_TYPE"] == "video/mp4"
    (beside, _) = export(SOME, film.parent, ["eaf"], CLASSES, media={"v_1": film})
    assert valid_eaf(beside).get_linked_files()[0]["RELATIVE_MEDIA_URL"] == "./v_1.mp4"


def test_ten_thousand_detections_that_overlap_are_all_written(tmp_path):
    rng = np.random.default_rng(0)
    start_s, score = rng.uniform(0, 3600, 10_000), rng.uniform(0, 1, 10_000)
    table = pd.DataFrame({"video_id": "v", "label": "a", "start_s": start_s, "end_s": start_s + 900, "score": score})
    *_, vtt, eaf = export_table(table, tmp_path, ["vtt", "eaf", "csv", "json"], minimum=0, overlapping=True)
    assert len(webvtt.read(vtt)) == 10_000
    assert sum(map(len, annotations(valid_eaf(eaf)).values())) == 10_000


def test_files_are_replaced_and_nothing_else_is_left(tmp_path):
    for _ in range(2):
        files = export(SOME, tmp_path, ["vtt", "eaf", "csv", "json"], CLASSES)
    assert sorted(tmp_path.iterdir()) == sorted(files)


def test_refuses_what_it_cannot_write(tmp_path):
    with pytest.raises(ConfigError, match=r"'srt' is not a format .* json, csv, vtt, eaf"):
        export(SOME, tmp_path, ["srt"], CLASSES)  # type: ignore[list-item]
    for end_s in (1e300, float("nan")):
        with pytest.raises(PredictionError, match=r"video v is .* no video is that long"):
            export_table(table_of(("v", "a", 0.0, end_s, 0.5)), tmp_path, ["vtt"])


# The command ----------------------------------------------------------------------------------------------------


def test_the_command_writes_a_set_and_names_the_files(tmp_path, capsys):
    write_predictions(tmp_path / "fused.json", SOME, CLASSES)
    (tmp_path / "films" / "deeper").mkdir(parents=True)
    (tmp_path / "films" / "deeper" / "v_1.MP4").touch()
    words = [str(tmp_path / "fused.json"), f"--output={tmp_path / 'out'}", "--videos", str(tmp_path / "films")]
    assert main(["export", *words, "--formats", "vtt", "eaf", "json", "--minimum=0.5"]) == 0
    assert "fused.json: 6 detections in 2 videos" in (text := capsys.readouterr().out)
    assert "(2 vtt, 2 eaf, 1 json)" in text
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == [
        *("detections.json", "v_1.eaf", "v_1.vtt"),
        *("v_2.eaf", "v_2.vtt"),  # which say that nothing was found
    ]
    link = valid_eaf(tmp_path / "out" / "v_1.eaf").get_linked_files()[0]
    assert link["RELATIVE_MEDIA_URL"] == "../films/deeper/v_1.MP4"


def test_a_video_without_detections_gets_files_that_say_so(tmp_path, capsys):
    file, out = tmp_path / "p.json", tmp_path / "out"
    file.write_text('{"results": {"a": [{"label": "run", "segment": [1, 2], "score": 0.9}], "b": []}}')
    assert main(["export", str(file), f"--output={out}", "--formats", "vtt"]) == 0
    assert "no action found" in (out / "b.vtt").read_text()
    assert "1 action found in 1 of 2 videos" in (text := capsys.readouterr().out)
    assert "no action found in 1 of 2 videos: b." in text


def test_the_folder_of_a_run_holds_one_set_per_source(tmp_path):
    run = RunFolder(tmp_path / "found")
    for source in ("cbp", "fused"):
        write_predictions(run.predictions_of(source), SOME, CLASSES)
    write_about(run.about, About())
    for name, folder in (("a", run.path), ("b", run.predictions)):
        assert main(["export", str(folder), f"--output={tmp_path / name}", "--formats", "vtt"]) == 0
        assert len([*(tmp_path / name).rglob("cbp/v_1.vtt"), *(tmp_path / name).rglob("fused/v_1.vtt")]) == 2


def test_each_of_several_sets_has_its_folder(tmp_path):
    for folder in ("a", "b"):
        write_predictions(tmp_path / folder / "fused.csv", SOME, CLASSES)
    files = [str(tmp_path / folder / "fused.csv") for folder in ("a", "b")]
    assert main(["export", *files, f"--output={tmp_path / 'out'}", "--formats=vtt"]) == 0
    assert sorted(file.relative_to(tmp_path).as_posix() for file in (tmp_path / "out").rglob("*.vtt")) == [
        "out/a/fused/v_1.vtt",
        "out/b/fused/v_1.vtt",
    ]
    assert main(["export", *files, f"--output={tmp_path / 'out'}", "--formats=vtt", "--names", "../x", "y"]) == 0
    assert not (tmp_path / "x").exists()


def test_mistakes_are_one_sentence(tmp_path, capsys):
    write_predictions(tmp_path / "fused.json", SOME, CLASSES)
    for words, message in (
        (["none.json"], "none.json does not exist"),
        ([str(tmp_path / "fused.json"), "--videos=nowhere"], "nowhere is not a folder"),
        ([str(tmp_path / "fused.json"), "--formats=srt"], "srt"),
    ):
        assert main(["export", *words, f"--output={tmp_path / 'out'}"]) == 2
        assert message in capsys.readouterr().err


def test_needs_no_torch(tmp_path):
    write_predictions(tmp_path / "fused.json", SOME, CLASSES)
    code = (
        "import sys; from wtal.commands.main import main; "
        f"main(['export', {str(tmp_path / 'fused.json')!r}, '--output', {str(tmp_path / 'out')!r}]); "
        "sys.exit('torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_real_predictions_make_valid_files(shared, tmp_path):
    table = read_predictions(shared / "data/predictions/detection_result_base_train.json")
    files = export_table(table, tmp_path, ["vtt", "eaf"])
    assert len(files) == 400
    for file in files[1::2]:
        valid_eaf(file)
    assert 1 < np.mean([len(webvtt.read(file)) for file in files[::2]]) < 30


def test_times_that_are_shares_of_the_videos_are_noted(tmp_path, capsys):
    rows = "".join(f"{name},run,0.1,0.9,1\n" for name in "abc")
    (tmp_path / "shares.csv").write_text(f"video,label,start,end,score\n{rows}")
    assert main(["export", str(tmp_path / "shares.csv"), f"--output={tmp_path / 'out'}"]) == 0
    assert "shares.csv: All 3 detections lie in the first second of their video: are they" in capsys.readouterr().out


def test_label_tracks_of_sound_editors(tmp_path):
    """Audacity reads three columns without a header; Raven a header with its own names and one selection a line."""
    table = table_of(("a", "wren", 1.0, 2.5, 0.9), ("a", "High\tJump", 0.25, 1.5, 0.6), ("a", "wren", 1.2, 2.0, 0.5))
    files = export_table(table, tmp_path, ["audacity", "raven"], ["a", "silent"])
    assert [file.name for file in files] == ["a.txt", "a.selections.txt", "silent.txt", "silent.selections.txt"]
    assert (tmp_path / "a.txt").read_text() == "0.250\t1.500\tHigh Jump 0.6\n1.000\t2.500\twren 0.9\n"
    raven = pd.read_csv(tmp_path / "a.selections.txt", sep="\t")
    assert list(raven.columns[:5]) == ["Selection", "View", "Channel", "Begin Time (s)", "End Time (s)"]
    assert raven[["Begin Time (s)", "End Time (s)", "Annotation", "Score"]].to_numpy().tolist() == [
        [0.25, 1.5, "High Jump", 0.6],
        [1.0, 2.5, "wren", 0.9],
    ]
    assert (tmp_path / "silent.txt").read_text() == ""
    assert (tmp_path / "silent.selections.txt").read_text().count("\n") == 1


def test_the_command_counts_label_tracks(tmp_path, capsys):
    write_predictions(tmp_path / "found.json", {"a": found((0.0, 2.0, 0, 0.7)), "b": found()}, CLASSES)
    words = ["export", str(tmp_path / "found.json"), "--output", str(tmp_path / "out"), "--formats", "raven", "csv"]
    assert main(words) == 0
    assert "(2 raven, 1 csv)" in capsys.readouterr().out
