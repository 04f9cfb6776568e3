"""What LibriSpeech-960's size costs beside the training itself: tables, batches, labels, hashes, in time and memory.

A data directory and labels of --hours are generated (lengths as LibriSpeech's, no audio), and of each step the seconds
and the memory that it adds are printed, with the growth where several sizes are given. With --check it exits 1 where
960 h exceed their bounds.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from hubert_iter import provenance
from hubert_iter.data import datadir
from hubert_iter.data.datadir import Utterance
from hubert_iter.feats import archive
from hubert_iter.frames import FRAME_SHIFT, SAMPLE_RATE, num_frames

MEAN_SECONDS = 12.3
"""Of LibriSpeech's training utterances."""
CLASSES = 500
BOUNDS = {"tables": 15.0, "sampler": 5.0, "an epoch's order": 2.0, "hashing": 10.0}
"""Most seconds for 960 h."""
MEMORY = {"tables": 600.0, "labels open": 200.0, "a loader's worker": 150.0}
"""Most megabytes for 960 h."""
LABELS_ON_DISK = 1000.0
"""Megabytes, likewise."""


def generate(folder: Path, hours: float) -> list[Utterance]:
    """A data directory without audio: 40 utterances a speaker, lengths from 2 to 16 s, 35 words each."""
    rng = np.random.default_rng(0)
    count = round(hours * 3600 / MEAN_SECONDS)
    seconds = np.clip(16 - rng.gamma(1.3, 2.9, count), 2.0, 16.0)
    words = rng.choice([f"word{number}" for number in range(5000)], (1000, 35))
    lines = [" ".join(row) for row in words]
    utterances = [
        Utterance(
            f"{number // 40:05d}-{number % 40:04d}", f"{number // 40:05d}", int(length * SAMPLE_RATE),
            f"/corpora/LibriSpeech/train-other-500/{number // 40}/{number // 40}/{number:07d}.flac",
        )
        for number, length in enumerate(seconds)
    ]  # fmt: skip
    datadir.write(folder / "data", utterances, {each.id: lines[n % 1000] for n, each in enumerate(utterances)})
    return utterances


def write_labels(folder: Path, utterances: list[Utterance]) -> None:
    """Random labels, as make_labels leaves them."""
    rng = np.random.default_rng(0)
    pool = rng.integers(0, CLASSES, 100_000).astype(np.int32)
    starts = rng.integers(0, 98_000, len(utterances))
    items = (
        (each.id, pool[start : start + num_frames(each.num_samples)])
        for each, start in zip(utterances, starts, strict=True)
    )
    folder.mkdir()
    archive.write_vectors(folder, "labels", items)
    settings = {"k": CLASSES, "rate": SAMPLE_RATE // FRAME_SHIFT, "features": {}}
    provenance.write(folder, "make_labels", settings, {"kmeans": folder / "labels.scp"})


def megabytes() -> float:
    """Memory of this process that is its own: without mapped files, which the system may drop and processes share."""
    text = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in text if line.startswith("Private_Dirty:")) / 1024


def steps(folder: Path) -> dict[str, tuple[float, float]]:
    """Seconds and megabytes of what a training does before its first update; in a process of its own."""
    found: dict[str, tuple[float, float]] = {}

    def measure(name: str, step: Callable):
        before, began = megabytes(), time.perf_counter()
        result = step()
        found[name] = time.perf_counter() - began, megabytes() - before
        return result

    from hubert_iter.data.sampler import Sampler
    from hubert_iter.units import labels

    data = measure("tables", lambda: datadir.read(folder / "data"))
    lengths = np.array([utterance.num_samples for utterance in data.utterances])
    sampler = measure("sampler", lambda: Sampler(lengths, 87.5, 15.6, 0))
    measure("an epoch's order", lambda: sampler.plan(sampler._starts[-1]))
    measure("hashing", lambda: provenance.file_hash(folder / "labels/labels.ark"))
    units = measure("labels open", lambda: labels.read_labels(folder / "labels"))
    measure("labels read through", units.histogram)
    found["a loader's worker"] = measure_worker(data, units, sampler)
    return found


def measure_worker(data, units, sampler) -> tuple[float, float]:
    """Of a forked worker: megabytes of its own after it has planned 2000 batches and looked at their labels."""
    from multiprocessing import get_context

    context = get_context("fork")
    ours, theirs = context.Pipe()

    def work() -> None:
        began = time.perf_counter()
        for position in range(2000):
            for sequence in sampler.plan(position).sequences:
                utterance = data.utterances[sequence[0].utterance]
                units[utterance.id][:10].sum()
        theirs.send((time.perf_counter() - began, megabytes()))

    worker = context.Process(target=work)
    worker.start()
    result = ours.recv()
    worker.join()
    return result


def measured(hours: float) -> dict[str, tuple[float, float]]:
    """All steps at one size, and the labels' megabytes on the disk."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_labels(folder / "labels", generate(folder, hours))
        command = [sys.executable, __file__, "--steps", name]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        found = {step: tuple(values) for step, values in json.loads(done.stdout).items()}
        found["labels on disk"] = 0.0, (folder / "labels/labels.ark").stat().st_size / 1e6
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hours", type=float, nargs="+", default=[10.0, 960.0])
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--steps", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.steps:
        print(json.dumps(steps(Path(args.steps))))
        return
    sizes = {hours: measured(hours) for hours in args.hours}
    missed = []
    for step in next(iter(sizes.values())):
        row = [f"{step:20s}"]
        for hours, found in sizes.items():
            seconds, size = found[step]
            row.append(f"{hours:6.0f} h {seconds:7.2f} s {size:8.1f} MB")
            if hours == 960.0:
                most = MEMORY.get(step, LABELS_ON_DISK if step == "labels on disk" else float("inf"))
                if seconds > BOUNDS.get(step, float("inf")) or size > most:
                    missed.append(step)
        first, last = (sizes[hours][step] for hours in (args.hours[0], args.hours[-1]))
        if len(sizes) > 1 and first[0] > 0.001:
            row.append(f"ratio of seconds {last[0] / first[0]:.1f} (of hours {args.hours[-1] / args.hours[0]:.0f})")
        print("  ".join(row))
    if args.check and missed:
        sys.exit(f"bounds missed: {', '.join(missed)}")


if __name__ == "__main__":
    main()
