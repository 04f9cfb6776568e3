"""How fast this machine trains: a few updates on noise, long enough to tell hours from days."""

import time
from dataclasses import replace

import numpy as np
import torch

from hubert_iter.frames import SAMPLE_RATE, num_frames
from hubert_iter.models.masking import draw_mask
from hubert_iter.models.pretrainer import Batch, build
from hubert_iter.train import memory
from hubert_iter.train.config import RunConfig
from hubert_iter.train.distributed import World
from hubert_iter.train.update import Updater

LONGEST = 8.0
"""Seconds of audio of an update on a processor: BASE goes through them in 2 to 4 s. A GPU gets device_seconds."""
LEAST_UPDATES, LEAST_SECONDS = 2, 3.0
"""Updates go on for so long. The fastest counts: the first one allocates, and others may have waited."""


def speed(config: RunConfig, device: torch.device) -> float:
    """Seconds of audio per second that a training of these settings goes through, on one device.

    Crops are as long as the training's longest, on a processor at most `LONGEST`. The disk is left out: reading goes on
    beside training.
    """
    train = config.train
    most = train.device_seconds if device.type == "cuda" else min(train.device_seconds, LONGEST)
    seconds = min(train.max_crop_seconds, most)
    rows = max(1, int(most / seconds))
    audio = rows * seconds
    # Compiling would take longer than the trial.
    trial = replace(train, batch_seconds=audio, device_seconds=audio, max_crop_seconds=seconds, compile=False)
    torch.manual_seed(0)
    model = build(config.model, config.objective, config.classes, f"run {config.run['name']}")
    updater = Updater(replace(config, train=trial), model, World(0, 1, device))
    if device.type == "cpu":
        memory.keep_freed()
    updater.begin()
    batch, times = _noise(config, rows, seconds), []
    while len(times) < LEAST_UPDATES or sum(times) < LEAST_SECONDS:
        times.append(_seconds(updater, len(times), batch))
    return audio / min(times)


def _noise(config: RunConfig, rows: int, seconds: float) -> Batch:
    samples = int(seconds * SAMPLE_RATE)
    frames = num_frames(samples)
    mask = draw_mask(np.random.default_rng(0), rows, frames, config.train.mask_probability, config.train.mask_length)
    masked = torch.from_numpy(np.nonzero(mask)[1].reshape(rows, -1))
    labels = torch.randint(config.classes, (rows, frames)) if config.classes else None
    return Batch(0.1 * torch.randn(rows, samples), masked, labels)


def _seconds(updater: Updater, number: int, batch: Batch) -> float:
    began = time.monotonic()
    done = updater.update(number, iter([batch]))
    done.statistics["loss"].item()  # waits for a GPU
    return time.monotonic() - began
