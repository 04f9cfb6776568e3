"""The predictive objective of HuBERT (Hsu et al. 2021): name the masked frame's label among all classes."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hubert_iter.errors import UserError
from hubert_iter.models.objective import Contest, Frames, Objective, Outcome, cosine_logits, pick


class LabelHead(nn.Module):
    """The query map and the learnt label embeddings that HuBERT and cHuBERT share."""

    def __init__(self, width: int, classes: int, embedding: int):
        super().__init__()
        self.query = nn.Linear(width, embedding)
        self.embeddings = nn.Parameter(torch.empty(classes, embedding).uniform_())


class Hubert(Objective):
    """Cross-entropy of cos(query, embedding) / temperature over all classes."""

    sizes = ("width", "classes")
    options = ("embedding", "temperature", "masked_weight", "unmasked_weight")

    def __init__(
        self,
        width: int,
        classes: int,
        embedding: int = 256,
        temperature: float = 0.1,
        masked_weight: float = 1.0,
        unmasked_weight: float = 0.0,
    ):
        super().__init__()
        if not (masked_weight >= 0 and unmasked_weight >= 0 and masked_weight + unmasked_weight > 0):
            raise UserError(
                "objective hubert: expected masked_weight and unmasked_weight of 0 or more, not both 0, "
                f"found {masked_weight} and {unmasked_weight}"
            )
        self.head = LabelHead(width, classes, embedding)
        self.temperature = temperature
        self.masked_weight = masked_weight
        self.unmasked_weight = unmasked_weight

    def logits(self, encoded: Tensor) -> Tensor:
        """[..., D] -> [..., classes]."""
        return cosine_logits(self.head.query(encoded), self.head.embeddings, self.temperature)

    def forward(self, frames: Frames) -> Outcome:
        """Predict masked frames and, if weighted, the others: summed weighted cross-entropies over summed weights."""
        loss, accuracy = self._score(frames, frames.masked)
        statistics = {"accuracy": accuracy, "masked_loss": loss.detach()}
        # Unmasked frames cost as much again; they are skipped when they weigh nothing.
        if self.unmasked_weight:
            others = frames.unmasked()
            unmasked_loss, statistics["unmasked_accuracy"] = self._score(frames, others)
            weight, unmasked_weight = self.masked_weight * frames.masked.numel(), self.unmasked_weight * others.numel()
            loss = (weight * loss + unmasked_weight * unmasked_loss) / (weight + unmasked_weight or 1.0)
        return Outcome({"prediction": loss}, statistics, None if self.training else Contest(frames.labels))

    def _score(self, frames: Frames, index: Tensor) -> tuple[Tensor, Tensor]:
        """Mean cross-entropy and accuracy of the frames that `index` [B, N] names; both 0 where it names none."""
        logits = self.logits(pick(frames.encoded, index))
        labels = pick(frames.labels, index)
        count = max(labels.numel(), 1)
        loss = F.cross_entropy(logits.flatten(0, 1), labels.flatten(), reduction="sum") / count
        return loss, (logits.argmax(-1) == labels).float().sum() / count
