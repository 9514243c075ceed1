import dataclasses
import json
import platform

import numpy as np
import pytest
import slow_references as slow
from hypothesis import given, settings
from hypothesis import strategies as st

from wtal.functional.average_precision import average_precision
from wtal.metrics.rule_sets import RULE_SETS, evaluate
from wtal.results.ground_truth import detection_rows, load_truth
from wtal.results.predictions import read_predictions

# Proposals that hold two instances of equal length have equal tIoU with both; other processors sort these otherwise.
TOLERANCE = 1e-9 if platform.machine() in {"x86_64", "AMD64"} else 1e-3
TIOUS = (0.1, 0.3, 0.5, 0.9)


# Published values ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def expected(shared):
    return json.loads((shared / "data/predictions/expected_map.json").read_text())


@pytest.fixture(scope="module")
def proposals(shared):
    truth = load_truth(shared / "data/thumos14/gt.json", "train")
    table = read_predictions(shared / "data/predictions/detection_result_base_train.json")
    return detection_rows(table, truth)[0], truth.segments, truth.class_names


def without_copies(rows):
    return rows[np.sort(np.unique(rows, axis=0, return_index=True)[1])]


@pytest.mark.parametrize(
    ("entry", "name"),
    [
        ("official_gt200", "activitynet-official"),
        ("exact_duplicates_dropped_official_gt200", "activitynet-official"),
        ("opentad_af_json", "opentad"),
        ("actionformer_af_json", "actionformer"),
        ("co2net_pmil_snippet_rounded_noamb", "co2net"),
        ("wtalc_rule", "wtalc"),
    ],
)
def test_equals_the_public_evaluators_on_real_proposals(proposals, expected, entry, name):
    rows, segments, class_names = proposals
    value = expected["thumos14_train_pmil_base"][entry]
    if "duplicates_dropped" in entry:
        rows = without_copies(rows)
    score = evaluate(rows, segments, expected["conventions"]["tiou_thumos14_values"], RULE_SETS[name])
    assert (score.detections, score.instances) == (value["n_pred"], value["n_gt"])
    assert score.precision.mean.tolist() == pytest.approx(value["mAP"], abs=TOLERANCE)
    for label, values in zip(score.precision.labels, score.precision.values, strict=True):
        assert values.tolist() == pytest.approx(value["per_class"][class_names[label]], abs=5 * TOLERANCE)
    if "recall_1x_5x" in value:
        assert score.recall == pytest.approx(np.array(value["recall_1x_5x"]), abs=TOLERANCE)


def test_the_exact_thresholds_matter_for_whole_snippets(proposals, expected):
    """Ratios of small integers fall on 0.3; linspace has 0.30000000000000004."""
    rows, segments, _ = proposals
    rounded, snippets = rows.copy(), segments.copy()
    rounded[:, 2:4] = np.round(rows[:, 2:4] * 25 / 16, 2)
    snippets[:, 2:] = np.rint(segments[:, 2:] * 25 / 16)
    variants = expected["thumos14_train_pmil_base"]["snippet_rounded_linspace_vs_literal_tiou"]
    for tious, name in ((np.linspace(0.1, 0.9, 9), "linspace"), ([level / 10 for level in range(1, 10)], "literal")):
        raw = evaluate(rows, segments, tious, RULE_SETS["co2net"]).precision.mean
        assert raw.tolist() == pytest.approx(variants["raw"][name], abs=TOLERANCE)
        clean = average_precision(rounded, snippets, tious).mean
        assert clean.tolist() == pytest.approx(variants["round2"][name], abs=TOLERANCE)


@pytest.mark.parametrize(
    ("variant", "changes"),
    [
        ("rev_stable", {"ties": "last"}),
        ("stable_desc", {"ties": "first"}),
        ("noninterp", {"interpolated": False}),
        ("first_match", {"takes": "first"}),
        ("shuffle0", {}),
    ],
)
def test_equals_the_variants_of_the_official_rule(proposals, expected, variant, changes):
    rows, segments, _ = proposals
    if variant == "shuffle0":
        rows = np.random.default_rng(0).permutation(rows)
    rules = dataclasses.replace(RULE_SETS["activitynet-official"], **changes)
    score = evaluate(rows, segments, expected["conventions"]["tiou_thumos14_values"], rules)
    value = expected["thumos14_train_pmil_base"]["own_variants_on_official_gt200"][variant]
    assert score.precision.mean.tolist() == pytest.approx(value["mAP"], abs=TOLERANCE)


