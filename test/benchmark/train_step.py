"""How fast a training step is (forward, backward, optimiser), against the same step of other libraries.

All take the same batch at the same size in float32 on as many threads; medians and ratios are printed, and the share of
the machine's own matrix-product rate that a step reaches. Peers: torchaudio's hubert_pretrain_model and, where
installed, minimal-hubert (BASE only; plain and compiled) for HuBERT, Hugging Face's Wav2Vec2ForPreTraining for
wav2vec 2.0.

Each contender has a process of its own, as it has in use, and steps are taken in turn, one of each. Ours take memory as
this project's trainings do (hubert_iter/train/memory.py), the others as Python does; with --keep_freed all do as
ours. With --check it exits 1 where a target is missed.
"""

import argparse
import importlib.util
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hubert_iter.config import read_yaml
from hubert_iter.models.convolutions import KERNELS, STRIDES
from hubert_iter.models.encoder import EncoderConfig
from hubert_iter.models.masking import draw_mask
from hubert_iter.models.pretrainer import Batch, build
from hubert_iter.models.products import linear
from hubert_iter.train import memory

CONF = Path(__file__).resolve().parents[2] / "conf"
CLASSES = 100
GROUPS = {
    "predictive": ("ours hubert", "ours hubert compiled", "torchaudio", "minimal_hubert", "minimal_hubert compiled"),
    "contrastive": ("ours wav2vec2", "huggingface", "ours chubert"),
}
"""Who steps in turn with whom; one group is done before the next, for at BASE all together need too much memory."""
CONTENDERS = tuple(name for group in GROUPS.values() for name in group)
ONLY_BASE = ("minimal_hubert", "minimal_hubert compiled")
"""Peers that have one size."""
ON_REQUEST = {"base": ("ours hubert compiled", "ours chubert")}
"""Left out unless asked for by --only."""
PACKAGES = {"torchaudio": "torchaudio", "huggingface": "transformers", "minimal_hubert": "minimal_hubert"}
TARGETS = {
    "base": {"torchaudio": 1.7, "huggingface": 1.7, "minimal_hubert compiled": 1.1},
    "small": {"torchaudio": 2.0},
    "tiny": {"torchaudio": 2.0},
}
"""Least ratio of our speed to a peer's."""
RIVALS = {
    "torchaudio": ("ours hubert", "ours hubert compiled"),
    "huggingface": ("ours wav2vec2",),
    "minimal_hubert": ("ours hubert",),
    "minimal_hubert compiled": ("ours hubert", "ours hubert compiled"),
}
"""Which of our steps do the same as a peer's; the faster counts."""
# What all models are given, whatever their configuration says: regularisation costs time, and layerdrop random time.
REGULARISATION = {
    "dropout": 0.1, "attention_dropout": 0.1, "activation_dropout": 0.0, "input_dropout": 0.1, "layerdrop": 0.0,
}  # fmt: skip


def step_of(model: nn.Module, loss: Callable[[], Tensor]) -> Callable[[], None]:
    """A whole update of a model."""
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)

    def step() -> None:
        loss().backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 10.0)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)

    return step


def ours(sizes: dict, batch: Batch, objective: str, compiled: bool = False) -> Callable[[], None]:
    """This project's step."""
    model = build(sizes, read_yaml(CONF / f"objective/{objective}.yaml"), CLASSES, objective)
    if compiled:
        model.encoder.compile()
    return step_of(model, lambda: model(batch).loss)


def torchaudio_step(config: EncoderConfig, batch: Batch, mask: Tensor) -> Callable[[], None]:
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
        return F.cross_entropy(logits, torch.zeros(len(logits), dtype=torch.long)) + 10 * penalty

    return step_of(model, loss)


def huggingface_step(config: EncoderConfig, batch: Batch, mask: Tensor) -> Callable[[], None]:
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
    negatives = torch.from_numpy(_sample_negative_indices(tuple(mask.shape), 100, mask.numpy()))

    def loss() -> Tensor:
        return model(batch.wave, mask_time_indices=mask, sampled_negative_indices=negatives).loss / mask.sum()

    return step_of(model, loss)


def minimal_hubert_step(batch: Batch, mask: Tensor, compiled: bool) -> Callable[[], None]:
    """HuBERT BASE of minimal-hubert."""
    from minimal_hubert.model import HuBERTPretrain

    model = HuBERTPretrain(CLASSES).train()
    run = torch.compile(model) if compiled else model
    return step_of(model, lambda: run(batch.wave, batch.labels, mask=mask, attention_mask=None)[0].mean())


def product_rate() -> float:
    """Floating-point operations per second of a large matrix product here, now."""
    a, b = torch.randn(2048, 2048), torch.randn(2048, 2048)
    times = []
    for _ in range(5):
        began = time.perf_counter()
        linear(a, b)
        times.append(time.perf_counter() - began)
    return 2 * 2048**3 / min(times)


