"""What the audio gives without any network: MFCC and log-mel bands, seen as models with one tap each.

They are scored like a layer by every measure. Frame t sees samples [320 t, 320 t + 400), as the encoder's.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hubert_iter.feats import mfcc_folders
from hubert_iter.feats.taps import TappedModel
from hubert_iter.frames import FRAME_LENGTH, FRAME_RATE, FRAME_SHIFT, MFCC_SHIFT, SAMPLE_RATE
from hubert_iter.models.settings import MEL_BANDS

if TYPE_CHECKING:
    import numpy as np

TAP = "features"


@dataclass(frozen=True)
class Baseline:
    """Features of samples [S] in +-1, float32 [frames, width], and the settings that tell them from others."""

    compute: "Callable[[np.ndarray], np.ndarray]"
    settings: dict


class FeatureModel(TappedModel):
    """Features in the form of a model with one tap."""

    names = (TAP,)
    rate = FRAME_RATE

    def __init__(self, name: str):
        self.description: dict = {}
        self._compute = BASELINES[name].compute

    def _run(self, samples: "np.ndarray", observe) -> None:
        observe(self.names[0], self._compute(samples))


def log_mel(samples: "np.ndarray") -> "np.ndarray":
    """80 log mel bands as Kaldi has them, float32 [frames, 80]."""
    import numpy as np
    import torch
    from torchaudio.compliance import kaldi

    if len(samples) < FRAME_LENGTH:
        return np.zeros((0, MEL_BANDS), np.float32)
    wave = torch.from_numpy(np.asarray(samples, np.float32)).unsqueeze(0) * 32768
    milliseconds = 1000 / SAMPLE_RATE
    return kaldi.fbank(
        wave, sample_frequency=SAMPLE_RATE, num_mel_bins=MEL_BANDS, dither=0.0,
        frame_length=FRAME_LENGTH * milliseconds, frame_shift=FRAME_SHIFT * milliseconds,
    ).numpy()  # fmt: skip


def _mfcc_at_frames(samples: "np.ndarray") -> "np.ndarray":
    from hubert_iter.feats.mfcc import mfcc

    return mfcc(samples)[:: FRAME_SHIFT // MFCC_SHIFT]


BASELINES = {
    "mfcc": Baseline(_mfcc_at_frames, dict(mfcc_folders.SETTINGS)),
    "logmel": Baseline(log_mel, {"kind": "logmel", "dim": MEL_BANDS, "dither": 0.0}),
}
