"""The page of an anomaly run: areas of frame scores, and the anomaly score as the first curve of a lane."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from wtal.metrics import precision_area, roc_area
from wtal.report.page.build import render
from wtal.report.page.contents import Material, Method
from wtal.report.page.frames import frame_tables
from wtal.report.page.packing import pack
from wtal.report.page.sections import sections
from wtal.report.style import COMPARED_NAMES
from wtal.results.ground_truth import GroundTruth
from wtal.results.predictions import COLUMNS
from wtal.results.record import About, read_about, write_about
from wtal.results.scores import TestScores, VideoGrids


def material_of(seed: int = 0, task: str = "anomaly") -> tuple[Material, np.ndarray, np.ndarray]:
    """Two methods on an abnormal video of ten snippets and a normal one of six; scores of frames, and truth."""
    grids = VideoGrids(["a", "b"], np.array([10, 6]), np.zeros(2), np.full(2, 0.5), np.array([5.0, 3.0]))
    rng = np.random.default_rng(seed)
    methods, frames = [], []
    for name in ("cbp", "vlp"):
        attention, kinds = rng.random(16).astype(np.float16), rng.random((16, 2)).astype(np.float16) / 2
        scores = TestScores(grids, ["fall", "fire"], kinds, attention, np.ones((2, 2), np.float16))
        found = pd.DataFrame([("a", "fall", 1.0, 2.0, 0.5)], columns=["video_id", "label", "start_s", "end_s", "score"])
        methods.append(Method(name, name.upper(), "c0", found.reindex(columns=COLUMNS), scores))
        frames.append(np.repeat((attention.astype(float) + kinds.astype(float).sum(axis=1)) / 2, 16))
    truth = GroundTruth(
        Path("truth.json"), "test", ("a", "b"), ("fall",), np.array([5.0, 3.0]), np.array([[0, 0, 1.0, 2.25]])
    )
    mask = np.zeros(256, bool)
    mask[32:72] = True
    return Material(methods, truth, About("made up", "toy", (0.5,), task=task)), np.array(frames), mask


def test_areas_are_those_of_the_frames():
    material, frames, mask = material_of()
    areas, kinds = frame_tables(material)
    for row, scores in zip(areas.rows, frames, strict=True):
        shown = [f"{100 * value:.1f}" for value in (roc_area(scores, mask), precision_area(scores, mask))]
        assert [cell[0] for cell in row.cells[:2]] == shown
        assert row.cells[2][0] == f"{100 * roc_area(scores[:160], mask[:160]):.1f}"
    assert kinds.columns == ["fall"]


def test_the_page_leads_with_the_task_s_own_measure():
    material, frames, mask = material_of()
    leading = replace(material, methods=[replace(one, leading=True) for one in material.methods])
    figures = sections(leading, (0.5,)).key_figures
    assert [one.measure for one in figures] == ["AUC", "AUC"]
    assert [one.score for one in figures] == [pytest.approx(roc_area(scores, mask)) for scores in frames]
    texts = dict.fromkeys(("features", "benchmark", "annotations", "weights", "branches", "chosen"), "")
    rates = {"false_negative_rate": 0.0, "false_positive_rate": 0.0, "train_seconds": 1.0}
    rows = [
        {"method": name, "seed": seed, "mAP_avg": 0.1, "mAP@0.5": 0.1, "AUC": auc} | texts | rates
        for name in ("cbp", "vlp")
        for seed, auc in ((0, 0.75), (1, 0.25))
    ]
    named = [
        replace(one, name=name)
        for one, name in zip(leading.methods, (COMPARED_NAMES["cbp"], COMPARED_NAMES["vlp"]), strict=True)
    ]
    compared = sections(replace(leading, methods=named, comparison=pd.DataFrame(rows)), (0.5,)).key_figures
    assert [(one.measure, one.score) for one in compared] == [("AUC", 0.5), ("AUC", 0.5)]


def test_the_first_curve_is_the_score():
    material, *_ = material_of()
    assert pack(material, {}, {})["activity"] == "anomaly score"
    plain, *_ = material_of(task="localization")
    assert pack(plain, {}, {})["activity"] == "actionness"
    one, other = (pack(made, {}, {})["videos"][0]["data"] for made in (material, plain))
    assert one != other


def test_a_page_shows_the_areas_of_an_anomaly_run_alone():
    anomaly, plain = (render(material_of(task=task)[0], (0.5,), "t", {}) for task in ("anomaly", "localization"))
    assert "AUC of abnormal videos" in anomaly
    assert "Filled: anomaly score." in anomaly
    assert "AUC of abnormal videos" not in plain
    assert "Filled: actionness." in plain


def test_nothing_is_measured_without_scores_or_truth():
    material, *_ = material_of()
    assert frame_tables(Material(material.methods, None, material.about)) == []
    bare = [Method(m.source, m.name, m.colour, m.detections) for m in material.methods]
    assert frame_tables(Material(bare, material.truth, material.about)) == []


def test_a_run_says_what_its_task_was(tmp_path: Path):
    write_about(tmp_path / "about.json", About("f", "b", (0.5,), task="anomaly"))
    assert read_about(tmp_path / "about.json").task == "anomaly"
    (tmp_path / "old.json").write_text('{"features": "f", "benchmark": "b"}')
    assert read_about(tmp_path / "old.json").task == "localization"
