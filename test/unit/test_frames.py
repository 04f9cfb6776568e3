"""The clock's conversions agree with each other."""

from hypothesis import given
from hypothesis import strategies as st

from hubert_iter import frames


@given(st.integers(1, 100_000))
def test_the_most_samples_of_some_frames_make_just_these_frames(count):
    assert frames.num_frames(frames.most_samples(count)) == count
    assert frames.num_frames(frames.most_samples(count) + 1) == count + 1


@given(st.integers(0, 10_000_000))
def test_every_second_mfcc_frame_is_an_encoder_frame(num_samples):
    fine = frames.num_frames(num_samples, frames.MFCC_SHIFT)
    assert (fine + 1) // 2 == frames.num_frames(num_samples)
    assert frames.MFCC_RATE == 2 * frames.FRAME_RATE


@given(st.integers(0, 2000), st.integers(0, 2000), st.integers(0, 900))
def test_segments_that_touch_share_no_frame_by_centres_and_lose_none(start, length, total):
    begin, middle, end = (x / 100 for x in (start, start + length, start + 2 * length))
    first, split, last = frames.centred(begin, middle, total), frames.centred(middle, end, total), (begin, end)
    covered = [*range(*first), *range(*split)]
    assert covered == list(range(*frames.centred(*last, total)))
    assert set(covered) <= set(range(*frames.touching(begin, end, total)))


def test_rounding_of_decimal_times_moves_no_frame():
    assert frames.touching(0.14, 0.28, 99) == (7, 14)
