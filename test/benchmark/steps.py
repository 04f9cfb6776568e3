"""A whole training step of each contender: forward, backward, clipping, optimiser, all on the same batch and sizes."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hubert_iter import options
from hubert_iter.config import read_yaml
from hubert_iter.frames import num_frames
from hubert_iter.models import cpu
from hubert_iter.models.masking import draw_mask
from hubert_iter.models.pretrainer import Batch, build
from hubert_iter.models.settings import KERNELS, STRIDES, EncoderConfig

CONF = Path(__file__).resolve().parents[2] / "conf"
CLASSES = 100
# What all models are given, whatever their configuration says: regularisation costs time, and layerdrop random time.
REGULARISATION = {
    "dropout": 0.1, "attention_dropout": 0.1, "activation_dropout": 0.0, "input_dropout": 0.1, "layerdrop": 0.0,
}  # fmt: skip


@dataclass(frozen=True)
class Task:
    """What all contenders are given."""

    size: str
    utterances: int
    seconds: float
    threads: int
    keep_freed: bool
    device: str
    precision: str

    @property
    def samples(self) -> int:
        return int(self.seconds * 16000)

    @property
    def sizes(self) -> dict:
        return {**read_yaml(CONF / f"model/{self.size}.yaml"), **REGULARISATION}

    def batch(self) -> tuple[Batch, Tensor]:
        """The same for each contender: audio, masked places, labels; and the mask as zeros and ones."""
        torch.manual_seed(0)
        frames = num_frames(self.samples)
        mask = torch.from_numpy(draw_mask(np.random.default_rng(0), self.utterances, frames, 0.8, 10))
        masked = mask.nonzero()[:, 1].view(self.utterances, -1)
        labels = torch.randint(CLASSES, (self.utterances, frames))
        batch = Batch(0.1 * torch.randn(self.utterances, self.samples), masked, labels)
        return batch.to(torch.device(self.device)), mask.to(self.device)


def make(name: str, task: Task) -> Callable[[], None]:
    """A contender's step."""
    batch, mask = task.batch()
    config = options.read(EncoderConfig, task.sizes, "benchmark")
    who, _, form = name.partition(" ")
    if who == "ours":
        model, loss = ours(task.sizes, batch, *form.split())
    elif who == "torchaudio":
        model, loss = torchaudio_hubert(config, batch, mask)
    elif who == "huggingface":
        model, loss = huggingface_wav2vec2(config, batch, mask)
    else:
        model, loss = minimal_hubert(batch, mask, bool(form))
    return step_of(model, loss, task.device, task.precision == "bfloat16")


def step_of(
    model: nn.Module, loss: Callable[[], Tensor], device: str = "cpu", bfloat16: bool = False
) -> Callable[[], None]:
    """A whole update of a model."""
    optimiser = torch.optim.AdamW(model.to(device).parameters(), lr=1e-4, fused=True)

    def step() -> None:
        with torch.autocast(device, torch.bfloat16, enabled=bfloat16):
            value = loss()
        value.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 10.0)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        finish(device)

    return step


def finish(device: str) -> None:
    """Wait for what a GPU has been told to do."""
    if device == "cuda":
        torch.cuda.synchronize()


ModelAndLoss = tuple[nn.Module, Callable[[], Tensor]]


def ours(sizes: dict, batch: Batch, objective: str, form: str = "") -> ModelAndLoss:
    """This project's, as trained; `form` "compiled", or "plain": without the fast forms for a CPU."""
    model = build(sizes, {"name": objective}, CLASSES, objective)
    if form != "plain":
        cpu.place(model, batch.wave.device)
    if form == "compiled":
        model.encoder.compile()

    def loss() -> Tensor:
        with torch.no_grad():  # ends the step before: what an objective keeps (a teacher, a codebook) follows
            model.objective.after_update(model.encoder, 1, lambda values: values)
        return model(batch).loss

    return model, loss


