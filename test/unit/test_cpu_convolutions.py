import pytest
import torch
from torch.autograd import gradcheck

from hubert_iter.frames import num_frames
from hubert_iter.models.cpu.convolutions import ChannelsLastFeatures
from hubert_iter.models.encoder import ConvFeatures

CHANNELS = (6, 8, 8, 10, 10, 12, 12)


@pytest.fixture
def forms():
    """The plain form and the fast one, with the same parameters."""
    torch.manual_seed(0)
    plain = ConvFeatures(CHANNELS)
    with torch.no_grad():
        plain.norm.weight.uniform_(0.5, 1.5)
        plain.norm.bias.uniform_(-0.5, 0.5)
    fast = ChannelsLastFeatures(CHANNELS)
    fast.load_state_dict(plain.state_dict())
    return plain.double(), fast.double()


# Lengths around the multiples of each stride: the last rows are where the two forms could differ.
@pytest.mark.parametrize("samples", [400, 719, 720, 4000, 4003, 16000, 16001, 16015])
def test_both_forms_agree_in_value_and_gradient(forms, samples):
    wave = torch.randn(2, samples, dtype=torch.float64) + 0.3
    results = []
    for form in forms:
        frames = form(wave)
        frames.sin().sum().backward()
        results.append((frames, [parameter.grad for parameter in form.parameters()]))
    (expected, gradients), (found, found_gradients) = results
    assert found.shape == (2, num_frames(samples), 12)
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(found_gradients, gradients)


def test_silence_stays_finite(forms):
    plain, fast = forms
    wave = torch.zeros(1, 4000, dtype=torch.float64)
    torch.testing.assert_close(fast(wave), plain(wave))


def test_gradients_by_gradcheck(forms):
    wave = torch.randn(2, 720, dtype=torch.float64, requires_grad=True)
    assert gradcheck(forms[1], wave, fast_mode=True)
