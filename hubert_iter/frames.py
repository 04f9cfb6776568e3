"""The clock: 16 kHz audio, encoder frames and labels every 20 ms, MFCC every 10 ms, and conversions between them.

Encoder frame t sees samples [320 t, 320 t + 400), and MFCC frame 2t the same ones. Label t is that of encoder frame t.
"""

import math

SAMPLE_RATE = 16000
FRAME_LENGTH = 400
"""Samples in one frame, of the encoder or of the MFCCs: 25 ms."""
FRAME_SHIFT = 320
"""Samples from one encoder frame to the next."""
FRAME_RATE = SAMPLE_RATE // FRAME_SHIFT
"""Encoder frames and labels per second."""
MFCC_SHIFT = 160
"""Samples from one MFCC frame to the next."""
MFCC_RATE = SAMPLE_RATE // MFCC_SHIFT
_CENTRE = FRAME_LENGTH / 2 / SAMPLE_RATE
# Times come as decimals, so 0.14 s must be frame 7 although 0.14 * 50 is 7.000000000000001.
_ROUNDING = 1e-6

MOST_SECONDS = 1e7
"""Times beyond this (four months) are no times within a recording but damage."""


def seconds(num_samples: float) -> float:
    """Samples -> seconds."""
    return num_samples / SAMPLE_RATE


def hours(num_samples: float) -> float:
    """Samples -> hours."""
    return seconds(num_samples) / 3600


def num_frames(num_samples: int, shift: int = FRAME_SHIFT) -> int:
    """Number of whole frames: encoder frames by default, MFCC frames with `shift=MFCC_SHIFT`."""
    return max(0, (num_samples - FRAME_LENGTH) // shift + 1)


def most_samples(frames: int) -> int:
    """The largest number of samples that gives at most `frames` encoder frames."""
    return frames * FRAME_SHIFT + FRAME_LENGTH - 1


def touching(start: float, end: float, total: int) -> tuple[int, int]:
    """Frames [first, last) that [start, end) seconds touches on the 20 ms grid, of an utterance of `total` frames."""
    first = math.floor(start * FRAME_RATE + _ROUNDING)
    last = math.ceil(end * FRAME_RATE - _ROUNDING)
    return max(first, 0), min(last, total)


def centred(start: float, end: float, total: int) -> tuple[int, int]:
    """Frames [first, last) whose centre, sample 320 t + 200, lies in [start, end) seconds.

    So a frame that lies mostly in a neighbour is left out.
    """
    first = math.ceil((start - _CENTRE) * FRAME_RATE - _ROUNDING)
    last = math.ceil((end - _CENTRE) * FRAME_RATE - _ROUNDING)
    return max(first, 0), min(last, total)
