"""A frozen network's layers of a data set, computed once instead of in every epoch: a Kaldi archive for ESPnet."""

import logging
from collections.abc import Iterable
from pathlib import Path

from hubert_iter.data import datadir
from hubert_iter.feats.baselines import BASELINES
from hubert_iter.feats.foreign import locate
from hubert_iter.frames import num_frames
from hubert_iter.provenance import Product

NAME = "feats"
BYTES = 4
"""Of a number."""
log = logging.getLogger(__name__)


def model_inputs(model: str) -> tuple[dict, dict[str, Path]]:
    """Settings and inputs by which what depends on a network says on which one."""
    if model in BASELINES:
        return dict(BASELINES[model].settings), {}
    return {}, {"model": locate(model)}


def gigabytes(numbers_a_frame: int, utterances: Iterable[datadir.Utterance]) -> float:
    """What the layers of these utterances take on the disk."""
    return sum(num_frames(each.num_samples) for each in utterances) * numbers_a_frame * BYTES / 1e9


def make(model: str, data: datadir.DataDir, utterances: Iterable[datadir.Utterance], folder: Path, gpu: bool) -> Path:
    """Write the layers of utterances of `data` side by side, float32 [T, K D], if they are not there yet; their scp."""
    settings, inputs = model_inputs(model)
    product = Product(folder, "stored_layers", settings, inputs | {"data": data.path})
    if not product.done():
        from hubert_iter.asr.frontend import stored
        from hubert_iter.data.audio import read_audio
        from hubert_iter.feats import archive
        from hubert_iter.feats.layers import open_model

        network = open_model(model, "cuda" if gpu else "cpu")
        with product.writing() as work:
            items = ((utterance.id, stored(network, read_audio(utterance))) for utterance in utterances)
            frames = archive.write_matrices(work, NAME, items, folder)
        log.info("%s: %d frames of %s", folder, frames, model)
    return folder / f"{NAME}.scp"
