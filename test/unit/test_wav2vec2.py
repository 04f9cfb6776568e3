"""wav2vec 2.0: quantiser, schedule, loss against a direct float64 reference."""

import math

import pytest
import torch
from tiny import an_objective

from hubert_iter.errors import UserError
from hubert_iter.models.negatives import draw_negatives
from hubert_iter.models.objective import Frames
from hubert_iter.models.objectives.wav2vec2 import loss as wav2vec2
from hubert_iter.models.objectives.wav2vec2.loss import Wav2Vec2
from hubert_iter.models.quantiser import Quantiser, perplexity

SIZES = {"embedding": 16, "groups": 2, "entries": 5, "feature_dropout": 0.0}


def some_frames(utterances=3, frames=40, masked=18, width=24, channels=12, seed=0, update=0) -> Frames:
    random = torch.Generator().manual_seed(seed)
    encoded = torch.randn(utterances, frames, width, generator=random)
    features = torch.randn(utterances, frames, channels, generator=random)
    order = torch.rand(utterances, frames, generator=random).argsort(1)
    return Frames(features, encoded, order[:, :masked].sort(1).values, None, update)


def make(**options) -> Wav2Vec2:
    torch.manual_seed(1)
    return an_objective("wav2vec2", **{**SIZES, **options})


def reference(objective: Wav2Vec2, frames: Frames, negatives: torch.Tensor) -> dict[str, float]:
    """The contrastive loss by the protocol in float64, without noise; few codes, so that many are identical."""
    objective = objective.double().requires_grad_(False)
    books, scale = objective.quantiser.codebooks, objective.quantiser.scores
    losses, dropped = [], 0
    for b, times in enumerate(frames.masked):
        features = frames.features[b, times].double()
        entries = (features @ scale.weight.T + scale.bias).view(len(times), 2, 5).argmax(-1)
        targets = torch.stack([torch.cat([books[0, i], books[1, j]]) for i, j in entries.tolist()])
        targets = targets @ objective.target.weight.T + objective.target.bias
        queries = frames.encoded[b, times].double() @ objective.query.weight.T + objective.query.bias
        for m in range(len(times)):
            kept = [n for n in negatives[b, m].tolist() if entries[n].tolist() != entries[m].tolist()]
            dropped += negatives.shape[-1] - len(kept)
            scores = [float(torch.cosine_similarity(queries[m], targets[n], dim=0)) / 0.1 for n in (m, *kept)]
            losses.append(math.log(sum(math.exp(score) for score in scores)) - scores[0])
    return {"contrastive": sum(losses) / len(losses), "dropped": dropped}


def test_contrastive_loss_equals_the_protocol(monkeypatch):
    negatives = draw_negatives(3, 18, 30, torch.device("cpu"))
    monkeypatch.setattr(wav2vec2, "draw_negatives", lambda *_: negatives)
    frames = some_frames()
    outcome = make().eval()(frames)
    expected = reference(make().eval(), frames, negatives)
    assert expected["dropped"] > 0
    assert outcome.terms["contrastive"].item() == pytest.approx(expected["contrastive"], rel=1e-5)


def test_without_noise_training_has_the_same_loss_as_evaluation(monkeypatch):
    monkeypatch.setattr(Quantiser, "noise", lambda self, scores: torch.zeros_like(scores))
    negatives = draw_negatives(3, 18, 30, torch.device("cpu"))
    monkeypatch.setattr(wav2vec2, "draw_negatives", lambda *_: negatives)
    objective = make()
    training = objective.train()(some_frames()).terms
    evaluation = objective.eval()(some_frames()).terms
    for name in training:
        torch.testing.assert_close(training[name], evaluation[name])


def test_temperature_falls_by_update():
    objective = make(gumbel_start=2.0, gumbel_end=0.5, gumbel_decay=0.999995)
    assert objective.gumbel_temperature(0) == 2.0
    assert objective.gumbel_temperature(1) == pytest.approx(2.0 * 0.999995)
    assert objective.gumbel_temperature(100_000) == pytest.approx(2.0 * math.exp(100_000 * math.log(0.999995)))
    assert objective.gumbel_temperature(277_000) > 0.5
    assert objective.gumbel_temperature(278_000) == 0.5
    temperatures = [objective.gumbel_temperature(update) for update in range(0, 400_000, 1000)]
    assert temperatures == sorted(temperatures, reverse=True)


def test_the_schedule_reaches_the_quantiser():
    objective = make(gumbel_decay=0.5)
    seen = []
    choose = objective.quantiser._choose
    objective.quantiser._choose = lambda scores, temperature: seen.append(temperature) or choose(scores, temperature)
    for update in (0, 1, 9):
        outcome = objective(some_frames(update=update))
        assert outcome.statistics["gumbel_temperature"].item() == pytest.approx(seen[-1])
    assert seen == [2.0, 1.0, 0.5]
    # Validation knows no update and uses no temperature.
    assert "gumbel_temperature" not in objective.eval()(some_frames()).statistics


def test_the_temperature_shapes_the_gradient_alone():
    losses, gradients = [], []
    for start in (2.0, 0.5):
        objective = make(gumbel_start=start, gumbel_end=0.1)
        torch.manual_seed(7)
        loss = objective(some_frames()).terms["contrastive"]
        loss.backward()
        losses.append(loss.detach())
        gradients.append(objective.quantiser.scores.weight.grad)
    assert losses[0] == losses[1]
    assert not torch.allclose(*gradients)


