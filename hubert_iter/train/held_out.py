"""Validation: held-out utterances, whole, always with the same masks."""

from functools import cached_property

import numpy as np
import torch

from hubert_iter.data.dataset import CropReader
from hubert_iter.data.sampler import BatchPlan, Crop
from hubert_iter.models.pretrainer import Pretrainer
from hubert_iter.train.guesses import Guesses

SEED = 20_000
"""Seed of the masks: the same for all runs, so that they are scored on the same frames."""


def plans(lengths: np.ndarray) -> list[BatchPlan]:
    """One batch per utterance, uncropped: crops at the start would hold more silence than speech does elsewhere."""
    return [BatchPlan(((Crop(number, 0, int(length)),),), (SEED, number)) for number, length in enumerate(lengths)]


class HeldOut:
    """The held-out set; every validation reads it in the same order with the same masks."""

    def __init__(self, reader: CropReader, lengths: np.ndarray):
        """`lengths` in samples, one per utterance."""
        self.reader = reader
        self.plans = plans(lengths)

    @cached_property
    def label_counts(self) -> np.ndarray | None:
        """How many held-out frames bear each label, int [classes]; None without labels."""
        if self.reader.labels is None:
            return None
        return np.bincount(np.concatenate([self.reader.sequence_labels(plan.sequences[0]) for plan in self.plans]))

    @torch.no_grad()
    def evaluate(self, model: Pretrainer, device: torch.device) -> dict[str, float]:
        """Loss terms and statistics, each averaged over masked frames of all utterances, and what guesses reach.

        `chance` is the share of the most frequent target, where the objective has no chance level of its own.
        """
        model.eval()
        guesses = Guesses(self.label_counts)
        totals: dict[str, float] = {}
        frames = 0
        # The same for all runs and moments: masks are fixed, and what an objective draws (negatives, say) is repeated.
        torch.manual_seed(SEED)
        for plan in self.plans:
            batch = self.reader.read(plan).to(device)
            outcome = model(batch)
            values = {"loss": outcome.loss, **outcome.terms, **outcome.statistics}
            count = batch.masked.numel()
            for key, value in values.items():
                totals[key] = totals.get(key, 0.0) + float(value) * count
            frames += count
            if outcome.contest is not None:
                guesses.add(outcome.contest, batch.masked, values["accuracy"])
        model.train()
        return {**guesses.chance(), **{key: value / frames for key, value in totals.items()}, **guesses.values()}
