import html
import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from wtal.commands.main import main
from wtal.report.page.material import gather
from wtal.report.page.measures import measure
from wtal.report.page.sections import sections


class Tags(HTMLParser):
    """Attributes of all elements, as a browser sees them."""

    def __init__(self):
        super().__init__()
        self.attributes = []

    def handle_starttag(self, tag, attrs):
        self.attributes += [(tag, name, value) for name, value in attrs]


def page_of(*words, output):
    assert main(["report", *map(str, words), "--output", str(output)]) == 0
    return (output / "index.html").read_text(encoding="utf-8")


def test_the_page_is_one_file_that_loads_nothing(made, tmp_path):
    text = page_of(made.folder, output=tmp_path / "new" / "page")
    assert [path.name for path in (tmp_path / "new" / "page").iterdir()] == ["index.html"]
    assert "default-src &#39;none&#39;" in text
    tags = Tags()
    tags.feed(text)
    links = {value for _, name, value in tags.attributes if name in ("src", "href", "srcset", "data", "action")}
    assert links == {"#results", "#videos", "#errors", "#training"}
    assert not [name for _, name, _ in tags.attributes if name.startswith("on") or name == "style"]
    assert not {tag for tag, *_ in tags.attributes} & {"link", "iframe", "object", "embed", "img", "base", "form"}
    assert not re.findall(r"@import|url\(|https?://", re.sub(r'<script type="application/json".*?</script>', "", text))


def test_hostile_names_are_text_only(made, tmp_path):
    text = page_of(made.folder, "--title", "<script>alert(1)</script>", output=tmp_path)
    assert len(re.findall(r"<script", text)) == 2  # the data and the page's own
    assert "<img" not in text
    assert "&lt;script&gt;alert(1)" in text
    data = json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)[1])
    assert [video["id"] for video in data["videos"]][: len(made.videos)] == [video.video_id for video in made.videos]


def test_the_tables_show_the_metrics_numbers(made, tmp_path):
    text = page_of(made.folder, output=tmp_path)
    material = gather([made.folder])
    rows = re.findall(r'<th scope="row"><i></i><bdi>(.*?)</bdi></th>(.*?)</tr>', text)
    cells = {name: [re.findall(r"[\d.]+", cell)[0] for cell in row.split("</td>") if cell] for name, row in rows[:3]}
    for method in material.methods:
        one = measure(method, material.truth, material.about.tious)
        shares = [*one.mean_ap.values(), one.average, one.profile.false_positive_rate, one.profile.false_negative_rate]
        assert cells[method.name] == [f"{100 * share:.1f}" for share in shares]
    numbers = re.findall(r'class="number">([\d.]+)<', text)
    assert numbers == [row[3] for row in cells.values()]


def test_the_best_of_a_column_is_marked(made):
    shown = sections(gather([made.folder]), (0.3, 0.5))
    (table,) = shown.results
    for place, name in enumerate(table.columns):
        values = [float(row.cells[place][0]) for row in table.rows]
        best = (min if name in ("FPR", "FNR") else max)(values)
        assert [value for value, row in zip(values, table.rows, strict=True) if row.cells[place][2]] == [best]
    assert shown.finding.startswith("CBP misses ")


def test_pages_of_prediction_files(made, tmp_path):
    files = [made.folder / "predictions" / f"{source}.json" for source in ("cbp", "fused")]
    truth = made.folder / "predictions" / "ground_truth.json"
    text = page_of(*files, "--annotations", truth, "--subset", "test", "--tious", "0.5", output=tmp_path)
    assert len(re.findall(r'class="number"', text)) == 2
    assert "Errors</h2>" in text
    assert "Training</h2>" not in text
    text = page_of(files[0], output=tmp_path)
    assert "nothing is measured" in text
    assert "Errors</h2>" not in text


def test_what_is_undefined_is_a_dash_and_times_in_frames_are_noted(made, tmp_path):
    truth = made.folder / "predictions" / "ground_truth.json"
    content = json.loads((made.folder / "predictions" / "fused.json").read_text())
    (tmp_path / "empty.json").write_text(json.dumps({"results": {name: [] for name in content["results"]}}))
    for detections in content["results"].values():
        for one in detections:
            one["segment"] = [30 * bound for bound in one["segment"]]
    (tmp_path / "frames.json").write_text(json.dumps(content))
    files = (tmp_path / "empty.json", tmp_path / "frames.json")
    text = page_of(*files, "--annotations", truth, output=tmp_path / "page")
    assert "nan" not in re.findall(r'<section class="lead".*?</section>', text, re.DOTALL)[0].lower()
    assert "– % of detected time is background" in text  # noqa: RUF001
    assert "end after the end of their video" in text
    assert "are they frames?" in text


def test_real_predictions_get_the_official_numbers(shared, tmp_path):
    data = shared / "data"
    file = data / "predictions" / "detection_result_base_train.json"
    published = json.loads((data / "predictions" / "expected_map.json").read_text())
    tious = published["conventions"]["tiou_thumos14_values"][:7]  # of linspace: 0.30000000000000004
    words = ("--annotations", data / "thumos14" / "gt.json", "--subset", "train", "--tious", *tious)
    text = page_of(file, *words, output=tmp_path)
    expected = published["thumos14_train_pmil_base"]["official_gt200"]
    means = [*expected["mAP"][:7], expected["average_0.1:0.7"]]
    row = re.search(r'<th scope="row"><i></i><bdi>detection_result_base_train</bdi></th>(.*?)</tr>', text)[1]
    assert re.findall(r"<td>([\d.]+)", row)[:8] == [f"{100 * mean:.1f}" for mean in means]
    assert "200 videos, 3007 instances" in text


def test_a_run_without_a_test_shows_its_training(made, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "metrics.csv").write_text((made.folder / "metrics.csv").read_text())
    text = page_of(tmp_path / "run", output=tmp_path / "page")
    assert "Training</h2>" in text
    assert "There are no videos" in text


def test_videos_are_linked_where_they_lie(made, tmp_path):
    (tmp_path / "my films").mkdir()
    (tmp_path / "my films" / "plain_1.mp4").write_bytes(b"")
    (tmp_path / "my films" / "plain_2.txt").write_bytes(b"")
    text = page_of(made.folder, "--videos", tmp_path / "my films", output=tmp_path / "page")
    assert re.findall(r'"file": "(.*?)"', text) == ["../my%20films/plain_1.mp4"]
    assert "media-src 'self' file:" in html.unescape(text)
    assert "media-src 'none'" in html.unescape(page_of(made.folder, output=tmp_path / "page"))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--tious", "0", "0.5"], "Thresholds of temporal IoU lie in (0, 1], not 0"),
        (["--videos", "nowhere"], "nowhere is not a folder"),
    ],
)
def test_a_mistake_is_one_sentence(words, message, made, tmp_path, capsys):
    assert main(["report", str(made.folder), "--output", str(tmp_path / "page"), *words]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line
    assert not (tmp_path / "page").exists()


def test_a_page_needs_neither_torch_nor_a_network(made, tmp_path):
    code = (
        "import sys; from pathlib import Path; from wtal.report.page.build import write_page;"
        f"write_page([Path({str(made.folder)!r})], Path({str(tmp_path)!r})); sys.exit('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, cwd=Path(__file__).parents[3])
    assert done.returncode == 0
