"""CKA against the formulas written out: Song's unbiased HSIC of Gram matrices, and what the biased one would say."""

import numpy as np
import pytest
from frame_networks import frames, write

from hubert_iter.analysis.measures import similarity


def unbiased_hsic(first, second):
    """Song et al. 2012, equation 5, of Gram matrices."""
    count = len(first)
    k, other = (gram - np.diag(np.diag(gram)) for gram in (first, second))
    ones = np.ones(count)
    total = np.trace(k @ other)
    total += (ones @ k @ ones) * (ones @ other @ ones) / ((count - 1) * (count - 2))
    total -= 2 / (count - 2) * (ones @ k @ other @ ones)
    return total / (count * (count - 3))


def biased_hsic(first, second):
    """Kornblith et al. 2019, equation 3."""
    centring = np.eye(len(first)) - 1 / len(first)
    return np.trace(first @ centring @ second @ centring) / (len(first) - 1) ** 2


def cka(hsic, x, y):
    first, second = x @ x.T, y @ y.T
    return hsic(first, second) / np.sqrt(hsic(first, first) * hsic(second, second))


@pytest.fixture(scope="module")
def layers():
    generator = np.random.default_rng(0)
    x = generator.standard_normal((200, 30)) + 2
    return x, np.tanh(x @ generator.standard_normal((30, 50))) + generator.standard_normal((200, 50)) - 1


def ours(tmp_path, x, y):
    network = write(tmp_path / "net", frames(utterances=4, length=50), {"0": x, "1": y})
    task = similarity.Task(network, {"net": network}, 0, np.arange(200))
    return {(row.layer, row.other_layer): row.value for row in similarity.compare(task)["net"] if row.metric == "cka"}


def test_cka_is_that_of_the_unbiased_estimator(tmp_path, layers):
    found = ours(tmp_path, *layers)
    assert found["0", "1"] == pytest.approx(cka(unbiased_hsic, *layers), abs=1e-4)
    assert found["1", "0"] == pytest.approx(found["0", "1"], abs=1e-6)


def test_the_biased_estimator_says_more_of_unrelated_layers(tmp_path):
    generator = np.random.default_rng(1)
    x, y = generator.standard_normal((2, 200, 300))
    assert cka(biased_hsic, x, y) == pytest.approx(300 / 500, abs=0.03)
    found = ours(tmp_path, x, y)["0", "1"]
    assert found == pytest.approx(cka(unbiased_hsic, x, y), abs=1e-4)
    assert abs(found) < 0.05
