import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

import wtal
from wtal.collaboration import sensitivity
from wtal.collaboration.pseudo_labels import Thresholds, pseudo_labels
from wtal.commands.main import main
from wtal.data import SyntheticDataModule
from wtal.errors import AnnotationError, CheckpointError, ConfigError
from wtal.localization.localizer import Localizer
from wtal.results.predictions import read_predictions
from wtal.types import Detections

COLUMNS = ["source", "video_id", "label", "start_s", "end_s", "score"]


@pytest.fixture(scope="module")
def run(trained):
    return wtal.load(trained("collaboration").folder)


@pytest.fixture(scope="module")
def scores(run):
    return wtal.predict(run)


# predict ---------------------------------------------------------------------------------------------------------


def test_scores_are_those_of_the_model_on_the_videos_own_grid(run, scores):
    videos = run.data.videos("test")
    assert list(scores) == [video.video_id for video in videos]
    for batch, one in zip(run.data.test_dataloader(), scores.values(), strict=True):
        with torch.no_grad():
            expected = run.model.all_scores(batch)
        assert list(one.sources) == ["cbp", "vlp", "fused"]
        for source, found in one.sources.items():
            assert torch.equal(found.probability, expected[source].probability[0])
            assert torch.equal(found.attention, expected[source].attention[0])
            assert torch.equal(found.video, expected[source].video[0])
        assert one.times_s[2] == pytest.approx(sum(one.video.grid.cell_s(2)) / 2)
        assert len(one.times_s) == one.video.num_snippets == len(one.table("fused"))


def test_a_batch_of_many_gives_what_a_batch_of_one_gives(trained, scores):
    run = wtal.load(trained("collaboration").folder)
    run.data.eval_batch_size = 3
    many = wtal.predict(run)
    assert list(many) == list(scores)
    for name, one in scores.items():
        for source, expected in one.sources.items():
            for a, b in zip(expected, many[name].sources[source], strict=True):
                assert a.shape == b.shape
                torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-6)


def test_some_videos_of_any_split(run, scores):
    names = [video.video_id for video in run.data.videos("train")][3:1:-1]
    found = wtal.predict(run, split="train", videos=names)
    assert sorted(found) == sorted(names)
    name = list(scores)[4]
    (one,) = wtal.predict(run, videos=[name]).values()
    assert torch.equal(one.sources["fused"].probability, scores[name].sources["fused"].probability)
    with pytest.raises(ConfigError, match=r"'nobody' is not among the 8 test videos, such as"):
        wtal.predict(run, videos=[name, "nobody"])


def test_other_data_must_have_the_same_classes(run, trained, tmp_path: Path):
    other = SyntheticDataModule(tmp_path / "made", replace(trained("collaboration").data.params, seed=5))
    assert wtal.predict(run, other).keys() == {video.video_id for video in other.videos("test")}
    other.class_names = other.class_names[::-1]
    with pytest.raises(CheckpointError, match="knows the classes archery, bowling, diving"):
        wtal.predict(run, other)


# localize --------------------------------------------------------------------------------------------------------


