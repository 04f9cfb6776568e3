"""The predictive objective of HuBERT (Hsu et al. 2021): name the masked frame's label among all classes."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hubert_iter.models.objective import Frames, Objective, Outcome, cosine_logits, pick


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
        self.head = LabelHead(width, classes, embedding)
        self.temperature = temperature
        self.masked_weight = masked_weight
        self.unmasked_weight = unmasked_weight

    def logits(self, encoded: Tensor) -> Tensor:
        """[..., D] -> [..., classes]."""
        return cosine_logits(self.head.query(encoded), self.head.embeddings, self.temperature)

    def forward(self, frames: Frames) -> Outcome:
        """Predict masked frames and, if weighted, the others."""
        loss, accuracy = self._score(frames, frames.masked)
        terms = {"masked": self.masked_weight * loss}
        statistics = {"accuracy": accuracy}
        # Unmasked frames cost as much again; they are skipped when they weigh nothing.
        if self.unmasked_weight:
            loss, accuracy = self._score(frames, frames.unmasked())
            terms["unmasked"] = self.unmasked_weight * loss
            statistics["unmasked_accuracy"] = accuracy
        return Outcome(terms, statistics)

    def _score(self, frames: Frames, index: Tensor) -> tuple[Tensor, Tensor]:
        logits = self.logits(pick(frames.encoded, index))
        labels = pick(frames.labels, index)
        loss = F.cross_entropy(logits.flatten(0, 1), labels.flatten())
        return loss, (logits.argmax(-1) == labels).float().mean()
