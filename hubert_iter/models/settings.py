"""What a model is made of, as configuration files say it. Loads no torch, so that a study can be checked at once."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from hubert_iter import options
from hubert_iter.errors import UserError
from hubert_iter.options import option

if TYPE_CHECKING:
    from hubert_iter.models.objective import Objective

KERNELS = (10, 3, 3, 3, 3, 2, 2)
STRIDES = (5, 2, 2, 2, 2, 2, 2)


@dataclass(frozen=True)
class EncoderConfig:
    """Sizes and regularisation of the encoder; the defaults are BASE (Hsu et al. 2021, Baevski et al. 2020)."""

    conv_channels: int | tuple[int, ...] = option(
        512, "output channels of the seven convolutions, one number or seven", least=1
    )
    width: int = option(768, "model width", least=1)
    layers: int = option(12, "Transformer blocks", least=0)
    heads: int = option(12, "attention heads", least=1)
    feedforward: int = option(3072, "inner width of a block", least=1)
    position_kernel: int = option(128, "frames that the positional convolution sees", least=1)
    position_groups: int = option(16, "groups of the positional convolution", least=1)
    dropout: float = option(0.1, "on the Transformer's input and each residual branch", least=0, most=1)
    attention_dropout: float = option(0.1, "on attention weights", least=0, most=1)
    activation_dropout: float = option(0.0, "inside the feed-forward map", least=0, most=1)
    input_dropout: float = option(0.1, "on the projected convolution features", least=0, most=1)
    layerdrop: float = option(0.05, "probability to skip a block in an update", least=0, most=1)
    conv_gradient: float = option(0.1, "factor on the gradient into the convolutions", least=0)

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
        """Names of what can be looked at, in order: see `Encoder.transform`."""
        return ("conv", *(str(number) for number in range(self.layers + 1)))

    @property
    def channels(self) -> tuple[int, ...]:
        """Output channels of each convolution; early ones run at high rates and dominate the cost of small models."""
        given = self.conv_channels
        return (given,) * len(KERNELS) if isinstance(given, int) else given

    @property
    def shape(self) -> tuple:
        """Equal where the weights of one encoder can be another's."""
        return (
            self.channels, self.width, self.layers, self.heads, self.feedforward, self.position_kernel,
            self.position_groups,
        )  # fmt: skip


@dataclass(frozen=True)
class Sizes:
    """What an objective must fit."""

    width: int
    """Of the encoder's output."""
    channels: int
    """Of the frame features."""
    classes: int | None
    """Of the labels; None for an objective that needs none."""
    encoder: EncoderConfig | None = None
    """To make a teacher of its shape."""


@dataclass(frozen=True)
class ObjectiveSettings:
    """What may be set of an objective. A subclass, in models/objectives, declares one."""

    needs_labels: ClassVar[bool] = True
    per_label: ClassVar[tuple[str, ...]] = ()
    """Parameters of the objective that have a row for each label: where labels are renumbered, rows move with them."""
    feature_penalty: float = option(10.0, "weight of the mean squared output of the convolutions", least=0)

    def build(self, sizes: Sizes) -> "Objective":
        """The objective itself, with fresh weights. Only here need torch be loaded."""
        raise NotImplementedError

    @property
    def name(self) -> str:
        """The objective's, which is its module's."""
        return type(self).__module__.rpartition(".")[2]

    def section(self) -> dict[str, Any]:
        """For config.yaml, complete."""
        return {"name": self.name, **options.values(self)}
