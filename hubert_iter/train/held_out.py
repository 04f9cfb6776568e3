"""Validation: held-out utterances, whole, always with the same masks."""

import numpy as np
import torch

from hubert_iter.data.dataset import CropReader
from hubert_iter.data.sampler import BatchPlan, Crop
from hubert_iter.models.pretrainer import Pretrainer
from hubert_iter.train.guesses import Guesses

SEED = 20_000
"""Of the masks: fixed for all runs, so that they are scored on the same frames."""


def plans(lengths: np.ndarray) -> list[BatchPlan]:
    """One batch per utterance, uncropped: crops at the start would hold more silence than speech does elsewhere."""
    return [BatchPlan((Crop(number, 0, int(length)),), (SEED, number)) for number, length in enumerate(lengths)]


@torch.no_grad()
def evaluate(model: Pretrainer, reader: CropReader, batches: list[BatchPlan], device: torch.device) -> dict[str, float]:
    """Loss terms and statistics, each averaged over masked frames of all held-out utterances, and what guesses reach.

    `chance` is the share of the most frequent label, where the objective has no chance level of its own.
    """
    model.eval()
    counts = None if reader.labels is None else label_counts(reader, batches)
    guesses = Guesses(counts)
    totals: dict[str, float] = {}
    frames = 0
    # The same for all runs and moments: masks are fixed, and what an objective draws (negatives, say) is repeated.
    torch.manual_seed(SEED)
    for plan in batches:
        batch = reader.read(plan).to(device)
        outcome = model(batch)
        values = {"loss": outcome.loss, **outcome.terms, **outcome.statistics}
        count = batch.masked.numel()
        for key, value in values.items():
            totals[key] = totals.get(key, 0.0) + float(value) * count
        frames += count
        if outcome.contest is not None:
            guesses.add(outcome.contest, batch.masked, values["accuracy"])
    model.train()
    chance = {} if counts is None else {"chance": float(counts.max() / counts.sum())}
    return {**chance, **{key: value / frames for key, value in totals.items()}, **guesses.values()}


def label_counts(reader: CropReader, batches: list[BatchPlan]) -> np.ndarray:
    """How many held-out frames bear each label, int [classes]."""
    return np.bincount(np.concatenate([reader.crop_labels(plan.crops[0]) for plan in batches]))
