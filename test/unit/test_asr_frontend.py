"""The ESPnet front end: a weighted mean of layers, the same from audio and from stored layers."""

import numpy as np
import pytest
import torch
from trainings import MODEL

from hubert_iter import provenance
from hubert_iter.errors import UserError
from hubert_iter.feats.layers import open_model
from hubert_iter.models import store
from hubert_iter.models.pretrainer import build

frontend = pytest.importorskip("hubert_iter.asr.frontend", reason="ESPnet's recognition is not installed")


@pytest.fixture(scope="module")
def network(tmp_path_factory) -> str:
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("network") / "model"
    folder.mkdir()
    store.write(folder, build(MODEL, None, None, "t"), {"model": MODEL, "objective": None, "classes": None})
    provenance.write(folder, "train", {}, {})
    return str(folder)


@pytest.fixture
def waves() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [0.05 * rng.standard_normal(length).astype(np.float32) for length in (16000, 9000)]


def padded(arrays: list[np.ndarray]) -> tuple[torch.Tensor, torch.Tensor]:
    tensors = [torch.from_numpy(array) for array in arrays]
    return torch.nn.utils.rnn.pad_sequence(tensors, batch_first=True), torch.tensor([len(each) for each in tensors])


@pytest.mark.parametrize("model", ["network", "logmel", "mfcc"])
def test_stored_layers_give_what_the_audio_gives(request, model, waves):
    model = request.getfixturevalue("network") if model == "network" else model
    front = frontend.LayersFrontend(model)
    torch.nn.init.normal_(front.layer_weights)
    layers = [frontend.stored(open_model(model), wave) for wave in waves]
    of_audio, lengths = front(*padded(waves))
    of_layers, also = front(*padded(layers))
    assert lengths.tolist() == also.tolist() == [len(each) for each in layers]
    assert of_audio.shape == (2, lengths[0], front.output_size())
    torch.testing.assert_close(of_audio, of_layers, rtol=0, atol=1e-5)
    assert of_audio[1, lengths[1] :].abs().max() == 0


def test_an_utterance_does_not_see_its_batch(network, waves):
    front = frontend.LayersFrontend(network)
    together, lengths = front(*padded(waves))
    alone, _ = front(*padded(waves[1:]))
    torch.testing.assert_close(together[1, : lengths[1]], alone[0], rtol=0, atol=1e-5)


def test_one_weight_far_above_the_others_picks_its_layer(network, waves):
    front = frontend.LayersFrontend(network, equalise=False)
    with torch.no_grad():
        front.layer_weights[-1] = 50
    out, _ = front(*padded(waves[:1]))
    last = open_model(network).taps(waves[0])[front.layers[-1]]
    np.testing.assert_allclose(out[0].detach().numpy(), last, atol=1e-4)
    assert front.shares()[front.layers[-1]] == pytest.approx(1)
    assert sum(front.shares().values()) == pytest.approx(1)


def test_a_layer_that_is_scaled_up_counts_no_more(network, waves):
    front = frontend.LayersFrontend(network)
    layers = [np.random.default_rng(1).standard_normal((20, len(front.layers) * front.width)).astype(np.float32)]
    larger = [layers[0].copy()]
    larger[0][:, : front.width] *= 1000
    torch.testing.assert_close(front(*padded(layers))[0], front(*padded(larger))[0], rtol=1e-3, atol=1e-4)


def test_a_frozen_network_is_no_part_of_the_recogniser_and_a_tuned_one_is(network, waves):
    assert list(dict(frontend.LayersFrontend(network).named_parameters())) == ["layer_weights"]
    tuned = frontend.LayersFrontend(network, fine_tune=True)
    out, _ = tuned(*padded(waves))
    out.square().sum().backward()
    learnt = {name for name, parameter in tuned.named_parameters() if parameter.grad is not None}
    assert "layer_weights" in learnt
    assert any("blocks" in name for name in learnt)
    assert any("projection" in name for name in learnt)


def test_only_our_own_networks_are_tuned():
    with pytest.raises(UserError, match="fine_tune"):
        frontend.LayersFrontend("logmel", fine_tune=True)
