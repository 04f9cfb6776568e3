"""What a study is going to do, from its configuration alone: trainings, label sets, audio gone through, disk."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from hubert_iter.models.pretrainer import build
from hubert_iter.study import Run, Study
from hubert_iter.train import checks
from hubert_iter.train.config import RunConfig, load

FLOAT = 4
"""Bytes of a weight, and of each of Adam's two moments."""
COLUMNS = ("network", "objective", "labels", "updates", "hours of audio", "parameters (M)", "disk (GB)")


@dataclass(frozen=True)
class Step:
    """One run, or one leg of a run."""

    run: Run
    first: int
    """Updates that are done before."""
    last: int
    hours: float
    """Of audio that it goes through, at most."""
    parameters: int
    disk: int
    """Bytes of its model and its checkpoints once it is done."""

    def cells(self) -> tuple[str, ...]:
        """Of COLUMNS."""
        numbers = (f"{self.hours:,.1f}", f"{self.parameters / 1e6:.2f}", f"{self.disk / 1e9:.2f}")
        updates = f"{self.first:,} to {self.last:,}" if self.run.trained else "-"
        return (self.run.name, self.run.objective, self.run.labels or "-", updates, *numbers)


def steps(study: Study, runs: Sequence[Run], folders: list[Path]) -> Iterator[Step]:
    """All trainings of these runs, in order."""
    for run in runs:
        first = 0
        for leg in study.legs[run.name]:
            config = load(leg, folders)
            last = config.until if leg.trained else 0
            yield _step(leg, config, first, last)
            first = last


def lines(found: Sequence[Step]) -> Iterator[str]:
    """For people: a table, and the sums."""
    rows = [COLUMNS, *(step.cells() for step in found)]
    wide = [max(len(row[column]) for row in rows) for column in range(len(COLUMNS))]
    for row in rows:
        words = [cell.ljust(width) for cell, width in zip(row[:3], wide[:3], strict=True)]
        yield "  ".join([*words, *(cell.rjust(width) for cell, width in zip(row[3:], wide[3:], strict=True))])
    trained = [step for step in found if step.run.trained]
    sums = {
        "trained networks": f"{sum(not step.run.inner for step in trained):,}",
        "trainings": f"{len(trained):,}",
        "updates": f"{sum(step.last - step.first for step in trained):,}",
        "label sets": f"{len({step.run.labels for step in trained} - {''}):,}",
        "hours of audio": f"{sum(step.hours for step in found):,.1f}",
        "GB of models and checkpoints": f"{sum(step.disk for step in found) / 1e9:,.1f}",
    }
    yield "In all: " + ", ".join(f"{number} {what}" for what, number in sums.items())


def _step(run: Run, config: RunConfig, first: int, last: int) -> Step:
    with torch.device("meta"):  # sizes alone: nothing is drawn
        model = build(config.model, config.objective, config.classes, f"run {run.name}")
    parameters = sum(parameter.numel() for parameter in model.parameters())
    if not run.trained:
        return Step(run, 0, 0, 0.0, parameters, FLOAT * parameters)
    train = config.train
    seconds = (last - first) * checks.micro_batches(train, 1) * train.device_seconds
    regular = sorted({*range(train.checkpoint_every, last, train.checkpoint_every), last})
    kept = {*regular[-train.keep_checkpoints :], *train.milestones}
    number = sum(first < update <= last for update in kept)
    return Step(run, first, last, seconds / 3600, parameters, FLOAT * parameters * (1 + 3 * number))
