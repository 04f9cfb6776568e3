"""Which frames k-means is fitted on."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubert_iter.errors import UserError
from hubert_iter.units import sampling


class FakeSource:
    """Frames that name their utterance and their place in it."""

    path = "fake"
    rate = 50

    def __init__(self, lengths, dim=2, backwards=False):
        self.lengths, self.dim, self.backwards = lengths, dim, backwards

    def num_frames(self, utt):
        return self.lengths[utt]

    def stream(self, utts):
        for utt in reversed(utts) if self.backwards else utts:
            feats = np.zeros((self.lengths[utt], self.dim), np.float32)
            feats[:, 0], feats[:, 1] = int(utt), np.arange(self.lengths[utt])
            yield utt, feats


def test_portion_of_utterances():
    utts = [str(number) for number in range(200)]
    chosen = sampling.choose_utterances(utts, 0.1, seed=0)
    assert len(chosen) == len(set(chosen)) == 20 and chosen == sorted(chosen, key=int)
    assert chosen == sampling.choose_utterances(utts, 0.1, seed=0) != sampling.choose_utterances(utts, 0.1, seed=1)
    assert sampling.choose_utterances(utts, 1.0, seed=0) == utts
    assert len(sampling.choose_utterances(utts, 0.001, seed=0)) == 1
    with pytest.raises(UserError, match="--portion"):
        sampling.choose_utterances(utts, 1.5, seed=0)


def test_sample_within_budget_is_even_over_utterances(caplog):
    lengths = {str(number): 10 + 37 * (number % 5) for number in range(200)}
    frames = sum(lengths.values())
    everything = sampling.sample_frames(FakeSource(lengths), list(lengths), 0, 1.0)
    assert everything.shape == (frames, 2) and "exceed" not in caplog.text

    budget = frames * 2 * 4 / 2**30  # gigabytes of all frames: three quarters of them fit
    some = sampling.sample_frames(FakeSource(lengths), list(lengths), 0, budget)
    assert len(some) == int(0.75 * frames)
    assert "exceed --max_memory_gb" in caplog.text
    taken = np.bincount(some[:, 0].astype(int))
    assert np.abs(taken - 0.75 * np.array(list(lengths.values()))).max() <= 1
    assert len(np.unique(some, axis=0)) == len(some)  # no frame twice


@given(
    lengths=st.lists(st.integers(1, 30), min_size=1, max_size=20), number=st.integers(1, 5),
    room=st.integers(1, 700), backwards=st.booleans(),
)  # fmt: skip
def test_parts_are_together_the_whole_sample_in_whatever_order_they_are_read(lengths, number, room, backwards):
    named = {str(place): length for place, length in enumerate(lengths)}
    utts, budget = list(named), (room + 0.5) * 8 / 0.75 / 2**30
    whole = sampling.sample_frames(FakeSource(named), utts, 0, budget)
    assert len(whole) == min(room, sum(lengths))
    cuts = [len(utts) * part // number for part in range(number + 1)]
    source = FakeSource(named, backwards=backwards)
    parts = [
        sampling.sample_frames(source, utts, 0, budget, utts[begin:end])
        for begin, end in zip(cuts, cuts[1:], strict=False)
    ]
    np.testing.assert_array_equal(np.concatenate([part for part in parts if len(part)]), whole)


def test_parts_are_joined_from_the_disk(tmp_path):
    arrays = [np.full((count, 3), count, np.float32) for count in (4, 2)]
    for name, frames in zip("abc", [arrays[0], np.empty((0, 0), np.float32), arrays[1]], strict=True):
        (tmp_path / name).mkdir()
        sampling.write(tmp_path / name, frames)
    np.testing.assert_array_equal(sampling.join([tmp_path / name for name in "abc"]), np.concatenate(arrays))
    (tmp_path / "b" / "frames.npy").write_bytes(b"not an array")
    with pytest.raises(UserError, match="b/frames.npy: cannot be read"):
        sampling.join([tmp_path / "a", tmp_path / "b"])


def test_memory_stays_within_budget():
    frames = FakeSource({str(number): 1000 for number in range(100)}, dim=100)  # 40 MB of frames
    tracemalloc.start()
    try:
        sample = sampling.sample_frames(frames, list(frames.lengths), 0, max_memory_gb=0.02)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(sample) == int(0.015 * 2**30 / 400)
    assert peak < 0.02 * 2**30
