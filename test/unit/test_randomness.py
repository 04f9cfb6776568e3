"""What replicates, objectives and iterations share of their random numbers (docs/protocol.md section 3)."""

import torch
from hypothesis import given
from hypothesis import strategies as st
from tiny import ROOT

from hubert_iter import study
from hubert_iter.models.pretrainer import build
from hubert_iter.randomness import Draws, derive, kmeans_seed
from hubert_iter.train import config, run

FOLDERS = [ROOT / "conf"]


def load(name: str):
    return config.load(study.read(ROOT / "conf/study/objectives_mini.yaml").run(name), FOLDERS)


def encoder(name: str) -> torch.Tensor:
    return run._fresh(load(name)).encoder.projection.weight


def test_objectives_of_one_iteration_and_replicate_start_alike_and_see_the_same_batches():
    assert torch.equal(encoder("hubert_it1.2"), encoder("chubert_it1.2"))
    assert torch.equal(encoder("hubert_it1.2"), encoder("wav2vec2.2"))
    assert load("hubert_it1.2").draws.batches() == load("wav2vec2.2").draws.batches()


def test_replicates_and_iterations_start_otherwise_and_see_other_batches():
    for other in ("hubert_it1.2", "hubert_it1.3", "hubert_it2"):
        assert not torch.equal(encoder("hubert_it1"), encoder(other))
        assert load("hubert_it1").draws.batches() != load(other).draws.batches()


def test_the_head_does_not_change_the_encoder():
    # Hence the pairing: the encoder's weights are drawn before the objective's.
    one = load("hubert_it1")
    torch.manual_seed(one.draws.weights())
    other = build(one.model, {"name": "wav2vec2"}, None, "test").encoder.state_dict()
    assert all(torch.equal(value, other[name]) for name, value in run._fresh(one).encoder.state_dict().items())


numbers = st.integers(0, 2**31)


@given(numbers, st.integers(1, 50), st.integers(1, 9), numbers, st.integers(0, 99))
def test_seeds_are_functions_of_what_they_are_for(seed, replicate, iteration, update, rank):
    draws = Draws(seed, replicate, iteration)
    assert draws.update(update, rank) == Draws(seed, replicate, iteration).update(update, rank) < 2**63
    different = {
        draws.weights(), draws.batches(), draws.update(update, rank), draws.update(update, rank + 1),
        draws.update(update + 1, rank), Draws(seed, replicate + 1, iteration).weights(), kmeans_seed(seed, replicate),
        Draws(seed, replicate, iteration + 1).weights(), kmeans_seed(seed, replicate + 1), derive(seed + 1),
    }  # fmt: skip
    assert len(different) == 10
