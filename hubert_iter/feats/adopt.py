"""The weights of an encoder from elsewhere as those of our encoder, where the networks are the same.

The same are post-LN models with a group norm in the first convolution: HuBERT and wav2vec 2.0 BASE of transformers,
torchaudio and fairseq, and what is built like them in other sizes.
"""

import logging
from pathlib import Path

from torch import Tensor, nn

from hubert_iter.errors import UserError, summarise
from hubert_iter.feats.foreign import ForeignModel, open_foreign
from hubert_iter.models import store
from hubert_iter.models.convert import HUGGINGFACE, TORCHAUDIO, names
from hubert_iter.models.encoder import Encoder

log = logging.getLogger(__name__)


def adopt(encoder: Encoder, path: Path) -> None:
    """Give `encoder` the weights of the model at `path`, ours or another library's; UserError where shapes differ."""
    mine = (path / store.DESCRIPTION).is_file()
    state = store.read(path).encoder.state_dict() if mine else _foreign_state(path)
    ours = encoder.state_dict()
    # torchaudio has no mask vector: then ours stays as it was drawn.
    state.setdefault("mask_vector", ours["mask_vector"])
    faults = [
        f"{name}: expected {_shape(ours.get(name))}, found {_shape(state.get(name))}"
        for name in {**ours, **state}
        if _shape(ours.get(name)) != _shape(state.get(name))
    ]
    if faults:
        raise UserError(
            f"{path}: its encoder has another shape than this run's: {summarise(faults, 3)}. Name a file of conf/model "
            "that fits it"
        )
    encoder.load_state_dict(state)


def _shape(tensor: Tensor | None) -> str:
    return "none" if tensor is None else str(tuple(tensor.shape))


def _foreign_state(path: Path) -> dict[str, Tensor]:
    model = open_foreign(path)
    layout = HUGGINGFACE if model.description["library"] == "transformers" else TORCHAUDIO
    if _pre_norm(model):
        raise UserError(
            f"{path}: normalises before each block (as LARGE models do), our encoder after it. It can be scored and be "
            "a teacher, but no start"
        )
    whole = model.model.state_dict()
    _, unknown = names.rename(whole, layout, names.OURS)
    if unknown:
        raise UserError(
            f"{path}: has weights that our encoder has no place for: {summarise(sorted(unknown), 3)}. It can be scored "
            "and be a teacher, but no start"
        )
    if model.description["normalise"]:
        log.warning(
            "%s: was trained on audio normalised to mean 0 and variance 1; here it is given audio as it is", path
        )
    return {name: value.clone() for name, value in names.import_state(whole, layout).items()}


def _pre_norm(model: ForeignModel) -> bool:
    library: nn.Module = model.model
    if model.description["library"] == "transformers":
        return bool(getattr(library.config, "do_stable_layer_norm", False))
    return bool(library.encoder.transformer.layers[0].layer_norm_first)
