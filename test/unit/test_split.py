"""Validation utterances: disjoint from the rest, of the seed alone."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hubert_iter.data.split import split
from hubert_iter.errors import UserError


@settings(max_examples=50, deadline=None)
@given(st.sets(st.text("abc", min_size=1), min_size=2), st.integers(0, 99), st.randoms())
def test_split_is_disjoint_complete_and_of_the_seed_alone(ids, seed, random):
    number = random.randint(1, len(ids) - 1)
    train, valid = split(ids, number, seed)
    shuffled = list(ids)
    random.shuffle(shuffled)
    assert split(shuffled, number, seed) == (train, valid)
    assert len(valid) == number
    assert set(train) | set(valid) == ids
    assert not set(train) & set(valid)
    assert train == sorted(train) and valid == sorted(valid)


def test_another_seed_chooses_others():
    ids = [f"u{n:03}" for n in range(100)]
    assert split(ids, 10, 0) != split(ids, 10, 1)


@pytest.mark.parametrize("number", [0, -1, 3, 4])
def test_impossible_numbers_are_refused(number):
    with pytest.raises(UserError, match="expected 1 to 2 validation utterances out of 3"):
        split(["a", "b", "c"], number, 0)
