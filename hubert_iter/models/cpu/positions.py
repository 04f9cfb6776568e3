"""The positional convolution, in place of `ConvPositions`: a product of discrete Fourier transforms.

On a CPU, PyTorch's grouped convolution runs at less than half the rate of its matrix products. Here the transforms are
matrix products too. Frames are cut into overlapping blocks of twice the kernel's length; of each block those outputs
are kept that the transform's wrapping around does not reach. Exact up to rounding; at BASE's size a third of the
operations. Measured, forward and backward: 3.3 to 4 times as fast on a Zen 4, 1.9 times on an Intel Xeon; in bfloat16
on that Xeon, whose AMX serves the plain convolution, 0.7 times.
"""

import math
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

from hubert_iter.models.cpu.products import linear
from hubert_iter.models.encoder import ConvPositions


class FourierPositions(ConvPositions):
    """The convolution by discrete Fourier transforms of blocks."""

    def compile(self, *args, **kwargs):
        """As every module's; the transforms are constants, else torch.compile warns of their cache and fills it."""
        # Not where they are defined: that would import the compiler, a second's work, into every program.
        torch.compiler.assume_constant_result(_transforms)
        super().compile(*args, **kwargs)

    def forward(self, x: Tensor) -> Tensor:
        """[B, T, D] -> [B, T, D]."""
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
        return F.gelu(kept.permute(1, 2, 0, 3).reshape(batch, blocks * hop, width)[:, :frames] + self.conv.bias)


def _transforms(length: int, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """For an even length N: [2F, N] cosines and sines of the F = N/2 + 1 frequencies, and the inverse [N, 2F]."""
    return _make_transforms(length, dtype)


@lru_cache(maxsize=8)
@torch.inference_mode(False)  # else a first call in that mode would cache tensors that training cannot use
def _make_transforms(length: int, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    frequencies = torch.arange(length // 2 + 1, dtype=torch.float64)
    angles = 2 * math.pi / length * torch.outer(frequencies, torch.arange(length, dtype=torch.float64))
    forward = torch.cat([angles.cos(), angles.sin()])
    # Each frequency but the first and the last counts twice: its mirror image is left out.
    shares = torch.full_like(frequencies, 2 / length)
    shares[0] = shares[-1] = 1 / length
    return forward.to(dtype), (forward * shares.repeat(2)[:, None]).t().contiguous().to(dtype)
