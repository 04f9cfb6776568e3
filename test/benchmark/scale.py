"""What LibriSpeech-960's size costs beside the training itself: tables, batches, labels, hashes, in time and memory.

A data directory and labels of --hours are generated (lengths as LibriSpeech's, no audio), and of each step the
processor's seconds and the memory that it adds are printed, and how they grow from the first size to the last: as
hours^1.00 where they are in proportion. --networks adds the report of studies with scores of so many trained networks.
With --check it exits 1 where 960 h or 36 networks exceed their bounds, or a step grows faster than --check allows.

9600 h take 9 GB of disk in the folder for temporary files (TMPDIR), 4 GB of memory and some minutes.
"""

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import scale_report

from hubert_iter import provenance
from hubert_iter.data import datadir
from hubert_iter.data.datadir import Utterance
from hubert_iter.feats import archive
from hubert_iter.frames import FRAME_SHIFT, SAMPLE_RATE, num_frames

MEAN_SECONDS = 12.3
"""Of LibriSpeech's training utterances."""
CLASSES = 500
BLOCK = 960.0
"""Hours whose labels are drawn; more are the same ones again, under other names."""
BOUNDS = {"tables": 15.0, "sampler": 5.0, "an epoch's order": 2.0, "hashing": 10.0, "report": 120.0}
"""Most seconds for 960 h; of the report for 36 networks."""
MEMORY = {
    "tables": 300.0, "labels open": 200.0, "a loader's worker": 150.0, "labels on disk": 1000.0, "report": 2000.0,
}  # fmt: skip
"""Most megabytes, likewise."""
GROWTH = 1.15
"""Most power of the hours that the processor's time may grow as, from 960 h on; below, what is fixed counts more."""
REPORT_GROWTH = 2.1
"""Likewise of the networks: all of them are compared with all, layer by layer."""
LIMITED = {"hours": 960.0, "networks": 36.0}
"""Sizes that the bounds are for."""


def generate(folder: Path, hours: float) -> None:
    """A data directory without audio and its labels: 40 utterances a speaker, lengths from 2 to 16 s, 35 words each."""
    rng = np.random.default_rng(0)
    count = round(min(hours, BLOCK) * 3600 / MEAN_SECONDS)
    blocks = max(1, round(hours / BLOCK))
    seconds = np.tile(np.clip(16 - rng.gamma(1.3, 2.9, count), 2.0, 16.0), blocks)
    words = rng.choice([f"word{number}" for number in range(5000)], (1000, 35))
    lines = [" ".join(row) for row in words]
    utterances = [
        Utterance(
            f"{number // 40:06d}-{number % 40:04d}", f"{number // 40:06d}", int(length * SAMPLE_RATE),
            f"/corpora/LibriSpeech/train-other-500/{number // 40}/{number // 40}/{number:07d}.flac",
        )
        for number, length in enumerate(seconds)
    ]  # fmt: skip
    datadir.write(folder / "data", utterances, {each.id: lines[n % 1000] for n, each in enumerate(utterances)})
    write_labels(folder / "labels", utterances, count)


def write_labels(folder: Path, utterances: list[Utterance], count: int) -> None:
    """Random labels as make_labels leaves them, of the first `count` utterances; of others theirs again."""
    rng = np.random.default_rng(0)
    pool = rng.integers(0, CLASSES, 100_000).astype(np.int32)
    starts = rng.integers(0, 98_000, count)
    first = utterances[:count]
    items = (
        (each.id, pool[start : start + num_frames(each.num_samples)]) for each, start in zip(first, starts, strict=True)
    )
    folder.mkdir()
    archive.write_vectors(folder, "labels", items)
    repeat_labels(folder, utterances, count)
    settings = {"k": CLASSES, "rate": SAMPLE_RATE // FRAME_SHIFT, "features": {}}
    provenance.write(folder, "make_labels", settings, {"kmeans": folder / "utt2num_frames"})


def repeat_labels(folder: Path, utterances: list[Utterance], count: int) -> None:
    """Append the archive to itself until all utterances have labels."""
    ark, scp, lengths = (folder / name for name in ("labels.ark", "labels.scp", "utt2num_frames"))
    block, places = ark.stat().st_size, [int(line.rpartition(":")[2]) for line in scp.read_text().splitlines()]
    for begin in range(count, len(utterances), count):
        with open(ark, "ab") as out, open(ark, "rb") as source:
            left = block
            while left:
                left -= out.write(source.read(min(left, 1 << 24)))
        shift = begin // count * block
        mine = utterances[begin : begin + count]
        with open(scp, "a") as out:
            out.writelines(f"{each.id} {ark}:{place + shift}\n" for each, place in zip(mine, places, strict=True))
        with open(lengths, "a") as out:
            out.writelines(f"{each.id} {num_frames(each.num_samples)}\n" for each in mine)


def megabytes() -> float:
    """Memory of this process that is its own: without mapped files, which the system may drop and processes share."""
    text = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in text if line.startswith("Private_Dirty:")) / 1024


