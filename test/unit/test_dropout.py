import pytest
import torch
import torch.nn.functional as F

from hubert_iter.models import dropout as module
from hubert_iter.models.dropout import Dropout, attend, draw_kept, dropout


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
    y = dropout(x, 0.25, training=True)
    kept = y != 0
    torch.testing.assert_close(y[kept], x[kept] / 0.75)
    y.sum().backward()
    torch.testing.assert_close(x.grad, kept / 0.75)


def test_evaluation_and_a_rate_of_zero_change_and_draw_nothing():
    x = torch.randn(5, 6)
    state = torch.get_rng_state()
    assert Dropout(0.5).eval()(x) is x
    assert Dropout(0.0)(x) is x
    assert torch.equal(torch.get_rng_state(), state)


def test_attention_equals_the_library_s_with_the_same_mask(monkeypatch):
    torch.manual_seed(0)
    query, key, value = torch.randn(3, 2, 4, 17, 8, dtype=torch.float64).requires_grad_().unbind()
    kept = (torch.rand(2, 4, 17, 17) > 0.3).double()
    monkeypatch.setattr(module, "draw_kept", lambda like, rate: kept)
    weights = (query @ key.transpose(-2, -1) / 8**0.5).softmax(-1)
    expected = (weights * kept / 0.7) @ value
    torch.testing.assert_close(attend(query, key, value, 0.3, training=True), expected)
    without = F.scaled_dot_product_attention(query, key, value)
    torch.testing.assert_close(attend(query, key, value, 0.3, training=False), without)
    monkeypatch.setattr(module, "draw_kept", lambda like, rate: torch.ones_like(like))
    torch.testing.assert_close(0.7 * attend(query, key, value, 0.3, training=True), without)


def test_the_same_seed_draws_the_same_mask():
    torch.manual_seed(3)
    first = draw_kept(torch.empty(7, 9), 0.3)
    torch.manual_seed(3)
    assert torch.equal(draw_kept(torch.empty(7, 9), 0.3), first)


def test_half_precision_stays_half():
    x = torch.ones(40, 40, dtype=torch.bfloat16)
    assert dropout(x, 0.5, training=True).dtype == torch.bfloat16
    assert attend(x[None, None], x[None, None], x[None, None], 0.5, training=True).dtype == torch.bfloat16


def test_attention_in_half_precision_is_as_near_to_the_exact_one_as_the_library_s():
    torch.manual_seed(0)
    exact = torch.randn(3, 2, 3, 50, 64, dtype=torch.float64)
    expected = F.scaled_dot_product_attention(*exact.unbind())
    halves = exact.bfloat16().unbind()
    ours, theirs = attend(*halves, 0.0, training=True), F.scaled_dot_product_attention(*halves)
    errors = [(found.double() - expected).square().mean().sqrt() for found in (ours, theirs)]
    assert ours.dtype == torch.bfloat16
    assert errors[0] < 1.5 * errors[1] < 0.005
