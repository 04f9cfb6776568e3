import pytest
import torch

from hubert_iter.models.cpu.positions import FourierPositions
from hubert_iter.models.encoder import ConvPositions


def two_forms(*sizes: int) -> tuple[ConvPositions, FourierPositions]:
    """The plain form and the fast one, with the same parameters."""
    torch.manual_seed(0)
    plain, fast = ConvPositions(*sizes), FourierPositions(*sizes)
    torch.nn.init.normal_(plain.conv.bias)
    fast.load_state_dict(plain.state_dict())
    return plain, fast


# Frames below, at and above the kernel and the blocks' hop (kernel + 1): where the two forms could differ.
@pytest.mark.parametrize("kernel", [7, 8])
@pytest.mark.parametrize("frames", [1, 3, 8, 9, 10, 18, 19, 50])
def test_transforms_equal_the_convolution_in_value_and_gradient(kernel, frames):
    forms = two_forms(12, kernel, 3)
    x = torch.randn(2, frames, 12, dtype=torch.float64)
    results = []
    for form in forms:
        given = x.clone().requires_grad_()
        y = form.double()(given)
        y.sin().sum().backward()
        results.append([y, given.grad, *(parameter.grad for parameter in form.parameters())])
    assert results[0][0].shape == x.shape
    torch.testing.assert_close(results[1], results[0])


def test_base_size_is_exact_to_float32_rounding():
    plain, fast = two_forms(768, 128, 16)
    x = torch.randn(1, 399, 768)
    with torch.no_grad():
        expected = plain.double()(x.double())
        found = fast(x)
    assert (found - expected).abs().max() < 5e-6 * expected.abs().max()


def test_a_first_call_in_inference_mode_does_not_hinder_training():
    positions = FourierPositions(4, 6, 2)
    x = torch.randn(1, 20, 4)
    with torch.inference_mode():
        positions(x)
    positions(x).sum().backward()
    assert positions.conv.bias.grad is not None


@pytest.mark.filterwarnings("error:Dynamo detected")
def test_compiled_positions_are_the_same_and_warn_of_nothing():
    torch.manual_seed(0)
    positions = FourierPositions(12, 8, 3)
    x = torch.randn(2, 20, 12)
    expected = positions(x)
    positions.compile(backend="aot_eager")
    torch.testing.assert_close(positions(x), expected)
