import pytest
import torch

from hubert_iter.frames import num_frames
from hubert_iter.models.convolutions import ConvFeatures


@pytest.fixture
def features():
    torch.manual_seed(0)
    module = ConvFeatures((6, 8, 8, 10, 10, 12, 12))
    with torch.no_grad():
        module.norm.weight.uniform_(0.5, 1.5)
        module.norm.bias.uniform_(-0.5, 0.5)
    return module.double()


# Lengths around the multiples of each stride: the last rows are where the two forms could differ.
@pytest.mark.parametrize("samples", [400, 719, 720, 4000, 4003, 16000, 16001, 16015])
def test_both_forms_agree_in_value_and_gradient(features, samples):
    wave = torch.randn(2, samples, dtype=torch.float64) + 0.3
    results = []
    for form in (features.by_channels, features.by_frames):
        features.zero_grad()
        frames = form(wave)
        frames.sin().sum().backward()
        results.append((frames, [parameter.grad for parameter in features.parameters()]))
    (expected, gradients), (found, found_gradients) = results
    assert found.shape == (2, num_frames(samples), 12)
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(found_gradients, gradients)


def test_silence_stays_finite(features):
    wave = torch.zeros(1, 4000, dtype=torch.float64)
    torch.testing.assert_close(features.by_frames(wave), features.by_channels(wave))
