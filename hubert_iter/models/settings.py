"""Settings of the encoder and of objectives. Imports no torch, so that a study is checked in a moment."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from hubert_iter import options
from hubert_iter.errors import UserError
from hubert_iter.frames import FRAME_SHIFT, MFCC_SHIFT
from hubert_iter.options import option

if TYPE_CHECKING:
    from hubert_iter.models.objective import Objective

PREDICTIVE, CONTRASTIVE = "predictive", "contrastive"
CONVOLUTIONS, MEL = "convolutions", "mel"
MEL_BANDS = 80
MEL_STACKED = FRAME_SHIFT // MFCC_SHIFT
"""Windows of 10 ms shift in a frame of 20 ms."""
DESCRIPTION = "model.yaml"
"""In a model's folder: what its weights are weights of."""
KERNELS = (10, 3, 3, 3, 3, 2, 2)
STRIDES = (5, 2, 2, 2, 2, 2, 2)


@dataclass(frozen=True)
class EncoderConfig:
    """Sizes and regularisation of the encoder; the defaults are BASE (Hsu et al. 2021, Baevski et al. 2020)."""

    front_end: str = option(
        CONVOLUTIONS, "what turns audio into frames: convolutions over the waveform, which are learnt, or 80 log-mel "
        "bands, two windows to a frame, which are not", later=True, choices=(CONVOLUTIONS, MEL),
    )  # fmt: skip
    conv_channels: int | tuple[int, ...] = option(
        512, "output channels of the seven convolutions, one number or seven", least=1, most=65536
    )
    width: int = option(768, "model width", least=1, most=65536)
    layers: int = option(12, "Transformer blocks", least=0, most=1000)
    heads: int = option(12, "attention heads", least=1, most=65536)
    feedforward: int = option(3072, "inner width of a block", least=1, most=10**6)
    position_kernel: int = option(128, "frames that the positional convolution sees", least=1, most=65536)
    position_groups: int = option(16, "groups of the positional convolution", least=1, most=65536)
    dropout: float = option(0.1, "on the Transformer's input and each residual branch", least=0, below=1)
    attention_dropout: float = option(0.1, "on attention weights", least=0, below=1)
    activation_dropout: float = option(0.0, "inside the feed-forward map", least=0, below=1)
    input_dropout: float = option(0.1, "on the projected convolution features", least=0, below=1)
    layerdrop: float = option(0.05, "probability to skip a block in an update", least=0, below=1)
    conv_gradient: float = option(0.1, "factor on the gradient into the convolutions", least=0, most=1000)

    def __post_init__(self):
        if len(self.channels) != len(KERNELS):
            raise UserError(f"conv_channels: expected one number or {len(KERNELS)}, found {self.conv_channels}")
        if self.width % self.heads or self.width % self.position_groups:
            raise UserError(
                f"width {self.width} must be a multiple of heads {self.heads} "
                f"and of position_groups {self.position_groups}"
            )

    @property
    def taps(self) -> tuple[str, ...]:
        """Names of the outputs that can be observed, in order: see `Encoder.transform`."""
        return ("conv", *(str(number) for number in range(self.layers + 1)))

    @property
    def channels(self) -> tuple[int, ...]:
        """Output channels of each convolution; early ones run at high rates and dominate the cost of small models."""
        given = self.conv_channels
        return (given,) * len(KERNELS) if isinstance(given, int) else given

    @property
    def feature_width(self) -> int:
        """Width of the frame features."""
        return MEL_STACKED * MEL_BANDS if self.front_end == MEL else self.channels[-1]

    @property
    def shape(self) -> tuple:
        """Encoders of equal shape can take each other's weights."""
        front_end = MEL if self.front_end == MEL else self.channels
        return (
            front_end, self.width, self.layers, self.heads, self.feedforward, self.position_kernel,
            self.position_groups,
        )  # fmt: skip


@dataclass(frozen=True)
class Sizes:
    """Sizes that an objective must fit."""

    width: int
    """Width of the encoder's output."""
    channels: int
    """Width of the frame features."""
    classes: int | None
    """Number of different labels; None for an objective that needs none."""
    encoder: EncoderConfig | None = None
    """The encoder itself, for an objective that builds a teacher of its shape."""


@dataclass(frozen=True)
class ObjectiveSettings:
    """Options that all objectives have. Each module in models/objectives has a subclass with its own."""

    needs_labels: ClassVar[bool] = True
    """False for an objective that makes its own targets, anew at every update."""
    per_label: ClassVar[tuple[str, ...]] = ()
    """Parameters of the objective that have a row for each label: where labels are renumbered, rows move with them."""
    asks: ClassVar[str] = ""
    """PREDICTIVE: which of all targets a masked frame's is; CONTRASTIVE: which of a few; "" for anything else."""
    feature_penalty: float = option(10.0, "weight of the mean squared output of the convolutions", least=0, most=10**6)

    def check(self, encoder: EncoderConfig) -> None:
        """Refuse, by UserError, an encoder that the objective cannot work with."""

    def build(self, sizes: Sizes) -> "Objective":
        """Make the objective, with fresh weights. Import torch only here."""
        raise NotImplementedError

    @property
    def name(self) -> str:
        """The objective's name, which is that of its module."""
        return type(self).__module__.rpartition(".")[2]

    def section(self) -> dict[str, Any]:
        """Name and all options, for config.yaml."""
        return {"name": self.name, **options.values(self)}


@dataclass(frozen=True)
class LabelSettings(ObjectiveSettings):
    """Options of the objectives that name labels by learnt embeddings."""

    per_label: ClassVar[tuple[str, ...]] = ("head.embeddings",)
    embedding: int = option(256, "width of the query and of the learnt label embeddings", least=1, most=65536)
    temperature: float = option(0.1, "cosines are divided by this", least=1e-4, most=10**4)
