"""Reports of a training: rows of metrics, and warnings about what a person would notice in the curves."""

import logging
import time
from pathlib import Path

import torch

from hubert_iter.errors import UserError
from hubert_iter.models.objective import Objective
from hubert_iter.train import gate, guesses
from hubert_iter.train.checkpoint import State
from hubert_iter.train.config import RunConfig
from hubert_iter.train.distributed import World
from hubert_iter.train.metrics import Metrics
from hubert_iter.train.update import Done
from hubert_iter.train.wandb_board import WandbBoard

log = logging.getLogger(__name__)
COLLAPSED = 0.02
"""Spread of the last layer's output over frames below which the model is reported as collapsed; it starts near 0.5."""


class Journal:
    """Every process has one, since means are over all processes; only the first process writes."""

    def __init__(
        self, folder: Path, config: RunConfig, objective: Objective, world: World, state: State, wandb: str = ""
    ):
        """`state` is that of the beginning, or of the checkpoint that the training goes on from.

        `wandb`: a project of W&B that is told, too.
        """
        self.updates = config.run["updates"]
        self.max_skipped = config.train.max_skipped
        self.objective = objective
        self.world = world
        self.metrics = None
        if world.first:
            board = WandbBoard(folder, wandb, config.as_dict()) if wandb else None
            self.metrics = Metrics(folder, state.update, self.updates, board)
        self.skipped_in_a_row = 0
        self._open_page()

    def __enter__(self) -> "Journal":
        return self

    def __exit__(self, *exception) -> None:
        if self.metrics:
            self.metrics.close()

    def updated(self, state: State, done: Done) -> None:
        """Note one update."""
        self.rows.append(done.statistics)
        self.audio_seconds += done.audio_seconds
        if self.metrics:
            self.metrics.advance(state.hours)

    def report(self, state: State) -> None:
        """Write the means of the updates since the last report; the only place where the loop waits for a GPU.

        UserError where too many updates in a row were skipped.
        """
        values, skipped = self._means()
        values["hours"] = state.hours
        values["audio_per_second"] = self.audio_seconds / (time.monotonic() - self.began)
        values["seconds"] = state.train_seconds
        self._open_page()
        self._watch(values, skipped, state.update)
        if self.metrics:
            self.metrics.write(state.update, "train", values)

    def validated(self, state: State, values: dict[str, float]) -> str:
        """Write what a validation found; return why a run that is at the gate is to be stopped, or ""."""
        self.metrics.write(state.update, "valid", {**values, "hours": state.hours})
        without_context = guesses.warning(values, last=state.update == self.updates)
        if not without_context or 2 * state.update < self.updates:
            return ""
        log.warning("update %d: %s", state.update, without_context)
        return without_context if gate.hopeless(self.metrics.validations, self.updates) else ""

    def _open_page(self) -> None:
        """Begin to collect for the next report."""
        self.rows: list[dict[str, torch.Tensor]] = []
        self.audio_seconds = 0.0
        self.began = time.monotonic()

    def _means(self) -> tuple[dict[str, float], list[bool]]:
        """Means over processes and finite updates, and which updates were skipped."""
        keys = sorted(self.rows[0])
        device = self.world.device
        table = torch.stack([torch.stack([row[key].float().to(device) for key in keys]) for row in self.rows])
        finite = torch.isfinite(table).all(dim=1, keepdim=True)
        means = torch.where(finite, table, 0.0).sum(0) / finite.sum().clamp(min=1)
        values = dict(zip(keys, self.world.mean(means).tolist(), strict=True))
        skipped = table[:, keys.index("skipped")].bool().tolist()
        values["skipped"] = float(sum(skipped))
        values["learning_rate"] = float(self.rows[-1]["learning_rate"])
        return values, skipped

    def _watch(self, values: dict[str, float], skipped: list[bool], update: int) -> None:
        if any(skipped):
            log.warning("update %d: %d update(s) skipped, loss or gradient not finite", update, sum(skipped))
        most = 0
        for each in skipped:
            self.skipped_in_a_row = self.skipped_in_a_row + 1 if each else 0
            most = max(most, self.skipped_in_a_row)
        if most >= self.max_skipped:
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
        warning = self.objective.warning(values)
        if warning:
            log.warning("update %d: %s", update, warning)
