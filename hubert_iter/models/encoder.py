"""The one encoder of all objectives: convolutions over the waveform, then a post-LN Transformer.

The figure of HuBERT BASE and wav2vec 2.0 BASE (Hsu et al. 2021, Baevski et al. 2020), from bottom to top:

    waveform               [B, S]     `Encoder.frame_features`
    7 convolutions         [B, T, C]  `ConvFeatures`: one frame every 20 ms; or `MelFeatures`, without the LayerNorm
    LayerNorm              [B, T, C]
    linear projection      [B, T, D]  `Encoder.transform`; here frames are masked
    positional convolution [B, T, D]  `ConvPositions`: added to its input, then LayerNorm
    Transformer, L blocks  [B, T, D]  `Block`

B utterances of equal length, S samples, T frames, C convolution channels, D model width, H heads, E = D / H.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hubert_iter.models.mel import MelFeatures
from hubert_iter.models.settings import KERNELS, MEL, STRIDES, EncoderConfig


class ConvFeatures(nn.Module):
    """Seven convolutions, each followed by a GELU; the first is normalised over time, each channel on its own."""

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
        x = F.gelu(self.norm(self.convs[0](wave[:, None])))
        for conv in self.convs[1:]:
            x = F.gelu(conv(x))
        return x.transpose(1, 2)


class ConvPositions(nn.Module):
    """Relative positions: a wide grouped convolution over frames, weight-normalised along the kernel, and a GELU."""

    def __init__(self, width: int, kernel: int, groups: int):
        super().__init__()
        conv = nn.Conv1d(width, width, kernel, padding=kernel // 2, groups=groups)
        nn.init.normal_(conv.weight, 0.0, (4.0 / (kernel * width)) ** 0.5)
        nn.init.zeros_(conv.bias)
        self.conv = nn.utils.parametrizations.weight_norm(conv, name="weight", dim=2)

    def forward(self, x: Tensor) -> Tensor:
        """[B, T, D] -> [B, T, D]."""
        frames = x.shape[1]  # an even kernel makes one more
        return F.gelu(self.conv(x.transpose(1, 2))[..., :frames].transpose(1, 2))


class Attention(nn.Module):
    """Scaled dot-product attention over all frames, with dropout on its weights."""

    def __init__(self, dropout: float):
        super().__init__()
        self.dropout = dropout

    def forward(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """[B, H, T, E] each -> [B, H, T, E]."""
        return F.scaled_dot_product_attention(query, key, value, dropout_p=self.dropout if self.training else 0.0)


class Block(nn.Module):
    """A post-LN Transformer block: self-attention, then two linear maps."""

    def __init__(self, config: EncoderConfig):
        super().__init__()
        self.heads = config.heads
        self.query_key_value = nn.Linear(config.width, 3 * config.width)
        self.attention = Attention(config.attention_dropout)
        self.attention_output = nn.Linear(config.width, config.width)
        self.attention_norm = nn.LayerNorm(config.width)
        self.expand = nn.Linear(config.width, config.feedforward)
        self.contract = nn.Linear(config.feedforward, config.width)
        self.output_norm = nn.LayerNorm(config.width)
        self.dropout = nn.Dropout(config.dropout)
        self.activation_dropout = nn.Dropout(config.activation_dropout)
        for linear in (self.query_key_value, self.attention_output, self.expand, self.contract):
            nn.init.normal_(linear.weight, 0.0, 0.02)
            nn.init.zeros_(linear.bias)

    def forward(self, x: Tensor) -> Tensor:
        """[B, T, D] -> [B, T, D]."""
        batch, frames, width = x.shape
        heads = self.query_key_value(x).view(batch, frames, 3, self.heads, width // self.heads)
        query, key, value = heads.permute(2, 0, 3, 1, 4)
        attended = self.attention(query, key, value).transpose(1, 2).reshape(batch, frames, width)
        x = self.attention_norm(x + self.dropout(self.attention_output(attended)))
        hidden = self.activation_dropout(F.gelu(self.expand(x)))
        return self.output_norm(x + self.dropout(self.contract(hidden)))


class _ScaleGradient(torch.autograd.Function):
    """Identity forward; multiplies the gradient backward."""

    @staticmethod
    def forward(ctx, x: Tensor, scale: float) -> Tensor:
        ctx.scale = scale
        return x.view_as(x)

    @staticmethod
    def backward(ctx, gradient: Tensor):
        return gradient * ctx.scale, None


class Encoder(nn.Module):
    """Waveform to frame features, and these through masking, positions and the Transformer."""

    def __init__(self, config: EncoderConfig):
        super().__init__()
        self.config = config
        if config.front_end == MEL:
            self.mel = MelFeatures()
        else:
            self.convolutions = ConvFeatures(config.channels)
            self.feature_norm = nn.LayerNorm(config.feature_width)
        self.projection = nn.Linear(config.feature_width, config.width)
        self.mask_vector = nn.Parameter(torch.empty(config.width).uniform_())
        self.positions = ConvPositions(config.width, config.position_kernel, config.position_groups)
        self.input_norm = nn.LayerNorm(config.width)
        self.input_dropout = nn.Dropout(config.input_dropout)
        self.dropout = nn.Dropout(config.dropout)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.layers))
        self.layerdrop_seed: int | None = None
        """Of an update, so that all its batches leave out the same blocks; None to draw anew in each."""
        self.joins_dropped = False
        """Whether blocks that are left out have a gradient of zero, for what waits for every parameter's."""

    def compile(self) -> None:
        """Fuse each part with torch.compile; parts, not the whole, because layerdrop picks other blocks each update."""
        parts = [self.positions, *self.blocks]
        if self.config.front_end != MEL:
            parts.append(self.convolutions)
        for part in parts:
            part.compile()

    def dropped(self) -> set[int]:
        """Numbers of the blocks that layerdrop leaves out."""
        # Drawn on the CPU: no waiting for a GPU. All at once: each update draws equally many numbers.
        seed = self.layerdrop_seed
        generator = None if seed is None else torch.Generator().manual_seed(seed)
        left_out = torch.rand(len(self.blocks), generator=generator) < self.config.layerdrop
        return {number for number, out in enumerate(left_out.tolist(), start=1) if out}

    def frame_features(self, wave: Tensor) -> tuple[Tensor, Tensor]:
        """[B, S] -> normalised frame features [B, T, C] and the feature penalty (mean squared convolution output)."""
        if self.config.front_end == MEL:
            return self.mel(wave), wave.new_zeros(())
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
        dropped = self.dropped() if self.training else set()
        for number, block in enumerate(self.blocks, start=1):
            if number not in dropped:
                x = block(x)
            elif self.joins_dropped:
                x = x + 0 * sum(parameter.sum() for parameter in block.parameters())
            if observe and observe(str(number), x):
                return x
        return x