@pytest.fixture(scope="module")
def whole_videos(shared, tmp_path_factory):
    """One detection per validation video of ActivityNet, as long as the video, many of equal score, by data set."""
    data, folder = shared / "data", tmp_path_factory.mktemp("whole")
    truths = {
        "1.2": load_truth(data / "activitynet1.2/activity_net.v1-2.min.json", "validation"),
        "1.3": load_truth(
            data / "activitynet1.3/anet_anno_action.json",
            "validation",
            subsets=data / "activitynet1.3/video_info_new.csv",
        ),
    }
    guess = json.loads((data / "predictions/stale_best_score.json").read_text())
    guess = {name.removeprefix("v_"): value for name, value in guess.items()}
    rows = {}
    for name, truth in truths.items():
        results = {}
        for video, duration_s in sorted(zip(truth.video_ids, truth.duration_s, strict=True)):
            bare = video.removeprefix("v_")
            if bare in guess:
                one = {"label": guess[bare]["class"], "score": guess[bare]["score"], "segment": [0, duration_s]}
                results[bare] = [one]
        file = folder / f"{name}.json"
        file.write_text(json.dumps({"results": results}))
        rows[name] = detection_rows(read_predictions(file), truth)[0], truth.segments
    return rows


@pytest.mark.parametrize(
    ("entry", "name"),
    [("whole_video_anet13_official", "activitynet-official"), ("whole_video_anet13_opentad", "opentad")],
)
def test_equals_the_public_evaluators_on_activitynet(whole_videos, expected, entry, name):
    """Scores tie: the official value depends on how NumPy was built, see `tolerance` in the file."""
    value = expected["activitynet_stale"][entry]
    tious = expected["conventions"]["tiou_activitynet_values"]
    score = evaluate(*whole_videos["1.3"], tious, RULE_SETS[name])
    assert (score.detections, score.instances) == (value["n_pred"], value["n_gt"])
    assert score.precision.mean.tolist() == pytest.approx(value["mAP"], abs=1e-3)


@pytest.mark.parametrize("ties", ["last", "first"])
def test_both_deterministic_orders_of_ties_are_exact(whole_videos, expected, ties):
    stale = expected["activitynet_stale"]
    by_order = stale["whole_video_anet13_average_by_tie_order"]
    values = {
        "1.3": by_order[{"last": "stable_ascending_then_reversed", "first": "stable_descending"}[ties]],
        "1.2": stale["whole_video_anet12_val2383_own"][{"last": "rev", "first": "stable"}[ties]]["mAP"],
    }
    rules = dataclasses.replace(RULE_SETS["activitynet-official"], ties=ties)
    for name, value in values.items():
        score = evaluate(*whole_videos[name], expected["conventions"]["tiou_activitynet_values"], rules)
        assert score.precision.mean.tolist() == pytest.approx(value, abs=1e-9)


# Against loops ------------------------------------------------------------------------------------------------------

half_seconds = st.integers(0, 40).map(lambda n: n / 2)
spans = st.tuples(half_seconds, half_seconds).map(lambda pair: (min(pair), max(pair)))
places = st.tuples(st.integers(0, 2), st.integers(0, 1))
found = st.lists(st.tuples(places, spans), max_size=20).map(
    lambda drawn: [(*place, *span, 1 / (2 + rank)) for rank, (place, span) in enumerate(drawn)]
)
truths = st.lists(st.tuples(places, spans).map(lambda drawn: (*drawn[0], *drawn[1])), min_size=1, max_size=12)
unclear = st.lists(st.tuples(st.integers(0, 2), spans).map(lambda drawn: (drawn[0], *drawn[1])), max_size=4)


