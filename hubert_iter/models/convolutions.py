"""The convolutions over the waveform, as matrix products on a CPU and as convolutions on a GPU.

Both compute the same. On a CPU the library's one-dimensional convolutions reach little more than half of the rate of
its matrix products, and GroupNorm and the transposition at the end are bound by memory. Here frames stay rows
[B, T, C] throughout, so that a strided convolution is a product of (overlapping) rows with the kernel, and GroupNorm,
which is linear once its moments are known, is folded into the first kernel.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

KERNELS = (10, 3, 3, 3, 3, 2, 2)
STRIDES = (5, 2, 2, 2, 2, 2, 2)


class ConvFeatures(nn.Module):
    """Waveform [B, S] to frames [B, T, C]: seven convolutions, one frame per 320 samples."""

    def __init__(self, channels: tuple[int, ...]):
        super().__init__()
        self.convs = nn.ModuleList(
            nn.Conv1d(inputs, outputs, kernel, stride, bias=False)
            for inputs, outputs, kernel, stride in zip((1, *channels[:-1]), channels, KERNELS, STRIDES, strict=True)
        )
        self.norm = nn.GroupNorm(channels[0], channels[0])
        for conv in self.convs:
            nn.init.kaiming_normal_(conv.weight)

    def forward(self, wave: Tensor) -> Tensor:
        """[B, S] -> [B, T, C]."""
        return self.as_products(wave) if wave.device.type == "cpu" else self.as_convolutions(wave)

    def as_convolutions(self, wave: Tensor) -> Tensor:
        """By the library's convolutions."""
        x = F.gelu(self.norm(self.convs[0](wave[:, None])))
        for conv in self.convs[1:]:
            x = F.gelu(conv(x))
        return x.transpose(1, 2)

    def as_products(self, wave: Tensor) -> Tensor:
        """By matrix products."""
        x = F.gelu(_first(wave, self.convs[0].weight, self.norm))
        for conv in self.convs[1:]:
            x = F.gelu(_strided(x, conv.weight))
        return x


def _first(wave: Tensor, weight: Tensor, norm: nn.GroupNorm) -> Tensor:
    """Convolution with kernel 10 and stride 5, then GroupNorm with one channel a group: [B, S] -> [B, T, C].

    A channel's output is w.p for each patch p of 10 samples. Over time its mean is w.mean(p) and its variance
    w.cov(p).w, so the normalised output is one product of centred patches with scaled kernels.
    """
    kernel, stride = KERNELS[0], STRIDES[0]
    patches = wave.unfold(1, kernel, stride)
    patches = patches - patches.mean(dim=1, keepdim=True)
    covariance = patches.transpose(1, 2) @ patches / patches.shape[1]
    filters = weight[:, 0]
    variance = ((filters @ covariance) * filters).sum(dim=-1)
    scale = norm.weight * torch.rsqrt(variance + norm.eps)
    scaled = filters.t() * scale[:, None]
    return torch.baddbmm(norm.bias.expand(len(wave), 1, -1), patches, scaled)


def _strided(x: Tensor, weight: Tensor) -> Tensor:
    """Convolution with stride 2 and kernel 2 or 3: [B, T, C] -> [B, T', C'].

    Two neighbouring frames are one row of a view, and the third, where the kernel has one, comes from the next row.
    """
    batch, frames, channels = x.shape
    kernel = weight.shape[2]
    rows = (frames - kernel) // 2 + 1
    filters = weight.permute(2, 1, 0)
    pairs = x[:, : 2 * rows].view(batch, rows, 2 * channels)
    y = torch.bmm(pairs, filters[:2].reshape(2 * channels, -1).expand(batch, -1, -1))
    if kernel == 3:
        y = torch.baddbmm(y, x[:, 2 : 2 * rows + 1 : 2], filters[2].expand(batch, -1, -1))
    return y
