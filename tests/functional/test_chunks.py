"""Which chunks a step encodes again."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wtal.functional import chosen_chunks


@given(
    length=st.integers(1, 60), share=st.floats(0.01, 1), chunk=st.integers(1, 9), seed=st.integers(0, 9), data=st.data()
)
def test_whole_chunks_are_chosen_in_order_and_as_many_as_asked_for(length, share, chunk, seed, data):
    values = st.lists(st.floats(0, 5), min_size=length, max_size=length)
    gradient, age = np.array(data.draw(values)), np.array(data.draw(values))
    index = chosen_chunks(gradient, age, share, chunk, seed)
    chunks = np.unique(index // chunk)
    count = -(-length // chunk)
    assert len(chunks) == min(count, max(1, int(share * count + 0.5)))
    whole = np.concatenate([np.arange(c * chunk, min(length, (c + 1) * chunk)) for c in chunks])
    assert index.tolist() == whole.tolist()


def test_half_follow_the_gradient_and_half_their_age():
    gradient, age = np.zeros(80), np.ones(80)
    gradient[[12, 45]] = [5, 7]
    age[70:74] = 9
    chunks = chosen_chunks(gradient, age, share=0.375, chunk=10, seed=3) // 10
    assert set(chunks) == {1, 4, 7}


def test_among_equals_the_choice_is_random_but_repeatable():
    zero = np.zeros(100)
    found = [tuple(chosen_chunks(zero, zero, 0.2, 5, seed)) for seed in (1, 1, 2, 3)]
    assert found[0] == found[1]
    assert len(set(found)) == 3


def test_no_row_is_older_than_twice_the_chunks_that_are_not_chosen_by_gradient():
    gradient = np.linspace(0, 1, 40)  # the same at every visit: alone it would choose the same chunks for ever
    refreshed = np.zeros(40)
    for visit in range(1, 60):
        index = chosen_chunks(gradient, refreshed.max() - refreshed, 0.25, 5, visit)
        refreshed[index] = visit
        assert visit - refreshed.min() <= 8


@pytest.mark.parametrize(("share", "chunk"), [(0, 4), (1.1, 4), (0.5, 0)])
def test_impossible_numbers_are_refused(share, chunk):
    with pytest.raises(ValueError, match="share"):
        chosen_chunks(np.zeros(4), np.zeros(4), share, chunk, 0)
