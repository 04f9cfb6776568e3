"""Which layer of a network a next iteration should cluster: the one whose units say most of phones, on held-out speech.

The held-out set and not the evaluation set: else the labels that networks are trained on would know the phones that
they are scored on. Measured as `measures/units.py` does, by its own defaults, whatever the study's analysis says, so
that another analysis never changes what is trained.
"""

import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from hubert_iter.analysis import frame_sample, pool
from hubert_iter.analysis.measure import Material
from hubert_iter.analysis.measures import units
from hubert_iter.analysis.parallel import Workers
from hubert_iter.analysis.sample import Limits
from hubert_iter.data.alignment import Segment
from hubert_iter.data.datadir import DataDir
from hubert_iter.errors import UserError

LAYER_FILE, SHARES_FILE = "layer.txt", "shares.json"
MEASURE = units.Units()


def shares(
    model: pool.Model, data: DataDir, phones: Mapping[str, Sequence[Segment]], name: str, seed: int, workers: Workers
) -> dict[str, float]:
    """Tap -> share of the phone's entropy that its units take away, on a sample of `data`; blocks' outputs alone.

    UserError where the set has too few utterances with aligned phones.
    """
    if not phones:
        raise UserError(
            f"{data.path}: a best layer cannot be named: the set has no aligned phones. Name the layer in the study, "
            "or give or make alignments (stage 3; docs/alignments.md)"
        )
    frames = frame_sample.draw(data.utterances, phones, {}, Limits().frames, seed)
    with tempfile.TemporaryDirectory(prefix="hubert_iter_layers_") as scratch:
        folder = Path(scratch)
        frame_sample.write(folder, frames)
        pool.pool(model, data, {frame_sample.KEY: frames.spans}, folder, name)
        material = Material(pool.read(folder), folder, workers, seed)
        if why := MEASURE.leaves_out(material):
            raise UserError(f"{data.path}: a best layer cannot be named: {why}. Name the layer in the study instead")
        return units.phone_shares(MEASURE.score(material, units.Settings()).rows)


def write(folder: Path, found: Mapping[str, float]) -> str:
    """Write the layer's name, for the recipe, and all shares, for people; return the name."""
    best = max(found, key=lambda layer: found[layer])
    (folder / LAYER_FILE).write_text(best + "\n")
    (folder / SHARES_FILE).write_text(json.dumps(found, indent=1) + "\n")
    return best
