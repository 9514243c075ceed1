"""The page in a real browser: sorting, searching, zooming, reading, and nothing that runs or loads from elsewhere."""

import re
import shutil
from pathlib import Path

import pandas as pd
import pytest

from wtal.commands.main import main
from wtal.data.points import read_points
from wtal.report.page.material import gather
from wtal.report.page.measures import measure
from wtal.results.pseudo_instances import COLUMNS, PseudoInstances, write_pseudo_instances
from wtal.results.scores import read_scores

CHROMIUM = Path("/usr/bin/chromium")


@pytest.fixture(scope="module")
def browser():
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if not CHROMIUM.is_file():
        pytest.skip(f"there is no browser at {CHROMIUM}")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox", "--headless"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def address(made, tmp_path_factory):
    folder = tmp_path_factory.mktemp("browser")
    assert main(["report", str(made.folder), "--output", str(folder)]) == 0
    return (folder / "index.html").as_uri()


@pytest.fixture
def opened(browser, address):
    """Opens the page; afterwards there must be no error, and no request but that for the file."""
    errors, asked, contexts = [], [], []

    def open_page(fragment="", **options):
        contexts.append(browser.new_context(**{"viewport": {"width": 1400, "height": 900}, **options}))
        page = contexts[-1].new_page()
        page.on("console", lambda message: errors.append(message.text))
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("request", lambda request: asked.append(request.url.split("#")[0]))
        page.goto(address + fragment)
        return page

    yield open_page
    for context in contexts:
        for page in context.pages:
            assert page.evaluate("window.pwned") is None
        context.close()
    assert errors == []
    assert set(asked) == {address}


def names(page):
    return page.locator("#list .named").all_inner_texts()


def view(page):
    page.wait_for_timeout(50)
    return tuple(float(page.locator("#timeline").get_attribute(f"data-{end}")) for end in ("from", "to"))


def test_sorts_by_the_worst_and_by_name(opened, made):
    page = opened()
    values = [int(text.split()[0]) for text in page.locator("#list .value").all_inner_texts() if text]
    assert values == sorted(values, reverse=True)
    assert names(page)[0] == "unfound"  # nothing is detected in it: 100 % missed
    page.get_by_label("Sort videos by").select_option(label="most instances")
    counts = [int(text) for text in page.locator("#list .value").all_inner_texts()]
    assert counts == sorted(counts, reverse=True)
    page.get_by_label("Sort videos by").select_option(label="name")
    in_order = page.evaluate(
        "JSON.parse(document.getElementById('data').textContent).videos"
        ".filter(v => v.part === 'test').map(v => v.id).sort()"
    )
    assert page.locator("#list .named bdi").evaluate_all("all => all.map(one => one.textContent)") == in_order


def test_the_legend_explains_the_ground_truth_only_where_there_is_one(opened, browser, made, tmp_path):
    assert opened("#video=plain_2").locator("#of_truth").is_visible()
    alone = shutil.copy(made.folder / "predictions" / "cbp.json", tmp_path)  # a run folder would bring its annotations
    assert main(["report", str(alone), "--output", str(tmp_path)]) == 0
    page = browser.new_page()
    page.goto((tmp_path / "index.html").as_uri())
    assert page.locator("#of_truth").is_hidden()
    page.close()


def test_searches_by_name_and_class(opened, made):
    page = opened()
    page.keyboard.press("/")
    page.keyboard.type("plain")
    assert sorted(names(page)) == ["plain_1", "plain_2"]
    assert page.locator("#count").inner_text() == "2 of 7 videos"
    page.keyboard.press("Enter")
    assert page.locator("#name").inner_text() in ("plain_1", "plain_2")
    page.locator("#search").fill("ג'ודו")
    assert 0 < len(names(page)) <= 7
    page.locator("#search").fill("no such video")
    assert names(page) == []
    page.locator("#search").press("Escape")
    assert len(names(page)) == 7