def test_detections_are_those_that_the_command_writes(run, scores, trained, tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = ["predict", "-c", str(run.config), f"--ckpt_path={run.path}", "--trainer.default_root_dir=runs"]
    assert main([*words, "--trainer.enable_progress_bar=false"]) == 0
    found = wtal.localize(scores)
    assert list(found.columns) == COLUMNS
    for source in run.model.sources:
        (file,) = Path("runs").rglob(f"{source}.json")
        mine = found[found["source"] == source].drop(columns="source").reset_index(drop=True)
        pd.testing.assert_frame_equal(mine, read_predictions(file))
        assert list(json.loads(file.read_text())["results"]) == list(scores)


def test_any_localizer(run, scores):
    hard = replace(run.model.localizer, suppression="hard", max_detections=2)
    found = wtal.localize(scores, hard)
    assert (found.groupby(["source", "video_id"]).size() <= 2).all()
    name = list(scores)[1]
    expected: Detections = hard(scores[name].sources["vlp"], scores[name].video)
    mine = found[(found["source"] == "vlp") & (found["video_id"] == name)]
    np.testing.assert_array_equal(mine["score"], expected.score)
    assert wtal.localize({}).columns.tolist() == COLUMNS


# evaluate --------------------------------------------------------------------------------------------------------


def test_numbers_are_those_of_the_test(run, scores, trained):
    metrics = trained("collaboration").metrics
    table = wtal.evaluate(wtal.localize(scores), run.data)
    assert list(table.index) == ["cbp", "vlp", "fused"]
    for source in table.index:
        for column in ("0.1", "0.3", "0.5", "0.7", "0.1:0.7"):
            assert table.loc[source, column] == pytest.approx(metrics[f"test/{source}/mAP@{column}"], abs=1e-6)


def test_truth_may_be_data_a_table_or_a_file(run, scores):
    found = wtal.localize(scores)
    tious = (0.3, 0.5)
    expected = wtal.evaluate(found, run.data, tious=tious)
    named = run.data.named_segments("test")
    pd.testing.assert_frame_equal(wtal.evaluate(found, named, tious=tious), expected)
    one = found.query("source == 'fused'").drop(columns="source")
    alone = wtal.evaluate(one, named, tious=tious)
    assert list(alone.index) == ["all"]
    assert alone.loc["all"].tolist() == expected.loc["fused"].tolist()


def test_a_file_of_one_annotated_subset(run, scores, tmp_path: Path):
    truth = run.data.named_segments("test").rename(columns={"video_id": "video", "start_s": "start", "end_s": "end"})
    truth.to_csv(tmp_path / "truth.csv", index=False)
    expected = wtal.evaluate(wtal.localize(scores), run.data, tious=(0.5,))
    pd.testing.assert_frame_equal(wtal.evaluate(wtal.localize(scores), tmp_path / "truth.csv", tious=(0.5,)), expected)


def test_some_videos_are_measured_as_if_there_were_no_others(run, scores):
    names = list(scores)[2:5]
    found = wtal.localize(scores)
    part = run.data.named_segments("test").query("video_id in @names")
    expected = wtal.evaluate(found.query("video_id in @names"), part, tious=(0.3, 0.5))
    pd.testing.assert_frame_equal(wtal.evaluate(found, run.data, tious=(0.3, 0.5), videos=names), expected)


def test_perfect_detections_are_perfect_and_none_are_zero(run):
    truth = run.data.named_segments("test")
    assert (wtal.evaluate(truth.assign(score=1.0), run.data) == 1).all(axis=None)
    nothing = truth.assign(score=1.0)[:0]
    assert (wtal.evaluate(nothing, run.data) == 0).all(axis=None)


def test_other_rules_give_other_numbers(run, scores):
    found = wtal.localize(scores)
    official, co2net = (
        wtal.evaluate(found, run.data, protocol=name, tious=(0.5,)) for name in ("activitynet-official", "co2net")
    )
    assert (official != co2net).any(axis=None)


def test_what_must_not_be_seen_is_not_measured(run, scores):
    with pytest.raises(AnnotationError, match="No segments of the train videos"):
        wtal.evaluate(wtal.localize(scores), run.data, split="train")


# plot ------------------------------------------------------------------------------------------------------------


def test_a_plot_shows_truth_sources_and_as_many_detections_as_instances(run, scores):
    truth = run.data.named_segments("test")
    name = next(name for name in scores if (truth["video_id"] == name).sum() > 1)
    label = truth[truth["video_id"] == name]["label"].mode()[0]
    figure = wtal.plot(scores[name], truth=run.data)
    (part,) = figure.subfigs
    assert part.get_suptitle() == f"{name}: {label}"
    assert [axis.get_ylabel() for axis in part.axes] == ["ground truth", "CBP", "VLP", "ours"]
    instances = ((truth["video_id"] == name) & (truth["label"] == label)).sum()
    assert len(part.axes[0].patches) == instances
    bars = [line for line in part.axes[3].lines if len(line.get_xdata()) == 2]
    found = wtal.localize({name: scores[name]}).query("source == 'fused' and label == @label")
    assert [tuple(bar.get_xdata()) for bar in bars] == [
        tuple(row) for row in found[["start_s", "end_s"]].to_numpy()[:instances]
    ]


def test_a_plot_takes_any_detections_and_class_and_what_was_taught(run):
    name = next(iter(run.pseudo_labels["cbp"]))
    (one,) = wtal.predict(run, split="train", videos=[name]).values()
    found = wtal.localize({name: one}, Localizer(max_detections=1))
    taught = {student: videos[name] for student, videos in run.pseudo_labels.items()}
    figure = wtal.plot(one, found, run.data, label="rowing", taught=taught)  # segments of training videos stay hidden
    (part,) = figure.subfigs
    assert [axis.get_ylabel() for axis in part.axes] == ["CBP", "VLP", "ours"]
    with pytest.raises(ConfigError, match="'swimming' is not one of the 6 classes: archery"):
        wtal.plot(one, label="swimming")


# wtal plot -------------------------------------------------------------------------------------------------------


def test_the_command_draws_videos(run, scores, trained, tmp_path: Path):
    names = list(scores)[:2]
    words = ["plot", "qualitative", str(run.path), "--videos", *names, "--output", str(tmp_path / "a.png")]
    assert main([*words, "--apart", str(run.path)]) == 0
    assert (tmp_path / "a.png").stat().st_size > 10_000
    assert main(["plot", "qualitative", str(run.path), "--videos", names[0], "--output", str(tmp_path / "a.doc")]) == 2


def test_the_command_draws_thresholds(run, trained, tmp_path: Path, capsys, monkeypatch):
    monkeypatch.setattr("wtal.results.sensitivity._CUTS", np.array([0.2, 0.5, 1.0]))  # nothing is above 1
    out = ["--output", str(tmp_path / "s.png")]
    assert main(["plot", "sensitivity", str(run.path), str(run.path), *out]) == 0
    assert (tmp_path / "s.png").stat().st_size > 10_000
    assert main(["plot", "sensitivity", str(trained("cbp").checkpoint), *out]) == 0  # has no teachers
    assert main(["plot", "sensitivity", str(run.path), str(trained("cbp").checkpoint), *out]) == 2
    assert "different branches" in capsys.readouterr().err.splitlines()[-1]
    assert main(["plot", "sensitivity", str(run.path), *out, "--split=val"]) == 2
    assert main(["plot", "sensitivity", str(tmp_path), *out]) == 2
    assert "There is no last.ckpt in" in capsys.readouterr().err.splitlines()[-1]


def test_teachers_are_judged_as_they_label(run, scores, monkeypatch):
    monkeypatch.setattr(sensitivity, "_FOREGROUND", np.array([0.5, 0.7]))
    monkeypatch.setattr(sensitivity, "_BACKGROUND", np.array([0.1, 0.3]))
    truth = run.data.named_segments("test")
    labels = dict(run.data.split("test").table["labels"])
    curves = list(sensitivity.teacher_curves([run.model], [scores], truth, labels))
    assert [curve.used for curve in curves] == [0.7, 0.7, 0.2, 0.2]  # the defaults of `Thresholds`
    for teacher in ("cbp", "vlp"):
        for step, thresholds in enumerate((Thresholds(0.5, 0.1), Thresholds(0.7, 0.3))):
            given, inside = [], []
            for batch, video in zip(run.data.test_dataloader(), run.data.videos("test"), strict=True):
                with torch.no_grad():
                    seen = run.model.branches[teacher].scores(batch)
                given += pseudo_labels(seen, batch.labels, batch.mask, thresholds, (0, 1)).label[0].tolist()
                segments = truth[truth["video_id"] == video.video_id]
                for index in range(video.num_snippets):
                    middle = sum(video.grid.cell_s(index)) / 2
                    inside.append(((segments["start_s"] <= middle) & (middle < segments["end_s"])).any())
            mine = [curve for curve in curves if curve.teacher == teacher]
            for curve, kind in zip(mine, (1, 0), strict=True):
                right, share = curve.right[0, step], curve.share[0, step]
                chosen = [bool(i) for label, i in zip(given, inside, strict=True) if label == kind]
                assert share == pytest.approx(len(chosen) / len(given))
                assert right == pytest.approx(
                    np.mean([i == bool(kind) for i in chosen]) if chosen else np.nan, nan_ok=True
                )


@pytest.mark.parametrize("show", ["false_positives", "sensitivity"])
def test_the_command_draws_errors(show, run, tmp_path: Path):
    out = tmp_path / "e.png"
    assert main(["plot", "errors", str(run.path), f"--show={show}", "--output", str(out)]) == 0
    assert out.stat().st_size > 5_000


def test_the_command_compares_the_answers_of_several_runs(run, trained, tmp_path: Path, monkeypatch):
    from wtal.results import analysis

    seen = []
    monkeypatch.setattr(analysis, "analyze_sets", spy(analysis.analyze_sets, seen))
    folders = [str(trained(kind).folder) for kind in ("collaboration", "cbp")]
    assert main(["plot", "errors", *folders, "--output", str(tmp_path / "e.png")]) == 0
    (sets,) = seen
    expected = wtal.localize(wtal.predict(run)).query("source == 'fused'")
    pd.testing.assert_frame_equal(sets["collaboration"], expected)
    assert set(sets["cbp"]["source"]) == {"cbp"}


def spy(function, calls):
    def wrapped(sets, *rest):
        calls.append(sets)
        return function(sets, *rest)

    return wrapped
