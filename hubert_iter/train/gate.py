"""The gate: a training that by half of its updates has no prospect of learning is stopped, so that it costs no night.

Not whoever has not learnt by then: of mini_night's networks that use context at the end of 2400 updates, all six of
iteration 1 with labels did after 1200, but wav2vec 2.0 only after 1800 and HuBERT's iteration 2 after 2100
(egs/mini_librispeech/ssl1/RESULTS.md). So whoever would not get there at the pace of the validations so far; since the
learning rate falls from then on, that pace is more than can be hoped for.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from hubert_iter import provenance
from hubert_iter.analysis.learning import updates_wanted
from hubert_iter.provenance import Product

STOPPED_AT = "stopped_at"
"""In the settings of a stopped run's model: the update. Without the gate such a model is not up to date."""
FILE = "gate.txt"
"""In the run's folder: why it was stopped. The recipe looks for it."""


class Gated(Exception):  # noqa: N818 - not an error
    """The training was stopped at the gate; its state is saved."""

    def __init__(self, update: int, why: str):
        super().__init__(f"stopped at the gate, update {update}: {why}")
        self.update = update


def hopeless(told: Sequence[Mapping], updates: int) -> bool:
    """From its validations so far: would a run of so many updates, at its pace, not come to use context?"""
    wanted = updates_wanted(told)
    return wanted is None or wanted > updates


def at_gate(product: Product) -> Product:
    """The product as it is for somebody who lets the gate stop runs: a stopped model counts as made."""
    if not (Path(product.folder) / provenance.FILE_NAME).is_file():
        return product
    stopped = provenance.read(product.folder)["settings"].get(STOPPED_AT)
    return product if stopped is None else stopped_product(product, stopped)


def stopped_product(product: Product, update: int) -> Product:
    """The product of a training that was stopped at this update."""
    return replace(product, settings={**product.settings, STOPPED_AT: update})
