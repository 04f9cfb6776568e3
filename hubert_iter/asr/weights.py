"""The weights that a recogniser has learnt for a network's layers, as a table."""

from collections.abc import Mapping
from pathlib import Path

from hubert_iter import tsv

FILE_NAME = "layer_weights.tsv"
COLUMNS = ("layer", "weight")


def write_weights(folder: Path, shares: Mapping[str, float]) -> None:
    """Layer -> its share of the mean that the recogniser sees."""
    tsv.write(folder / FILE_NAME, COLUMNS, ((layer, f"{share:.6g}") for layer, share in shares.items()))


def read_weights(folder: Path) -> dict[str, float]:
    """Layer -> its share."""
    rows = tsv.read(folder / FILE_NAME, COLUMNS, "stage 2 of asr.sh")
    return {row["layer"]: float(row["weight"]) for row in rows}
