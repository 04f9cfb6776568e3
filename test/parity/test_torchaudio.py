"""Encoder and HuBERT's loss equal torchaudio's HuBERTPretrainModel on the same weights, mask and labels."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from theirs import copy_to_theirs, gradients, named_parts, shake
from torch import nn
from torchaudio.models import hubert_pretrain_model

from hubert_iter.frames import num_frames
from hubert_iter.models.masking import draw_mask
from hubert_iter.models.objective import mask_of
from hubert_iter.models.pretrainer import Batch, build
from hubert_iter.models.settings import KERNELS, STRIDES

CLASSES, CHANNELS, WIDTH, LAYERS, HEADS, FEEDFORWARD = 13, 24, 48, 3, 4, 64
MODEL = {
    "conv_channels": CHANNELS, "width": WIDTH, "layers": LAYERS, "heads": HEADS, "feedforward": FEEDFORWARD,
    "position_kernel": 16, "position_groups": 4, "dropout": 0.0, "attention_dropout": 0.0, "input_dropout": 0.0,
    "layerdrop": 0.0,
}  # fmt: skip
NAMES = {
    **{f"encoder.{ours}": tuple(f"wav2vec2.{part}" for part in parts)
       for ours, parts in named_parts(LAYERS, "encoder.transformer", "encoder.feature_projection").items()},
    "encoder.mask_vector": ("mask_generator.mask_embedding",),
    "objective.head.query.weight": ("logit_generator.final_proj.weight",),
    "objective.head.query.bias": ("logit_generator.final_proj.bias",),
    "objective.head.embeddings": ("logit_generator.label_embeddings",),
}  # fmt: skip
CLOSE = {"rtol": 1e-4, "atol": 1e-4}


class SameMask(nn.Module):
    """In place of torchaudio's generator: the mask of our batch."""

    def __init__(self, mask: torch.Tensor):
        super().__init__()
        self.mask = mask
        self.mask_embedding = nn.Parameter(torch.empty(WIDTH))

    def forward(self, x, padding_mask):
        return torch.where(self.mask[..., None], self.mask_embedding, x), self.mask


@pytest.fixture(scope="module")
def batch() -> Batch:
    random = np.random.default_rng(5)
    utterances, samples = 3, 16000 + 123
    frames = num_frames(samples)
    mask = draw_mask(random, utterances, frames, 0.5, 5)
    masked = torch.from_numpy(np.nonzero(mask)[1].reshape(utterances, -1))
    wave = torch.from_numpy(random.normal(0.02, 0.1, (utterances, samples)).astype(np.float32))
    return Batch(wave, masked, torch.from_numpy(random.integers(CLASSES, size=(utterances, frames))))


@pytest.fixture
def models(batch):
    torch.manual_seed(0)
    ours = build(MODEL, {"name": "hubert", "unmasked_weight": 0.4}, CLASSES, "test")
    shake(ours)
    theirs = hubert_pretrain_model(
        extractor_mode="group_norm",
        extractor_conv_layer_config=[(CHANNELS, k, s) for k, s in zip(KERNELS, STRIDES, strict=True)],
        extractor_conv_bias=False, encoder_embed_dim=WIDTH, encoder_projection_dropout=0.0,
        encoder_pos_conv_kernel=16, encoder_pos_conv_groups=4, encoder_num_layers=LAYERS, encoder_num_heads=HEADS,
        encoder_attention_dropout=0.0, encoder_ff_interm_features=FEEDFORWARD, encoder_ff_interm_dropout=0.0,
        encoder_dropout=0.0, encoder_layer_norm_first=False, encoder_layer_drop=0.0, mask_prob=0.8,
        mask_selection="static", mask_other=0.0, mask_length=10, no_mask_overlap=False, mask_min_space=1,
        mask_channel_prob=0.0, mask_channel_selection="static", mask_channel_other=0.0, mask_channel_length=10,
        no_mask_channel_overlap=False, mask_channel_min_space=1, skip_masked=False, skip_nomask=False,
        num_classes=CLASSES, final_dim=256, feature_grad_mult=0.1,
    )  # fmt: skip
    theirs.mask_generator = SameMask(mask_of(batch.masked, batch.labels.shape[1]))
    copy_to_theirs(ours, theirs, NAMES)
    return ours.train(), theirs.train()


@pytest.mark.parametrize("masking", [True, False])
def test_hidden_states_are_equal_at_every_layer(models, batch, masking):
    ours, theirs = models
    mask = theirs.mask_generator.mask
    seen = {}
    with torch.no_grad():
        features, _ = ours.encoder.frame_features(batch.wave)
        ours.encoder.transform(features, mask if masking else None, observe=lambda name, x: seen.update({name: x}))
        x, _ = theirs.wav2vec2.feature_extractor(batch.wave, None)
        x, _ = theirs.wav2vec2.encoder._preprocess(x, None)
        torch.testing.assert_close(seen["conv"], x, **CLOSE)
        if masking:
            x, _ = theirs.mask_generator(x, None)
        transformer = theirs.wav2vec2.encoder.transformer
        torch.testing.assert_close(seen["0"], transformer._preprocess(x), **CLOSE)
        layers = transformer.get_intermediate_outputs(x)
    assert len(layers) == LAYERS
    for number, layer in enumerate(layers, start=1):
        torch.testing.assert_close(seen[str(number)], layer, **CLOSE)


def test_logits_are_equal(models, batch):
    ours, theirs = models
    with torch.no_grad():
        expected, expected_unmasked, _ = theirs(batch.wave, batch.labels)
        features, _ = ours.encoder.frame_features(batch.wave)
        mask = theirs.mask_generator.mask
        logits = ours.objective.logits(ours.encoder.transform(features, mask))
    for theirs_here, here in ((expected, mask), (expected_unmasked, ~mask)):
        mine, labels = logits[here], batch.labels[here]
        # Theirs: first the label's logit, then all classes, the label's replaced by -inf.
        torch.testing.assert_close(mine.gather(1, labels[:, None])[:, 0], theirs_here[:, 0], **CLOSE)
        torch.testing.assert_close(mine.scatter(1, labels[:, None], -torch.inf), theirs_here[:, 1:], **CLOSE)


def test_loss_and_gradients_are_equal(models, batch):
    ours, theirs = models
    logits, logits_unmasked, penalty = theirs(batch.wave, batch.labels)
    masked, unmasked = (F.cross_entropy(x, torch.zeros(len(x), dtype=torch.long)) for x in (logits, logits_unmasked))
    # Theirs sums over frames; divided by the summed weights, as fairseq divides its sum by the frames.
    weights = len(logits) + 0.4 * len(logits_unmasked)
    prediction = (len(logits) * masked + 0.4 * len(logits_unmasked) * unmasked) / weights
    expected = prediction + 10.0 * penalty
    expected.backward()
    outcome = ours(batch)
    outcome.loss.backward()
    torch.testing.assert_close(outcome.terms["prediction"], prediction, **CLOSE)
    torch.testing.assert_close(outcome.statistics["masked_loss"], masked.detach(), **CLOSE)
    torch.testing.assert_close(outcome.terms["feature_penalty"], 10.0 * penalty, **CLOSE)
    for name, (mine, other) in gradients(ours, theirs, NAMES).items():
        scale = other.abs().max()
        # A key's bias cancels in the softmax: its gradient is rounding noise around zero.
        assert (mine - other).abs().max() < 1e-3 * scale + 1e-6, name
