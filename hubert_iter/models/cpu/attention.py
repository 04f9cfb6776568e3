"""Attention, in place of the library's fused one where that is slow: with dropout, and in bfloat16.

With dropout, PyTorch's attention leaves its fused path on a CPU and draws the mask number by number; in bfloat16 its
fused path takes longer than two matrix products. Measured with dropout, forward and backward, at a tiny model's size:
1.3 times as fast in float32 and 1.8 times in bfloat16 on an Intel Xeon with AMX.

Autocast would copy the weights to float32 for the softmax and back. The softmax of bfloat16 numbers computes in float32
inside and rounds once, as the copies would have, in half of the time (Zen 5, without dropout).
"""

import torch
from torch import Tensor

from hubert_iter.models.cpu.dropout import draw_kept
from hubert_iter.models.encoder import Attention


class ProductAttention(Attention):
    """Attention as two products with a softmax between them."""

    def forward(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """[B, H, T, E] each -> [B, H, T, E]."""
        rate = self.dropout if self.training else 0.0
        if rate == 0.0 and query.dtype != torch.bfloat16:
            return super().forward(query, key, value)
        logits = query * query.shape[-1] ** -0.5 @ key.transpose(-2, -1)
        with torch.autocast("cpu", enabled=False):
            weights = logits.softmax(-1)
        if rate == 0.0:
            return weights @ value
        # Kept weights are to be scaled up; the values, which are fewer, are scaled instead.
        return (weights * draw_kept(weights, rate)) @ (value * (1 / (1 - rate)))
