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
        """The update after `number` others, on the next batches. Dropout is a function of seed, number and rank."""
        torch.manual_seed(self.config.draws.update(number, self.world.rank))
        rate = self._set_learning_rate(number)
        sums: dict[str, Tensor] = {}
        seconds = 0.0
        for left in reversed(range(self.batches)):
            batch = next(batches)
            seconds += batch.seconds * self.world.size
            # Processes exchange gradients once per update, with the last batch.
            with self.parallel.no_sync() if left and self.world.size > 1 else nullcontext():
                outcome = self._gradients(batch, number)
            for key, value in {"loss": outcome.loss, **outcome.terms, **outcome.statistics}.items():
                sums[key] = sums.get(key, 0.0) + value.detach() / self.batches
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.config.train.clip or float("inf"))
        skipped = ~torch.isfinite(norm)
        self._step(skipped)
        self._tell_objective(number + 1, skipped)
        return Done({**sums, "grad_norm": norm, "skipped": skipped, "learning_rate": torch.tensor(rate)}, seconds)

    def try_out(self, batch: Batch) -> float:
        """Seconds that an update on such batches takes, from one of them; nothing is changed by it."""
        began = time.monotonic()
        self._gradients(batch, 0)
        self.optimiser.zero_grad(set_to_none=True)
        self._tell_objective(1, skipped=torch.tensor(True, device=self.world.device))
        if self.world.device.type == "cuda":
            torch.cuda.synchronize()
        return (time.monotonic() - began) * self.batches

    def _gradients(self, batch: Batch, number: int) -> Outcome:
        with torch.autocast(self.world.device.type, torch.bfloat16, enabled=self.precision == "bfloat16"):
            outcome = self.parallel(batch.to(self.world.device), number)
        (outcome.loss / self.batches).backward()
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
        # Blocks that layerdrop leaves out have no gradient in that update.
        unused = self.model.encoder.config.layerdrop > 0
        return DistributedDataParallel(self.model, device_ids=device_ids, find_unused_parameters=unused)