def steps(folder: Path) -> dict[str, tuple[float, float]]:
    """Seconds and megabytes of what a training does before its first update; in a process of its own."""
    found: dict[str, tuple[float, float]] = {}

    def measure(name: str, step: Callable):
        before, began = megabytes(), time.process_time()
        result = step()
        found[name] = time.process_time() - began, megabytes() - before
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
        began = time.process_time()
        for position in range(2000):
            for sequence in sampler.plan(position).sequences:
                utterance = data.utterances[sequence[0].utterance]
                units[utterance.id][:10].sum()
        theirs.send((time.process_time() - began, megabytes()))

    worker = context.Process(target=work)
    worker.start()
    result = ours.recv()
    worker.join()
    return result


def measured(hours: float) -> dict[str, tuple[float, float]]:
    """All steps at one size, and the labels' megabytes on the disk; each in a process of its own."""
    with tempfile.TemporaryDirectory() as name:
        call("--generate", str(hours), "--folder", name)
        found = {step: tuple(values) for step, values in json.loads(call("--folder", name)).items()}
        found["labels on disk"] = 0.0, (Path(name) / "labels/labels.ark").stat().st_size / 1e6
    return found


def call(*options: str) -> str:
    """What this script prints with these options."""
    return subprocess.run([sys.executable, __file__, *options], capture_output=True, text=True, check=True).stdout


def reported(networks: float) -> dict[str, tuple[float, float]]:
    """The report of a study with scores of so many trained networks: seconds, and the most memory it held."""
    with tempfile.TemporaryDirectory() as name:
        options = scale_report.generate(Path(name), round(networks))
        bytes_read = sum(path.stat().st_size for path in Path(name).rglob("*") if path.is_file())
        process = subprocess.Popen([sys.executable, "-m", "hubert_iter.bin.report", *options], stderr=subprocess.PIPE)
        message = process.stderr.read()
        _, status, used = os.wait4(process.pid, 0)
        if status:
            sys.exit(f"the report failed:\n{message.decode()}")
        page = Path(options[-1]) / "index.html"
        return {
            "report": (used.ru_utime + used.ru_stime, used.ru_maxrss / 1024),
            "report's inputs on disk": (0.0, bytes_read / 1e6),
            "report's page": (0.0, page.stat().st_size / 1e6),
        }


def show(sizes: dict[float, dict[str, tuple[float, float]]], unit: str, growth: float) -> list[str]:
    """Print a table; the steps that miss their bounds."""
    missed = []
    print(f"{'':24s}" + "".join(f"{size:>14.0f} {unit}".rjust(24) for size in sizes) + f"  grows as {unit}^")
    for step in next(iter(sizes.values())):
        row = [f"{found[step][0]:9.2f} s {found[step][1]:9.1f} MB" for found in sizes.values()]
        powers = [power(step, 0, sizes), power(step, 1, sizes)]
        print(f"{step:24s}" + "".join(cell.rjust(24) for cell in row) + "  " + " ".join(powers))
        for size, found in sizes.items():
            over = (each > most.get(step, math.inf) for each, most in zip(found[step], (BOUNDS, MEMORY), strict=True))
            if size == LIMITED[unit] and any(over):
                missed.append(f"{step} at {size:.0f} {unit}")
        large = {size: found for size, found in sizes.items() if size >= LIMITED[unit]}
        if len(large) > 1 and (found := power(step, 0, large)) and float(found) > growth:
            missed.append(f"{step} grows as {unit}^{found}")
    return missed


def power(step: str, column: int, sizes: dict[float, dict[str, tuple[float, float]]]) -> str:
    """The power of the size that a figure grows as, from the first size at which it can be measured; "" if nowhere."""
    least = (0.05, 1.0)[column]
    points = [(size, found[step][column]) for size, found in sizes.items() if found[step][column] >= least]
    if len(points) < 2:
        return ""
    (first, low), (last, high) = points[0], points[-1]
    return f"{math.log(high / low) / math.log(last / first):.2f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hours", type=float, nargs="*", default=[10.0, 96.0, 960.0], help="960 and more in 960s")
    parser.add_argument("--networks", type=float, nargs="*", default=[12.0, 36.0], help="in threes")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--generate", type=float, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.generate:
        generate(args.folder, args.generate)
    elif args.folder:
        print(json.dumps(steps(args.folder)))
    else:
        print("load: {:.1f} {:.1f} {:.1f}".format(*os.getloadavg()))
        missed = show({hours: measured(hours) for hours in args.hours}, "hours", GROWTH) if args.hours else []
        if args.networks:
            missed += show({count: reported(count) for count in args.networks}, "networks", REPORT_GROWTH)
        if args.check and missed:
            sys.exit(f"bounds missed: {', '.join(missed)}")


if __name__ == "__main__":
    main()