@settings(max_examples=200)
@given(found, truths, unclear, st.sampled_from(sorted(RULE_SETS)))
def test_agrees_with_the_rules_applied_one_by_one(detections, segments, ambiguous, name):
    rules = RULE_SETS[name]
    score = evaluate(detections, segments, TIOUS, rules, ambiguous)
    if rules.drop_repeated:
        segments = slow.without_repeated(segments)
    if rules.snippets:
        segments = [(v, c, slow.in_snippets(s), slow.in_snippets(e)) for v, c, s, e in segments]
        detections = [(v, c, s * 25 / 16, e * 25 / 16, p) for v, c, s, e, p in detections]
    if rules.round_detections:
        detections = [(v, c, round(s), round(e), p) for v, c, s, e, p in detections]
    if rules.drop_ambiguous:
        detections = slow.without_ambiguous(detections, ambiguous)
    ties = "last" if rules.ties == "official" else rules.ties
    expected = slow.average_precision(detections, segments, TIOUS, ties, rules.interpolated, rules.takes)
    assert (score.instances, score.detections) == (len(segments), len(detections))
    assert score.precision.labels.tolist() == list(expected)
    assert score.precision.values == pytest.approx(np.reshape(list(expected.values()), (-1, len(TIOUS))), abs=1e-12)


# Invariants ---------------------------------------------------------------------------------------------------------

rule_sets = st.sampled_from([RULE_SETS[name] for name in sorted(RULE_SETS)])


def mean(*args):
    """NaN, where a rule leaves out every instance, as -1."""
    return np.nan_to_num(evaluate(*args).precision.mean, nan=-1.0).tolist()


@given(found, truths, unclear, rule_sets, st.randoms())
def test_shuffling_changes_nothing_without_ties(detections, segments, ambiguous, rules, random):
    shuffled = random.sample(detections, len(detections))
    assert mean(shuffled, segments, TIOUS, rules, ambiguous) == mean(detections, segments, TIOUS, rules, ambiguous)


@given(found, truths, rule_sets, st.tuples(places, spans))
def test_one_more_detection_of_lowest_score_never_harms(detections, segments, rules, last):
    more = [*detections, (*last[0], *last[1], 0.001)]
    before, after = mean(detections, segments, TIOUS, rules), mean(more, segments, TIOUS, rules)
    assert all(b <= a + 1e-12 for b, a in zip(before, after, strict=True))


@given(found, truths, unclear, rule_sets, st.integers(1, 4))
def test_a_shift_of_whole_snippets_changes_nothing(detections, segments, ambiguous, rules, steps):
    shift = 32 * steps  # seconds: a whole and even number of snippets, as halves are rounded to even ones

    def moved(rows, first):
        return [(*r[:first], r[first] + shift, r[first + 1] + shift, *r[first + 2 :]) for r in rows]

    assert mean(moved(detections, 2), moved(segments, 2), TIOUS, rules, moved(ambiguous, 1)) == pytest.approx(
        mean(detections, segments, TIOUS, rules, ambiguous), abs=1e-12
    )


@given(found, truths, rule_sets)
def test_renumbering_videos_and_classes_changes_nothing(detections, segments, rules):
    def renamed(rows):
        return [(9 - row[0], 7 - row[1], *row[2:]) for row in rows]

    assert mean(renamed(detections), renamed(segments), TIOUS, rules) == pytest.approx(
        mean(detections, segments, TIOUS, rules), abs=1e-12
    )


@given(truths.map(lambda rows: list(dict.fromkeys(rows))))
def test_the_ground_truth_itself_is_perfect_by_the_official_rule(segments):
    detections = [(*row, 0.5) for row in segments]
    assert set(mean(detections, segments, (0.5, 1.0))) == {1.0}


def test_rows_that_the_rules_leave_out_are_counted():
    segments = [(0, 0, 1.0, 1.0), (0, 0, 2.0, 4.0), (0, 0, 2.0005, 4.0), (0, 0, 2.0012, 4.0)]
    score = evaluate([], segments, (0.5,), RULE_SETS["opentad"])
    assert (score.instances, score.empty, score.repeated) == (2, 1, 1)
    near = [(0, 0, 0.0, 6.4, 0.9), (0, 0, 12.8, 19.2, 0.8)]
    score = evaluate(near, segments, (0.5,), RULE_SETS["co2net"], [(0, 6.0, 7.0), (1, 12.8, 19.2)])
    assert (score.detections, score.ambiguous) == (1, 1)
