"""How many times as fast each form in models/cpu is as the plain part it replaces: forward and backward, one thread.

Both take turns in one process on the same input; medians of processor seconds, so that other work on the machine
matters less. Sizes are those of a model in conf/model; 4 utterances of 8 s, as in train_step.py.
"""

import argparse
import copy
import os
import statistics
import time

import torch
from steps import CONF, REGULARISATION
from torch import Tensor, nn

from hubert_iter import options
from hubert_iter.config import read_yaml
from hubert_iter.frames import SAMPLE_RATE, num_frames
from hubert_iter.models import cpu
from hubert_iter.models.encoder import Attention, ConvFeatures, ConvPositions
from hubert_iter.models.settings import EncoderConfig
from hubert_iter.train import memory

SAMPLES = 8 * SAMPLE_RATE


def parts(config: EncoderConfig, utterances: int) -> list[tuple[nn.Module, list[Tensor]]]:
    """Plain parts of the encoder, and what each is given."""
    frames, width = num_frames(SAMPLES), config.width
    rows = torch.randn(utterances, frames, width)
    heads = list(torch.randn(3, utterances, config.heads, frames, width // config.heads))
    return [
        (ConvFeatures(config.channels), [0.1 * torch.randn(utterances, SAMPLES)]),
        (ConvPositions(width, config.position_kernel, config.position_groups), [rows]),
        (Attention(config.attention_dropout), heads),
        (nn.Linear(width, config.feedforward), [rows]),
        (nn.Dropout(config.dropout), [rows]),
    ]


def seconds(part: nn.Module, inputs: list[Tensor], bfloat16: bool) -> float:
    """Processor seconds of one pass forward and backward."""
    given = [each.clone().requires_grad_() for each in inputs]
    began = time.process_time()
    with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
        output = part(*given)
    output.backward(torch.ones_like(output))
    return time.process_time() - began


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", choices=("tiny", "small", "base"), default="tiny")
    parser.add_argument("--utterances", type=int, default=4)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--bfloat16", action="store_true", help="by autocast")
    args = parser.parse_args()
    memory.keep_freed()
    torch.set_num_threads(1)
    config = options.read(EncoderConfig, {**read_yaml(CONF / f"model/{args.size}.yaml"), **REGULARISATION}, "benchmark")
    print(f"{args.size}, {args.utterances} x 8 s, load {os.getloadavg()[0]:.1f}")
    for plain, inputs in parts(config, args.utterances):
        if args.bfloat16 and isinstance(plain, Attention):
            inputs = [each.bfloat16() for each in inputs]  # as a linear map leaves them
        fast = copy.deepcopy(plain)
        cpu.give(fast, {**cpu.FORMS, **cpu.ENCODER_FORMS})
        times: dict[nn.Module, list[float]] = {plain: [], fast: []}
        for repeat in range(args.repeats + 1):
            for part, found in times.items():
                taken = seconds(part, inputs, args.bfloat16)
                if repeat:  # the first one allocates
                    found.append(taken)
        before, after = (statistics.median(found) for found in times.values())
        names = f"{type(plain).__name__} -> {type(fast).__name__}"
        print(f"{names:38s} {1000 * before:8.1f} -> {1000 * after:8.1f} ms, ratio {before / after:.2f}", flush=True)


if __name__ == "__main__":
    main()
