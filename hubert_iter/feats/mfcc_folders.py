"""Folders of MFCC: what they are made from. Imports nothing that computes them."""

from pathlib import Path

from hubert_iter.frames import MFCC_RATE
from hubert_iter.provenance import Product

NAME = "feats"
DIM = 39
SETTINGS = {
    "kind": "mfcc", "rate": MFCC_RATE, "dim": DIM, "coefficients": 13, "mel_bins": 23, "use_energy": False,
    "dither": 0.0, "cmvn": False, "delta_window": 2,
}  # fmt: skip


PART = "make_mfcc"
"""Who makes a part of them."""


def merged_product(data: Path, out: Path) -> Product:
    """All features: the same whatever the number of parts."""
    return Product(Path(out), "merge_mfcc", SETTINGS, {"data": data})
