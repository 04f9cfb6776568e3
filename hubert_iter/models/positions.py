"""Relative positions by a wide grouped convolution over frames.

On a CPU the library's grouped convolution reaches less than half of the rate of its matrix products. There the
convolution is a product of discrete Fourier transforms, which are matrix products themselves: frames are cut into
overlapping blocks of twice the kernel's length, of which only outputs that no wrapping-around reaches are kept. It is
exact up to rounding, three to four times as fast forward and backward, and at BASE's size a third of the operations.
"""

import math
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hubert_iter.models.products import linear


class ConvPositions(nn.Module):
    """The convolution, weight-normalised over the kernel axis, and a GELU."""

    def __init__(self, width: int, kernel: int, groups: int):
        super().__init__()
        conv = nn.Conv1d(width, width, kernel, padding=kernel // 2, groups=groups)
        nn.init.normal_(conv.weight, 0.0, (4.0 / (kernel * width)) ** 0.5)
        nn.init.zeros_(conv.bias)
        self.conv = nn.utils.parametrizations.weight_norm(conv, name="weight", dim=2)

    def forward(self, x: Tensor) -> Tensor:
        """[B, T, D] -> [B, T, D]."""
        return F.gelu(self.by_transforms(x) if x.device.type == "cpu" else self.by_convolution(x))

    def by_convolution(self, x: Tensor) -> Tensor:
        """By the library's convolution; an even kernel makes one frame too many."""
        return self.conv(x.transpose(1, 2))[..., : x.shape[1]].transpose(1, 2)

    def by_transforms(self, x: Tensor) -> Tensor:
        """By discrete Fourier transforms of blocks."""
        weight, groups = self.conv.weight, self.conv.groups
        batch, frames, width = x.shape
        kernel, inputs = weight.shape[2], weight.shape[1]
        cosines_sines, inverse = _transforms(2 * kernel, x.dtype)
        frequencies = kernel + 1
        hop = kernel + 1
        blocks = -(-frames // hop)
        count = batch * blocks

        padded = F.pad(x, (0, 0, kernel // 2, blocks * hop + kernel - 1 - kernel // 2 - frames))
        cut = padded.unfold(1, 2 * kernel, hop).permute(3, 0, 1, 2).reshape(2 * kernel, count * width)
        spectrum = linear(cosines_sines, cut.t()).view(2, frequencies, count, groups, inputs)
        spectrum = spectrum.permute(1, 3, 0, 2, 4).reshape(frequencies * groups, 2 * count, inputs)
        filters = linear(cosines_sines[:, :kernel], weight.reshape(-1, kernel))
        filters = filters.view(2, frequencies * groups, -1, inputs).transpose(2, 3)

        # (a - ib) times the conjugate of (p - iq): a, b the blocks' cosine and sine parts, p, q the filters'.
        by_cosines, by_sines = torch.bmm(spectrum, filters[0]), torch.bmm(spectrum, filters[1])
        product = torch.stack(
            [by_cosines[:, :count] + by_sines[:, count:], by_cosines[:, count:] - by_sines[:, :count]]
        )
        product = product.view(2 * frequencies, groups, count, -1).transpose(1, 2).reshape(2 * frequencies, -1)
        kept = linear(inverse[:hop], product.t()).view(hop, batch, blocks, width)
        return kept.permute(1, 2, 0, 3).reshape(batch, blocks * hop, width)[:, :frames] + self.conv.bias


@torch.compiler.assume_constant_result  # a compiler warns of caches otherwise, and makes them anew in each call
def _transforms(length: int, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """For an even length N: [2F, N] cosines and sines of the F = N/2 + 1 frequencies, and the inverse [N, 2F]."""
    return _make_transforms(length, dtype)


@lru_cache(maxsize=8)
@torch.inference_mode(False)  # else a first call in that mode would leave tensors that training cannot use
def _make_transforms(length: int, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    frequencies = torch.arange(length // 2 + 1, dtype=torch.float64)
    angles = 2 * math.pi / length * torch.outer(frequencies, torch.arange(length, dtype=torch.float64))
    forward = torch.cat([angles.cos(), angles.sin()])
    # All frequencies but the first and the last stand for their mirror image too.
    shares = torch.full_like(frequencies, 2 / length)
    shares[0] = shares[-1] = 1 / length
    return forward.to(dtype), (forward * shares.repeat(2)[:, None]).t().contiguous().to(dtype)