def operations(config: EncoderConfig, samples: int, utterances: int) -> float:
    """Multiply-adds (as two) of the matrix products of one step; backward counts twice forward."""
    frames, total, inputs = samples, 0.0, 1
    for channels, kernel, stride in zip(config.channels, KERNELS, STRIDES, strict=True):
        frames = (frames - kernel) // stride + 1
        total += frames * channels * kernel * inputs
        inputs = channels
    width = config.width
    total += frames * inputs * width
    total += frames * width * (width // config.position_groups) * config.position_kernel
    block = 4 * width * width + 2 * width * config.feedforward + 2 * frames * width
    total += config.layers * frames * block
    return 3 * 2 * total * utterances


@dataclass(frozen=True)
class Task:
    """What all contenders are given."""

    size: str
    utterances: int
    seconds: float
    threads: int
    keep_freed: bool

    @property
    def samples(self) -> int:
        return int(self.seconds * 16000)

    @property
    def sizes(self) -> dict:
        return {**read_yaml(CONF / f"model/{self.size}.yaml"), **REGULARISATION}

    def batch(self) -> tuple[Batch, Tensor]:
        """The same for each contender: audio, masked places, labels; and the mask as zeros and ones."""
        torch.manual_seed(0)
        frames = (self.samples - 400) // 320 + 1
        mask = torch.from_numpy(draw_mask(np.random.default_rng(0), self.utterances, frames, 0.8, 10))
        masked = mask.nonzero()[:, 1].view(self.utterances, -1)
        labels = torch.randint(CLASSES, (self.utterances, frames))
        return Batch(0.1 * torch.randn(self.utterances, self.samples), masked, labels), mask


def make(name: str, task: Task) -> Callable[[], None]:
    """A contender's step."""
    batch, mask = task.batch()
    config = EncoderConfig.read(task.sizes, "benchmark")
    who, _, form = name.partition(" ")
    if who == "ours":
        objective, _, compiled = form.partition(" ")
        return ours(task.sizes, batch, objective, bool(compiled))
    if who == "torchaudio":
        return torchaudio_step(config, batch, mask)
    if who == "huggingface":
        return huggingface_step(config, batch, mask)
    return minimal_hubert_step(batch, mask, bool(form))


def contend(name: str, task: Task, connection: Connection) -> None:
    """A contender's process: takes a step whenever told to, and says how many seconds it took."""
    if task.keep_freed or name.startswith("ours"):
        memory.keep_freed()
    torch.set_num_threads(task.threads)
    step = make(name, task)
    connection.send("ready")
    while connection.recv():
        began = time.perf_counter()
        step()
        connection.send(time.perf_counter() - began)


def measure(names: Iterable[str], task: Task, repeats: int) -> dict[str, float]:
    """Median seconds of each step; one of each in turn, so that the machine's moods hit all alike."""
    context = get_context("spawn")
    connections = {}
    for name in names:
        connections[name], theirs = context.Pipe()
        context.Process(target=contend, args=(name, task, theirs), daemon=True).start()
        theirs.close()  # so that its end is noticed here
    times: dict[str, list[float]] = {name: [] for name in connections}
    name = ""
    try:
        for name in connections:
            connections[name].recv()
        for repeat in range(repeats + 2):
            for name, connection in connections.items():
                connection.send(True)
                seconds = connection.recv()
                if repeat >= 2:  # the first ones compile and allocate
                    times[name].append(seconds)
    except EOFError:
        sys.exit(f"{name} ended before its time: see above; if nothing is said, memory ran out (fewer with --only)")
    for connection in connections.values():
        connection.send(False)
    return {name: statistics.median(values) for name, values in times.items()}


def wanted(args: argparse.Namespace) -> list[str]:
    """Who is to be measured; those of libraries that are not installed are left out, saying so."""
    left_out = ON_REQUEST.get(args.size, ()) + (() if args.size == "base" else ONLY_BASE)
    names = []
    for name in args.only or [name for name in CONTENDERS if name not in left_out]:
        package = PACKAGES.get(name.split()[0])
        if package and not importlib.util.find_spec(package):
            print(f"{name}: left out, {package} is not installed")
        else:
            names.append(name)
    return names


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", choices=tuple(TARGETS), default="tiny")
    parser.add_argument("--utterances", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--only", nargs="+", choices=CONTENDERS, help="fewer contenders, for a quicker look")
    parser.add_argument("--keep_freed", action="store_true")
    parser.add_argument("--check", action="store_true")
    args = parser.parse_args()
    task = Task(args.size, args.utterances, args.seconds, args.threads, args.keep_freed)
    names = wanted(args)
    memory.keep_freed()
    torch.set_num_threads(args.threads)
    rate = product_rate()
    medians = {}
    for group in GROUPS.values():
        medians.update(measure([name for name in group if name in names], task, args.repeats))
    rate = max(rate, product_rate())
    audio = args.utterances * args.seconds
    print(f"{args.size}, {args.utterances} x {args.seconds} s, {args.threads} threads, torch {torch.__version__}, "
          f"load {os.getloadavg()[0]:.1f}, matrix products {rate / 1e9:.0f} GFLOP/s")  # fmt: skip
    bound = audio * rate / operations(EncoderConfig.read(task.sizes, ""), task.samples, args.utterances)
    for name, seconds in medians.items():
        speed = audio / seconds
        print(f"{name:26s} {seconds:8.3f} s/step {speed:8.2f} audio-s/s {speed / bound:6.0%} of the bound")
    missed = []
    for name, rivals in RIVALS.items():
        mine = [medians[rival] for rival in rivals if rival in medians]
        if name in medians and mine:
            ratio, target = medians[name] / min(mine), TARGETS[args.size].get(name)
            print(f"ratio to {name}: {ratio:.2f}" + (f" (target {target})" if target else ""))
            if target and ratio < target:
                missed.append(name)
    if args.check and missed:
        sys.exit(f"target missed against {', '.join(missed)}")


if __name__ == "__main__":
    main()
