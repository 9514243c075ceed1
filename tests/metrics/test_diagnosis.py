"""The diagnosis against its definitions, applied to one detection after another."""

import math

import numpy as np
import pytest
import slow_references as slow
from hypothesis import given, settings
from hypothesis import strategies as st

from wtal.metrics.diagnosis import KINDS, Bins, diagnose, kinds_of

BINS = Bins((0, 0.1, 0.3, 1), (0, 2, 4, math.inf), (-1, 1, 2, math.inf))
DURATION = 30.0
NAMES = ["a", "b"]


# The definitions ----------------------------------------------------------------------------------------------------


def matched_slowly(found, truth, threshold):
    """Instance that each detection takes, None for none; detections best first."""
    taken, result = set(), []
    for video, label, start, end, _ in found:
        free = [
            (slow.tiou((start, end), row[2:]), place)
            for place, row in enumerate(truth)
            if row[:2] == (video, label) and place not in taken
        ]
        best = max((pair for pair in free if pair[0] >= threshold), default=None)
        result.append(best and best[1])
        if best:
            taken.add(best[1])
    return result


def kind_slowly(detection, match, truth, threshold):
    if match is not None:
        return "true"
    here = [(slow.tiou(detection[2:4], row[2:]), row[1] == detection[1]) for row in truth if row[0] == detection[0]]
    overlap, same = max(here, default=(0.0, False))
    if overlap >= threshold:
        return "double detection" if same else "wrong label"
    if overlap >= 0.1:
        return "localization" if same else "confusion"
    return "background"


def average_instances(truth):
    return len(truth) / len({row[1] for row in truth})


def mean_ap_slowly(found, truth, is_true, is_false, average):
    """Of detections that are true, false or neither, best first; each class as if it had the average of instances."""
    labels = sorted({row[1] for row in truth})
    values = []
    for label in labels:
        instances = sum(row[1] == label for row in truth)
        recalls, precisions, right, wrong = [], [], 0, 0
        for row, hit, miss in zip(found, is_true, is_false, strict=True):
            if row[1] == label:
                right, wrong = right + hit, wrong + miss
                recall = right / instances
                recalls.append(recall)
                precisions.append(recall * average / (recall * average + wrong) if right or wrong else 0.0)
        area, before = 0.0, 0.0
        for place, recall in enumerate(recalls):
            area += (recall - before) * max(precisions[place:])
            before = recall
        values.append(area)
    return sum(values) / len(values)


spans = st.tuples(st.integers(0, 20), st.integers(1, 6)).map(lambda pair: (float(pair[0]), float(sum(pair))))
places = st.tuples(st.integers(0, 1), st.integers(0, 1))
founds = st.lists(st.tuples(places, spans), max_size=14).map(
    lambda drawn: [(*place, *span, 1 / (2 + rank)) for rank, (place, span) in enumerate(drawn)]
)
truths = st.lists(
    st.tuples(places, spans).map(lambda drawn: (*drawn[0], *drawn[1])), min_size=1, max_size=8, unique=True
)


def run(found, truth, tious=(0.5,), cuts=3):
    return diagnose(found, truth, [DURATION] * 2, tious, BINS, NAMES, cuts)


@settings(max_examples=150)
@given(founds, truths, st.sampled_from([0.3, 0.5]))
def test_kinds_are_as_defined(found, truth, threshold):
    matches = matched_slowly(found, truth, threshold)
    expected = [kind_slowly(row, match, truth, threshold) for row, match in zip(found, matches, strict=True)]
    order = sorted(range(len(found)), key=lambda place: (found[place][1], place))
    rows = np.array([found[place] for place in order]).reshape(-1, 5)
    kinds = kinds_of(rows, np.array(truth), threshold)
    assert [KINDS[kind] for kind in kinds] == [expected[place] for place in order]


