"""Similarity of layers: linear CKA of every layer with every other of the network, and with those of other networks.

Kornblith et al. 2019 (arXiv 1905.00414), with the unbiased estimator of HSIC (Song et al. 2012, JMLR 13) as Nguyen et
al. 2021 (arXiv 2010.15327) use it. The usual estimator is far above 0 for unrelated layers with about as many
dimensions as there are frames: by D / (N + D) for white noise, more than 0.5 for 768 dimensions and a trial's frames.

Each trial has utterances of its own, and takes frames from them evenly.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hubert_iter.analysis import folds
from hubert_iter.analysis.measure import Material, Measure, Metric, PairRow, Scored
from hubert_iter.analysis.pool import Layers
from hubert_iter.feats.baselines import BASELINES
from hubert_iter.options import option


@dataclass(frozen=True)
class Settings:
    """How much is compared."""

    frames: int = option(
        2000, "frames, of all trials together; memory grows with the square of a trial's", least=100, most=8000
    )


@dataclass(frozen=True)
class Task:
    """All layers of one network with all of each of `networks`, by name, on the frames of one trial."""

    layers: Layers
    networks: Mapping[str, Layers]
    trial: int
    frames: np.ndarray


class Similarity(Measure):
    """Linear CKA."""

    title = "Similarity of layers"
    text = (
        "Linear CKA: 1 where two layers are alike but for rotation and scale, about 0 where nothing in one goes with "
        "anything in the other. Networks of one condition first: what they differ in is the seed's, and only what "
        "differs more can be the condition's.",
        "The directions in which frames differ most count most, silence against speech for one. So a high value does "
        "not say that two layers hold the same phones, and a low one does not say that a linear map could not make "
        "one from the other.",
    )
    order = 60
    metrics = (Metric("cka", "linear CKA", control="null_cka", control_label="other utterances"),)
    Settings = Settings

    def leaves_out(self, material: Material) -> str:
        """Needs utterances for each trial."""
        count = len(material.frames.parts)
        return f"single frames come from {count} utterances, fewer than trials" if count < material.trials else ""

    def inputs(self, material: Material) -> dict[str, Path]:
        """Also the other networks."""
        others = {f"layers_{name}": material.others[name] for name in _others(material)}
        return {**super().inputs(material), **others}

    def score(self, material: Material, settings: Settings) -> Scored:
        """CKA of all pairs of layers; null_cka of the last layer with those of each network on other utterances."""
        parts = folds.deal_utterances(material.frames, "similarity", material.seed, material.trials)
        networks = {material.layers.name: material.layers}
        networks |= {name: material.other(name) for name in _others(material)}
        most = settings.frames // material.trials
        tasks = [
            Task(material.layers, networks, trial, folds.evenly(np.flatnonzero(parts == trial), most))
            for trial in range(material.trials)
        ]
        found = material.workers.map(compare, tasks)
        return Scored(pairs=[row for name in networks for trial in found for row in trial[name]])


def _others(material: Material) -> list[str]:
    """Names of the networks to compare with: all that are given but the baselines."""
    return [name for name in material.others if name not in BASELINES]


def compare(task: Task) -> dict[str, list[PairRow]]:
    """CKA of all pairs of layers with each network in one trial, and the null's; by the network's name."""
    own = unit_grams(task.layers, task.frames)
    return {
        name: _pairs(task, own, name, own if other == task.layers else unit_grams(other, task.frames))
        for name, other in task.networks.items()
    }


def _pairs(task: Task, own: np.ndarray, name: str, other: np.ndarray) -> list[PairRow]:
    taps = task.networks[name].taps
    rows = [
        PairRow(tap, name, other_tap, "cka", task.trial, float(value))
        for tap, values in zip(task.layers.taps, _products(own, other), strict=True)
        for other_tap, value in zip(taps, values, strict=True)
    ]
    # Frames are in the order of utterances: rolled by half, each meets one of another utterance, and neighbours stay
    # neighbours.
    half = len(task.frames) // 2
    null = _products(np.roll(own[-1:], (half, half), axis=(1, 2)), other)[0]
    last = task.layers.taps[-1]
    return rows + [
        PairRow(last, name, tap, "null_cka", task.trial, float(value)) for tap, value in zip(taps, null, strict=True)
    ]


def _products(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Inner products of matrices, [L, n, n] and [M, n, n] -> [L, M]."""
    return first.reshape(len(first), -1) @ second.reshape(len(second), -1).T


def unit_grams(layers: Layers, frames: Sequence[int]) -> np.ndarray:
    """Each layer's `centred_gram` of these frames, divided by its norm: float32 [L, n, n].

    Gram matrices, because they cost n n D for a layer and n n for a pair; without them a pair costs n D D.
    """
    grams = np.empty((len(layers.taps), len(frames), len(frames)), np.float32)
    for gram, tap in zip(grams, layers.taps, strict=True):
        gram[:] = centred_gram(layers.frames(tap)[frames])
        gram /= max(np.linalg.norm(gram), np.finfo(np.float32).tiny)
    return grams


def centred_gram(features: np.ndarray) -> np.ndarray:
    """U-centred Gram matrix of features [n, D], float32 [n, n]: the diagonal, which is where the bias is, counts as 0.

    Inner products of two of them over n (n - 3) are Song's estimator of HSIC (Szekely and Rizzo 2014, arXiv 1310.2926).
    """
    count = len(features)
    features = features - features.mean(axis=0, dtype=np.float64).astype(np.float32)
    gram = features @ features.T
    np.fill_diagonal(gram, 0)
    rows = gram.sum(axis=1, dtype=np.float64)
    shift = (rows / (count - 2) - rows.sum() / (2 * (count - 1) * (count - 2))).astype(np.float32)
    gram -= shift[:, None] + shift
    np.fill_diagonal(gram, 0)
    return gram
