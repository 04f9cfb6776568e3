"""How fast a training step is (forward, backward, optimiser), against the same step of other libraries.

All take the same batch at the same size, by default on the CPU with as many threads, in float32 and, where the
processor multiplies it fast, in bfloat16; medians and ratios are printed, and the share of the machine's own
matrix-product rate that a step reaches. Peers: torchaudio's
hubert_pretrain_model and, where installed, minimal-hubert (BASE only; plain and compiled) for HuBERT, Hugging Face's
Wav2Vec2ForPreTraining for wav2vec 2.0.

Each contender has a process of its own, as it has in use, and steps are taken in turn, one of each. Ours take memory as
this project's trainings do (hubert_iter/train/memory.py), the others as Python does; with --keep_freed all do as
ours. With --check it exits 1 where a target is missed; targets are those of the CPU in float32.
"""

import argparse
import importlib.util
import os
import statistics
import sys
import time
from collections.abc import Iterable
from multiprocessing import get_context
from multiprocessing.connection import Connection

import torch
from steps import Task, finish, make

from hubert_iter import options
from hubert_iter.models.cpu.products import linear
from hubert_iter.models.settings import KERNELS, STRIDES, EncoderConfig
from hubert_iter.train import memory
from hubert_iter.train.distributed import precision_on

GROUPS = {
    "predictive": (
        "ours hubert",
        "ours hubert compiled",
        "ours hubert plain",
        "ours online",
        "torchaudio",
        "minimal_hubert",
        "minimal_hubert compiled",
    ),
    "contrastive": ("ours wav2vec2", "huggingface", "ours chubert"),
}
"""Who steps in turn with whom; one group is done before the next, for at BASE all together need too much memory."""
CONTENDERS = tuple(name for group in GROUPS.values() for name in group)
ONLY_BASE = ("minimal_hubert", "minimal_hubert compiled")
"""Peers that have one size."""
ON_REQUEST = {"base": ("ours hubert compiled", "ours hubert plain", "ours chubert", "ours online")}
"""Left out unless asked for by --only."""
PACKAGES = {"torchaudio": "torchaudio", "huggingface": "transformers", "minimal_hubert": "minimal_hubert"}
TARGETS = {
    "base": {"torchaudio": 1.7, "huggingface": 1.7, "minimal_hubert compiled": 1.1},
    "small": {"torchaudio": 2.0},
    "tiny": {"torchaudio": 2.0},
}
"""Least ratio of our speed to a peer's."""
RIVALS = {
    "ours hubert plain": ("ours hubert",),
    "ours online": ("ours hubert",),
    "torchaudio": ("ours hubert", "ours hubert compiled"),
    "huggingface": ("ours wav2vec2",),
    "minimal_hubert": ("ours hubert",),
    "minimal_hubert compiled": ("ours hubert", "ours hubert compiled"),
}
"""Which of our steps do the same as a peer's, and the faster counts; online's costs a teacher's forward more."""


def product_rate(task: Task) -> float:
    """Floating-point operations per second of a large matrix product here, now."""
    size = 2048 if task.device == "cpu" else 8192
    dtype = getattr(torch, task.precision)
    a, b = torch.randn(2, size, size, device=task.device, dtype=dtype)
    times = []
    for _ in range(5):
        began = time.perf_counter()
        linear(a, b)
        finish(task.device)
        times.append(time.perf_counter() - began)
    return 2 * size**3 / min(times)


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


Medians = dict[tuple[str, str], float]
"""Seconds a step, by contender and precision."""


def measure(names: Iterable[str], tasks: Iterable[Task], repeats: int) -> Medians:
    """Median seconds of each step in each precision; one of each in turn, so that the machine's moods hit all alike."""
    context = get_context("spawn")
    connections = {}
    for name in names:
        for task in tasks:
            connection, theirs = context.Pipe()
            context.Process(target=contend, args=(name, task, theirs), daemon=True).start()
            theirs.close()  # so that its end is noticed here
            connections[name, task.precision] = connection
    times: dict[tuple[str, str], list[float]] = {each: [] for each in connections}
    each = ("", "")
    try:
        for each in connections:
            connections[each].recv()
        for repeat in range(repeats + 2):
            for each, connection in connections.items():
                connection.send(True)
                seconds = connection.recv()
                if repeat >= 2:  # the first ones compile and allocate
                    times[each].append(seconds)
    except EOFError:
        sys.exit(f"{each[0]} ended before its time: see above; if nothing is said, memory ran out (fewer with --only)")
    for connection in connections.values():
        connection.send(False)
    return {each: statistics.median(values) for each, values in times.items()}


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
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument(
        "--precision", nargs="+", choices=("float32", "bfloat16"),
        help="bfloat16 is by autocast; without this float32, and bfloat16 too where the device multiplies it fast",
    )  # fmt: skip
    parser.add_argument("--check", action="store_true")
    args = parser.parse_args()
    precisions = args.precision or dict.fromkeys(("float32", precision_on(torch.device(args.device))))
    tasks = [
        Task(args.size, args.utterances, args.seconds, args.threads, args.keep_freed, args.device, precision)
        for precision in precisions
    ]
    names = wanted(args)
    memory.keep_freed()
    torch.set_num_threads(args.threads)
    rates = {task.precision: product_rate(task) for task in tasks}
    medians: Medians = {}
    for group in GROUPS.values():
        medians.update(measure([name for name in group if name in names], tasks, args.repeats))
    print(
        f"{args.size}, {args.utterances} x {args.seconds} s, {args.device}, {args.threads} threads, "
        f"torch {torch.__version__}, load {os.getloadavg()[0]:.1f}"
    )
    missed = []
    for task in tasks:
        rate = max(rates[task.precision], product_rate(task))
        print(f"{task.precision}: matrix products {rate / 1e9:.0f} GFLOP/s")
        missed += compare(task, {name: value for (name, of), value in medians.items() if of == task.precision}, rate)
    for name in names:
        if {(name, "float32"), (name, "bfloat16")} <= medians.keys():
            print(f"{name}, bfloat16 to float32: {medians[name, 'float32'] / medians[name, 'bfloat16']:.2f}")
    if args.check and missed:
        sys.exit(f"target missed against {', '.join(missed)}")


def compare(task: Task, medians: dict[str, float], rate: float) -> list[str]:
    """Print speeds, shares of the bound and ratios to peers in one precision; who is nearer than its target."""
    audio = task.utterances * task.seconds
    bound = audio * rate / operations(options.read(EncoderConfig, task.sizes, ""), task.samples, task.utterances)
    for name, seconds in medians.items():
        speed = audio / seconds
        print(f"{name:26s} {seconds:8.3f} s/step {speed:8.2f} audio-s/s {speed / bound:6.0%} of the bound")
    targets = TARGETS[task.size] if task.device == "cpu" and task.precision == "float32" else {}
    missed = []
    for name, rivals in RIVALS.items():
        mine = [medians[rival] for rival in rivals if rival in medians]
        if name in medians and mine:
            ratio, target = medians[name] / min(mine), targets.get(name)
            print(f"ratio to {name}: {ratio:.2f}" + (f" (target {target})" if target else ""))
            if target and ratio < target:
                missed.append(name)
    return missed


if __name__ == "__main__":
    main()
