"""Batches of sequences with labels and masks, made in the data loader's workers."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch
from torch.utils.data import IterableDataset, get_worker_info

from hubert_iter.data.audio import read_audio
from hubert_iter.data.datadir import DataDir
from hubert_iter.data.sampler import BatchPlan, Crop, Sampler
from hubert_iter.frames import FRAME_SHIFT, most_samples, num_frames
from hubert_iter.models.masking import draw_mask
from hubert_iter.models.pretrainer import Batch


class CropReader:
    """Read crops and their labels, draw their masks."""

    def __init__(
        self, data: DataDir, labels: Mapping[str, np.ndarray] | None, mask_probability: float, mask_length: int
    ):
        self.data = data
        self.labels = labels
        self.mask_probability = mask_probability
        self.mask_length = mask_length

    def read(self, plan: BatchPlan) -> Batch:
        """Make the batch of a plan."""
        utterances = self.data.utterances
        waves = [
            np.concatenate([read_audio(utterances[c.utterance], c.start, c.num_samples) for c in sequence])
            for sequence in plan.sequences
        ]
        labels = None if self.labels is None else [self.sequence_labels(sequence) for sequence in plan.sequences]
        frames = num_frames(plan.num_samples)
        if labels is not None:
            frames = min(frames, *(len(part) for part in labels))
            labels = torch.from_numpy(np.stack([part[:frames] for part in labels]).astype(np.int64))
        # Where labels end a frame early the last samples are left out, so that frames and labels stay as many.
        samples = min(plan.num_samples, most_samples(frames))
        wave = torch.from_numpy(np.stack([part[:samples] for part in waves]))
        mask = draw_mask(np.random.default_rng(plan.seed), len(waves), frames, self.mask_probability, self.mask_length)
        masked = torch.from_numpy(np.nonzero(mask)[1].reshape(len(waves), -1))
        return Batch(wave, masked, labels)

    def sequence_labels(self, sequence: Sequence[Crop]) -> np.ndarray:
        """The labels of a sequence's frames: label t of an utterance is its frame t, and crops start on the grid.

        A frame begins in one crop, and has the label of the utterance there.
        """
        *inner, last = sequence
        parts = [self._labels(crop, crop.num_samples // FRAME_SHIFT) for crop in inner]
        return np.concatenate([*parts, self._labels(last, num_frames(last.num_samples))])

    def _labels(self, crop: Crop, count: int) -> np.ndarray:
        first = crop.start // FRAME_SHIFT
        return self.labels[self.data.utterances[crop.utterance].id][first : first + count]


class BatchStream(IterableDataset):
    """Batches from a position on: this rank's share, dealt out to the loader's workers in turn."""

    def __init__(self, sampler: Sampler, reader: CropReader, position: int, rank: int = 0, world: int = 1):
        self.sampler, self.reader = sampler, reader
        self.position, self.rank, self.world = position, rank, world

    def __iter__(self) -> Iterator[Batch]:
        """Endless. The loader takes from its workers in turn, so the order does not depend on how many there are."""
        info = get_worker_info()
        worker, workers = (info.id, info.num_workers) if info else (0, 1)
        position = self.position + self.rank + worker * self.world
        while True:
            yield self.reader.read(self.sampler.plan(position))
            position += workers * self.world
