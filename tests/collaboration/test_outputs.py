"""What a collaboration leaves behind, and that the page's numbers are those of the test."""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from pytorch_lightning.loggers import CSVLogger

from wtal.collaboration import Schedule
from wtal.collaboration.buffer import PseudoLabelBuffer
from wtal.data import read_annotations
from wtal.report.page.material import gather
from wtal.report.page.measures import measure
from wtal.results.predictions import read_predictions
from wtal.results.record import read_about
from wtal.results.run_folder import RunFolder
from wtal.results.scores import read_pseudo_labels, read_scores
from wtal.training.outputs import WritePredictions, WritePseudoLabels


@pytest.fixture(scope="module")
def done(pair_of_all, tmp_path_factory):
    """A short fit and its test: folder, model, data, metrics, buffers."""
    pair, tmp_path = pair_of_all, tmp_path_factory.mktemp("done")
    data = pair.data(eval_batch_size=2)
    model = pair.model(data, Schedule(warm_up=1, pattern="BF", from_cbp="both", from_vlp="both"))
    trainer = pair.trainer(3, WritePredictions(), WritePseudoLabels(), logger=CSVLogger(tmp_path, "run"))
    trainer.fit(model, data)
    buffers = trainer.fit_loop.buffers
    (metrics,) = trainer.test(model, data, verbose=False)
    return RunFolder.of(trainer).path, model, data, metrics, buffers


def test_a_run_leaves_what_a_page_needs(done):
    folder, model, data, *_ = done
    about = read_about(folder / "about.json")
    assert (about.features, about.benchmark, about.tious) == (data.features_note, "synthetic", data.benchmark.tious)
    assert sorted(path.name for path in (folder / "predictions").iterdir()) == sorted(
        ["cbp.json", "vlp.json", "fused.json", "ground_truth.json"]
    )

    truth = read_annotations(folder / "predictions" / "ground_truth.json")
    videos = {video.video_id: video for video in data.videos("test")}
    assert truth.videos["duration_s"].to_dict() == {name: video.duration_s for name, video in videos.items()}
    assert set(truth.videos["subset"]) == {"test"}
    expected = data.annotations.segments[data.annotations.segments["video_id"].isin(videos)]
    pd.testing.assert_frame_equal(truth.segments.reset_index(drop=True), expected.reset_index(drop=True))

    for source in ("cbp", "vlp", "fused"):
        scores = read_scores(folder / "scores" / f"{source}.npz")
        assert scores.class_names == data.class_names
        for batch in data.test_dataloader():
            with torch.no_grad():
                seen = model.eval().all_scores(batch)[source]
            for row, video in enumerate(batch.video.tolist()):
                name, count = data.videos("test")[video].video_id, int(batch.mask[row].sum())
                place = scores.grids.slices[name]
                np.testing.assert_array_equal(scores.probability[place], seen.probability[row, :count].half())
                np.testing.assert_array_equal(scores.actionness[place], seen.attention[row, :count].half())
                np.testing.assert_array_equal(scores.video[scores.grids.rows[name]], seen.video[row].half())
                edges = [videos[name].grid.edge_s(0), videos[name].grid.step_s, videos[name].duration_s]
                columns = (scores.grids.first_s, scores.grids.step_s, scores.grids.duration_s)
                assert [column[scores.grids.rows[name]] for column in columns] == edges


def test_pseudo_labels_are_those_of_the_buffers(done):
    folder, _, data, _, buffers = done
    labels = read_pseudo_labels(folder / "pseudo_labels.npz")
    assert list(labels.grids.video_ids) == [video.video_id for video in data.videos("train")]
    for student, buffer in buffers.items():
        assert np.array_equal(labels.label[student], buffer.label)
        assert np.array_equal(labels.class_index[student], buffer.class_index)


def test_training_needs_no_segments_for_its_outputs(pair, tmp_path):
    data = pair.data()
    data.annotations = replace(data.annotations, segments=data.annotations.segments.iloc[:0])
    trainer = pair.trainer(2, WritePseudoLabels(), logger=CSVLogger(tmp_path, "run"))
    trainer.fit(pair.model(data, Schedule(warm_up=0, pattern="J")), data)
    assert RunFolder.of(trainer).pseudo_labels.is_file()


def test_a_page_shows_the_numbers_of_the_test(done):
    folder, _, _, metrics, _ = done
    material = gather([folder])
    assert [method.source for method in material.methods] == ["cbp", "vlp", "fused"]
    for method in material.methods:
        measured = measure(method, material.truth, material.about.tious)
        shown = {f"mAP@{tiou:g}": value for tiou, value in measured.mean_ap.items()} | {"mAP": measured.average}
        for name, value in (shown | vars(measured.profile)).items():
            assert value == pytest.approx(metrics[f"test/{method.source}/{name}"], abs=1e-12, nan_ok=True), name
        assert len(read_predictions(folder / "predictions" / f"{method.source}.json")) == len(method.detections)


def test_teachers_agreement_is_logged_once_both_have_taught(done):
    (epochs,) = [training.epochs for training in gather([done[0]]).training]
    assert math.isnan(epochs["pseudo_labels/agreement"][1])
    assert 0 <= epochs["pseudo_labels/agreement"][2] <= 1


def test_agreement_of_two_buffers():
    a, b = PseudoLabelBuffer([6]), PseudoLabelBuffer([6])
    assert math.isnan(a.agreement(b))
    a.label = torch.tensor([1, 1, 0, 0, -1, 1], dtype=torch.int8)
    b.label = torch.tensor([1, 0, 0, -1, 1, 1], dtype=torch.int8)
    assert a.agreement(b) == b.agreement(a) == 0.75
    # one has both kinds, the other only 0: the zeros could agree, but none does
    b.label = torch.where(a.label == 1, 0, -1).to(torch.int8)
    assert a.agreement(b) == 0.0
    a.label = torch.where(a.label == 1, 1, -1).to(torch.int8)  # only foreground against only background
    assert math.isnan(a.agreement(b))
