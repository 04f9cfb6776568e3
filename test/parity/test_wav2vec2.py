"""wav2vec 2.0's losses equal Hugging Face's Wav2Vec2ForPreTraining: same weights, mask, negatives, Gumbel noise."""

import os

import numpy as np
import pytest
import torch

os.environ.setdefault("HF_HUB_OFFLINE", "1")

from theirs import copy_to_theirs, gradients, named_parts, shake
from transformers import Wav2Vec2Config, Wav2Vec2ForPreTraining
from transformers.models.wav2vec2 import modeling_wav2vec2

from hubert_iter.frames import num_frames
from hubert_iter.models.masking import draw_mask
from hubert_iter.models.negatives import draw_negatives
from hubert_iter.models.objective import mask_of, pick
from hubert_iter.models.objectives.wav2vec2 import loss as wav2vec2
from hubert_iter.models.pretrainer import Batch, build
from hubert_iter.models.settings import KERNELS, STRIDES

CHANNELS, WIDTH, LAYERS, HEADS, FEEDFORWARD, GROUPS, NEGATIVES, UPDATE = 24, 48, 3, 4, 64, 2, 20, 30_000
MODEL = {
    "conv_channels": CHANNELS, "width": WIDTH, "layers": LAYERS, "heads": HEADS, "feedforward": FEEDFORWARD,
    "position_kernel": 16, "position_groups": 4, "dropout": 0.0, "attention_dropout": 0.0, "input_dropout": 0.0,
    "layerdrop": 0.0, "conv_gradient": 1.0,
}  # fmt: skip
NAMES = {
    **{f"encoder.{ours}": tuple(f"wav2vec2.{part}" for part in parts)
       for ours, parts in named_parts(LAYERS, "encoder", "feature_projection").items()},
    "encoder.mask_vector": ("wav2vec2.masked_spec_embed",),
    "objective.quantiser.codebooks": ("quantizer.codevectors",),
    **{f"objective.{ours}.{leaf}": (f"{theirs}.{leaf}",)
       for ours, theirs in (
           ("quantiser.scores", "quantizer.weight_proj"), ("target", "project_q"), ("query", "project_hid"))
       for leaf in ("weight", "bias")},
}  # fmt: skip


@pytest.fixture(params=[3, 40], ids=["few codes", "many codes"])
def entries(request) -> int:
    """With few, many negatives bear the positive's codes and are dropped."""
    return request.param


@pytest.fixture
def batch() -> Batch:
    random = np.random.default_rng(5)
    utterances, samples = 3, 16000 + 123
    mask = draw_mask(random, utterances, num_frames(samples), 0.5, 5)
    masked = torch.from_numpy(np.nonzero(mask)[1].reshape(utterances, -1))
    return Batch(torch.from_numpy(random.normal(0.02, 0.1, (utterances, samples)).astype(np.float32)), masked, None)


@pytest.fixture
def models(entries):
    torch.manual_seed(0)
    settings = {"name": "wav2vec2", "entries": entries, "feature_dropout": 0.0, "embedding": 32, "negatives": NEGATIVES}
    ours = build(MODEL, settings, None, "test")
    shake(ours)
    config = Wav2Vec2Config(
        conv_dim=[CHANNELS] * 7, conv_kernel=KERNELS, conv_stride=STRIDES, hidden_size=WIDTH, num_hidden_layers=LAYERS,
        num_attention_heads=HEADS, intermediate_size=FEEDFORWARD, num_conv_pos_embeddings=16,
        num_conv_pos_embedding_groups=4, hidden_dropout=0.0, attention_dropout=0.0, activation_dropout=0.0,
        feat_proj_dropout=0.0, feat_quantizer_dropout=0.0, layerdrop=0.0, num_codevectors_per_group=entries,
        num_codevector_groups=GROUPS, codevector_dim=32, proj_codevector_dim=32, num_negatives=NEGATIVES,
        diversity_loss_weight=0.1, contrastive_logits_temperature=0.1, mask_feature_prob=0.0,
    )  # fmt: skip
    theirs = Wav2Vec2ForPreTraining(config)
    copy_to_theirs(ours, theirs, NAMES)
    theirs.quantizer.temperature = ours.objective.gumbel_temperature(UPDATE)
    return ours.train(), theirs.train()


