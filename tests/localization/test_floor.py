import pytest

from wtal.localization.floor import floors_of, lowest_score


@pytest.mark.parametrize(
    ("actions", "rest", "expected"),
    [
        ([0.8, 0.9], [0.1, 0.2], 0.5),  # midway from 0.2 to 0.8
        ([0.5, 0.8], [0.1, 0.6], 0.3),  # 1 - 1/2 above it; 1/2 - 0 above 0.6 is no more
        ([0.5, 0.8, 0.9], [0.1, 0.6], 0.7),  # 2/3 - 0 above it
        ([0.1, 0.3], [0.2, 0.4], None),
        ([0.5], [0.5], None),
        ([], [0.5], None),
        ([0.5], [], None),
    ],
)
def test_the_score_that_separates_best(actions, rest, expected):
    found = lowest_score(actions, rest)
    assert found == expected or found == pytest.approx(expected, abs=1e-6)


def test_a_class_of_few_videos_takes_the_floor_of_all():
    actions = {"run": [0.8] * 5, "jump": [0.4]}
    rest = {"run": [0.5], "jump": [0.1]}
    floors = floors_of(actions, rest)
    assert floors["run"] == pytest.approx(0.65)
    # together: from 0.5 to 0.8, as 5/6 - 0 is more than 1 - 1/2
    assert floors["jump"] == pytest.approx(0.65)


def test_scores_that_tell_nothing_give_no_floor():
    assert floors_of({"run": [0.2] * 5}, {"run": [0.1, 0.3, 0.3]}) == {}
