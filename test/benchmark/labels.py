"""How fast a teacher labels: the whole stage against the teacher's encoder alone, as multiples of real time.

A network of --size with random weights labels --utterances of made audio on all processors, as stage 6 does. Beside
it the encoder goes through the same audio, an utterance in each thread, up to the layer that is clustered and no
further. With --check it exits 1 where the stage has less than 0.8 of the encoder's rate. It says how long 960 h would
take.
"""

import argparse
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import soundfile
import torch

from hubert_iter import provenance
from hubert_iter.config import read_yaml
from hubert_iter.data import datadir
from hubert_iter.data.datadir import Utterance
from hubert_iter.feats import layers, source
from hubert_iter.frames import SAMPLE_RATE
from hubert_iter.models import store
from hubert_iter.models.pretrainer import build
from hubert_iter.units import labels

CONF = Path(__file__).resolve().parents[2] / "conf"
LEAST = 0.8
K = 500


def make_data(folder: Path, count: int, seconds: float) -> list[Utterance]:
    """Utterances of noise, half as long to one and a half times as long as said."""
    rng = np.random.default_rng(0)
    utterances = []
    for number in range(count):
        samples = int(seconds * SAMPLE_RATE * rng.uniform(0.5, 1.5))
        path = folder / f"{number:04d}.flac"
        soundfile.write(path, 0.1 * rng.standard_normal(samples), SAMPLE_RATE)
        utterances.append(Utterance(f"a-{number:04d}", "a", samples, str(path)))
    datadir.write(folder / "data", utterances, {utterance.id: "noise" for utterance in utterances})
    return utterances


def make_teacher(folder: Path, size: str) -> Path:
    """A network with random weights."""
    torch.manual_seed(0)
    sizes = read_yaml(CONF / f"model/{size}.yaml")
    folder.mkdir()
    store.write(folder, build(sizes, None, None, size), {"model": sizes, "objective": None, "classes": None})
    provenance.write(folder, "train", {}, {})
    return folder


def encoder_alone(model: layers.LayerModel, waves: list[np.ndarray], tap: str) -> float:
    """Seconds for all of them, in as many threads as there are processors."""
    threads = source.num_threads()
    with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        began = time.perf_counter()
        list(pool.map(lambda wave: model.tap(wave, tap), waves))
        return time.perf_counter() - began


def main() -> None:
    """Measure, print, check."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", choices=("base", "small", "tiny"), default="base")
    parser.add_argument("--tap", default="6", help="the layer that is clustered")
    parser.add_argument("--utterances", type=int, default=12)
    parser.add_argument("--seconds", type=float, default=12.0, help="of an utterance on average")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--check", action="store_true")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        utterances = make_data(folder, args.utterances, args.seconds)
        teacher = make_teacher(folder / "model", args.size)
        model = layers.open_model(teacher)
        waves = [soundfile.read(utterance.wav, dtype="float32")[0] for utterance in utterances]
        width = model.tap(waves[0][:SAMPLE_RATE], args.tap).shape[1]
        centroids = np.random.default_rng(0).standard_normal((K, width)).astype(np.float32)
        stage, alone = [], []
        for number in range(args.repeats):
            out = folder / f"labels{number}"
            out.mkdir()
            alone.append(encoder_alone(model, waves, args.tap))
            feats = source.LayerSource(teacher, args.tap, folder / "data")
            began = time.perf_counter()
            labels.make(feats, utterances, centroids, out, out)
            stage.append(time.perf_counter() - began)
    total = sum(map(len, waves)) / SAMPLE_RATE
    rates = [total / min(seconds) for seconds in (stage, alone)]
    ratio = rates[0] / rates[1]
    print(
        f"{args.size}, layer {args.tap}, k={K}: the stage labels at {rates[0]:.1f} times real time, the encoder alone "
        f"runs at {rates[1]:.1f}; ratio {ratio:.2f} (target {LEAST}); 960 h would take {960 / rates[0]:.1f} h"
    )
    if args.check and ratio < LEAST:
        sys.exit(f"the stage has less than {LEAST} of the encoder's rate")


if __name__ == "__main__":
    main()
