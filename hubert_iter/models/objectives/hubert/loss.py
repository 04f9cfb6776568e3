"""The predictive objective of HuBERT (Hsu et al. 2021): name the masked frame's label among all classes."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hubert_iter.frames import FRAME_RATE
from hubert_iter.models.objective import Contest, Frames, Head, Objective, Outcome, cosine_logits, pick
from hubert_iter.models.settings import LabelSettings

FAIRSEQ_SPECIAL_LABELS = 4
"""fairseq's dictionaries put <s>, <pad>, </s> and <unk> before the labels."""


class LabelHead(nn.Module):
    """The query map and the learnt label embeddings."""

    def __init__(self, width: int, classes: int, embedding: int):
        super().__init__()
        self.query = nn.Linear(width, embedding)
        self.embeddings = nn.Parameter(torch.empty(classes, embedding).uniform_())


class LabelObjective(Objective):
    """What HuBERT and cHuBERT share: everything but the denominator."""

    def __init__(self, width: int, classes: int, settings: LabelSettings):
        super().__init__(settings)
        self.head = LabelHead(width, classes, settings.embedding)

    def logits(self, encoded: Tensor) -> Tensor:
        """[..., D] -> [..., classes]: cos(query, embedding) / temperature."""
        return cosine_logits(self.head.query(encoded), self.head.embeddings, self.settings.temperature)

    def fairseq(self) -> Head:
        """As in fairseq's HubertModel, whose loss is HuBERT's."""
        embeddings = self.head.embeddings.detach()
        labels, width = embeddings.shape
        # Zero vectors have cosine 0 with everything: the special labels are neither likely nor unlikely.
        special = embeddings.new_zeros(FAIRSEQ_SPECIAL_LABELS, width)
        weights = {
            "final_proj.weight": self.head.query.weight.detach(),
            "final_proj.bias": self.head.query.bias.detach(),
            "label_embs_concat": torch.cat([special, embeddings]),
        }
        config = {
            "_name": "hubert",
            "label_rate": FRAME_RATE,
            "final_dim": width,
            "untie_final_proj": True,
            "logit_temp": self.settings.temperature,
        }
        return Head(weights, config, labels)


class Hubert(LabelObjective):
    """Cross-entropy of cos(query, embedding) / temperature over all classes."""

    def frames_counted(self, masked: int, unmasked: int) -> float:
        """The sum of the frames' weights."""
        return self.settings.masked_weight * masked + self.settings.unmasked_weight * unmasked

    def forward(self, frames: Frames) -> Outcome:
        """Predict masked frames and, if weighted, the others: summed weighted cross-entropies over summed weights."""
        loss, accuracy = self._score(frames, frames.masked)
        statistics = {"accuracy": accuracy, "masked_loss": loss.detach()}
        # Unmasked frames cost as much again; they are skipped when they weigh nothing.
        if self.settings.unmasked_weight:
            others = frames.unmasked()
            unmasked_loss, statistics["unmasked_accuracy"] = self._score(frames, others)
            weight = self.settings.masked_weight * frames.masked.numel()
            unmasked_weight = self.settings.unmasked_weight * others.numel()
            loss = (weight * loss + unmasked_weight * unmasked_loss) / (weight + unmasked_weight or 1.0)
        return Outcome({"prediction": loss}, statistics, None if self.training else Contest(frames.labels))

    def _score(self, frames: Frames, index: Tensor) -> tuple[Tensor, Tensor]:
        """Mean cross-entropy and accuracy of the frames that `index` [B, N] names; both 0 where it names none."""
        logits = self.logits(pick(frames.encoded, index))
        labels = pick(frames.labels, index)
        count = max(labels.numel(), 1)
        loss = F.cross_entropy(logits.flatten(0, 1), labels.flatten(), reduction="sum") / count
        return loss, (logits.argmax(-1) == labels).float().sum() / count

    def facts(self) -> dict[str, object]:
        """The weights of masked and unmasked frames: HuBERT as published, or a preset of it."""
        return {
            "weight of masked frames": self.settings.masked_weight,
            "weight of unmasked frames": self.settings.unmasked_weight,
        }
