"""One update: gradients over batches and processes, clipped, applied unless they are not finite."""

import time
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.parallel import DistributedDataParallel

from hubert_iter.models import cpu
from hubert_iter.models.objective import Outcome
from hubert_iter.models.pretrainer import Batch, Pretrainer
from hubert_iter.train import checks
from hubert_iter.train.config import RunConfig
from hubert_iter.train.distributed import World, precision_on
from hubert_iter.train.schedule import learning_rate


@dataclass(frozen=True)
class Done:
    """What one update did."""

    statistics: dict[str, Tensor]
    """Scalars, still on the device, so that nothing waits for a GPU."""
    audio_seconds: float
    """Seconds of audio gone through, by all processes."""


class Updater:
    """A model and its optimiser."""

    def __init__(self, config: RunConfig, model: Pretrainer, world: World):
        self.config = config
        self.world = world
        self.model = cpu.place(model, world.device)
        if config.train.compile:
            self.model.encoder.compile()
        self.parallel = self._distribute()
        self.precision = precision_on(world.device) if config.train.precision == "auto" else config.train.precision
        self.batches = checks.micro_batches(config.train, world.size)
        self.optimiser = torch.optim.AdamW(
            [parameter for parameter in self.model.parameters() if parameter.requires_grad],
            lr=config.train.learning_rate,
            betas=config.train.betas,
            eps=config.train.epsilon,
            weight_decay=config.train.weight_decay,
            fused=True,
        )

    def begin(self) -> None:
        """Before the first update: what the objective keeps may start from the encoder's initial weights."""
        self._tell_objective(0, skipped=torch.tensor(False, device=self.world.device))

    def update(self, number: int, batches: Iterator[Batch]) -> Done:
        """The update after `number` others, on the next batches.

        Its gradient is that of one batch that holds those of all processes: a batch weighs by the frames that its loss
        is a mean over, and what is drawn in it depends on its place among all alone.
        """
        draws, encoder = self.config.draws, self.model.encoder
        rate = self._set_learning_rate(number)
        encoder.layerdrop_seed = draws.layerdrop(number)
        sums: dict[str, Tensor] = {}
        mine = [next(batches) for _ in range(self.batches)]
        for place, (batch, share) in enumerate(zip(mine, self._shares(mine), strict=True)):
            torch.manual_seed(draws.update(number, place * self.world.size + self.world.rank))
            # Processes exchange gradients once per update, with the last batch.
            alone = self.world.size == 1 or place == len(mine) - 1
            with nullcontext() if alone else self.parallel.no_sync():
                outcome = self._gradients(batch, number, share)
            for key, value in {"loss": outcome.loss, **outcome.terms, **outcome.statistics}.items():
                sums[key] = sums.get(key, 0.0) + value.detach() * share
        for block in encoder.dropped():
            # In one process as in several: a block that is left out has no gradient, so the optimiser leaves it alone.
            encoder.blocks[block - 1].zero_grad(set_to_none=True)
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.config.train.clip or float("inf"))
        skipped = ~torch.isfinite(norm)
        self._step(skipped)
        self._tell_objective(number + 1, skipped)
        seconds = sum(batch.seconds for batch in mine) * self.world.size
        return Done({**sums, "grad_norm": norm, "skipped": skipped, "learning_rate": torch.tensor(rate)}, seconds)

    def try_out(self, batch: Batch) -> float:
        """Seconds that an update on such batches takes, from one of them; nothing is changed by it."""
        began = time.monotonic()
        self.model.encoder.layerdrop_seed = self.config.draws.layerdrop(0)
        self._gradients(batch, 0, torch.tensor(1.0 / self.batches, device=self.world.device))
        self.optimiser.zero_grad(set_to_none=True)
        self._tell_objective(1, skipped=torch.tensor(True, device=self.world.device))
        if self.world.device.type == "cuda":
            torch.cuda.synchronize()
        return (time.monotonic() - began) * self.batches

    def _shares(self, batches: list[Batch]) -> Tensor:
        """[batches] the weight of each of this process's batches; the mean over processes of their sums is 1."""
        counted = self.model.objective.frames_counted
        counts = [counted(batch.masked.numel(), batch.num_frames - batch.masked.numel()) for batch in batches]
        of_mine = torch.tensor(counts, dtype=torch.float32)
        if self.world.device.type == "cuda":
            of_mine = of_mine.pin_memory()  # so that the copy does not wait for the GPU
        of_mine = of_mine.to(self.world.device, non_blocking=True)
        return of_mine / self.world.mean(of_mine.sum())

    def _gradients(self, batch: Batch, number: int, share: Tensor) -> Outcome:
        with torch.autocast(self.world.device.type, torch.bfloat16, enabled=self.precision == "bfloat16"):
            outcome = self.parallel(batch.to(self.world.device), number)
        (outcome.loss * share).backward()
        return outcome

    def _set_learning_rate(self, number: int) -> float:
        train = self.config.train
        rate = learning_rate(number, self.config.run["updates"], train.learning_rate, train.warmup)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        return rate

    def _step(self, skipped: Tensor) -> None:
        # The fused optimiser itself leaves weights and moments alone where found_inf is 1: no waiting for the GPU.
        self.optimiser.found_inf = skipped.float()
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)

    @torch.no_grad()
    def _tell_objective(self, updates: int, skipped: Tensor) -> None:
        """Let the objective change what it keeps; undone where `skipped`, without waiting for the GPU."""
        objective = self.model.objective
        before = {name: value.clone() for name, value in objective.kept().items()}
        objective.after_update(self.model.encoder, updates, self.world.mean)
        for name, value in objective.kept().items():
            value.copy_(torch.where(skipped, before[name], value))

    def _distribute(self) -> Pretrainer | DistributedDataParallel:
        if self.world.size == 1:
            return self.model
        device_ids = [self.world.device] if self.world.device.type == "cuda" else None
        self.model.encoder.joins_dropped = True
        return DistributedDataParallel(self.model, device_ids=device_ids)
