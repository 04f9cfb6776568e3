"""A tiny corpus for tests."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Corpus:
    """Folders of a labelled corpus: noise whose spectrum changes every tenth of a second, so that clusters differ."""

    data: Path
    valid_data: Path
    labels: Path
    valid_labels: Path
    k: int


def write_noise(path: Path, utterances: int, seconds: float, seed: int) -> None:
    from hubert_iter import provenance
    from hubert_iter.data import datadir

    rng = np.random.default_rng(seed)
    audio = path.parent / f"{path.name}_audio"
    audio.mkdir(parents=True)
    entries = []
    for number in range(utterances):
        pieces = [
            np.convolve(rng.normal(size=1700), rng.normal(size=8), "valid")[:1600] for _ in range(int(seconds * 10))
        ]
        samples = (0.02 * np.concatenate(pieces)).astype(np.float32)[
            : rng.integers(int(12000 * seconds), int(16000 * seconds))
        ]
        name = f"s{seed}{number % 3}-{number:03d}"
        soundfile.write(audio / f"{name}.flac", samples, 16000)
        entries.append(datadir.Utterance(name, f"s{seed}{number % 3}", len(samples), str(audio / f"{name}.flac")))
    datadir.write(path, entries)
    provenance.write(path, "test", {}, {})


def an_objective(name: str, width: int = 24, channels: int = 12, classes: int | None = None, **options):
    """An objective with fresh weights, as a configuration with these options has it."""
    from hubert_iter.models import objectives
    from hubert_iter.models.settings import Sizes

    return objectives.read({"name": name, **options}, "test").build(Sizes(width, channels, classes))
