import json
import shutil

import pytest

from wtal.errors import PredictionError
from wtal.report.page.build import write_page
from wtal.report.page.contents import Followed, Wall
from wtal.report.page.exchanges import exchange_charts, exchange_table, read_exchanged, wall_table
from wtal.report.page.stream import stream_charts
from wtal.results import CameVideo, Given, Journal, RunFolder, StreamEpoch, StreamRecord, Taken
from wtal.views import CBP, VLP

GIVEN = [Given(4, 1, 0, "aa", 100.0), Given(8, 2, 0, "bb", 104.0), Given(12, 3, 0, "cc", 110.0)]
TAKEN = [Taken(4, 0, 0, 101.0), Taken(6, 1, 0, 103.0), Taken(8, 1, 1, 105.0), Taken(10, 3, 0, 111.0)]


@pytest.fixture
def run(tmp_path):
    """CBP learns from VLP; VLP learns from nobody."""
    for branch, events in (("vlp", GIVEN), ("cbp", [*TAKEN, Given(12, 1, 0, "dd", 112.0)])):
        journal = Journal(tmp_path / "asynchronous" / branch / "journal.jsonl")
        for event in events:
            journal.add(event)
    return RunFolder(tmp_path)


def test_who_taught_whom_with_which_version_when(run):
    found = read_exchanged(run, "run", (CBP, VLP), 1)
    assert [(teacher.name, student.name) for teacher, student in found.lessons()] == [("vlp", "cbp")]
    assert (found.begin_s, found.steps_of("cbp")) == (100.0, 12)
    versions, ages = exchange_charts(found)
    assert versions.title == "Versions by which VLP teaches CBP"
    published, used = (path.line for path in versions.paths)
    assert published.points == [(0, 1), (4, 1), (4, 2), (10, 2), (10, 3), (12, 3)]
    assert used.points == [(1, 0), (3, 0), (3, 1), (5, 1), (5, 1), (11, 1), (11, 3), (12, 3)]
    assert [path.line.name for path in ages.paths] == ["CBP", "bound"]
    assert ages.paths[0].line.points == [(4, 0), (6, 0), (6, 0), (8, 0), (8, 1), (10, 1), (10, 0), (12, 0)]


def test_the_table_weighs_ages_by_steps(run):
    table = exchange_table(read_exchanged(run, "run", (CBP, VLP), 1))
    (row,) = table.rows
    assert row.name == "VLP teaches CBP"
    # 2 of 8 steps without a packet, 2 of the other 6 at age 1
    assert [value for value, _, _ in row.cells] == ["3", "2", "0.33", "1", "25.0"]
    assert "at most 1 is allowed" in table.caption


def test_a_run_in_turns_has_no_exchange_and_a_damaged_journal_is_one_sentence(tmp_path, run):
    assert read_exchanged(RunFolder(tmp_path / "other"), "other", (CBP, VLP), None) is None
    (run.asynchronous / "vlp" / "journal.jsonl").write_text(json.dumps({"step": 1}) + "\n")
    with pytest.raises(PredictionError, match="line 1 is damaged"):
        read_exchanged(run, "run", (CBP, VLP), 1)


def test_wall_times_need_both_kinds():
    turns, at_once = Wall("a", 20.0, False, 12), Wall("b", 30.0, True, None)
    assert wall_table([turns]) is wall_table([at_once]) is wall_table([]) is None
    table = wall_table([at_once, turns])
    cells = {row.name: [value for value, _, _ in row.cells] for row in table.rows}
    assert cells == {"b": ["at the same time", "–", "30", "1.50"], "a": ["in turns", "12", "20", "1.00"]}  # noqa: RUF001


def test_a_stream_is_drawn_with_what_is_known():
    epochs = [
        StreamEpoch(0, 4, 4, 4, 2),
        StreamEpoch(2, 2, 6, 5, 3, {"cbp/mAP": 0.4, "cbp/faded": 0.4}),
        StreamEpoch(3, 0, 6, 5, 3, {"cbp/faded": 0.4, "cbp/forgetting": -0.1}),
    ]
    record = StreamRecord([CameVideo(0, "a", ("run",))], epochs)
    before, lost, counts = stream_charts(record, Followed("run", record, (CBP, VLP)).views)
    assert [path.line.points for path in before.paths] == [[(3, 0.4), (4, 0.4)], [(3, 0.4)]]
    assert [path.line.points for path in lost.paths] == [[(4, -0.1)]]
    assert [path.line.name for path in counts.paths] == ["have come", "trained on", "classes"]
    assert len(stream_charts(StreamRecord([], epochs[:1]), ())) == 1


def test_a_page_shows_both(made, tmp_path):
    folder = tmp_path / "both"
    shutil.copytree(made.folder, folder)
    for branch, events in (("vlp", GIVEN), ("cbp", TAKEN)):
        journal = Journal(folder / "asynchronous" / branch / "journal.jsonl")
        for event in events:
            journal.add(event)
    StreamRecord([CameVideo(0, "a", ("run",))], [StreamEpoch(0, 1, 1, 1, 1)]).write(folder / "stream")
    text = write_page([folder], tmp_path / "page").read_text()
    assert text.count("Versions by which VLP teaches CBP") == 2  # title, and text for those who cannot see it
    assert '<section id="exchange">' in text
    assert '<section id="stream">' in text
    assert "Wall time" not in text