def test_quantised_vectors_are_exactly_entries_of_the_codebooks():
    torch.manual_seed(0)
    quantiser = Quantiser(12, 2, 5, 16).train()
    quantised = quantiser(torch.randn(3, 30, 12), 2.0)
    first, second = quantised.codes // 5, quantised.codes % 5
    expected = torch.cat([quantiser.codebooks[0][first], quantiser.codebooks[1][second]], dim=-1)
    assert torch.equal(quantised.vectors, expected)


def test_straight_through_gradient_is_that_of_the_softmax(monkeypatch):
    # Departs from the plain formula: forward the hard choice, backward the gradient of the soft one.
    quantiser = Quantiser(3, 2, 4, 6).double()
    noise = torch.randn(1, 5, 2, 4, dtype=torch.float64)
    monkeypatch.setattr(quantiser, "noise", lambda scores: noise)
    direction = torch.randn(1, 5, 6, dtype=torch.float64)
    scores = torch.randn(1, 5, 2, 4, dtype=torch.float64, requires_grad=True)

    def soft(scores):
        weights = ((scores + noise) / 0.7).softmax(-1)
        return torch.einsum("bmgv,gvd->bmgd", weights, quantiser.codebooks).flatten(-2)

    assert torch.autograd.gradcheck(soft, scores)
    (expected,) = torch.autograd.grad((soft(scores) * direction).sum(), scores)
    (found,) = torch.autograd.grad((quantiser._choose(scores, 0.7).vectors * direction).sum(), scores)
    torch.testing.assert_close(found, expected)


def test_perplexities():
    assert perplexity(torch.full((8,), 1 / 8)).item() == pytest.approx(8, rel=1e-5)
    assert perplexity(torch.eye(8)[0]).item() == pytest.approx(1, rel=1e-5)
    x = torch.rand(6, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: perplexity(x.softmax(-1)), x)


def test_diversity_is_the_share_of_entries_not_in_use():
    objective = make(diversity_weight=0.1)
    with torch.no_grad():
        objective.quantiser.scores.weight.zero_()
    # All equally likely: all in use.
    assert objective(some_frames()).terms["diversity"].item() == pytest.approx(0.0, abs=1e-5)
    with torch.no_grad():
        objective.quantiser.scores.bias[[0, 5]] = 100.0
    # One entry in each group: (10 - 2) / 10.
    assert objective(some_frames()).terms["diversity"].item() == pytest.approx(0.1 * 0.8, rel=1e-4)


def test_gradient_stays_finite_where_an_entry_is_never_likely():
    objective = make()
    with torch.no_grad():
        objective.quantiser.scores.bias[[0, 5]] = 1e4  # all others underflow to a probability of zero
    objective(some_frames()).loss.backward()
    assert all(torch.isfinite(p.grad).all() for p in objective.parameters())


def test_collapse_of_the_codes_is_noticed():
    objective = make(entries=300, embedding=16).train()
    healthy = {name: float(value) for name, value in objective(some_frames()).statistics.items()}
    assert objective.warning(healthy) is None
    with torch.no_grad():
        objective.quantiser.scores.bias[7] = 1000.0
    collapsed = {name: float(value) for name, value in objective(some_frames()).statistics.items()}
    assert collapsed["code_perplexity_1"] == pytest.approx(1, abs=0.01)
    assert collapsed["code_perplexity_2"] > 5
    assert "codebook 1" in objective.warning(collapsed)


def test_few_codes_raise_the_chance_level():
    # With two codes in use every frame has one distinct rival, however many frames are drawn.
    objective = make(entries=2, groups=1).eval()
    outcome = objective(some_frames(masked=30))
    assert outcome.statistics["chance"].item() == pytest.approx(0.5, abs=0.02)


def test_every_parameter_learns():
    objective = make()
    objective(some_frames()).loss.backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in objective.parameters())


def test_features_drop_out_while_training_only():
    frames, seen = some_frames(), []
    objective = make(feature_dropout=0.5)
    objective.quantiser.scores.register_forward_hook(lambda module, inputs, output: seen.append(inputs[0]))
    objective.train()(frames)
    objective.eval()(frames)
    assert (seen[0] == 0).float().mean().item() == pytest.approx(0.5, abs=0.1)
    assert torch.equal(seen[1], frames.at_masked(frames.features))


def test_float32_under_autocast():
    with torch.autocast("cpu", torch.bfloat16):
        outcome = make()(some_frames())
    assert {value.dtype for value in outcome.terms.values()} == {torch.float32}


def test_widths_that_do_not_divide_are_refused():
    with pytest.raises(UserError, match="multiple of groups"):
        make(embedding=15)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_forward_does_not_wait_for_the_gpu():
    objective, frames = make().cuda(), some_frames()
    frames = Frames(frames.features.cuda(), frames.encoded.cuda(), frames.masked.cuda(), None, 5)
    torch.cuda.set_sync_debug_mode("error")
    try:
        objective(frames).loss.backward()
    finally:
        torch.cuda.set_sync_debug_mode("default")
