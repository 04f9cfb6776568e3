"""The predictive objective against a few lines of float64 arithmetic."""

import math

import pytest
import torch
import torch.nn.functional as F
from tiny import an_objective

from hubert_iter.errors import UserError
from hubert_iter.models.objective import Frames, cosine_logits, mask_of, pick
from hubert_iter.models.objectives.hubert.loss import Hubert


def some_frames(utterances=3, frames=40, masked=18, width=24, classes=11, seed=0, dtype=torch.float32) -> Frames:
    random = torch.Generator().manual_seed(seed)
    encoded = torch.randn(utterances, frames, width, generator=random).to(dtype)
    order = torch.rand(utterances, frames, generator=random).argsort(1)
    labels = torch.randint(classes, (utterances, frames), generator=random)
    return Frames(torch.zeros(utterances, frames, 4), encoded, order[:, :masked].sort(1).values, labels)


def reference(objective: Hubert, frames: Frames, masked: bool) -> float:
    """Cross-entropy of cos / 0.1 over all classes, frame by frame, as the protocol says."""
    head = {name: value.detach().double() for name, value in objective.head.named_parameters()}
    mask = mask_of(frames.masked, frames.encoded.shape[1])
    losses = []
    for encoded, label in zip(frames.encoded[mask == masked].double(), frames.labels[mask == masked], strict=True):
        query = head["query.weight"] @ encoded + head["query.bias"]
        cosines = [float(query @ e) / (math.sqrt(query @ query) * math.sqrt(e @ e)) for e in head["embeddings"]]
        scores = [math.exp(cosine / 0.1) for cosine in cosines]
        losses.append(-math.log(scores[label] / sum(scores)))
    return sum(losses) / len(losses)


def test_loss_equals_the_protocol():
    torch.manual_seed(1)
    objective, frames = an_objective("hubert", classes=11), some_frames()
    outcome = objective(frames)
    assert outcome.loss.item() == pytest.approx(reference(objective, frames, True), rel=1e-5)
    assert set(outcome.terms) == {"prediction"}
    assert set(outcome.statistics) == {"accuracy", "masked_loss"}
    assert outcome.statistics["masked_loss"] == outcome.loss


@pytest.mark.parametrize("weights", [(0.7, 0.3), (1.0, 1.0), (0.5, 0.0), (0.0, 2.0)])
def test_frames_are_pooled_by_their_weights(weights):
    torch.manual_seed(1)
    masked, unmasked = weights
    objective, frames = (
        an_objective("hubert", classes=11, masked_weight=masked, unmasked_weight=unmasked),
        some_frames(masked=28),
    )
    # 28 of 40 frames are masked in each of 3 utterances.
    sums = masked * 84 * reference(objective, frames, True) + unmasked * 36 * reference(objective, frames, False)
    outcome = objective(frames)
    assert set(outcome.terms) == {"prediction"}
    assert outcome.loss.item() == pytest.approx(sums / (masked * 84 + unmasked * 36), rel=1e-5)
    assert outcome.statistics["masked_loss"].item() == pytest.approx(reference(objective, frames, True), rel=1e-5)
    assert ("unmasked_accuracy" in outcome.statistics) == bool(unmasked)


def test_without_weight_for_unmasked_frames_the_loss_is_the_mean_of_the_masked_to_the_last_bit():
    torch.manual_seed(1)
    objective, frames = an_objective("hubert", classes=11), some_frames()
    logits, labels = objective.logits(frames.at_masked(frames.encoded)), frames.at_masked(frames.labels)
    assert torch.equal(objective(frames).loss, F.cross_entropy(logits.flatten(0, 1), labels.flatten()))


def test_an_utterance_that_is_masked_all_over_has_a_finite_loss():
    objective, frames = an_objective("hubert", classes=11, unmasked_weight=1.0), some_frames(masked=40)
    outcome = objective(frames)
    assert outcome.loss.item() == pytest.approx(reference(objective, frames, True), rel=1e-5)
    assert all(value.isfinite() for value in outcome.statistics.values())


@pytest.mark.parametrize("weights", [(-1.0, 1.0), (1.0, -0.1), (0.0, 0.0), (float("nan"), 1.0)])
def test_weights_that_make_no_mean_are_refused(weights):
    with pytest.raises(UserError, match="masked_weight"):
        an_objective("hubert", classes=11, masked_weight=weights[0], unmasked_weight=weights[1])


def test_accuracy_counts_the_masked_frames_named_rightly():
    frames = some_frames(classes=5)
    objective = an_objective("hubert", classes=5, embedding=5)
    with torch.no_grad():
        objective.head.embeddings.copy_(torch.eye(5))
        objective.head.query.weight.zero_()
        objective.head.query.bias.copy_(torch.eye(5)[2])  # always says class 2
    share = (frames.at_masked(frames.labels) == 2).float().mean()
    assert objective(frames).statistics["accuracy"] == share > 0


def test_embeddings_start_uniform():
    embeddings = an_objective("hubert", classes=500).head.embeddings
    assert embeddings.min() >= 0 and embeddings.max() < 1
    assert embeddings.mean().item() == pytest.approx(0.5, abs=0.01)


def test_masked_and_unmasked_frames_are_picked_in_order():
    frames = some_frames()
    times = torch.arange(40).expand(3, 40)
    together = torch.cat([frames.at_masked(times), pick(times, frames.unmasked())], dim=1)
    assert torch.equal(together.sort(1).values, times)
    assert (frames.unmasked().diff(dim=1) > 0).all()


def test_cosines_and_loss_are_float32_under_autocast():
    torch.manual_seed(1)
    objective, frames = an_objective("hubert", classes=11), some_frames()
    with torch.autocast("cpu", torch.bfloat16):
        logits = objective.logits(frames.encoded)
        outcome = objective(frames)
        queries = objective.head.query(frames.encoded)
    assert logits.dtype == outcome.loss.dtype == torch.float32
    # Only the query map is rounded: the cosines of its rounded output are exact.
    exact = cosine_logits(queries.double(), objective.head.embeddings.double(), 0.1)
    torch.testing.assert_close(logits.double(), exact.double(), rtol=1e-5, atol=1e-5)


def test_cosine_gradient_by_gradcheck(monkeypatch):
    # In double precision; cosine_logits itself brings all to float32.
    monkeypatch.setattr(torch.Tensor, "float", lambda x: x)
    queries = torch.randn(2, 3, 6, dtype=torch.float64, requires_grad=True)
    keys = torch.randn(5, 6, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda q, k: cosine_logits(q, k, 0.1), (queries, keys))
