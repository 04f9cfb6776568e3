"""What every objective has in common: what it is given, what it returns, and the cosine logits."""

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hubert_iter.models.settings import ObjectiveSettings


@dataclass(frozen=True)
class Frames:
    """One batch as an objective sees it. M masked frames in each of B utterances."""

    features: Tensor
    """[B, T, C] normalised frame features before masking."""
    encoded: Tensor
    """[B, T, D] the encoder's output."""
    masked: Tensor
    """[B, M] the numbers of the masked frames of each utterance, ascending; M is the same for all."""
    labels: Tensor | None
    """[B, T] labels, or None for an objective that makes its own targets."""
    update: int = 0
    """Number of updates done, for schedules."""
    wave: Tensor | None = None
    """[B, S] the audio, unmasked: the input of a teacher."""

    def at_masked(self, values: Tensor) -> Tensor:
        """[B, T, ...] -> [B, M, ...]: the values at masked frames."""
        return pick(values, self.masked)

    def unmasked(self) -> Tensor:
        """[B, T - M] the numbers of the other frames, ascending."""
        mask = mask_of(self.masked, self.encoded.shape[1])
        # A stable sort puts the unmasked first in order; unlike nonzero() it does not make the host wait for a GPU.
        return mask.byte().argsort(dim=1, stable=True)[:, : mask.shape[1] - self.masked.shape[1]]


@dataclass(frozen=True)
class Contest:
    """The targets, and what competed with them, so that guesses without a network are scored by the same rules."""

    targets: Tensor
    """[B, T] int64: the target of every frame, masked or not, as a number that is the same in all utterances."""
    rivals: Tensor | None = None
    """[B, M, N] numbers below M: the masked frames whose targets compete with a masked frame's own. None: all do."""


@dataclass(frozen=True)
class Outcome:
    """Loss terms (each a mean over frames, already weighted; their sum is minimised) and statistics to log."""

    terms: dict[str, Tensor]
    statistics: dict[str, Tensor] = field(default_factory=dict)
    contest: Contest | None = None
    """In evaluation only, of objectives that have discrete targets; goes with a statistic called `accuracy`."""

    @property
    def loss(self) -> Tensor:
        """The sum of all terms."""
        return sum(self.terms.values())


@dataclass(frozen=True)
class Head:
    """An objective in another library's layout; the encoder is exported apart."""

    weights: dict[str, Tensor]
    """Weights by the library's names."""
    config: dict[str, object]
    """Its entries in the library's configuration of the model."""
    labels: int = 0
    """Number of classes, for a library that wants them listed."""
    note: str = ""
    """The library's class that opens the model, where it has several."""


class Objective(nn.Module):
    """A loss over masked frames, made by `ObjectiveSettings.build`.

    An objective that keeps something over updates (a teacher that follows the encoder, a codebook) has it in buffers,
    or in parameters without gradient, and changes it in `after_update` alone: then checkpoints hold it, and an update
    that is skipped leaves it alone.
    """

    def __init__(self, settings: ObjectiveSettings):
        super().__init__()
        self.settings = settings

    def forward(self, frames: Frames) -> Outcome:
        """Compute the loss of one batch."""
        raise NotImplementedError

    def frames_counted(self, masked: int, unmasked: int) -> float:
        """What the loss is a mean over, of a batch with so many frames: batches weigh by it in an update."""
        return masked

    def after_update(self, encoder: nn.Module, updates: int, mean: Callable[[Tensor], Tensor]) -> None:
        """Change what is kept; called without gradient when `updates` updates are done.

        First with 0, before any update, when the encoder has its initial weights; then after every update. In training
        `forward` may leave what a batch adds (frames for a codebook, say) in plain attributes, for use here. Each
        process has its own batches: `mean(x)` is the mean over processes, and every process must call it.
        """

    def kept(self) -> dict[str, Tensor]:
        """What the objective keeps, by name: everything in its state that takes no gradient."""
        saved = self.state_dict(keep_vars=True)
        return {name: value for name, value in saved.items() if not value.requires_grad}

    def warning(self, values: dict[str, float]) -> str | None:
        """A sentence if the statistics of the last updates show that nothing is being learnt, else None."""
        return None

    def facts(self) -> dict[str, object]:
        """What distinguishes an exported model from others with the same objective."""
        return {}

    def fairseq(self) -> Head | None:
        """The objective in fairseq's layout; None where fairseq does not have it."""
        return None

    def huggingface(self) -> Head | None:
        """The objective in transformers' layout; None to export the encoder alone."""
        return None


def mask_of(masked: Tensor, frames: int) -> Tensor:
    """Frame numbers [B, M] -> mask [B, T], true at those frames."""
    mask = torch.zeros(masked.shape[0], frames, dtype=torch.bool, device=masked.device)
    return mask.scatter_(1, masked, True)


def pick(values: Tensor, index: Tensor) -> Tensor:
    """[B, T, ...] and frame numbers [B, M] -> [B, M, ...]."""
    batch = torch.arange(index.shape[0], device=index.device)[:, None]
    return values[batch, index]


def cosine_logits(queries: Tensor, keys: Tensor, temperature: float) -> Tensor:
    """[..., Q, E] and [..., K, E] -> cosines over temperature [..., Q, K], in float32 whatever the precision around.

    Normalising first turns the cosines into one matrix product.
    """
    with torch.autocast(queries.device.type, enabled=False):
        queries = F.normalize(queries.float(), dim=-1)
        keys = F.normalize(keys.float(), dim=-1)
        return queries @ keys.transpose(-1, -2) / temperature
