import pytest
import torch

from hubert_iter.models.cpu.dropout import SixteenBitDropout, draw_kept


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_masks_have_the_rate_and_are_independent(rate):
    torch.manual_seed(0)
    kept = draw_kept(torch.empty(1000, 1003), rate).double()
    deviation = (rate * (1 - rate) / kept.numel()) ** 0.5
    assert abs(kept.mean() - (1 - rate)) < 5 * deviation
    # Neighbours come from the same 64 bits.
    for shift in (1, 2, 3, 4):
        both = (kept[:, shift:] * kept[:, :-shift]).mean()
        assert abs(both - (1 - rate) ** 2) < 10 * deviation


def test_kept_elements_are_scaled_up_and_gradients_follow():
    torch.manual_seed(0)
    x = torch.randn(50, 60, requires_grad=True)
    y = SixteenBitDropout(0.25)(x)
    kept = y != 0
    torch.testing.assert_close(y[kept], x[kept] / 0.75)
    y.sum().backward()
    torch.testing.assert_close(x.grad, kept / 0.75)


def test_evaluation_and_a_rate_of_zero_change_and_draw_nothing():
    x = torch.randn(5, 6)
    state = torch.get_rng_state()
    assert SixteenBitDropout(0.5).eval()(x) is x
    assert SixteenBitDropout(0.0)(x) is x
    assert torch.equal(torch.get_rng_state(), state)


def test_the_same_seed_draws_the_same_mask():
    torch.manual_seed(3)
    first = draw_kept(torch.empty(7, 9), 0.3)
    torch.manual_seed(3)
    assert torch.equal(draw_kept(torch.empty(7, 9), 0.3), first)


def test_half_precision_stays_half():
    x = torch.ones(40, 40, dtype=torch.bfloat16)
    assert SixteenBitDropout(0.5)(x).dtype == torch.bfloat16
