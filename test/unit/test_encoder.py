"""The encoder: frame arithmetic, taps, masking, gradients."""

import pytest
import torch

from hubert_iter import options
from hubert_iter.errors import UserError
from hubert_iter.frames import num_frames
from hubert_iter.models.encoder import Encoder, _ScaleGradient
from hubert_iter.models.settings import EncoderConfig

SMALL = {
    "conv_channels": 16, "width": 32, "layers": 3, "heads": 4, "feedforward": 48, "position_kernel": 16,
    "position_groups": 4, "dropout": 0.0, "attention_dropout": 0.0, "input_dropout": 0.0, "layerdrop": 0.0,
}  # fmt: skip


def small(**changes) -> Encoder:
    torch.manual_seed(0)
    return Encoder(options.read(EncoderConfig, {**SMALL, **changes}, "test"))


@pytest.mark.parametrize("samples", [400, 401, 719, 720, 721, 16000, 16079, 16080, 31999])
def test_frames_are_those_of_the_protocol(samples):
    features, _ = small().frame_features(torch.randn(2, samples))
    assert features.shape == (2, num_frames(samples), 16)
    assert num_frames(samples) == (samples - 400) // 320 + 1


def test_a_frame_sees_its_400_samples_and_no_others():
    encoder = small().double()
    # GroupNorm spans the whole utterance; without it the receptive field shows.
    encoder.convolutions.norm = torch.nn.Identity()
    wave = torch.randn(1, 3200, dtype=torch.float64, requires_grad=True)
    encoder.convolutions(wave)[0, 4].sum().backward()
    seen = wave.grad[0].nonzero().flatten()
    assert (int(seen.min()), int(seen.max())) == (4 * 320, 4 * 320 + 399)


def test_taps_come_in_order_and_the_last_is_the_output():
    encoder = small().eval()
    seen = {}
    features, _ = encoder.frame_features(torch.randn(1, 4000))
    output = encoder.transform(features, observe=lambda name, x: seen.update({name: x}))
    assert list(seen) == ["conv", "0", "1", "2", "3"]
    assert torch.equal(seen["3"], output)
    assert torch.equal(seen["conv"], encoder.projection(features))
    # Stopping early gives that tap.
    assert torch.equal(encoder.transform(features, observe=lambda name, x: name == "1"), seen["1"])


def test_masked_frames_are_replaced_by_one_vector():
    encoder = small().eval()
    features, _ = encoder.frame_features(torch.randn(2, 6400))
    mask = torch.zeros(2, features.shape[1], dtype=torch.bool)
    mask[:, 3:8] = True
    other = torch.where(mask[..., None], torch.randn_like(features), features)
    # What was at masked frames has no influence; what was elsewhere has.
    assert torch.equal(encoder.transform(features, mask), encoder.transform(other, mask))
    assert not torch.equal(encoder.transform(features, mask), encoder.transform(features))
    assert not torch.equal(encoder.transform(features, mask), encoder.transform(torch.randn_like(features), mask))


def test_utterances_do_not_influence_each_other():
    encoder = small().eval()
    wave = torch.randn(3, 8000)
    together = encoder.transform(encoder.frame_features(wave)[0])
    alone = encoder.transform(encoder.frame_features(wave[1:2])[0])
    torch.testing.assert_close(together[1:2], alone, rtol=1e-4, atol=1e-5)


def test_scale_gradient_by_gradcheck():
    x = torch.randn(5, 3, dtype=torch.float64, requires_grad=True)
    # With scale 1 it must agree with the identity numerically; with another it is that multiple of it.
    assert torch.autograd.gradcheck(lambda x: _ScaleGradient.apply(x, 1.0), x)
    _ScaleGradient.apply(x, 0.1).pow(3).sum().backward()
    torch.testing.assert_close(x.grad, 0.1 * 3 * x.detach() ** 2)
    torch.testing.assert_close(_ScaleGradient.apply(x, 0.1), x, rtol=0, atol=0)


def test_gradient_into_the_convolutions_is_scaled_and_no_other():
    wave = torch.randn(2, 4000)
    gradients = []
    for scale in (1.0, 0.1):
        encoder = small(conv_gradient=scale)
        features, penalty = encoder.frame_features(wave)
        (encoder.transform(features).square().sum() + penalty).backward()
        gradients.append({name: p.grad for name, p in encoder.named_parameters() if p.grad is not None})
    full, scaled = gradients
    for name in full:
        factor = 0.1 if name.startswith("convolutions.") else 1.0
        torch.testing.assert_close(scaled[name], factor * full[name], rtol=1e-4, atol=1e-6)


def test_encoder_gradients_by_gradcheck():
    encoder = small(conv_channels=8, width=16, layers=1, heads=2, feedforward=16, conv_gradient=1.0).double()
    wave = torch.randn(1, 1100, dtype=torch.float64, requires_grad=True)
    mask = torch.tensor([[False, True, False]])
    assert torch.autograd.gradcheck(
        lambda wave: encoder.transform(encoder.frame_features(wave)[0], mask), wave, fast_mode=True
    )


def test_layerdrop_skips_blocks_while_training_only():
    # As good as all: 1 is refused, since nothing would be learnt.
    encoder = small(layerdrop=1 - 1e-9)
    features = torch.randn(1, 20, 16)
    first = {}
    output = encoder.transform(features, observe=lambda name, x: first.update({name: x}))
    assert torch.equal(output, first["0"])
    encoder.eval()
    assert not torch.equal(encoder.transform(features), first["0"])


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"widht": 8}, "did you mean width"),
        ({"width": 30}, "multiple of heads"),
        ({"conv_channels": [16, 16]}, "expected one number or 7"),
    ],
)
def test_impossible_sizes_are_refused(values, words):
    with pytest.raises(UserError, match=words):
        options.read(EncoderConfig, {**SMALL, **values}, "conf/model/x.yaml: model")
