"""How much two label sets of the same audio agree, whatever their numbering."""

from collections.abc import Mapping
from itertools import combinations
from pathlib import Path

import numpy as np

from hubert_iter import tsv
from hubert_iter.errors import UserError, summarise
from hubert_iter.units.labels import SLACK, Labels
from hubert_iter.units.quality import contingency, entropy, mutual_information

COLUMNS = ("labels_a", "labels_b", "metric", "value")
METRICS = ("nmi", "entropy_a_given_b", "entropy_b_given_a")


def count(first: Labels, second: Labels) -> np.ndarray:
    """Frames by the labels of both sets, int64 [k of first, k of second]."""
    data_a, data_b = first.provenance["inputs"]["data"], second.provenance["inputs"]["data"]
    if data_a["id"] != data_b["id"]:
        raise UserError(
            f"{first.folder} labels {data_a['path']}, but {second.folder} labels {data_b['path']} (or the same data "
            "directory at another time). Agreement needs the same audio: make the labels again (stage 6)"
        )
    alone = sorted(first.keys() ^ second.keys())
    if alone:
        raise UserError(f"{first.folder} and {second.folder}: utterances in only one of them: {summarise(alone)}")
    joint = np.zeros((first.k, second.k), np.int64)
    for utt, labels in first.items():
        others = second[utt]
        if abs(len(labels) - len(others)) > SLACK:
            raise UserError(
                f"utterance {utt}: {len(labels)} labels in {first.folder}, but {len(others)} in {second.folder}. "
                "Make the labels again (stage 6)"
            )
        joint += contingency(labels, others, first.k, second.k)
    return joint


def measure(joint: np.ndarray) -> dict[str, float]:
    """All METRICS of a contingency table of labels a (rows) and b (columns).

    nmi is the mutual information over the mean of both entropies, from 0 (independent) to 1 (the same but for names).
    The conditional entropies are in bits: entropy_a_given_b is what remains unknown of a once b is known.
    """
    first, second, shared = entropy(joint.sum(axis=1)), entropy(joint.sum(axis=0)), mutual_information(joint)
    mean = (first + second) / 2
    return {
        "nmi": shared / mean if mean > 0 else 1.0,
        "entropy_a_given_b": max(0.0, first - shared),
        "entropy_b_given_a": max(0.0, second - shared),
    }


def write(folder: Path, sets: Mapping[str, Labels]) -> dict[tuple[str, str], dict[str, float]]:
    """Score every pair, in the order given, into scores.tsv (COLUMNS)."""
    scores = {(a, b): measure(count(sets[a], sets[b])) for a, b in combinations(sets, 2)}
    rows = ((a, b, metric, f"{value:.6g}") for (a, b), values in scores.items() for metric, value in values.items())
    tsv.write(Path(folder) / "scores.tsv", COLUMNS, rows)
    return scores
