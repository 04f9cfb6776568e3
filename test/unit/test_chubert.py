"""cHuBERT against a direct float64 reference, and its ties to HuBERT."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import an_objective

from hubert_iter.errors import UserError
from hubert_iter.models.negatives import contrast, draw_negatives
from hubert_iter.models.objective import Frames
from hubert_iter.models.objectives.chubert import loss as chubert
from hubert_iter.models.objectives.chubert.loss import Chubert


def some_frames(utterances=3, frames=40, masked=18, width=24, classes=11, seed=0) -> Frames:
    random = torch.Generator().manual_seed(seed)
    encoded = torch.randn(utterances, frames, width, generator=random)
    order = torch.rand(utterances, frames, generator=random).argsort(1)
    labels = torch.randint(classes, (utterances, frames), generator=random)
    return Frames(torch.zeros(utterances, frames, 4), encoded, order[:, :masked].sort(1).values, labels)


def fixed(monkeypatch, negatives: torch.Tensor) -> None:
    monkeypatch.setattr(chubert, "draw_negatives", lambda *_: negatives)


def reference(objective: Chubert, frames: Frames, negatives: torch.Tensor) -> tuple[float, float]:
    """Loss and accuracy as the protocol says them, one negative after another, in float64."""
    weight, bias = objective.head.query.weight.detach().double(), objective.head.query.bias.detach().double()
    embeddings = objective.head.embeddings.detach().double()
    losses, hits = [], []
    for b, times in enumerate(frames.masked):
        for m, time in enumerate(times):
            query = weight @ frames.encoded[b, time].double() + bias
            label = frames.labels[b, time]
            others = [frames.labels[b, times[n]] for n in negatives[b, m]]
            kept = [other for other in others if other != label]
            scores = [float(torch.cosine_similarity(query, embeddings[c], dim=0)) / 0.1 for c in (label, *kept)]
            losses.append(math.log(sum(math.exp(score) for score in scores)) - scores[0])
            hits.append(all(scores[0] > score for score in scores[1:]))
    return sum(losses) / len(losses), sum(hits) / len(hits)


@pytest.mark.parametrize("classes", [2, 11, 60])
def test_loss_equals_the_protocol(monkeypatch, classes):
    torch.manual_seed(1)
    objective, frames = an_objective("chubert", classes=classes), some_frames(classes=classes)
    negatives = draw_negatives(3, 18, 100, torch.device("cpu"))
    fixed(monkeypatch, negatives)
    outcome = objective(frames)
    loss, accuracy = reference(objective, frames, negatives)
    assert outcome.loss.item() == pytest.approx(loss, rel=1e-5)
    assert outcome.statistics["accuracy"].item() == pytest.approx(accuracy)


def test_with_every_class_once_as_negative_it_is_hubert():
    torch.manual_seed(1)
    classes, frames = 11, some_frames()
    predictive, contrastive = an_objective("hubert", classes=classes), an_objective("chubert", classes=classes)
    contrastive.load_state_dict(predictive.state_dict())
    labels = frames.at_masked(frames.labels)
    every_class = torch.arange(classes).expand(*labels.shape, classes)
    logits = contrastive.logits(frames.at_masked(frames.encoded))
    result, expected = contrast(logits, labels, every_class), predictive(frames)
    torch.testing.assert_close(result.loss, expected.loss)
    torch.testing.assert_close(result.accuracy, expected.statistics["accuracy"])
    assert result.chance.item() == pytest.approx(1 / classes)
    result.loss.backward()
    expected.loss.backward()
    for ours, theirs in zip(contrastive.parameters(), predictive.parameters(), strict=True):
        torch.testing.assert_close(ours.grad, theirs.grad)


def test_gradients_reach_embeddings_on_both_sides(monkeypatch):
    # Two frames of classes 0 and 1, each the other's negative; class 2 is not drawn.
    frames = Frames(torch.zeros(1, 2, 4), torch.randn(1, 2, 24), torch.tensor([[0, 1]]), torch.tensor([[0, 1]]))
    objective = an_objective("chubert", classes=3)
    fixed(monkeypatch, torch.tensor([[[1], [0]]]))
    objective(frames).loss.backward()
    reached = objective.head.embeddings.grad.abs().sum(-1) > 0
    assert reached.tolist() == [True, True, False]


@settings(deadline=None, max_examples=40)
@given(utterances=st.integers(1, 4), masked=st.integers(2, 30), count=st.integers(1, 50), seed=st.integers(0, 99))
def test_negatives_are_other_frames(utterances, masked, count, seed):
    torch.manual_seed(seed)
    drawn = draw_negatives(utterances, masked, count, torch.device("cpu"))
    assert drawn.shape == (utterances, masked, count)
    assert drawn.min() >= 0 and drawn.max() < masked
    assert (drawn != torch.arange(masked)[:, None]).all()


def test_negatives_are_uniform():
    torch.manual_seed(0)
    drawn = draw_negatives(1, 6, 50_000, torch.device("cpu"))[0]
    for frame in range(6):
        shares = torch.bincount(drawn[frame], minlength=6) / 50_000
        expected = torch.full((6,), 0.2).index_fill_(0, torch.tensor(frame), 0.0)
        torch.testing.assert_close(shares, expected, rtol=0, atol=0.01)


def test_one_masked_frame_is_a_clear_error():
    with pytest.raises(UserError, match="min_seconds"):
        draw_negatives(4, 1, 100, torch.device("cpu"))


def test_chance_is_what_random_scores_reach():
    torch.manual_seed(0)
    logits = torch.randn(40, 50, 30)
    labels = torch.randint(30, (40, 50))
    result = contrast(logits, labels, torch.randint(30, (40, 50, 20)))
    assert result.accuracy.item() == pytest.approx(result.chance.item(), abs=0.02)
    assert 0.05 < result.chance < 0.1


def test_collapsed_scores_count_as_missed():
    labels = torch.randint(5, (2, 20))
    result = contrast(torch.zeros(2, 20, 5), labels, torch.arange(5).expand(2, 20, 5))
    assert result.accuracy == 0
    assert result.loss.item() == pytest.approx(math.log(5))


def test_equal_labels_leave_nothing_to_tell_apart_and_are_noticed(monkeypatch):
    frames = some_frames()
    frames.labels.fill_(3)
    objective = an_objective("chubert", classes=11)
    outcome = objective(frames)
    outcome.loss.backward()
    assert outcome.loss == 0
    assert all(torch.isfinite(p.grad).all() for p in objective.parameters())
    values = {name: float(value) for name, value in outcome.statistics.items()}
    assert "same label" in objective.warning(values)
    healthy = {name: float(value) for name, value in objective(some_frames()).statistics.items()}
    assert objective.warning(healthy) is None


def test_contrast_gradient_by_gradcheck():
    torch.manual_seed(0)
    logits = torch.randn(2, 4, 6, dtype=torch.float64, requires_grad=True)
    positive, negatives = torch.randint(6, (2, 4)), torch.randint(6, (2, 4, 9))
    same = (torch.arange(6)[:, None] // 2 == torch.arange(6) // 2).expand(2, 6, 6)
    assert torch.autograd.gradcheck(lambda x: contrast(x, positive, negatives).loss, logits)
    assert torch.autograd.gradcheck(lambda x: contrast(x, positive, negatives, same).loss, logits)


def test_loss_is_float32_under_autocast():
    torch.manual_seed(1)
    objective, frames = an_objective("chubert", classes=11), some_frames()
    with torch.autocast("cpu", torch.bfloat16):
        outcome = objective(frames)
    assert outcome.loss.dtype == torch.float32
    assert outcome.statistics["chance"].dtype == torch.float32


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_forward_does_not_wait_for_the_gpu():
    objective = an_objective("chubert", classes=11).cuda()
    frames = some_frames()
    frames = Frames(frames.features.cuda(), frames.encoded.cuda(), frames.masked.cuda(), frames.labels.cuda())
    torch.cuda.set_sync_debug_mode("error")
    try:
        objective(frames).loss.backward()
    finally:
        torch.cuda.set_sync_debug_mode("default")
