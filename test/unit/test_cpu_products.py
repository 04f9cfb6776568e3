"""Both libraries behind `linear` against products in float64."""

import pytest
import torch
from torch.autograd import grad

from hubert_iter.models.cpu import products


@pytest.fixture(params=[False, True], ids=["default", "onednn"])
def onednn(request, monkeypatch):
    if request.param and not torch.backends.mkldnn.is_available():
        pytest.skip("this PyTorch has no oneDNN")
    monkeypatch.setattr(products, "_ONEDNN", request.param)
    return request.param


@pytest.mark.parametrize("shape", [(7,), (5, 7), (2, 5, 7), (0, 7)])
@pytest.mark.parametrize("with_bias", [False, True])
def test_values_and_gradients_are_those_of_the_formula(onednn, shape, with_bias):
    torch.manual_seed(0)
    x = torch.randn(shape, requires_grad=True)
    weight, bias = torch.randn(4, 7, requires_grad=True), torch.randn(4, requires_grad=True)
    given = [x, weight, bias] if with_bias else [x, weight]
    exact = [tensor.detach().double().requires_grad_() for tensor in given]
    found = products.linear(*given)
    expected = exact[0] @ exact[1].t() + (exact[2] if with_bias else 0.0)
    assert found.layout == torch.strided
    torch.testing.assert_close(found, expected.float())
    outer = torch.randn_like(found)
    for mine, theirs in zip(grad(found, given, outer), grad(expected, exact, outer.double()), strict=True):
        torch.testing.assert_close(mine, theirs.float())


def test_weight_gradient_of_rows_that_are_views(onednn):
    torch.manual_seed(0)
    x, gradient, weight = torch.randn(9, 6)[:, ::2], torch.randn(4, 9).t(), torch.randn(4, 3)
    found = products.weight_gradient(gradient, x, weight)
    torch.testing.assert_close(found, (gradient.double().t() @ x.double()).float())


def test_other_precisions_stay_what_they_are(onednn):
    layer = products.OneDnnLinear(6, 3)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert layer(torch.randn(2, 6)).dtype == torch.bfloat16
    assert layer.double()(torch.randn(2, 6, dtype=torch.float64)).dtype == torch.float64


def test_two_calls_give_the_same_bits(onednn):
    x, weight = torch.randn(40, 30), torch.randn(20, 30)
    assert torch.equal(products.linear(x, weight), products.linear(x, weight))
