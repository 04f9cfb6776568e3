"""Refresh: a run in legs. Each leg but the first is taught by the layer that the run itself has at that moment.

A leg is a run of its own to stages 5 to 7: it has a folder, targets and labels. It goes on where the leg before it
ended: same schedule, batches, masks and optimiser. The last leg bears the run's name, so that whatever comes after
training sees one network.
"""

import re
from dataclasses import MISSING, dataclass, replace
from typing import TYPE_CHECKING

from hubert_iter import options
from hubert_iter.errors import UserError
from hubert_iter.options import option

if TYPE_CHECKING:
    from hubert_iter.runs import Run

NEW, MATCH = "new", "match"
MOST = 1000
"""Refreshes of a run: each keeps a model and a set of labels."""
LEG = re.compile(r".+\.leg\d+")
"""How all legs but the last are named."""


@dataclass(frozen=True)
class Refresh:
    """When a run gets new labels, and which."""

    every: int = option(MISSING, "updates between two refreshes", least=1, most=10**9)
    tap: int | str = option(MISSING, "layer of the run itself that is clustered, or best")
    k: int = option(0, "number of clusters from the first refresh on; 0: the row's", least=0, most=10**7)
    head: str = option(
        NEW,
        "the objective's head after a refresh: made anew, or with equal k kept, where each new cluster takes the "
        "embedding of the old one that it shares most frames with",
        choices=(NEW, MATCH),
    )


def legs(run: "Run", where: str) -> list["Run"]:
    """The run's legs in order; a run without refresh is its own only one. UserError with `where` for what is amiss."""
    if not run.refresh:
        return [run]
    refresh = options.read(Refresh, run.refresh, f"{where}: refresh")
    k = refresh.k or run.k
    if k == 1:
        raise UserError(f"{where}: refresh: k: expected at least 2 clusters, found 1")
    if not run.targets:
        raise UserError(f"{where}: refresh: expected targets (mfcc or RUN@TAP) and k for the first labels, found none")
    if refresh.every >= run.updates:
        raise UserError(
            f"{where}: refresh: every: expected less than the run's {run.updates} updates, found {refresh.every}"
        )
    if run.updates > refresh.every * MOST:
        raise UserError(
            f"{where}: refresh: every: expected at most {MOST} refreshes, found one every {refresh.every} of "
            f"{run.updates} updates"
        )
    if refresh.head == MATCH and k != run.k:
        raise UserError(
            f"{where}: refresh: head: match needs equal k, found {run.k} before and {k} after. Use head: new"
        )
    ends = [*range(refresh.every, run.updates, refresh.every), run.updates]
    made = [replace(run, name=f"{run.name}.leg1", leg=1, until=ends[0])]
    for number, end in enumerate(ends[1:], 2):
        name = run.name if end == run.updates else f"{run.name}.leg{number}"
        before = made[-1].name
        made.append(
            replace(
                run, name=name, leg=number, until=end, continues=before, targets=f"{before}@{refresh.tap}", k=k, init=""
            )
        )
    return made
