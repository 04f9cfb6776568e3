"""The one encoder of all objectives: convolutions over the waveform, then a post-LN Transformer.

Layout of HuBERT BASE and wav2vec 2.0 BASE (Hsu et al. 2021, Baevski et al. 2020). Shapes: B utterances of equal length,
S samples, T frames of 20 ms, C convolution channels, D model width.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hubert_iter.models.convolutions import ConvFeatures
from hubert_iter.models.dropout import Dropout, attend
from hubert_iter.models.positions import ConvPositions
from hubert_iter.models.products import Linear
from hubert_iter.models.settings import EncoderConfig


class _ScaleGradient(torch.autograd.Function):
    """Identity forward; multiplies the gradient backward."""

    @staticmethod
    def forward(ctx, x: Tensor, scale: float) -> Tensor:
        ctx.scale = scale
        return x.view_as(x)

    @staticmethod
    def backward(ctx, gradient: Tensor):
        return gradient * ctx.scale, None


class Block(nn.Module):
    """A post-LN Transformer block: self-attention over all frames, then two linear maps."""

    def __init__(self, config: EncoderConfig):
        super().__init__()
        self.heads = config.heads
        self.attention_dropout = config.attention_dropout
        self.query_key_value = Linear(config.width, 3 * config.width)
        self.attention_output = Linear(config.width, config.width)
        self.attention_norm = nn.LayerNorm(config.width)
        self.expand = Linear(config.width, config.feedforward)
        self.contract = Linear(config.feedforward, config.width)
        self.output_norm = nn.LayerNorm(config.width)
        self.dropout = Dropout(config.dropout)
        self.activation_dropout = Dropout(config.activation_dropout)
        for linear in (self.query_key_value, self.attention_output, self.expand, self.contract):
            nn.init.normal_(linear.weight, 0.0, 0.02)
            nn.init.zeros_(linear.bias)

    def forward(self, x: Tensor) -> Tensor:
        """[B, T, D] -> [B, T, D]."""
        batch, frames, width = x.shape
        query, key, value = (
            self.query_key_value(x).view(batch, frames, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        )
        attended = attend(query, key, value, self.attention_dropout, self.training)
        attended = attended.transpose(1, 2).reshape(batch, frames, width)
        x = self.attention_norm(x + self.dropout(self.attention_output(attended)))
        hidden = self.activation_dropout(F.gelu(self.expand(x)))
        return self.output_norm(x + self.dropout(self.contract(hidden)))


class Encoder(nn.Module):
    """Convolutions, projection, masking, positions, Transformer."""

    def __init__(self, config: EncoderConfig):
        super().__init__()
        self.config = config
        self.convolutions = ConvFeatures(config.channels)
        self.feature_norm = nn.LayerNorm(config.channels[-1])
        self.projection = Linear(config.channels[-1], config.width)
        self.mask_vector = nn.Parameter(torch.empty(config.width).uniform_())
        self.positions = ConvPositions(config.width, config.position_kernel, config.position_groups)
        self.input_norm = nn.LayerNorm(config.width)
        self.input_dropout = Dropout(config.input_dropout)
        self.dropout = Dropout(config.dropout)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.layers))

    def compile(self) -> None:
        """Fuse each part with torch.compile. Parts, not the whole, since layerdrop chooses blocks anew each update."""
        for part in (self.convolutions, self.positions, *self.blocks):
            part.compile()

    def frame_features(self, wave: Tensor) -> tuple[Tensor, Tensor]:
        """[B, S] -> normalised frame features [B, T, C] and the feature penalty (mean squared convolution output)."""
        raw = self.convolutions(wave)
        if self.config.conv_gradient != 1.0 and raw.requires_grad:
            raw = _ScaleGradient.apply(raw, self.config.conv_gradient)
        return self.feature_norm(raw), raw.float().square().mean()

    def transform(self, features: Tensor, mask: Tensor | None = None, observe: Callable | None = None) -> Tensor:
        """Frame features [B, T, C] -> last block's output [B, T, D].

        `mask` [B, T] is true where a frame is replaced by the learnt vector. `observe(name, x)` sees the taps "conv"
        (projected convolution output), "0" (Transformer input) and "1" to "L" (block outputs); it may return True to
        stop there.
        """
        x = self.projection(features)
        if observe and observe("conv", x):
            return x
        x = self.input_dropout(x)
        if mask is not None:
            x = torch.where(mask[..., None], self.mask_vector.to(x.dtype), x)
        x = self.input_norm(x + self.positions(x))
        if observe and observe("0", x):
            return x
        x = self.dropout(x)
        # Drawn on the CPU, so that no GPU is waited for, and all at once, so that the count of draws never varies.
        dropped = torch.rand(len(self.blocks)) < self.config.layerdrop if self.training else None
        for number, block in enumerate(self.blocks, start=1):
            if dropped is None or not dropped[number - 1]:
                x = block(x)
            if observe and observe(str(number), x):
                return x
        return x
