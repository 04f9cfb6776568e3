"""What a study is going to do, from its configuration alone: trainings, label sets, audio gone through, time, disk."""

import json
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from hubert_iter.config import root
from hubert_iter.errors import UserError
from hubert_iter.models.pretrainer import build
from hubert_iter.runs import Run, Study
from hubert_iter.study import read
from hubert_iter.train import checks
from hubert_iter.train.config import RunConfig, load

FLOAT = 4
"""Bytes of a weight, and of each of Adam's two moments."""
COLUMNS = ("network", "objective", "labels", "updates", "hours of audio", "hours here", "parameters (M)", "disk (GB)")

Speed = Callable[[RunConfig], float]
"""Seconds of audio per second that a training goes through."""
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Step:
    """One run, or one leg of a run."""

    run: Run
    first: int
    """Updates that are done before."""
    last: int
    hours: float
    """Of audio that it goes through, at most."""
    hours_here: float
    """That the training takes on this machine, on one device."""
    parameters: int
    disk: int
    """Bytes of its model and its checkpoints once it is done."""

    def cells(self) -> tuple[str, ...]:
        """Of COLUMNS."""
        numbers = (f"{self.hours:,.1f}", _hours(self.hours_here), f"{self.parameters / 1e6:.2f}")
        updates = f"{self.first:,} to {self.last:,}" if self.run.trained else "-"
        labels = self.run.labels or "-"
        return (self.run.name, self.run.objective, labels, updates, *numbers, f"{self.disk / 1e9:.2f}")


def once_each(measure: Speed) -> Speed:
    """Measure once for all trainings that differ in the number of updates, the labels or the seed alone."""
    known: dict[str, float] = {}

    def speed(config: RunConfig) -> float:
        values = config.as_dict()
        key = json.dumps([values["model"], values["objective"], values["train"]], sort_keys=True, default=str)
        if key not in known:
            known[key] = measure(config)
        return known[key]

    return speed


def steps(study: Study, runs: Sequence[Run], folders: list[Path], speed: Speed) -> Iterator[Step]:
    """All trainings of these runs, in order; networks from elsewhere are none."""
    for run in runs:
        if run.pretrained:
            continue
        first = 0
        for leg in study.legs[run.name]:
            config = load(leg, folders)
            last = config.until if leg.trained else 0
            yield _step(leg, config, first, last, speed)
            first = last


def lines(found: Sequence[Step]) -> Iterator[str]:
    """For people: a table, and the sums."""
    rows = [COLUMNS, *(step.cells() for step in found)]
    wide = [max(len(row[column]) for row in rows) for column in range(len(COLUMNS))]
    for row in rows:
        words = [cell.ljust(width) for cell, width in zip(row[:3], wide[:3], strict=True)]
        yield "  ".join([*words, *(cell.rjust(width) for cell, width in zip(row[3:], wide[3:], strict=True))])
    yield f"In all: {sums(found)}"


def sums(found: Sequence[Step]) -> str:
    """What these trainings come to."""
    trained = [step for step in found if step.run.trained]
    numbers = {
        "trained networks": f"{sum(not step.run.inner for step in trained):,}",
        "trainings": f"{len(trained):,}",
        "updates": f"{sum(step.last - step.first for step in trained):,}",
        "label sets": f"{len({step.run.labels for step in trained} - {''}):,}",
        "hours of audio": f"{sum(step.hours for step in found):,.1f}",
        "hours of training here": _hours(sum(step.hours_here for step in found)),
        "GB of models and checkpoints": f"{sum(step.disk for step in found) / 1e9:,.1f}",
    }
    return ", ".join(f"{number} {what}" for what, number in numbers.items())


def beyond(study: Study, other: Study) -> list[Run]:
    """The trained runs of `other` that `study` does not have alike."""
    known = {name: study.legs[name] for name in study.runs}
    return [run for run in other.runs.values() if run.trained and known.get(run.name) != other.legs[run.name]]


def additions(study: Study, folders: list[Path], speed: Speed) -> Iterator[str]:
    """For people: what each other table on the same base would add to this one, a line each.

    A table with a fault is left out with a warning: it is no fault of the study that was asked for.
    """
    first = root(study.path, "study", folders).resolve()
    found = {each.resolve(): each for folder in folders for each in sorted((folder / "study").glob("*.yaml"))}
    for place, path in found.items():
        try:
            if place != study.path.resolve() and root(path, "study", folders).resolve() == first:
                yield from _addition(study, read(path), folders, speed)
        except UserError as error:
            log.warning("left out of the tables on the same base: %s", error)


def _addition(study: Study, other: Study, folders: list[Path], speed: Speed) -> Iterator[str]:
    more = beyond(study, other)
    if not more:
        return
    changed = dict.fromkeys(run.condition for run in more if run.name in study.runs)
    how = f"base: [{study.name}, {other.name}]"
    if changed:
        how = f"a study of its own: it has other values for {', '.join(changed)}"
    yield f"  {other.name} ({how}): {sums(list(steps(other, more, folders, speed)))}"


def _step(run: Run, config: RunConfig, first: int, last: int, speed: Speed) -> Step:
    with torch.device("meta"):  # sizes alone: nothing is drawn
        model = build(config.model, config.objective, config.classes, f"run {run.name}")
    parameters = sum(parameter.numel() for parameter in model.parameters())
    if not run.trained:
        return Step(run, 0, 0, 0.0, 0.0, parameters, FLOAT * parameters)
    train = config.train
    seconds = (last - first) * checks.micro_batches(train, 1) * train.device_seconds
    regular = sorted({*range(train.checkpoint_every, last, train.checkpoint_every), last})
    kept = {*regular[-train.keep_checkpoints :], *train.milestones}
    number = sum(first < update <= last for update in kept)
    here = seconds / speed(config) / 3600
    return Step(run, first, last, seconds / 3600, here, parameters, FLOAT * parameters * (1 + 3 * number))


def _hours(hours: float) -> str:
    return f"{hours:,.1f}" if hours >= 0.1 else f"{hours:.3f}"
