"""The gate: a training that has learnt nothing by half of its updates is stopped, so that it does not cost a night.

Half, because runs with labels that ever pass what needs no network had passed it by then: of 6000 updates after about
2500 on raw MFCC labels, after 1500 on normalised ones (docs/protocol.md section 6); of mini_night's 2400 all six after
1200. Targets that are learnt online change, and what needs no network with them: wav2vec 2.0 passed after 1800 of 2400
updates, so it has until three quarters (egs/mini_librispeech/ssl1/RESULTS.md).
"""

from dataclasses import replace
from pathlib import Path

from hubert_iter import provenance
from hubert_iter.provenance import Product

STOPPED_AT = "stopped_at"
"""In the settings of a stopped run's model: the update. Without the gate such a model is not up to date."""
WITH_LABELS, ONLINE = 0.5, 0.75
"""Shares of the updates after which the gate asks."""
FILE = "gate.txt"
"""In the run's folder: why it was stopped. The recipe looks for it."""


class Gated(Exception):  # noqa: N818 - not an error
    """The training was stopped at the gate; its state is saved."""

    def __init__(self, update: int, why: str):
        super().__init__(f"stopped at the gate, update {update}: {why}")
        self.update = update


def reached(update: int, updates: int, needs_labels: bool) -> bool:
    """True where a run should have learnt something."""
    return update >= (WITH_LABELS if needs_labels else ONLINE) * updates


def at_gate(product: Product) -> Product:
    """The product as it is for somebody who lets the gate stop runs: a stopped model counts as made."""
    if not (Path(product.folder) / provenance.FILE_NAME).is_file():
        return product
    stopped = provenance.read(product.folder)["settings"].get(STOPPED_AT)
    return product if stopped is None else stopped_product(product, stopped)


def stopped_product(product: Product, update: int) -> Product:
    """The product of a training that was stopped at this update."""
    return replace(product, settings={**product.settings, STOPPED_AT: update})