@settings(max_examples=150)
@given(founds, truths)
def test_shares_and_gains_are_as_defined(found, truth):
    result, cuts = run(found, truth), 3
    instances = {label: sum(row[1] == label for row in truth) for label in (0, 1)}
    rank, kept = {0: 0, 1: 0}, []
    for row in found:
        if instances[row[1]] and rank[row[1]] < cuts * instances[row[1]]:
            kept.append((row, rank[row[1]] // instances[row[1]]))
        rank[row[1]] += 1
    best = [row for row, _ in kept]
    kinds = [kind_slowly(row, m, truth, 0.5) for row, m in zip(best, matched_slowly(best, truth, 0.5), strict=True)]
    shares = result.false_positives.set_index(["cut", "kind"])["share"]
    for number in range(cuts):
        inside = [kind for kind, (_, cut) in zip(kinds, kept, strict=True) if cut == number]
        for kind in KINDS:
            share = inside.count(kind) / len(inside) if inside else math.nan
            assert shares[f"{number + 1}G", kind] == pytest.approx(share, nan_ok=True)
    is_true = [kind == "true" for kind in kinds]
    average = average_instances(truth)
    whole = mean_ap_slowly(best, truth, is_true, [not hit for hit in is_true], average)
    for error, gain in result.gains.set_index("kind")["gain"].items():
        left = [kind not in ("true", error) for kind in kinds]
        assert gain == pytest.approx(mean_ap_slowly(best, truth, is_true, left, average) - whole, abs=1e-12)
        assert gain >= -1e-12
        assert error in kinds or gain == 0


def bin_slowly(value, edges):
    for low, high, size in zip(edges, edges[1:], ("XS", "S", "M"), strict=False):
        if low < value <= high or value == low == edges[0]:
            return size
    raise AssertionError


def bins_slowly(row, truth):
    video, label, start, end = row
    siblings = sum(other[:2] == (video, label) for other in truth)
    return {
        "coverage": bin_slowly((end - start) / DURATION, BINS.coverage),
        "length": bin_slowly(end - start, BINS.length_s),
        "instances": bin_slowly(siblings, BINS.instances),
        "class": NAMES[label],
        "all": "all",
    }


@settings(max_examples=150)
@given(founds, truths)
def test_misses_and_sensitivity_are_as_defined(found, truth):
    result, matches = run(found, truth), matched_slowly(found, truth, 0.5)
    found_ones, average = set(), average_instances(truth)
    for label in (0, 1):
        instances, right, wrong = sum(row[1] == label for row in truth), 0, 0
        for row, match in zip(found, matches, strict=True):
            if row[1] == label and instances:
                right, wrong = right + (match is not None), wrong + (match is None)
                recall = right / instances * average
                if match is not None and recall / (recall + wrong) > 0.05:
                    found_ones.add(match)
    groups = [bins_slowly(row, truth) for row in truth]
    for row in result.false_negatives.itertuples():
        inside = [place for place, group in enumerate(groups) if group[row.characteristic] == row.bin]
        assert row.instances == len(inside)
        assert row.rate == pytest.approx(sum(place not in found_ones for place in inside) / len(inside))
    for row in result.sensitivity.itertuples():
        inside = {place for place, group in enumerate(groups) if group[row.characteristic] == row.bin}
        is_true = [match in inside for match in matches]
        is_false = [match is None for match in matches]
        own = [truth[place] for place in inside]
        value = mean_ap_slowly(found, own, is_true, is_false, average_instances(truth))
        assert row.mAP_N == pytest.approx(value, abs=1e-12)


# Invariants ---------------------------------------------------------------------------------------------------------


def same(a, b):
    for name in ("false_positives", "gains", "false_negatives", "sensitivity"):
        left, right = getattr(a, name), getattr(b, name)
        assert left.select_dtypes(exclude="number").equals(right.select_dtypes(exclude="number"))
        for column in left.select_dtypes("number"):
            assert left[column].to_numpy() == pytest.approx(right[column].to_numpy(), nan_ok=True, abs=1e-12)


@given(founds, truths, st.randoms())
def test_the_order_of_rows_does_not_matter(found, truth, random):
    same(run(random.sample(found, len(found)), truth, (0.3, 0.5)), run(found, truth, (0.3, 0.5)))


@given(founds, truths, st.integers(1, 64))
def test_a_shift_of_time_changes_nothing(found, truth, shift):
    later = [(v, c, s + shift, e + shift, *rest) for v, c, s, e, *rest in found]
    same(run(later, [(v, c, s + shift, e + shift) for v, c, s, e in truth]), run(found, truth))


@given(founds, truths)
def test_shares_add_up_and_rates_average_to_that_of_all(found, truth):
    result = run(found, truth, (0.3, 0.5))
    shares = result.false_positives.groupby("cut")["share"].sum(min_count=1).dropna()
    assert shares.to_numpy() == pytest.approx(np.ones(len(shares)))
    rates = result.false_negatives
    whole = rates.loc[rates["characteristic"] == "all", "rate"].item()
    for _, rows in rates.groupby("characteristic"):
        assert np.average(rows["rate"], weights=rows["instances"]) == pytest.approx(whole)
        assert rows["instances"].sum() == len(truth)


def test_perfect_detections_have_nothing_to_gain():
    truth = [(0, 0, 0.0, 3.0), (0, 1, 5.0, 9.0), (1, 1, 2.0, 3.0)]
    result = run([(*row, 0.5) for row in truth], truth)
    assert (result.mAP_N, result.gains["gain"].abs().sum(), result.false_negatives["rate"].sum()) == (1.0, 0.0, 0.0)


def test_an_instance_with_two_labels_is_its_own_double_detection():
    """Every cliff dive is also a dive: a second dive at the same place is a double detection, not a wrong label."""
    truth = np.array([(0, 1, 0.0, 4.0), (0, 0, 0.0, 4.0)])
    found = np.array([(0, 0, 0.0, 4.0, 0.9), (0, 0, 0.0, 4.0, 0.8), (0, 1, 0.0, 4.0, 0.7), (0, 1, 0.0, 4.0, 0.6)])
    assert [KINDS[kind] for kind in kinds_of(found, truth, 0.5)] == ["true", "double detection"] * 2


def test_impossible_instances_are_left_out_and_counted():
    truth = [(0, 0, 0.0, 3.0), (0, 0, 5.0, 5.0), (0, 0, 0.0, 99.0)]
    result = run([], truth)
    assert (result.left_out, result.false_negatives["instances"].iloc[0]) == (2, 1)


def test_without_durations_there_is_no_coverage():
    result = diagnose([], [(0, 0, 0.0, 3.0)], [math.nan], [0.5], BINS, NAMES)
    assert list(result.false_negatives["characteristic"].unique()) == ["all", "length", "instances", "class"]


def test_without_instances_the_tables_are_empty():
    result = run([(0, 0, 0.0, 1.0, 0.5)], [])
    assert result.false_negatives.empty
    assert math.isnan(result.mAP_N)
