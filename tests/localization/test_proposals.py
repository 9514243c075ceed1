import numpy as np
import pytest

from wtal.localization.proposals import propose, stretch, upsample


def test_upsampling_interpolates_between_centres_and_keeps_the_mean():
    assert upsample(np.array([1.0, 3.0, 3.0]), 4).tolist() == [1, 1, 1.25, 1.75, 2.25, 2.75, 3, 3, 3, 3, 3, 3]
    values = np.random.default_rng(0).random((2, 7))
    assert upsample(values, 1) is values
    assert np.allclose(upsample(values, 3)[:, 4], values[:, 1])  # the middle step lies on the centre


def test_stretch_reaches_from_zero_to_one_and_flattens_a_constant():
    assert stretch(np.array([[2.0, 4.0, 3.0], [7.0, 7.0, 7.0]])).tolist() == [[0, 1, 0.5], [0, 0, 0]]


def test_a_run_counts_once_however_often_it_is_found():
    box = np.array([[0.0, 1.0, 1.0, 0.0, 0.0]])
    found = propose(np.stack([box, box]), box, np.array([0.2, 0.5, 0.8]))
    assert (found.start.tolist(), found.end.tolist(), found.contrast.tolist()) == ([1], [3], [1.0])


def test_rows_are_cut_apart_and_scored_by_their_own_contrast():
    sequences = np.array([[[0.0, 0.6, 0.0, 0.0], [0.0, 0.0, 0.9, 0.9]]])
    contrast = np.array([[0.2, 0.8, 0.4, 0.0], [0.0, 0.5, 1.0, 0.8]])
    found = propose(sequences, contrast, np.array([0.5, 0.7]))
    assert (found.row.tolist(), found.start.tolist(), found.end.tolist()) == ([0, 1], [1, 2], [2, 4])
    assert found.contrast.tolist() == pytest.approx([0.8 - 0.3, 0.9 - 0.5])


def test_short_runs_are_dropped_and_there_may_be_no_run_at_all():
    sequence = np.array([[0.9, 0.0, 0.9, 0.9]])
    assert propose(sequence[None], sequence, np.array([0.5]), min_length=2).start.tolist() == [2]
    assert propose(sequence[None], sequence, np.array([0.95])).start.tolist() == []