def torchaudio_hubert(config: EncoderConfig, batch: Batch, mask: Tensor) -> ModelAndLoss:
    """HuBERT of torchaudio, with its own mask generator replaced by the batch's mask."""
    from torchaudio.models import hubert_pretrain_model

    model = hubert_pretrain_model(
        extractor_mode="group_norm",
        extractor_conv_layer_config=list(zip(config.channels, KERNELS, STRIDES, strict=True)),
        extractor_conv_bias=False,
        encoder_embed_dim=config.width,
        encoder_projection_dropout=config.input_dropout,
        encoder_pos_conv_kernel=config.position_kernel,
        encoder_pos_conv_groups=config.position_groups,
        encoder_num_layers=config.layers,
        encoder_num_heads=config.heads,
        encoder_attention_dropout=config.attention_dropout,
        encoder_ff_interm_features=config.feedforward,
        encoder_ff_interm_dropout=config.activation_dropout,
        encoder_dropout=config.dropout,
        encoder_layer_norm_first=False,
        encoder_layer_drop=config.layerdrop,
        mask_prob=0.8, mask_selection="static", mask_other=0.0, mask_length=10, no_mask_overlap=False, mask_min_space=1,
        mask_channel_prob=0.0, mask_channel_selection="static", mask_channel_other=0.0, mask_channel_length=10,
        no_mask_channel_overlap=False, mask_channel_min_space=1,
        skip_masked=False, skip_nomask=True, num_classes=CLASSES, final_dim=256, feature_grad_mult=0.1,
    )  # fmt: skip
    vector = model.mask_generator.mask_embedding

    def masked(x: Tensor, padding_mask: Tensor | None) -> tuple[Tensor, Tensor]:
        return torch.where(mask[..., None], vector, x), mask

    model.mask_generator.forward = masked

    def loss() -> Tensor:
        logits, _, penalty = model(batch.wave, batch.labels)
        return F.cross_entropy(logits, logits.new_zeros(len(logits), dtype=torch.long)) + 10 * penalty

    return model, loss


def huggingface_wav2vec2(config: EncoderConfig, batch: Batch, mask: Tensor) -> ModelAndLoss:
    """wav2vec 2.0 of Hugging Face, with negatives drawn beforehand."""
    from transformers import Wav2Vec2Config, Wav2Vec2ForPreTraining
    from transformers.models.wav2vec2.modeling_wav2vec2 import _sample_negative_indices

    model = Wav2Vec2ForPreTraining(
        Wav2Vec2Config(
            hidden_size=config.width, num_hidden_layers=config.layers, num_attention_heads=config.heads,
            intermediate_size=config.feedforward, conv_dim=config.channels, conv_kernel=KERNELS, conv_stride=STRIDES,
            num_conv_pos_embeddings=config.position_kernel, num_conv_pos_embedding_groups=config.position_groups,
            hidden_dropout=config.dropout, attention_dropout=config.attention_dropout,
            activation_dropout=config.activation_dropout, feat_proj_dropout=config.input_dropout,
            layerdrop=config.layerdrop, attn_implementation="sdpa",
        )
    ).train()  # fmt: skip
    negatives = torch.from_numpy(_sample_negative_indices(tuple(mask.shape), 100, mask.cpu().numpy())).to(mask.device)

    def loss() -> Tensor:
        return model(batch.wave, mask_time_indices=mask, sampled_negative_indices=negatives).loss / mask.sum()

    return model, loss


def minimal_hubert(batch: Batch, mask: Tensor, compiled: bool) -> ModelAndLoss:
    """HuBERT BASE of minimal-hubert."""
    from minimal_hubert.model import HuBERTPretrain

    model = HuBERTPretrain(CLASSES).train()
    run = torch.compile(model) if compiled else model
    return model, lambda: run(batch.wave, batch.labels, mask=mask, attention_mask=None)[0].mean()
