"""Log-mel frames in place of the convolutions, as MelHuBERT takes (Lin et al. 2022, arXiv 2211.09944).

Two windows of 25 ms every 10 ms make one frame every 20 ms, stacked. Those of frame t begin at samples 320 t - 80 and
320 t + 80, so their common centre is that of the convolutions' frame, which sees samples [320 t, 320 t + 400), and a
waveform has as many frames as with them. Nothing is learnt here, so there is no gradient and no feature penalty.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hubert_iter.frames import FRAME_LENGTH, MFCC_SHIFT, SAMPLE_RATE, num_frames
from hubert_iter.models.settings import MEL_BANDS, MEL_STACKED

_FFT = 512
_LOWEST = 20.0
"""Hz, as Kaldi's bands."""
_FLOOR = 1e-7
"""Least energy of a band: about that of 16-bit audio's rounding."""


class MelFeatures(nn.Module):
    """Log-mel bands, each normalised over the waveform's time to mean 0 and deviation 1."""

    def __init__(self):
        super().__init__()
        from torchaudio.functional import melscale_fbanks  # here: only this front end needs it

        # On the CPU also while a model is sketched on torch's meta device, which has no values to look at.
        with torch.device("cpu"):
            bands = melscale_fbanks(_FFT // 2 + 1, _LOWEST, SAMPLE_RATE / 2, MEL_BANDS, SAMPLE_RATE)
        self.register_buffer("window", torch.hann_window(FRAME_LENGTH), persistent=False)
        self.register_buffer("bands", bands, persistent=False)

    @torch.no_grad()
    def forward(self, wave: Tensor) -> Tensor:
        """[B, S] -> [B, T, 160], float32."""
        frames = num_frames(wave.shape[1])
        with torch.autocast(wave.device.type, enabled=False):
            padded = F.pad(wave.float()[:, None], (MFCC_SHIFT // 2, MFCC_SHIFT // 2), mode="reflect")[:, 0]
            windows = padded.unfold(1, FRAME_LENGTH, MFCC_SHIFT)[:, : MEL_STACKED * frames] * self.window
            power = torch.fft.rfft(windows, _FFT).abs().square()
            mel = (power @ self.bands).clamp_min(_FLOOR).log()
            mel = (mel - mel.mean(1, keepdim=True)) / mel.std(1, keepdim=True, correction=0).clamp_min(1e-3)
        return mel.reshape(len(wave), frames, MEL_STACKED * MEL_BANDS)
