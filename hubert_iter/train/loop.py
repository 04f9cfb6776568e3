"""The training loop: one update after another, from the first or from a checkpoint."""

import logging
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader

from hubert_iter.data.datadir import DataDir
from hubert_iter.data.dataset import BatchStream, CropReader
from hubert_iter.data.sampler import Sampler
from hubert_iter.errors import UserError
from hubert_iter.models import cpu
from hubert_iter.models.pretrainer import Batch, Pretrainer
from hubert_iter.train import checks, guesses
from hubert_iter.train.checkpoint import Checkpoints
from hubert_iter.train.config import RunConfig
from hubert_iter.train.distributed import World, precision_on
from hubert_iter.train.held_out import evaluate, plans
from hubert_iter.train.metrics import Metrics
from hubert_iter.train.schedule import learning_rate
from hubert_iter.train.stopping import StopOrders, Stopped, leave_to_trainer

log = logging.getLogger(__name__)
COLLAPSED = 0.02
"""Spread of the last layer's output over frames below which the model is reported as collapsed; it starts near 0.5."""
STOP_EVERY = 10
"""With several processes, updates between two exchanges about whether one was told to stop."""


@dataclass(frozen=True)
class Material:
    """Utterances with their labels; no labels for an objective that makes its own targets."""

    data: DataDir
    labels: Mapping[str, np.ndarray] | None

    def reader(self, config: RunConfig) -> CropReader:
        """Reads crops of it."""
        return CropReader(self.data, self.labels, config.train.mask_probability, config.train.mask_length)

    @property
    def lengths(self) -> np.ndarray:
        """Samples per utterance."""
        return np.array([utterance.num_samples for utterance in self.data.utterances])


class Window:
    """The updates since the last row of metrics."""

    def __init__(self):
        self.rows: list[dict[str, torch.Tensor]] = []
        self.audio = 0.0
        self.began = time.monotonic()

    def add(self, statistics: dict[str, torch.Tensor], seconds: float) -> None:
        """One update's numbers, still on the device, and its seconds of audio."""
        self.rows.append(statistics)
        self.audio += seconds


