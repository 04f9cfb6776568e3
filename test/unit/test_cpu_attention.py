import torch

from hubert_iter.models.cpu import attention
from hubert_iter.models.cpu.attention import ProductAttention
from hubert_iter.models.encoder import Attention


def test_attention_equals_the_library_s_with_the_same_mask(monkeypatch):
    torch.manual_seed(0)
    query, key, value = torch.randn(3, 2, 4, 17, 8, dtype=torch.float64).requires_grad_().unbind()
    kept = (torch.rand(2, 4, 17, 17) > 0.3).double()
    monkeypatch.setattr(attention, "draw_kept", lambda like, rate: kept)
    weights = (query @ key.transpose(-2, -1) / 8**0.5).softmax(-1)
    expected = (weights * kept / 0.7) @ value
    torch.testing.assert_close(ProductAttention(0.3)(query, key, value), expected)
    without = Attention(0.3).eval()(query, key, value)
    torch.testing.assert_close(ProductAttention(0.3).eval()(query, key, value), without)
    monkeypatch.setattr(attention, "draw_kept", lambda like, rate: torch.ones_like(like))
    torch.testing.assert_close(0.7 * ProductAttention(0.3)(query, key, value), without)


def test_attention_in_half_precision_is_as_near_to_the_exact_one_as_the_library_s():
    torch.manual_seed(0)
    exact = torch.randn(3, 2, 3, 50, 64, dtype=torch.float64)
    expected = Attention(0.0)(*exact.unbind())
    halves = exact.bfloat16().unbind()
    ours, theirs = ProductAttention(0.0)(*halves), Attention(0.0)(*halves)
    errors = [(found.double() - expected).square().mean().sqrt() for found in (ours, theirs)]
    assert ours.dtype == ProductAttention(0.5)(*halves).dtype == torch.bfloat16
    assert errors[0] < 1.5 * errors[1] < 0.005