def test_zooms_by_wheel_keys_buttons_and_drag(opened, made):
    page = opened("#video=plain_2")
    assert page.locator("#name").inner_text() == "plain_2"
    duration = next(video.duration_s for video in made.videos if video.video_id == "plain_2")
    assert view(page) == (0, pytest.approx(duration, abs=1e-3))
    canvas = page.locator(".lane.method canvas").first
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    middle = box["x"] + box["width"] / 2, box["y"] + 20
    page.mouse.move(*middle)
    page.mouse.wheel(0, -100)
    assert view(page)[0] == 0  # the page scrolls until the timeline has been chosen
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + 20)
    page.mouse.wheel(0, -100)
    begin, end = view(page)
    assert 0 < begin < duration / 2 < end < duration
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2 - 60, box["y"] + 20, steps=3)
    page.mouse.up()
    moved = view(page)
    assert moved[0] > begin
    assert moved[1] - moved[0] == pytest.approx(end - begin, abs=2e-3)
    page.keyboard.press("+")
    closer = view(page)
    assert closer[1] - closer[0] == pytest.approx(0.6 * (end - begin), abs=2e-3)
    page.keyboard.press("0")
    assert view(page) == (0, pytest.approx(duration, abs=1e-3))
    page.get_by_label("Zoom in").click()
    assert view(page)[1] - view(page)[0] == pytest.approx(0.6 * duration, abs=2e-3)


def test_reads_the_values_under_the_cursor(opened, made):
    page = opened("#video=plain_1")
    page.locator("#timeline").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    page.wait_for_timeout(50)
    duration = made.videos[0].duration_s
    place = int((duration / 2 + 0.64) / 0.64)
    scores = read_scores(made.folder / "scores" / "cbp.npz")
    note = page.locator(".lane.method .label span").first.inner_text()
    assert float(re.match(r"actionness ([\d.]+)", note)[1]) == pytest.approx(float(scores.actionness[place]), abs=0.01)
    assert "actionness" in page.locator("#spoken").inner_text()


def test_hostile_names_are_shown_and_do_nothing(opened, made):
    page = opened()
    for row, video in enumerate(made.videos):
        page.locator(f"#video{row}").click()
        assert page.locator("#name").evaluate("node => node.textContent") == video.video_id
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        for button in page.locator("#classes button").all():
            button.hover()
            button.click()
    assert page.locator("#videos img").count() == 0
    page.locator("#video2").click()
    page.locator("#table summary").click()
    page.locator("#rows tr").first.wait_for(timeout=2000)


def test_training_videos_show_their_pseudo_labels(opened):
    page = opened()
    page.get_by_label("Videos shown").select_option("training")
    assert page.locator("#count").inner_text() == "2 of 2 videos"
    assert page.locator(".lane.student").count() == 2
    assert page.locator(".lane.method").count() == 0
    assert page.locator("#taught").is_visible()


def test_training_videos_show_the_pseudo_instances_of_a_student(browser, made, tmp_path):
    run, labels = tmp_path / "Student" / "version_0", tmp_path / "pseudo_instances.json"
    shutil.copytree(made.folder, run)
    (run / "pseudo_labels.npz").unlink()
    rows = [
        ("seen", "diving", 1.0, 5.0, 0.8, 0.4567, 0.9, 0.1, 0.0),
        ("seen", "diving", 7.0, 9.0, 0.3, 0.0, 1.0, 0.0, 1.0),
    ]
    found = PseudoInstances(pd.DataFrame(rows, columns=list(COLUMNS)), {"seen": 20.0})
    write_pseudo_instances(labels, found)
    (run / "config.yaml").write_text(f"model: {{init_args: {{labels: {{init_args: {{path: {labels}}}}}}}}}\n")
    assert main(["report", str(run), "--output", str(tmp_path / "page")]) == 0
    page = browser.new_page()
    errors = []
    page.on("console", lambda message: errors.append(message.text))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto((tmp_path / "page" / "index.html").as_uri())
    page.select_option("#part", "training")
    page.locator("#list li").first.click()
    lane = page.locator(".lane.taught")
    assert lane.locator("b").inner_text() == "pseudo-instances"
    page.wait_for_function("document.querySelector('.lane.taught span').innerText.includes('1 instance')")
    assert "1 ignored" in lane.locator("span").inner_text()
    assert page.locator("#instances").is_visible()
    assert page.locator("#taught").is_hidden()
    canvas = lane.locator("canvas")
    box = canvas.bounding_box()
    page.mouse.move(box["x"] + box["width"] * 3 / 20, box["y"] + 16)
    page.wait_for_function("document.querySelector('.lane.taught span').innerText === 'weight 0.46'")
    assert errors == []
    painted = canvas.evaluate(
        "c => [3, 6, 8].map(t => c.getContext('2d').getImageData(Math.round(c.width * t / 20) + 3, "
        "Math.round(c.height / 2), 1, 1).data[3])"
    )
    assert [alpha > 0 for alpha in painted] == [True, False, False]  # filled, nothing, hollow
    page.close()


