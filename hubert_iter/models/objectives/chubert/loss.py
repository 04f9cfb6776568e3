"""The contrastive objective on HuBERT's labels (cHuBERT; Huo & Dunbar 2025).

Query, label embeddings, cosines and temperature are HuBERT's. Only the denominator differs: not all classes, but the
labels of other masked frames of the same utterance.
"""

import torch

from hubert_iter.models.negatives import contrast, draw_negatives
from hubert_iter.models.objective import Contest, Frames, Outcome
from hubert_iter.models.objectives.hubert.loss import LabelObjective

DEGENERATE = 0.5
"""Chance above which labels leave nothing to tell apart: one rival or none, on average."""


class Chubert(LabelObjective):
    """Cross-entropy of cos(query, embedding) / temperature over the frame's label and the labels of drawn frames."""

    def forward(self, frames: Frames) -> Outcome:
        """Tell each masked frame's label from those of other masked frames."""
        labels = frames.at_masked(frames.labels)
        drawn = draw_negatives(*labels.shape, self.settings.negatives, labels.device)
        negatives = labels.gather(1, drawn.flatten(1)).view_as(drawn)
        logits = self.logits(frames.at_masked(frames.encoded))
        result = contrast(logits, labels, negatives)
        with torch.no_grad():
            # Among all classes: comparable with HuBERT's accuracy.
            class_accuracy = (logits.argmax(-1) == labels).float().mean()
        statistics = {"accuracy": result.accuracy, "chance": result.chance, "class_accuracy": class_accuracy}
        contest = None if self.training else Contest(frames.labels, drawn)
        return Outcome({"contrastive": result.loss}, statistics, contest)

    def warning(self, values: dict[str, float]) -> str | None:
        """A sentence if the labels leave nothing to learn."""
        if values["chance"] > DEGENERATE:
            return (
                f"labels: masked frames of an utterance mostly bear the same label (chance {values['chance']:.2f}), so "
                "there is nothing to tell apart. Look at the k-means (stage 5), or take another layer of the teacher"
            )
        return None
