"""Contrast: tell the positive from negatives that were drawn from the same utterance.

B utterances with M masked frames each, N negatives per frame, K things to choose among (classes, or masked frames).
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from hubert_iter.errors import UserError


@dataclass(frozen=True)
class Contrast:
    """Loss and statistics of one batch, each a mean over masked frames."""

    loss: Tensor
    accuracy: Tensor
    """Share of frames whose positive scores above all its negatives; a tie counts as a miss."""
    chance: Tensor
    """What random scores would reach: one over the number of distinct candidates."""


def draw_negatives(utterances: int, masked: int, count: int, device: torch.device) -> Tensor:
    """[B, M, N] numbers below M: for each masked frame, others of its utterance, uniformly with replacement.

    Drawn on the device by its generator, which every update seeds (`randomness`).
    """
    if masked < 2:
        raise UserError(
            "an utterance with a single masked frame has no other one to contrast it with. "
            "Drop utterances that short: raise min_seconds in stage 2 (filter_data)"
        )
    drawn = torch.randint(masked - 1, (utterances, masked, count), device=device)
    # Stepping over the frame itself leaves the others equally likely.
    return drawn + (drawn >= torch.arange(masked, device=device)[:, None])


def contrast(logits: Tensor, positive: Tensor, negatives: Tensor, same: Tensor | None = None) -> Contrast:
    """Cross-entropy of each positive among itself and its negatives, one term per drawn negative.

    `logits` [B, M, K] float32 scores all that can be drawn; `positive` [B, M] and `negatives` [B, M, N] are numbers
    below K. Negatives equal to the positive are dropped; `same` [B, K, K] is true where two of the K are equal (None:
    where they are the same number). A negative drawn n times has n terms exp(logit) in the denominator, which is one
    term exp(logit + log n): so the draws become counts, no logits are gathered, and the gradient needs no scattering.
    """
    with torch.autocast(logits.device.type, enabled=False):
        own = positive[..., None]
        with torch.no_grad():
            counts = torch.zeros_like(logits)
            counts.scatter_add_(-1, negatives, counts.new_ones(()).expand(negatives.shape))
            if same is not None:
                counts.masked_fill_(same.gather(1, own.expand(-1, -1, same.shape[-1])), 0.0)
            counts.scatter_(-1, own, 1.0)
        loss = F.cross_entropy((logits + counts.log()).flatten(0, 1), positive.flatten())
        with torch.no_grad():
            rivals = logits.masked_fill(counts == 0, -torch.inf).scatter(-1, own, -torch.inf).amax(-1)
            accuracy = (logits.gather(-1, own)[..., 0] > rivals).float().mean()
            candidates = (counts > 0).float()
            if same is not None:
                # Candidates that equal each other share one place among the distinct ones.
                candidates = candidates / (candidates @ same.float()).clamp(min=1)
            chance = candidates.sum(-1).reciprocal().mean()
    return Contrast(loss, accuracy, chance)
