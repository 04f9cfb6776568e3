"""Two factors crossed: what an objective asks, and how often its targets change (docs/protocol.md section 1)."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from hubert_iter.models import objectives
from hubert_iter.models.settings import CONTRASTIVE, PREDICTIVE
from hubert_iter.runs import Run


@dataclass(frozen=True)
class Place:
    """Where a condition stands."""

    condition: str
    asks: str
    """PREDICTIVE or CONTRASTIVE."""
    every: float
    """Updates after which targets change: 1 where they are learnt online, infinite where labels are made once,
    in between where a run has a refresh."""
    iteration: int


def places(runs: Iterable[Run], configs: Mapping[str, Mapping]) -> tuple[Place, ...]:
    """The places of the trained conditions, cold starts only; () unless all four corners are taken.

    `configs` are those of the runs (config.yaml), by name: a row may name a file of conf/objective.
    """
    found = {}
    for run in runs:
        section = configs.get(run.name, {}).get("objective")
        if section and not run.init and run.replicate == 1:
            settings = objectives.find(section["name"], f"run {run.name}")
            if settings.asks:
                every = run.refresh.get("every", math.inf) if settings.needs_labels else 1
                found[run.condition] = Place(run.condition, settings.asks, every, run.iteration)
    corners = {(asks, every) for asks in (PREDICTIVE, CONTRASTIVE) for every in (1, math.inf)}
    taken = {(place.asks, place.every) for place in found.values()}
    return tuple(found.values()) if corners <= taken else ()
