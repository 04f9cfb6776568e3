"""What is looked at before the first update, so that a fault costs seconds and not days."""

import logging

import numpy as np

from hubert_iter.data.datadir import DataDir
from hubert_iter.data.sampler import Sampler
from hubert_iter.errors import UserError
from hubert_iter.frames import seconds as seconds_of
from hubert_iter.train.config import TrainConfig

log = logging.getLogger(__name__)
SUSPICIOUS_SHARE = 0.5
"""A label this frequent carries almost nothing to predict."""


def look_at_labels(counts: np.ndarray, where: str) -> None:
    """Histogram of the labels: an error where there is nothing to learn, a warning where there is little."""
    classes, used, share = len(counts), int((counts > 0).sum()), counts.max() / counts.sum()
    log.info("labels: %d of %d classes used, the most frequent covers %.1f %% of frames", used, classes, 100 * share)
    if used < 2:
        raise UserError(
            f"{where}: all frames bear the same label, so there is nothing to learn. Run stage 5 (k-means) again"
        )
    if share > SUSPICIOUS_SHARE:
        log.warning(
            "%s: one label covers %.0f %% of frames. Look at the k-means (stage 5): silence, or a collapsed teacher?",
            where, 100 * share,
        )  # fmt: skip
    if used < classes / 2:
        log.warning(
            "%s: only %d of %d classes occur. A smaller k, or another layer of the teacher?", where, used, classes
        )


def micro_batches(config: TrainConfig, world_size: int) -> int:
    """Batches that each process goes through per update."""
    return max(1, round(config.batch_seconds / (config.device_seconds * world_size)))


def announce(config: TrainConfig, data: DataDir, sampler: Sampler, updates: int, world_size: int) -> None:
    """Print what is about to happen."""
    count = micro_batches(config, world_size)
    seconds = count * world_size * config.device_seconds
    if abs(seconds / config.batch_seconds - 1) > 0.05:
        log.warning(
            "batch_seconds is %.1f, but %d process(es) x %d batch(es) of %.1f s make %.1f s per update: "
            "change device_seconds to come closer",
            config.batch_seconds, world_size, count, config.device_seconds, seconds,
        )  # fmt: skip
    log.info(
        "%d updates of up to %.1f s of audio (%d process(es) x %d batch(es)); %d utterances, %.2f h; about %.1f passes",
        updates, seconds, world_size, count, len(data), data.total_seconds / 3600,
        updates * seconds / seconds_of(sampler.lengths.sum()),
    )  # fmt: skip


def estimate(seconds: float, updates: int, parameters: int, config: TrainConfig) -> None:
    """Print the time to expect, from that of the first batch (a slow one: it allocates), and the disk to have."""
    # Weights and Adam's two moments, in float32; one checkpoint more while a new one is written.
    checkpoint = 3 * 4 * parameters
    kept = config.keep_checkpoints + len(config.milestones) + 1
    log.info(
        "%.1f million parameters; at most about %.1f s an update, %.1f h for %d updates; checkpoints take %.2f GB",
        parameters / 1e6, seconds, seconds * updates / 3600, updates, kept * checkpoint / 1e9,
    )  # fmt: skip
