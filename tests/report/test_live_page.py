"""The page of a live detection."""

from xml.etree import ElementTree

import numpy as np

from wtal.report import LiveView


def test_the_page_is_well_formed_and_shows_names_as_text():
    view = LiveView("<b>camera</b>", ["<i>run</i>", "jump"], "random & meaningless")
    for index in range(30):
        view.times_s.append(0.64 * index)
        view.curves.append(np.array([0.5 + 0.01 * index, 0.1]))
    view.add("<i>run</i>", 3725.04, 3729.0, 0.876, 3730.5)
    page = view.draw("All is well.")
    assert 'http-equiv="refresh" content="2"' in page
    body = page[page.index("<body>") : page.index("</body>")] + "</body>"
    tree = ElementTree.fromstring(body)
    assert tree.findtext("h1") == "<b>camera</b>"
    cells = [cell.text for cell in tree.findall("table/tr/td")]
    assert cells == ["<i>run</i>", "1:02:05.0", "1:02:09.0", "0.88", "1.5 s"]
    lines = tree.findall("svg/polyline")
    assert len(lines) == 2
    assert len(lines[0].get("points").split()) == 30
    over = view.draw("The end.", over=True)
    assert "refresh" not in over
    assert "The end." in over


def test_it_keeps_only_the_latest():
    view = LiveView("camera", ["run"])
    assert "svg viewBox" not in view.draw("Nothing yet.")
    for index in range(1000):
        view.times_s.append(float(index))
        view.curves.append(np.zeros(1))
        view.add("run", index, index + 1, 0.5, index + 2)
    assert (view.count, len(view.rows), len(view.times_s), len(view.curves)) == (1000, 100, 240, 240)
    page = view.draw("On and on.")
    assert "1000 detections, the last 100 of them" in page
    assert page.count("<tr><td>") == 100
