import numpy as np
import pandas as pd
import pytest
import torch

from wtal.data import read_annotations
from wtal.errors import ConfigError, PredictionError
from wtal.localization import Localizer, VideoScores
from wtal.results import read_predictions
from wtal.results.pseudo_instances import COLUMNS, read_pseudo_instances, write_pseudo_instances
from wtal.student import PseudoInstances, Selection
from wtal.student.distill import label_quality
from wtal.student.pseudo_instances import _Candidates, pseudo_instances, selected, selected_at_points
from wtal.types import SnippetScores, TimeGrid, Video

GRID = TimeGrid(fps=1, stride=1, window=1)
NAMES = ["run", "jump"]


def candidates(*rows: tuple[float, float, float]) -> _Candidates:
    table = np.array(rows, dtype=float).reshape(-1, 3)
    return _Candidates(table[:, :2], table[:, 2])


def scores(**of_sources: list[list[float]]) -> VideoScores:
    """Scores of a video of which each source gives one list of probabilities per class."""
    sources = {}
    for name, curves in of_sources.items():
        probability = torch.tensor(curves).T
        sources[name] = SnippetScores(probability, torch.ones(len(probability)), probability.amax(dim=0))
    video = Video("a", len(probability), GRID, float(len(probability)))
    return VideoScores(video, sources, NAMES, Localizer(attention_weight=0.0, upsampling=1))


def test_the_weight_is_score_times_vote_times_agreement_of_the_bounds():
    chosen = selected(
        {"cbp": candidates((0, 5, 0.4)), "vlp": candidates((0, 20, 0.9)), "fused": candidates((0, 10, 0.8))},
        Selection(),
    )
    ((start, end, score, weight, vote, spread, ignored),) = chosen
    assert (start, score, ignored) == (0, 0.8, 0)
    assert vote == pytest.approx((0.5 + 0.5) / 2)
    assert end == pytest.approx(10)  # neither 5 nor 20 resembles it: tIoU 0.5 is not more than 0.5
    assert spread == 0
    assert weight == pytest.approx(0.5)


def test_bounds_are_the_mean_of_alternatives_weighted_by_relative_scores():
    chosen = selected({"cbp": candidates((2, 10, 0.3)), "fused": candidates((0, 10, 0.8))}, Selection())
    start, end, *_, spread, _ = chosen[0]
    assert (start, end) == (1, 10)  # each is the best of its source
    assert spread == pytest.approx((1 + 0) / 2 / 9)


def test_what_is_neither_sure_nor_absent_is_ignored_unless_it_touches_an_instance():
    own = candidates((0, 10, 1.0), (20, 24, 0.6), (30, 34, 0.4), (9, 12, 0.4), (40, 44, 0.2))
    chosen = selected({"fused": own}, Selection(share=0.5, ignored=0.25))
    assert [(row[0], row[1], row[-1]) for row in chosen] == [(0, 10, 0), (20, 24, 0), (30, 34, 1)]


def test_only_labels_of_the_video_are_looked_for_and_each_has_an_instance():
    seen = scores(cbp=[[0.1, 0.9, 0.9, 0.1, 0.1], [0.9, 0.1, 0.1, 0.1, 0.02]])
    assert set(pseudo_instances({"a": seen}, {"a": ("jump",)})["label"]) == {"jump"}
    both = pseudo_instances({"a": seen}, {"a": ("run", "jump")})
    assert set(both.loc[both["ignored"] == 0, "label"]) == {"run", "jump"}
    run = both[both["label"] == "run"].iloc[0]
    assert (run["start_s"], run["end_s"]) == (1, 3)
    assert pseudo_instances({"a": seen}, {"a": ()}).empty


# At points ----------------------------------------------------------------------------------------------------------


def test_the_instance_of_a_point_is_the_best_candidate_that_holds_no_other_point():
    own = candidates((0, 20, 0.9), (1, 6, 0.5), (2, 4, 0.3), (9, 14, 0.2), (15, 18, 0.8))
    chosen = selected_at_points({"fused": own}, [3.0, 10.0], Selection())
    assert [(row[0], row[1], row[-1]) for row in chosen] == [(1, 6, 0), (9, 14, 0)]  # nothing at 15 s: it has no point
    assert [row[2] for row in chosen] == [0.5, 0.2]


def test_weights_of_instances_at_points_know_votes_and_spread_but_not_the_score():
    sources = {"cbp": candidates((0, 5, 0.9)), "vlp": candidates((0, 20, 0.9)), "fused": candidates((0, 10, 0.1))}
    ((*_, weight, vote, spread, ignored),) = selected_at_points(sources, [2.0], Selection())
    assert (vote, spread, ignored) == (0.5, 0, 0)
    assert weight == pytest.approx(0.5)


