"""The training loop: one update after another, from the first or from a checkpoint."""

import logging
import time
from collections.abc import Generator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import DataLoader

from hubert_iter.data.datadir import DataDir
from hubert_iter.data.dataset import BatchStream, CropReader
from hubert_iter.data.joining import Joining
from hubert_iter.data.sampler import Sampler
from hubert_iter.errors import UserError
from hubert_iter.models.pretrainer import Batch, Pretrainer
from hubert_iter.train import checks
from hubert_iter.train.checkpoint import Checkpoints, State
from hubert_iter.train.config import RunConfig, TrainConfig
from hubert_iter.train.distributed import World
from hubert_iter.train.gate import Gated
from hubert_iter.train.held_out import HeldOut
from hubert_iter.train.journal import Journal
from hubert_iter.train.legs import Before
from hubert_iter.train.stopping import StopOrders, Stopped, leave_to_trainer
from hubert_iter.train.update import Updater

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Material:
    """Utterances with their labels; no labels for an objective that makes its own targets."""

    data: DataDir
    labels: Mapping[str, np.ndarray] | None

    def reader(self, config: RunConfig) -> CropReader:
        """Reads crops of it."""
        return CropReader(self.data, self.labels, config.train.mask_probability, config.train.mask_length)

    def joining(self, train: TrainConfig) -> Joining | None:
        """How its crops are joined to sequences; None where a sequence is one crop."""
        if train.crops == 1:
            return None
        speakers = np.array([utterance.speaker for utterance in self.data.utterances])
        return Joining(train.crops, speakers, self.lengths, train.speakers_per_sequence > 1)

    @property
    def lengths(self) -> np.ndarray:
        """Samples per utterance."""
        return np.array([utterance.num_samples for utterance in self.data.utterances])


class Trainer:
    """One run: its model, its data, and what happens when."""

    def __init__(self, config: RunConfig, model: Pretrainer, training: Material, held_out: Material, world: World):
        train = config.train
        self.config = config
        self.world = world
        self.until = config.until
        self.updater = Updater(config, model, world)
        self.reader = training.reader(config)
        self.sampler = Sampler(
            training.lengths, train.device_seconds, train.max_crop_seconds, config.draws.batches(),
            training.joining(train),
        )  # fmt: skip
        self.held_out = HeldOut(held_out.reader(config), held_out.lengths)

    def run(self, folder: Path, before: Before | None = None, gate: bool = False, wandb: str = "") -> None:
        """Train to the last update, writing into `folder`; raises Stopped when told to stop on the way.

        `before` is the leg that this one continues. With `gate` a run that has no prospect of learning to use
        context when it gets there raises Gated. `wandb` names a project of W&B.
        """
        train, world = self.config.train, self.world
        updater, model, optimiser = self.updater, self.updater.model, self.updater.optimiser
        checkpoints = Checkpoints(
            folder / "checkpoints", self.config.as_dict(), train.keep_checkpoints, train.milestones,
            self.config.shaping(),
        )  # fmt: skip
        if world.first:
            checkpoints.set_damaged_aside()
        world.wait()
        state = checkpoints.resume(model, optimiser, world.device)
        log.info("precision: %s", updater.precision)
        if state is None:
            state = self._begin(folder, before)
        self._try_largest_batch(self.until - state.update)

        with (
            Journal(folder, self.config, model.objective, world, state, wandb) as journal,
            StopOrders() as orders,
            closing(self._batches(state.update)) as batches,
        ):
            began = time.monotonic() - state.train_seconds
            gated = False
            while state.update < self.until:
                done = updater.update(state.update, batches)
                state.update += 1
                state.audio_seconds += done.audio_seconds
                state.train_seconds = time.monotonic() - began
                journal.updated(state, done)

                if self._due(train.log_every, state.update):
                    journal.report(state)
                idle = ""
                if self._due(train.valid_every, state.update):
                    if world.first:
                        idle = journal.validated(state, self.held_out.evaluate(model, world.device))
                        state.train_seconds = time.monotonic() - began
                    gated = gate and world.any(bool(idle)) and state.update < self.until

                stop = orders.agreed(state.update, world)
                ends = stop or gated
                if ends or self._due(train.checkpoint_every, state.update) or state.update in train.milestones:
                    if world.first:
                        checkpoints.save(state, model, optimiser)
                        if ends or state.update == self.until:
                            checkpoints.finish()
                    world.wait()
                if gated:
                    raise Gated(state.update, idle)
                if stop and state.update < self.until:
                    raise Stopped(stop)

    def _begin(self, folder: Path, before: Before | None) -> State:
        """The state of the first update, or of the first after the leg before."""
        state = before.hand_over(self.updater, folder) if before else State()
        checks.announce(self.config.train, self.reader.data, self.sampler, self.until - state.update, self.world.size)
        if before is None:
            self.updater.begin()
        return state

    def _due(self, every: int, update: int) -> bool:
        """Every so many updates, and at the last one."""
        return update % every == 0 or update == self.until

    def _try_largest_batch(self, updates: int) -> None:
        """Go through the largest batch once, so that too little memory shows now, and say how long `updates` take."""
        train = self.config.train
        try:
            seconds = self.updater.try_out(self.reader.read(self.sampler.largest()))
        except torch.cuda.OutOfMemoryError:
            raise UserError(
                f"the largest batch ({train.device_seconds} s of audio) does not fit into the GPU's "
                "memory: lower device_seconds in the training configuration; batch_seconds stays, in more batches"
            ) from None
        parameters = sum(parameter.numel() for parameter in self.updater.model.parameters())
        checks.estimate(seconds, updates, parameters, train)

    def _batches(self, update: int) -> Generator[Batch]:
        """This process's batches from an update on, made ahead by workers, which end when it is closed.

        Left to an error's traceback they would live on: they do not listen to the signal by which Python ends them.
        """
        train, world = self.config.train, self.world
        position = update * self.updater.batches * world.size
        loader = DataLoader(
            BatchStream(self.sampler, self.reader, position, world.rank, world.size),
            batch_size=None,
            num_workers=train.workers,
            pin_memory=world.device.type == "cuda",
            prefetch_factor=4 if train.workers else None,
            worker_init_fn=leave_to_trainer,
        )
        yield from loader
