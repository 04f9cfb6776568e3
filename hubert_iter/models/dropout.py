"""Dropout whose masks are cheap to draw on a CPU, and attention with it.

On a CPU the library draws a mask number by number, which takes longer than the rest of a dropout, and attention with
dropout leaves its fast path. Here four 16-bit numbers are taken from each 64 random bits; the rate is off by at most
1/131072. On a GPU the library's own operations are used.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_LEVELS = 65536


def draw_kept(like: Tensor, rate: float) -> Tensor:
    """A mask on the CPU, of a tensor's shape and kind, for products are faster than selections: 0 at `rate`, else 1."""
    count = like.numel()
    bits = torch.empty((count + 3) // 4, dtype=torch.int64).random_(-(2**63), None)
    numbers = bits.view(torch.int16)[:count].view(like.shape)
    return torch.ge(numbers, round(rate * _LEVELS) - _LEVELS // 2, out=torch.empty(like.shape, dtype=like.dtype))


def dropout(x: Tensor, rate: float, training: bool) -> Tensor:
    """Zero elements with probability `rate` and scale the others up."""
    if not training or rate == 0.0:
        return x
    if x.device.type != "cpu":
        return F.dropout(x, rate)
    return x * draw_kept(x, rate) * (1 / (1 - rate))


class Dropout(nn.Module):
    """`dropout` as a module."""

    def __init__(self, rate: float):
        super().__init__()
        self.rate = rate

    def forward(self, x: Tensor) -> Tensor:
        """Any shape."""
        return dropout(x, self.rate, self.training)


def attend(query: Tensor, key: Tensor, value: Tensor, rate: float, training: bool) -> Tensor:
    """Scaled dot-product attention over all frames, [B, H, T, E] each, with dropout on its weights."""
    rate = rate if training else 0.0
    half = query.dtype == torch.bfloat16
    if query.device.type != "cpu" or (rate == 0.0 and not half):
        return F.scaled_dot_product_attention(query, key, value, dropout_p=rate)
    # In bfloat16 the library's fused attention takes twice as long as these products, without dropout too.
    logits = query * query.shape[-1] ** -0.5 @ key.transpose(-2, -1)
    weights = logits.softmax(-1, dtype=torch.float32 if half else None).to(value.dtype)
    if rate == 0.0:
        return weights @ value
    # The factor on kept weights is applied to the values, which are fewer.
    return (weights * draw_kept(weights, rate)) @ (value * (1 / (1 - rate)))
