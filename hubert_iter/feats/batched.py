"""Several utterances at once through our encoder, each as if it were alone.

They have equally many frames, so only the last samples of the shorter ones are padded, by less than a frame's shift. No
frame sees these; but the first convolution's output is normalised over time, and that must not count them. Hence no
attention mask is needed, and the encoder stays as it is.
"""

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from hubert_iter.frames import num_frames
from hubert_iter.models.encoder import Encoder
from hubert_iter.models.settings import KERNELS, MEL, STRIDES


def frame_features(encoder: Encoder, waves: Sequence[np.ndarray], device: torch.device) -> Tensor:
    """Utterances of T frames each, samples in +-1 -> [B, T, C]. ValueError where numbers of frames are unequal."""
    frames = {num_frames(len(wave)) for wave in waves}
    if len(frames) != 1:
        raise ValueError(f"utterances of unequal numbers of frames: {sorted(frames)}")
    if encoder.config.front_end == MEL:
        return torch.cat([encoder.frame_features(torch.from_numpy(wave)[None].to(device))[0] for wave in waves])
    padded = torch.zeros(len(waves), max(map(len, waves)))
    for row, wave in zip(padded, waves, strict=True):
        row[: len(wave)] = torch.from_numpy(wave)
    lengths = torch.tensor([(len(wave) - KERNELS[0]) // STRIDES[0] + 1 for wave in waves], device=device)
    first, *others = encoder.convolutions.convs
    x = F.gelu(_normalised(first(padded.to(device)[:, None]), lengths, encoder.convolutions.norm))
    for conv in others:
        x = F.gelu(conv(x))
    return encoder.feature_norm(x[..., : frames.pop()].transpose(1, 2))


def _normalised(x: Tensor, lengths: Tensor, norm: torch.nn.GroupNorm) -> Tensor:
    """GroupNorm of one channel a group, [B, C, N], over the first `lengths` [B] places of each row."""
    inside = (torch.arange(x.shape[-1], device=x.device) < lengths[:, None])[:, None]
    count = lengths[:, None, None]
    mean = (x * inside).sum(-1, keepdim=True) / count
    centred = (x - mean) * inside
    variance = centred.square().sum(-1, keepdim=True) / count
    return centred * torch.rsqrt(variance + norm.eps) * norm.weight[:, None] + norm.bias[:, None]
