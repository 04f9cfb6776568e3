"""The convolutions over the waveform, as matrix products on a CPU and as convolutions on a GPU.

Both compute the same. On a CPU the library's one-dimensional convolutions reach little more than half of the rate of
its matrix products, and GroupNorm and the transposition at the end are bound by memory. Here frames stay rows
[B, T, C] throughout, so that a strided convolution is a product of (overlapping) rows with the kernel, and GroupNorm,
which is linear once its moments are known, is folded into the first kernel.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

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
            x = F.gelu(_Strided.apply(x, conv.weight))
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


class _Strided(torch.autograd.Function):
    """Convolution with stride 2 and kernel 2 or 3: [B, T, C] -> [B, T', C'].

    Two neighbouring frames are one row of a view, and the third, where the kernel has one, comes from the next row.
    The gradient is written here because that of a view would be a zeroed copy of all frames per view, then their sum.
    """

    @staticmethod
    def forward(ctx, x: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        filters, rows = _filters(weight), (x.shape[1] - weight.shape[2]) // 2 + 1
        y = torch.bmm(_pairs(x, rows), filters[:2].flatten(0, 1).expand(len(x), -1, -1))
        for third in filters[2:]:
            y.baddbmm_(_thirds(x, rows), third.expand(len(x), -1, -1))
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient: Tensor):
        x, weight = ctx.saved_tensors
        filters, rows = _filters(weight).contiguous(), gradient.shape[1]
        for_x, for_filters = torch.empty_like(x), torch.zeros_like(filters)
        for_x[:, 2 * rows :] = 0.0
        first_two, for_first_two = filters[:2].flatten(0, 1), for_filters[:2].flatten(0, 1)
        # One utterance after the other: products go straight to where they belong, and add up there.
        for utterance, for_utterance, given in zip(x.split(1), for_x.split(1), gradient, strict=True):
            torch.mm(given, first_two.t(), out=_pairs(for_utterance, rows)[0])
            for_first_two.addmm_(_pairs(utterance, rows)[0].t(), given)
            for third, for_third in zip(filters[2:], for_filters[2:], strict=True):
                _thirds(for_utterance, rows)[0].addmm_(given, third.t())
                for_third.addmm_(_thirds(utterance, rows)[0].t(), given)
        return for_x, for_filters.permute(2, 1, 0)


def _filters(weight: Tensor) -> Tensor:
    """[C', C, kernel] -> [kernel, C, C']."""
    return weight.permute(2, 1, 0)


def _pairs(x: Tensor, rows: int) -> Tensor:
    """A view [B, T', 2C] of the first two frames that each output frame sees."""
    return x[:, : 2 * rows].unflatten(1, (rows, 2)).flatten(2)


def _thirds(x: Tensor, rows: int) -> Tensor:
    """A view [B, T', C] of the third frame that each output frame sees."""
    return x[:, 2 : 2 * rows + 1 : 2]