def test_lanes_follow_the_boxes_and_the_keys_the_list(opened):
    page = opened()
    assert page.locator(".lane.method").count() == 3
    page.get_by_role("checkbox", name="VLP").uncheck()
    assert page.locator(".lane.method").count() == 2
    page.locator("#list").focus()
    first = page.locator("#name").inner_text()
    page.keyboard.press("ArrowDown")
    assert page.locator("#name").inner_text() != first
    assert page.locator("#list [aria-selected=true]").count() == 1
    assert page.evaluate("document.activeElement.getAttribute('aria-activedescendant')") == page.locator(
        "#list [aria-selected=true]"
    ).get_attribute("id")
    page.keyboard.press("p")
    assert page.locator("#name").inner_text() == first


def test_a_dot_opens_its_video(opened, made):
    page = opened()
    mark = page.locator(".mark").nth(2)
    wanted = made.videos[int(mark.get_attribute("data-video"))].video_id
    mark.dispatch_event("click")
    assert page.locator("#name").evaluate("node => node.textContent") == wanted


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_fits_a_phone_in_both_schemes(scheme, opened):
    page = opened(viewport={"width": 390, "height": 844}, color_scheme=scheme, is_mobile=True, has_touch=True)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (background == "rgb(255, 255, 255)") == (scheme == "light")
    controls = page.locator("input, select, button, [role=listbox], [role=group], svg[role=img]")
    named = "n => n.getAttribute('aria-label') || n.textContent.trim() || n.closest('label')?.textContent.trim()"
    assert controls.evaluate_all(f"all => all.filter(n => !({named})(n)).length") == 0


def test_a_lane_shows_the_errors_of_its_method_in_the_video(opened, made):
    page = opened("#video=plain_1")
    material = gather([made.folder])
    profile = measure(material.methods[0], material.truth, (0.5,)).videos["plain_1"]
    note = page.locator(".lane.method .label span").first.inner_text()
    missed, background = (round(100 * share) for share in (profile.false_negative_rate, profile.background_share))
    assert note.split("\n") == [f"missed {missed} %", f"background {background} %"]


def saved_points(page, path):
    with page.expect_download() as download:
        page.locator("#point_export").click()
    download.value.save_as(path)
    return read_points(path).table


def test_clicked_points_are_kept_and_saved_as_the_table_that_training_reads(opened, made, tmp_path):
    page = opened("#video=plain_2")
    canvas = page.locator("#lanes .lane canvas").first
    canvas.click(position={"x": 100, "y": 10})  # not yet: the page is only read
    assert page.locator("#point_export").is_disabled()
    page.get_by_label("click points").check()
    page.get_by_label("Class of the points").select_option(label="diving")
    box = canvas.bounding_box()
    for share in (0.25, 0.5, 0.75, 0.75):  # the last one takes the third away
        canvas.click(position={"x": share * box["width"], "y": 10})
    assert page.locator("#point_count").inner_text() == "2 here, 2 in all"
    page.get_by_role("button", name="Next video").click()
    page.get_by_label("Class of the points").select_option(label=made.classes[1])
    page.locator("#timeline").focus()
    page.keyboard.press("Enter")  # in the middle of what is shown
    found = saved_points(page, tmp_path / "points.csv")
    lengths = {video.video_id: video.duration_s for video in made.videos}
    here = found[found["video_id"] == "plain_2"]
    assert here["label"].tolist() == ["diving"] * 2
    assert here["time_s"].tolist() == pytest.approx([0.25 * lengths["plain_2"], 0.5 * lengths["plain_2"]], abs=0.1)
    other = found[found["video_id"] != "plain_2"].iloc[0]
    assert other["label"] == made.classes[1]
    assert other["time_s"] == pytest.approx(lengths[other["video_id"]] / 2, abs=0.1)
    page.reload()
    assert page.locator("#point_count").inner_text().endswith("3 in all")


def test_given_points_are_in_the_page(browser, made, tmp_path):
    (tmp_path / "given.csv").write_text("video,label,time\nplain_1,diving,2.5\nplain_1,unheard of,3\n")
    arguments = [str(made.folder), "--output", str(tmp_path), "--points", str(tmp_path / "given.csv")]
    assert main(["report", *arguments]) == 0
    page = browser.new_page()
    page.goto((tmp_path / "index.html").as_uri() + "#video=plain_1")
    assert page.locator("#lanes .points").is_visible()
    found = saved_points(page, tmp_path / "points.csv")
    assert found[["label", "time_s"]].to_numpy().tolist() == [["diving", 2.5], ["unheard of", 3.0]]
    page.close()
