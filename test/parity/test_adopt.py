"""Encoders of other libraries as a start: ours then gives their layers."""

import numpy as np
import pytest
import torch
from foreign_models import CONVS, LAYERS, WIDTH, huggingface, shake, torchaudio_arguments

from hubert_iter.errors import UserError
from hubert_iter.feats.adopt import adopt
from hubert_iter.feats.layers import LayerModel, open_model
from hubert_iter.models.encoder import Encoder
from hubert_iter.models.settings import EncoderConfig

TOLERANCE = {"rtol": 0, "atol": 1e-5}


def encoder(heads, **changes):
    values = {
        "conv_channels": [row[0] for row in CONVS], "width": WIDTH, "layers": LAYERS, "heads": heads, "feedforward": 48,
        "position_kernel": 16, "position_groups": 4, **changes,
    }  # fmt: skip
    return Encoder(EncoderConfig(**values))


@pytest.fixture(scope="module")
def samples():
    return (np.random.default_rng(0).standard_normal(7300) * 0.1).astype(np.float32)


def compare(ours, theirs, samples):
    found = LayerModel(ours, {}, torch.device("cpu")).taps(samples)
    expected = theirs.taps(samples)
    assert list(found) == list(expected)
    for tap, values in expected.items():
        np.testing.assert_allclose(found[tap], values, err_msg=tap, **TOLERANCE)


@pytest.mark.parametrize("family", ["hubert", "wav2vec2"])
def test_of_hugging_face(tmp_path, samples, family):
    huggingface(tmp_path, family)
    ours = encoder(heads=4)
    adopt(ours, tmp_path)
    compare(ours, open_model(tmp_path), samples)


def test_of_torchaudio_which_has_no_mask_vector(tmp_path, samples):
    from torchaudio.models import wav2vec2_model

    torch.save(shake(wav2vec2_model(**torchaudio_arguments())).state_dict(), tmp_path / "some model.pt")
    ours = encoder(heads=2)
    before = ours.mask_vector.detach().clone()
    adopt(ours, tmp_path / "some model.pt")
    assert torch.equal(ours.mask_vector, before)
    compare(ours, open_model(tmp_path / "some model.pt"), samples)


def test_other_shapes_are_refused_by_name_and_size(tmp_path):
    huggingface(tmp_path, "hubert")
    ours = encoder(heads=4, feedforward=64)
    before = {name: value.clone() for name, value in ours.state_dict().items()}
    with pytest.raises(
        UserError, match=r"another shape .* blocks.0.expand.weight: expected \(64, 128\), found \(48, 128\)"
    ):
        adopt(ours, tmp_path)
    with pytest.raises(UserError, match=r"blocks.3.* expected \(.*\), found none"):
        adopt(encoder(heads=4, layers=LAYERS + 1), tmp_path)
    assert all(torch.equal(value, before[name]) for name, value in ours.state_dict().items())


@pytest.mark.parametrize(
    ("family", "large", "message"),
    [("hubert", True, "normalises before each block"), ("wavlm", False, "no place for: .*gru_rel_pos_const")],
)
def test_other_architectures_are_refused_as_a_start(tmp_path, family, large, message):
    huggingface(tmp_path, family, large)
    with pytest.raises(UserError, match=message):
        adopt(encoder(heads=4), tmp_path)