def share_noise(monkeypatch, noise: torch.Tensor, masked: torch.Tensor) -> None:
    """`noise` [B, T, G, V] for theirs, which quantises all frames; its masked frames for ours."""

    def gumbel_softmax(logits, tau, hard):
        assert hard
        noisy = logits + noise.reshape(logits.shape)
        soft = (noisy / tau).softmax(-1)
        # As the library's own, but exact: one plus and minus the softmax leaves 1 +- 6e-8, and codes that are equal
        # then may come out unequal.
        return torch.nn.functional.one_hot(noisy.argmax(-1), noisy.shape[-1]) + (soft - soft.detach())

    monkeypatch.setattr(modeling_wav2vec2.nn.functional, "gumbel_softmax", gumbel_softmax)
    monkeypatch.setattr(wav2vec2.Quantiser, "noise", lambda self, scores: pick(noise, masked))


@pytest.mark.parametrize("noisy", [False, True], ids=["without noise", "same noise"])
def test_losses_perplexity_and_gradients_are_equal(models, batch, entries, noisy, monkeypatch):
    ours, theirs = models
    frames = num_frames(batch.wave.shape[1])
    mask = mask_of(batch.masked, frames)
    uniform = torch.rand(*mask.shape, GROUPS, entries).clamp(1e-6, 1 - 1e-6)
    share_noise(monkeypatch, -torch.log(-torch.log(uniform)) * noisy, batch.masked)
    negatives = draw_negatives(*batch.masked.shape, NEGATIVES, batch.wave.device)
    monkeypatch.setattr(wav2vec2, "draw_negatives", lambda *_: negatives)
    # Theirs numbers the frames of all utterances in a row.
    flat = torch.zeros(*mask.shape, NEGATIVES, dtype=torch.long)
    flat[mask] = (pick(batch.masked, negatives.flatten(1)) + frames * torch.arange(3)[:, None]).view(-1, NEGATIVES)

    expected = theirs(batch.wave, mask_time_indices=mask, sampled_negative_indices=flat)
    outcome = ours(batch, UPDATE)
    count = mask.sum()
    close = {"rtol": 1e-4, "atol": 1e-4}
    torch.testing.assert_close(outcome.terms["contrastive"], expected.contrastive_loss / count, **close)
    torch.testing.assert_close(outcome.terms["diversity"], 0.1 * expected.diversity_loss / count, **close)
    torch.testing.assert_close(outcome.statistics["soft_perplexity"] * GROUPS, expected.codevector_perplexity, **close)
    assert 1 < expected.codevector_perplexity / GROUPS < entries

    (outcome.terms["contrastive"] + outcome.terms["diversity"]).backward()
    (expected.loss / count).backward()
    for name, (mine, other) in gradients(ours, theirs, NAMES).items():
        assert (mine - other).abs().max() < 1e-3 * other.abs().max() + 1e-6, name


def test_evaluation_uses_the_likeliest_codes_in_both(models, batch, monkeypatch):
    ours, theirs = (model.eval() for model in models)
    frames = num_frames(batch.wave.shape[1])
    mask = mask_of(batch.masked, frames)
    negatives = draw_negatives(*batch.masked.shape, NEGATIVES, batch.wave.device)
    monkeypatch.setattr(wav2vec2, "draw_negatives", lambda *_: negatives)
    flat = torch.zeros(*mask.shape, NEGATIVES, dtype=torch.long)
    flat[mask] = (pick(batch.masked, negatives.flatten(1)) + frames * torch.arange(3)[:, None]).view(-1, NEGATIVES)
    with torch.no_grad():
        expected = theirs(batch.wave, mask_time_indices=mask, sampled_negative_indices=flat)
        outcome = ours(batch)
    contrastive = expected.contrastive_loss / mask.sum()
    torch.testing.assert_close(outcome.terms["contrastive"], contrastive, rtol=1e-4, atol=1e-4)
    # In evaluation theirs is the perplexity of the codes chosen.
    used = sum(outcome.statistics[f"code_perplexity_{number}"] for number in (1, 2))
    torch.testing.assert_close(used, expected.codevector_perplexity, rtol=1e-4, atol=1e-4)
