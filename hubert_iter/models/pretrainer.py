"""An encoder with an objective on top: what is trained."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from hubert_iter import frames, options
from hubert_iter.errors import UserError
from hubert_iter.models import objectives
from hubert_iter.models.encoder import Encoder
from hubert_iter.models.objective import Frames, Objective, Outcome, mask_of
from hubert_iter.models.settings import EncoderConfig, Sizes

MOST_CLASSES = 10**7
"""As many as a row of a study may have clusters."""


@dataclass
class Batch:
    """B equally long crops: S samples, T frames, M masked frames each."""

    wave: Tensor
    """[B, S] float32."""
    masked: Tensor
    """[B, M] numbers of the masked frames."""
    labels: Tensor | None
    """[B, T] int64."""

    @property
    def num_frames(self) -> int:
        """Frames of all crops together."""
        return len(self.wave) * frames.num_frames(self.wave.shape[1])

    @property
    def seconds(self) -> float:
        """Seconds of audio in the batch."""
        return frames.seconds(self.wave.numel())

    def to(self, device: torch.device) -> "Batch":
        """Copy to a device, without waiting where memory is pinned."""
        labels = None if self.labels is None else self.labels.to(device, non_blocking=True)
        return Batch(self.wave.to(device, non_blocking=True), self.masked.to(device, non_blocking=True), labels)

    def pin_memory(self) -> "Batch":
        """Called by the data loader when the training runs on a GPU."""
        labels = None if self.labels is None else self.labels.pin_memory()
        return Batch(self.wave.pin_memory(), self.masked.pin_memory(), labels)


class Pretrainer(nn.Module):
    """Mask, encode, and let the objective score. Without an objective it holds an encoder that is not trained."""

    def __init__(self, encoder: Encoder, objective: Objective | None):
        super().__init__()
        self.encoder = encoder
        self.objective = objective

    def forward(self, batch: Batch, update: int = 0) -> Outcome:
        """Loss terms and statistics of one batch."""
        features, penalty = self.encoder.frame_features(batch.wave)
        encoded = self.encoder.transform(features, mask_of(batch.masked, features.shape[1]))
        outcome = self.objective(Frames(features, encoded, batch.masked, batch.labels, update, batch.wave))
        terms = {**outcome.terms, "feature_penalty": self.objective.settings.feature_penalty * penalty}
        with torch.no_grad():
            # Near zero when all frames come out alike: the sign of collapse.
            spread = encoded.flatten(0, 1).float().std(dim=0).mean()
        return Outcome(terms, {**outcome.statistics, "feature_std": spread}, outcome.contest)


def build(model: dict, objective: dict | None, classes: int | None, where: str) -> Pretrainer:
    """Build from the `model` and `objective` sections of a configuration; random weights from torch's own generator.

    A network that is not trained has no objective: its encoder is all there is.
    """
    config = options.read(EncoderConfig, model, f"{where}: model")
    settings = objectives.read(objective, where) if objective else None
    if settings and settings.needs_labels and not 0 < (classes or 0) <= MOST_CLASSES:
        raise UserError(f"{where}: classes: expected the number of labels, from 1 to {MOST_CLASSES:,}, found {classes}")
    # The encoder's weights are drawn first, so that they are the same whatever the objective.
    encoder = Encoder(config)
    sizes = Sizes(config.width, config.feature_width, classes, config)
    return Pretrainer(encoder, settings.build(sizes) if settings else None)