def test_without_a_candidate_the_time_half_way_to_the_neighbours_is_ignored():
    chosen = selected_at_points({"fused": candidates((0, 3, 0.9))}, [2.0, 10.0], Selection(), others_s=[14.0])
    assert [(row[0], row[1], row[3], row[-1]) for row in chosen] == [(0, 3, 1, 0), (6, 12, 0, 1)]
    ((start, end, *_),) = selected_at_points({"fused": candidates()}, [5.0], Selection())
    assert (start, end) == (4, 6)


def test_points_that_are_not_complete_leave_the_other_instances():
    own = candidates((0, 5, 0.5), (10, 14, 0.9), (20, 22, 0.1))
    chosen = selected_at_points({"fused": own}, [2.0], Selection(), complete=False)
    assert [(row[0], row[1]) for row in chosen] == [(0, 5), (10, 14)]
    assert [(row[0], row[1]) for row in selected_at_points({"fused": own}, [2.0], Selection())] == [(0, 5)]


def test_a_video_with_points_has_only_their_instances_and_one_without_its_own():
    seen = scores(cbp=[[0.1, 0.9, 0.9, 0.1, 0.8, 0.8, 0.1], [0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1]])
    both = {"a": seen, "b": seen}
    table = pseudo_instances(both, {"a": ("run", "jump"), "b": ("run",)}, Selection(), {"a": [("run", 1.5)]})
    sure = table[table["ignored"] == 0]
    assert sure.loc[sure["video_id"] == "a", ["label", "start_s", "end_s"]].to_numpy().tolist() == [["run", 1.0, 3.0]]
    alone = pseudo_instances({"b": seen}, {"b": ("run",)})
    assert table[table["video_id"] == "b"].reset_index(drop=True).equals(alone)


def found() -> PseudoInstances:
    rows = [("v_1", "run", 1.0, 3.5, 0.8, 0.5, 0.9, 0.1, 0.0), ("v_1", "run", 7.0, 8.0, 0.3, 0.0, 1.0, 0.0, 1.0)]
    return PseudoInstances(pd.DataFrame(rows, columns=list(COLUMNS)), {"v_1": 9.0, "v_2": float("nan")}, {"q": 1}, "x")


def test_a_file_is_read_as_it_was_written_and_by_all_readers(tmp_path):
    path = tmp_path / "pseudo_instances.json"
    write_pseudo_instances(path, found())
    again = read_pseudo_instances(path)
    pd.testing.assert_frame_equal(again.instances, found().instances)
    assert (again.mark, again.about, list(again.videos)) == ("x", {"q": 1}, ["v_1", "v_2"])
    known = read_annotations(path)
    assert known.segments[["label", "start_s", "end_s"]].to_numpy().tolist() == [["run", 1, 3.5]]
    assert "pseudo-instances" in known.notes[0]
    assert read_predictions(path)[["start_s", "end_s", "score"]].to_numpy().tolist() == [[1, 3.5, 0.8]]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"database": {}}', "not a file of pseudo-instances"),
        ("[", "pseudo.json"),
        ('{"pseudo": true}', "damaged"),
        ('{"pseudo": true, "database": {"a": {"annotations": [{"label": "run", "segment": [3, 1]}]}}}', "video a"),
        ('{"pseudo": true, "database": {"a": {"annotations": [{"label": "run"}]}}}', "damaged"),
        ('{"pseudo": true, "database": {"a": 3}}', "damaged"),
    ],
)
def test_a_damaged_file_or_true_segments_are_refused(tmp_path, content, message):
    path = tmp_path / "pseudo.json"
    path.write_text(content)
    with pytest.raises(PredictionError, match=message):
        read_pseudo_instances(path)
    with pytest.raises(PredictionError, match="wtal distill"):
        read_pseudo_instances(tmp_path / "gone.json")


@pytest.mark.parametrize("options", [{"share": 0.2}, {"ignored": 0}, {"share": 1.1}, {"overlap": 0}, {"contained": 0}])
def test_shares_out_of_range_are_refused(options):
    with pytest.raises(ConfigError):
        Selection(**options)


def test_label_quality_counts_each_segment_once():
    truth = pd.DataFrame({"video_id": "a", "label": "run", "start_s": [0.0, 10.0], "end_s": [4.0, 14.0]})
    rows = pd.DataFrame(
        {"video_id": "a", "label": "run", "start_s": [0.0, 0.5, 10.0], "end_s": [4.0, 4.0, 14.0], "score": [3.0, 2, 1]}
    ).assign(ignored=[0, 0, 1])
    assert label_quality(rows, truth) == (0.5, 0.5)


def test_a_candidate_that_joins_two_instances_is_none():
    own = candidates((0, 4, 1.0), (6, 10, 0.9), (0, 14, 0.8), (9, 12, 0.7))
    both, apart = (selected({"fused": own}, Selection(contained=share)) for share in (1.0, 0.5))
    assert np.array(both)[:, :2] == pytest.approx(np.array([(0, 4), (0, 14), (6, 10), (9, 12)]))
    assert np.array(apart)[:, :2] == pytest.approx(np.array([(0, 4), (6, 10), (9, 12)]))
