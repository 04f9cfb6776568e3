"""What reading, cropping and masking a batch costs, as a share of a small model's training step.

The step has --threads threads and, unless --precision says otherwise, the precision that trainings take here; the
loader has one process. Without --data the audio is generated: filtered noise with pauses as FLAC, which takes longer
to decode than speech. With --check it exits 1 where the share is not below 5 %.
"""

import argparse
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import soundfile
import torch
from steps import CLASSES, CONF, ours, step_of

from hubert_iter import config, options
from hubert_iter.data import datadir
from hubert_iter.data.dataset import CropReader
from hubert_iter.data.sampler import Sampler
from hubert_iter.frames import num_frames
from hubert_iter.train import memory
from hubert_iter.train.config import TrainConfig
from hubert_iter.train.distributed import precision_on

MOST_SHARE = 0.05


def generate(folder: Path, utterances: int = 200) -> datadir.DataDir:
    """Utterances of 6 to 16 s."""
    generator = np.random.default_rng(0)
    entries = []
    for number in range(utterances):
        count = int(generator.integers(6, 16) * 16000)
        noise = np.convolve(generator.normal(0, 4000, count), (0.4, 0.3, 0.2, 0.1), mode="same")
        loudness = np.repeat(generator.random(count // 1600 + 1) ** 2, 1600)[:count]
        path = folder / f"{number}.flac"
        soundfile.write(path, (noise * loudness).astype(np.int16), 16000)
        entries.append(datadir.Utterance(str(number), str(number), count, str(path)))
    return datadir.DataDir(folder, tuple(entries), {})


def measure(data: datadir.DataDir, train: TrainConfig, batches: int, model: str, bfloat16: bool) -> tuple[float, float]:
    """Median seconds to read a batch, and of a training step, in turn."""
    generator = np.random.default_rng(0)
    labels = {u.id: generator.integers(CLASSES, size=num_frames(u.num_samples)) for u in data.utterances}
    reader = CropReader(data, labels, train.mask_probability, train.mask_length)
    lengths = np.array([utterance.num_samples for utterance in data.utterances])
    sampler = Sampler(lengths, train.device_seconds, train.max_crop_seconds, seed=0)
    reading, stepping = [], []
    for position in range(batches + 2):
        began = time.perf_counter()
        batch = reader.read(sampler.plan(position))
        read = time.perf_counter()
        if position == 0:
            sizes = config.load("model", model, [CONF])
            step = step_of(*ours(sizes, batch, "hubert"), bfloat16=bfloat16)  # always on this batch
            continue
        step()
        if position > 1:  # the first step allocates
            reading.append(read - began)
            stepping.append(time.perf_counter() - read)
    return statistics.median(reading), statistics.median(stepping)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="a Kaldi data directory with utt2num_samples, e.g. dump/data/train")
    parser.add_argument("--train", default="mini", help="of conf/train: batch and crops")
    parser.add_argument("--model", default="tiny", help="of conf/model")
    parser.add_argument("--precision", choices=("float32", "bfloat16"), help="of the step; else as trainings")
    parser.add_argument("--batches", type=int, default=20)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--check", action="store_true")
    args = parser.parse_args()
    memory.keep_freed()  # as trainings do
    torch.set_num_threads(args.threads)
    precision = args.precision or precision_on(torch.device("cpu"))
    train = options.read(TrainConfig, config.load("train", args.train, [CONF]), args.train)
    with tempfile.TemporaryDirectory() as folder:
        data = datadir.read(args.data) if args.data else generate(Path(folder))
        reading, stepping = measure(data, train, args.batches, args.model, precision == "bfloat16")
    share = reading / stepping
    print(f"{train.device_seconds} s of audio a batch, {args.threads} threads, load {os.getloadavg()[0]:.1f}")
    print(f"reading {1000 * reading:.1f} ms, {args.model} step in {precision} {1000 * stepping:.0f} ms")
    print(f"share {share:.1%} (target below 5 %)")
    if args.check and share >= MOST_SHARE:
        sys.exit("target missed: reading takes too large a share of a step")


if __name__ == "__main__":
    main()