class Trainer:
    """One run's model, optimiser and place in the data."""

    def __init__(self, config: RunConfig, model: Pretrainer, training: Material, held_out: Material, world: World):
        self.config = config
        self.world = world
        self.updates = config.run["updates"]
        self.model = cpu.place(model, world.device)
        if config.train.compile:
            self.model.encoder.compile()
        self.parallel = self._distribute()
        self.precision = precision_on(world.device) if config.train.precision == "auto" else config.train.precision
        self.optimiser = torch.optim.AdamW(
            self.model.parameters(),
            lr=config.train.learning_rate,
            betas=config.train.betas,
            eps=config.train.epsilon,
            weight_decay=config.train.weight_decay,
            fused=True,
        )
        self.reader = training.reader(config)
        self.draws = config.draws
        self.sampler = Sampler(
            training.lengths, config.train.device_seconds, config.train.max_crop_seconds, self.draws.batches()
        )
        self.per_update = checks.micro_batches(config.train, world.size)
        self.valid_reader = held_out.reader(config)
        self.valid_plans = plans(held_out.lengths)
        self.state = {"update": 0, "audio_seconds": 0.0, "train_seconds": 0.0}
        # Updates skipped in a row, now and at most: on the device, so that counting makes nobody wait for it.
        self.skipped = torch.zeros((), device=world.device)
        self.most_skipped = torch.zeros((), device=world.device)
        self.orders = StopOrders()

    def run(self, folder: Path) -> None:
        """Train to the last update, writing into `folder`; raises Stopped when told to stop on the way."""
        description = self.config.as_dict()
        train = self.config.train
        checkpoints = Checkpoints(folder / "checkpoints", description, train.keep_checkpoints, train.milestones)
        last = checkpoints.last()
        if last:
            self.state = checkpoints.restore(last, self.model, self.optimiser, self.world.device)
            log.info("going on from %s", last)
        log.info("precision: %s", self.precision)
        if self.state["update"] == 0:
            checks.announce(train, self.reader.data, self.sampler, self.updates, self.world.size)
        self._try_largest_batch()
        metrics = Metrics(folder, self.state["update"], self.updates) if self.world.first else None
        try:
            with self.orders:
                self._updates(checkpoints, metrics)
        finally:
            if metrics:
                metrics.close()

    def _updates(self, checkpoints: Checkpoints, metrics: Metrics | None) -> None:
        train = self.config.train
        batches = self._batches()
        window = Window()
        began, before = time.monotonic(), self.state["train_seconds"]
        while self.state["update"] < self.updates:
            statistics, seconds = self._update(self.state["update"], batches)
            self.state["update"] = update = self.state["update"] + 1
            self.state["audio_seconds"] += seconds
            window.add(statistics, seconds)
            if metrics:
                metrics.advance(self.state["audio_seconds"] / 3600)
            last = update == self.updates
            self.state["train_seconds"] = before + time.monotonic() - began
            if update % train.log_every == 0 or last:
                values = self._read(window)
                window = Window()
                self._watch(values, update)
                if metrics:
                    metrics.write(update, "train", values)
            if (update % train.valid_every == 0 or last) and metrics:
                values = evaluate(self.model, self.valid_reader, self.valid_plans, self.world.device)
                metrics.write(update, "valid", {**values, "hours": self.state["audio_seconds"] / 3600})
                without_context = guesses.warning(values, last)
                if without_context and 2 * update >= self.updates:
                    log.warning("update %d: %s", update, without_context)
                self.state["train_seconds"] = before + time.monotonic() - began
            stop = self._told_to_stop(update)
            if update % train.checkpoint_every == 0 or update in train.milestones or last or stop:
                if self.world.first:
                    checkpoints.save(update, self.model, self.optimiser, self.state)
                self.world.wait()
            if stop and not last:
                raise Stopped(stop)

    def _update(self, update: int, batches: Iterator[Batch]) -> tuple[dict[str, torch.Tensor], float]:
        """One update: gradients over this process's batches, clipped, applied unless they are not finite."""
        torch.manual_seed(self.draws.update(update, self.world.rank))
        rate = learning_rate(update, self.updates, self.config.train.learning_rate, self.config.train.warmup)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        sums: dict[str, torch.Tensor] = {}
        seconds = 0.0
        for number in range(self.per_update):
            batch = next(batches)
            seconds += batch.seconds * self.world.size
            # Processes exchange gradients once per update, with the last batch.
            waiting = self.world.size > 1 and number < self.per_update - 1
            with self.parallel.no_sync() if waiting else nullcontext():
                outcome = self._gradients(batch.to(self.world.device), update)
            for key, value in {"loss": outcome.loss, **outcome.terms, **outcome.statistics}.items():
                sums[key] = sums.get(key, 0.0) + value.detach() / self.per_update
        clip = self.config.train.clip or float("inf")
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), clip)
        # The fused optimiser itself leaves weights and moments alone where found_inf is 1: no waiting for the GPU.
        broken = (~torch.isfinite(norm)).float()
        self.optimiser.found_inf = broken
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        self.skipped = (self.skipped + broken) * broken
        self.most_skipped = torch.maximum(self.most_skipped, self.skipped)
        return {**sums, "grad_norm": norm, "skipped": broken, "learning_rate": torch.tensor(rate)}, seconds

    def _gradients(self, batch: Batch, update: int):
        with self._precision():
            outcome = self.parallel(batch, update)
        (outcome.loss / self.per_update).backward()
        return outcome

    def _read(self, window: "Window") -> dict[str, float]:
        """Means over the window's updates, over processes: the only place where the loop waits for a GPU."""
        keys = sorted(window.rows[0])
        device = self.world.device
        table = torch.stack([torch.stack([row[key].float().to(device) for key in keys]) for row in window.rows])
        finite = torch.isfinite(table).all(dim=1, keepdim=True)
        means = torch.where(finite, table, 0.0).sum(0) / finite.sum().clamp(min=1)
        values = dict(zip(keys, self.world.mean(means).tolist(), strict=True))
        values["skipped"] = float(table[:, keys.index("skipped")].sum())
        values["learning_rate"] = float(window.rows[-1]["learning_rate"])
        values["hours"] = self.state["audio_seconds"] / 3600
        values["audio_per_second"] = window.audio / (time.monotonic() - window.began)
        values["seconds"] = self.state["train_seconds"]
        return values

    def _watch(self, values: dict[str, float], update: int) -> None:
        """Notice what a person would notice in the curves."""
        if values["skipped"]:
            log.warning("update %d: %d update(s) skipped, loss or gradient not finite", update, int(values["skipped"]))
        most = int(self.most_skipped.item())
        if most >= self.config.train.max_skipped:
            raise UserError(
                f"update {update}: {most} updates in a row had a loss or gradient that is not "
                "finite. Try a lower learning_rate or a longer warmup, and check the audio (validate_data)"
            )
        if values["feature_std"] < COLLAPSED:
            log.warning(
                "update %d: collapse: all frames come out of the last layer alike (spread %.4f). "
                "Try a lower learning_rate, a longer warmup, or a larger batch",
                update, values["feature_std"],
            )  # fmt: skip
        warning = self.model.objective.warning(values)
        if warning:
            log.warning("update %d: %s", update, warning)

    def _try_largest_batch(self) -> None:
        """Run the largest batch once, without an update, so that too little memory shows now."""
        began = time.monotonic()
        try:
            self._gradients(self.reader.read(self.sampler.largest()).to(self.world.device), 0)
        except torch.cuda.OutOfMemoryError:
            raise UserError(
                f"the largest batch ({self.config.train.device_seconds} s of audio) does not fit into the GPU's "
                "memory: lower device_seconds in the training configuration; batch_seconds stays, in more batches"
            ) from None
        if self.world.device.type == "cuda":
            torch.cuda.synchronize()
        checks.estimate(
            (time.monotonic() - began) * self.per_update,
            self.updates - self.state["update"],
            sum(parameter.numel() for parameter in self.model.parameters()),
            self.config.train,
        )
        self.optimiser.zero_grad(set_to_none=True)

    def _batches(self) -> Iterator[Batch]:
        position = self.state["update"] * self.per_update * self.world.size
        stream = BatchStream(self.sampler, self.reader, position, self.world.rank, self.world.size)
        loader = DataLoader(
            stream,
            batch_size=None,
            num_workers=self.config.train.workers,
            pin_memory=self.world.device.type == "cuda",
            prefetch_factor=4 if self.config.train.workers else None,
            worker_init_fn=leave_to_trainer,
        )
        return iter(loader)

    def _distribute(self):
        if self.world.size == 1:
            return self.model
        device_ids = [self.world.device] if self.world.device.type == "cuda" else None
        # Blocks that layerdrop leaves out have no gradient in that update.
        unused = self.model.encoder.config.layerdrop > 0
        return DistributedDataParallel(self.model, device_ids=device_ids, find_unused_parameters=unused)

    def _precision(self):
        return torch.autocast(self.world.device.type, torch.bfloat16, enabled=self.precision == "bfloat16")

    def _told_to_stop(self, update: int) -> int:
        """The signal to stop by, agreed upon by all processes."""
        if self.world.size == 1:
            return self.orders.received
        if update % STOP_EVERY:
            return 0
        return signal.SIGTERM if self.world.any(bool(self.orders.received)) else 0
