"""Masks: equal counts, spans, at least two of them, the expected share."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hubert_iter.models.masking import draw_mask


def spans(row: np.ndarray) -> list[tuple[int, int]]:
    """(start, length) of each run of masked frames."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], row.astype(int), [0]))))
    return [(int(a), int(b - a)) for a, b in zip(edges[::2], edges[1::2], strict=True)]


@settings(deadline=None, max_examples=60)
@given(
    seed=st.integers(0, 10_000),
    utterances=st.integers(1, 6),
    frames=st.integers(1, 300),
    probability=st.floats(0.0, 1.0),
    length=st.integers(1, 15),
)
def test_every_utterance_has_the_same_number_of_masked_frames(seed, utterances, frames, probability, length):
    mask = draw_mask(np.random.default_rng(seed), utterances, frames, probability, length)
    counts = mask.sum(axis=1)
    assert mask.shape == (utterances, frames)
    assert (counts == counts[0]).all()
    assert counts[0] >= 1


@settings(deadline=None, max_examples=60)
@given(
    seed=st.integers(0, 10_000), frames=st.integers(30, 300), probability=st.floats(0.0, 1.0), length=st.integers(2, 12)
)
def test_one_utterance_consists_of_whole_spans_at_least_two(seed, frames, probability, length):
    # Of a single utterance nothing is trimmed.
    mask = draw_mask(np.random.default_rng(seed), 1, frames, probability, length)[0]
    assert all(size >= length for _, size in spans(mask))
    wanted = max(2, int(probability * frames / length))
    # Two spans at distinct starts cover at least one frame more than one does.
    assert length < mask.sum() <= (wanted + 1) * length


def test_trimming_only_removes_frames():
    # With one short and many utterances the trimmed mask still lies within spans: no frame is added singly.
    rng = np.random.default_rng(3)
    mask = draw_mask(rng, 50, 200, 0.8, 10)
    fewest = mask.sum(axis=1)[0]
    alone = [draw_mask(np.random.default_rng(s), 1, 200, 0.8, 10).sum() for s in range(200)]
    assert min(alone) <= fewest <= np.mean(alone)


@pytest.mark.parametrize(("probability", "length"), [(0.8, 10), (0.65, 10), (0.3, 5)])
def test_expected_share_is_that_of_overlapping_spans(probability, length):
    frames, draws = 1000, 200
    share = np.mean(
        [draw_mask(np.random.default_rng(seed), 1, frames, probability, length).mean() for seed in range(draws)]
    )
    # A frame stays unmasked when none of the `length` starts that cover it is drawn.
    count = probability * frames / length
    expected = 1 - (1 - count / (frames - length + 1)) ** length
    assert share == pytest.approx(expected, abs=0.01)


def test_spans_start_anywhere():
    starts = np.zeros(91)
    for seed in range(3000):
        mask = draw_mask(np.random.default_rng(seed), 1, 100, 0.0, 10)[0]
        for start, _ in spans(mask):
            starts[start] += 1
    # Runs that overlap hide a start, so the middle is a little rarer; no position is left out or favoured much.
    assert starts.min() > 0.6 * starts.mean()
    assert starts.max() < 1.5 * starts.mean()


def test_same_seed_same_mask():
    first, second = (draw_mask(np.random.default_rng((1, 2, 3)), 4, 150, 0.8, 10) for _ in range(2))
    assert (first == second).all()
    assert (first != draw_mask(np.random.default_rng((1, 2, 4)), 4, 150, 0.8, 10)).any()
