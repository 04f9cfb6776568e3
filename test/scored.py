"""Made-up layers and segments, and measures that score them."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from hubert_iter import provenance
from hubert_iter.analysis import measures, pool, sample
from hubert_iter.analysis.measure import Material, Scored
from hubert_iter.analysis.measures import cca
from hubert_iter.analysis.parallel import Workers
from hubert_iter.analysis.sample import Samples
from hubert_iter.data.datadir import Utterance


def cca_task(
    labels: np.ndarray, settings: cca.Settings, trials: int = 3, seed: int = 0, sample_set: int = 0,
    groups: np.ndarray | None = None, num_groups: int = 0,
) -> cca.Task:  # fmt: skip
    """A task of CCA whose features are given beside it."""
    return cca.Task(None, "phone", sample_set, "0", labels, settings, seed, trials, groups, num_groups)


def write_samples(root: Path, samples: Samples, speakers: Mapping[str, str]) -> None:
    """root/samples as sample_segments makes it, without single frames. `speakers`: utterance -> who speaks."""
    folder = root / "samples"
    folder.mkdir(exist_ok=True)
    sample.write(folder, samples)
    sample.write_speakers(folder, [Utterance(name, speaker, 16000, "-") for name, speaker in speakers.items()])
    provenance.write(folder, "sample_segments", {}, {})


def write_layers(root: Path, arrays: Mapping[str, np.ndarray], taps: tuple[str, ...]) -> None:
    """root/layers as pool_layers makes it for root/samples. `arrays`: file name -> float [taps, instances, width]."""
    folder = root / "layers"
    folder.mkdir(exist_ok=True)
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array.astype(np.float32))
    record = {"taps": list(taps), "updates": 9, "name": "run", "model": {}}
    (folder / pool.FILE_NAME).write_text(json.dumps(record))
    provenance.write(folder, "pool_layers", {}, {"samples": root / "samples"})


def score(name: str, root: Path, settings: Any, nj: int = 1, **material: Any) -> Scored:
    """What a measure says of root/layers and root/samples."""
    with Workers(nj) as workers:
        given = Material(pool.read(root / "layers"), root / "samples", workers, **material)
        return measures.find(name, "test").score(given, settings)
