"""Folders of MFCC: what they are made from and where their parts are. Imports nothing that computes them."""

import shutil
from pathlib import Path

from hubert_iter.frames import MFCC_RATE
from hubert_iter.provenance import Product

DIM = 39
SETTINGS = {
    "kind": "mfcc", "rate": MFCC_RATE, "dim": DIM, "coefficients": 13, "mel_bins": 23, "use_energy": False,
    "dither": 0.0, "cmvn": False, "delta_window": 2,
}  # fmt: skip


def part_product(data: Path, out: Path, part: int, parts: int) -> Product:
    """One part of the features: every `parts`-th utterance."""
    settings = SETTINGS | {"part": part, "of": parts}
    return Product(parts_folder(out) / f"{part}of{parts}", "make_mfcc", settings, {"data": data})


def merged_product(data: Path, out: Path) -> Product:
    """All features: the same whatever the number of parts."""
    return Product(Path(out), "merge_mfcc", SETTINGS, {"data": data})


def parts_folder(out: Path) -> Path:
    """Where the parts wait to be merged."""
    out = Path(out)
    return out.with_name(out.name + ".parts")


def remove_parts(out: Path) -> None:
    """Remove the parts once they are merged."""
    shutil.rmtree(parts_folder(out), ignore_errors=True)
