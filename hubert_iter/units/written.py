"""Units of any audio as files for others: Kaldi's text or an archive, each frame's or each run's of equal units."""

import logging
import time
from pathlib import Path

import numpy as np

from hubert_iter.data.datadir import DataDir
from hubert_iter.feats import archive
from hubert_iter.feats.source import FeatureSource
from hubert_iter.frames import FRAME_SHIFT, hours
from hubert_iter.units import labels

TEXT = "units.txt"
DURATIONS = "durations"
log = logging.getLogger(__name__)


def write(
    source: FeatureSource, data: DataDir, centroids: np.ndarray, folder: Path, final: Path, ark: bool, dedup: bool
) -> None:
    """Label all of `data` into `folder`, whose later name is `final`."""
    began = time.monotonic()
    names = [utterance.id for utterance in data.utterances]
    # Kept until the end, two bytes a frame: a GPU takes utterances by length.
    kind = np.uint16 if len(centroids) <= 65536 else np.int32
    made = {utt: units.astype(kind) for utt, units in labels.stream(source, names, centroids)}
    frames = sum(map(len, made.values()))
    used = np.unique(np.concatenate(list(made.values())))
    tables = {labels.NAME: made}
    if dedup:
        runs = {utt: deduplicate(units) for utt, units in made.items()}
        tables = {labels.NAME: {utt: units for utt, (units, _) in runs.items()}}
        tables[DURATIONS] = {utt: lengths for utt, (_, lengths) in runs.items()}
    for name, table in tables.items():
        if ark:
            archive.write_vectors(folder, name, ((utt, table[utt]) for utt in names), final)
        else:
            path = folder / (TEXT if name == labels.NAME else f"{name}.txt")
            with open(path, "w", encoding="utf-8") as file:
                file.writelines(f"{utt} {' '.join(map(str, table[utt].tolist()))}\n" for utt in names)
    log.info(
        "%d utterances, %.2f h, %d of %d units used, in %.1f s: %s",
        len(made), hours(frames * FRAME_SHIFT), len(used), len(centroids), time.monotonic() - began, final,
    )  # fmt: skip


def deduplicate(units: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Units [T] -> each run's unit and its frames, int [R] both; their repetition gives the units back."""
    starts = np.concatenate([[0], 1 + np.flatnonzero(units[1:] != units[:-1])])[: len(units)]
    return units[starts], np.diff(starts, append=len(units))
