"""Networks of a few made-up layers, pooled on made-up single frames, for measures of frames."""

import json

import numpy as np

from hubert_iter.analysis import frame_sample, pool
from hubert_iter.analysis.frame_sample import FrameSample
from hubert_iter.analysis.measure import Material


class Here:
    """Stands for Workers: does everything in this process."""

    def map(self, function, tasks, cost=None):
        return [function(task) for task in tasks]


def frames(utterances=40, length=50, speakers=4, phones=5, words=True, seed=0) -> FrameSample:
    """Phones last 5 frames, of which the last one in `phones + 1` is silence; utterances take turns over speakers."""
    generator = np.random.default_rng(seed)
    total = utterances * length
    phone = np.repeat(generator.integers(phones + 1, size=total // 5 + 1), 5)[:total]
    labels = np.array([*(f"p{number}" for number in range(phones)), frame_sample.NONE])[phone]
    numbers = np.arange(utterances)
    return FrameSample(
        np.repeat([f"utt{number:03d}" for number in numbers], length),
        np.tile(np.arange(length), utterances),
        {
            "phone": labels,
            "word": np.where(phone % 2 == 0, "even", "odd") if words else np.full(total, frame_sample.NONE),
            "speaker": np.repeat([f"speaker{number % speakers}" for number in numbers], length),
        },
    )


def write(folder, sample: FrameSample, taps) -> pool.Layers:
    """`taps`: name -> [N, width]. Beside them the frames, in `folder/samples`."""
    (folder / "samples").mkdir(parents=True)
    frame_sample.write(folder / "samples", sample)
    for tap, values in taps.items():
        np.save(folder / f"frame.0.{tap}.npy", np.asarray(values, np.float32)[None])
    record = {"name": folder.name, "taps": list(taps), "updates": 0, "model": {}}
    (folder / pool.FILE_NAME).write_text(json.dumps(record))
    return pool.read(folder)


def material(layers: pool.Layers, **others) -> Material:
    """A network to score beside other networks, by name."""
    places = {name: other.folder for name, other in others.items()}
    return Material(layers, layers.folder / "samples", Here(), others=places)


def values(scored, metric, prop=None) -> dict[str, float]:
    """Layer -> mean over trials."""
    found = {}
    for row in scored.rows:
        if row.metric == metric and prop in (None, row.prop):
            found.setdefault(row.layer, []).append(row.value)
    return {layer: float(np.mean(each)) for layer, each in found.items()}
