"""Pooled layers of a made-up network, to score measures on."""

import json
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from hubert_iter.analysis import pool, sample
from hubert_iter.analysis.measure import Material
from hubert_iter.analysis.sample import Span

HERE = SimpleNamespace(map=lambda function, tasks, cost=None: [function(task) for task in tasks])
"""In the place of Workers: all in this process."""


def write(
    folder: Path,
    labels: Mapping[tuple[str, int], np.ndarray],
    speakers: Mapping[tuple[str, int], np.ndarray],
    taps: Mapping[str, Mapping[tuple[str, int], np.ndarray]],
    workers=HERE,
) -> Material:
    """Per (property, sample set) labels int [N] and speakers int [N], and per tap features [N, D]."""
    (folder / "layers").mkdir(parents=True)
    (folder / "samples").mkdir()
    samples = {
        key: [
            Span(f"u{speaker}", index, index + 1, f"{key[0]}{label:03d}")
            for index, (label, speaker) in enumerate(zip(labels[key], speakers[key], strict=True))
        ]
        for key in labels
    }
    sample.write(folder / "samples", samples)
    everyone = sorted({int(speaker) for each in speakers.values() for speaker in each})
    lines = [f"u{speaker}\tspk{speaker}\n" for speaker in everyone]
    (folder / "samples" / sample.SPEAKERS_FILE).write_text("\t".join(sample.SPEAKER_COLUMNS) + "\n" + "".join(lines))
    for tap, features in taps.items():
        for (prop, number), x in features.items():
            np.save(folder / "layers" / f"{prop}.{number}.{tap}.npy", x[None].astype(np.float32))
    record = {"name": "run", "taps": list(taps), "updates": 9, "model": {}}
    (folder / "layers" / pool.FILE_NAME).write_text(json.dumps(record))
    return Material(pool.read(folder / "layers"), folder / "samples", workers)
