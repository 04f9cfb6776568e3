"""Units per layer: what k-means labels of a layer tell about phones, words and speakers, and their bit rate.

After HuBERT's figure 2 (arXiv 2106.07447) and SpidR (arXiv 2512.20308), on a sample of the evaluation set.

k-means is fitted on half of the utterances and labels the other half, and the reverse (trials 0 and 1). The halves
share their speakers: a next iteration, too, labels speakers that its k-means was fitted on, and halves with the same
classes have shares that compare.
"""

import logging
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from hubert_iter.analysis import folds
from hubert_iter.analysis.measure import FACT, Material, Measure, Metric, Row, Scored
from hubert_iter.analysis.pool import Layers
from hubert_iter.analysis.sample import PROPERTIES
from hubert_iter.frames import FRAME_RATE
from hubert_iter.options import option
from hubert_iter.units import quality
from hubert_iter.units.quality import contingency, entropy

HALVES = 2
UNIT = "unit"
"""In place of the property, for the bit rate, which concerns the units alone."""
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Settings:
    """Settings of k-means."""

    k: int = option(100, "clusters of each layer's frames", least=2, most=10**6)
    passes: int = option(5, "passes of k-means; 10 gain 0.002 in PNMI", least=1, most=1000)


@dataclass(frozen=True)
class Task:
    """One layer. `labels` and `shuffled`: property -> int [N], -1 where a frame has none."""

    layers: Layers
    tap: str
    halves: np.ndarray
    utterances: np.ndarray
    labels: dict[str, np.ndarray]
    shuffled: dict[str, np.ndarray]
    settings: Settings
    seed: int


class Units(Measure):
    """k-means on each layer, scored against labels of frames."""

    title = "Units of each layer"
    text = (
        "k-means on a layer's frames, as the next iteration would make its labels, scored on utterances that it was "
        "not fitted on. A share is the part of the phone's (word's, speaker's) entropy that a frame's unit takes away: "
        "1 if units tell phones apart without fault. For phones it is known as PNMI.",
        "With few frames, units seem to tell something of any label. The band shows how much, on labels shuffled among "
        "frames. Compare with the band rather than with 0, above all for words.",
        "The layer whose units say most of phones is the one that a next iteration should cluster.",
        "Bits per second count each run of equal units once. Of two layers with the same share of phones, the one with "
        "the lower rate makes the simpler labels.",
    )
    order = 40
    metrics = (
        Metric("share", "share of the label's entropy", control="null_share"),
        Metric("bits_per_second", "bits per second", lower_is_better=True, lines=("ceiling",)),
    )
    facts = {"num_instances": "frames with a label", "ceiling": "most bits per second that k units at 50 Hz can have"}
    Settings = Settings

    def leaves_out(self, material: Material) -> str:
        """Needs two halves."""
        count = len(material.frames.parts)
        return f"single frames come from {count} utterance, of {HALVES} needed" if count < HALVES else ""

    def score(self, material: Material, settings: Settings) -> Scored:
        """Shares per property, and the bit rate, of each layer and half."""
        frames = material.frames
        halves = folds.deal_utterances(frames, "units", material.seed, HALVES)
        utterances = np.repeat(np.arange(len(frames.parts)), [part.stop - part.start for part in frames.parts])
        labels = {prop: frames.codes(prop)[0] for prop in PROPERTIES}
        # Of one class (a single speaker) nothing can be told.
        labels = {prop: codes for prop, codes in labels.items() if codes.max(initial=-1) > 0}
        generator = np.random.default_rng(material.seed)
        shuffled = {prop: shuffle(codes, halves, generator) for prop, codes in labels.items()}
        tasks = [
            Task(material.layers, tap, halves, utterances, labels, shuffled, settings, material.seed)
            for tap in material.layers.taps
        ]
        rows = [row for found in material.workers.map(score_layer, tasks) for row in found]
        if best := best_layer(rows):
            name = material.layers.name
            log.info("%s: units of layer %s say most of phones: a next iteration should cluster it", name, best)
        rows += [Row(FACT, prop, "num_instances", 0, None, int((codes >= 0).sum())) for prop, codes in labels.items()]
        return Scored([*rows, Row(FACT, UNIT, "ceiling", 0, None, FRAME_RATE * float(np.log2(settings.k)))])


def shuffle(codes: np.ndarray, halves: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Labels dealt anew among the labelled frames of each half, which keeps its counts."""
    shuffled = codes.copy()
    for half in range(HALVES):
        members = np.flatnonzero((halves == half) & (codes >= 0))
        shuffled[members] = codes[generator.permutation(members)]
    return shuffled


def score_layer(task: Task) -> list[Row]:
    """All rows of one layer; trial t labels half t."""
    features = np.ascontiguousarray(task.layers.frames(task.tap))
    rows = []
    for half in range(HALVES):
        chosen = task.halves == half
        units = assign(features[~chosen], features[chosen], task.settings, task.seed)
        for prop, codes in task.labels.items():
            values = {
                "share": share(units, codes[chosen], task.settings.k),
                "null_share": share(units, task.shuffled[prop][chosen], task.settings.k),
            }
            rows += [Row(task.tap, prop, metric, 0, half, value) for metric, value in values.items()]
        rate = bits_per_second(units, task.utterances[chosen])
        rows.append(Row(task.tap, UNIT, "bits_per_second", 0, half, rate))
    return rows


def assign(fitted_on: np.ndarray, features: np.ndarray, settings: Settings, seed: int) -> np.ndarray:
    """Unit of each row of features [N, D], int [N], by k-means fitted on others [N', D]; fewer rows, fewer units.

    Seeds are those of k-means++, by a Markov chain (Bachem et al. 2016): they gain 0.005 in PNMI over random ones, and
    k-means++ itself would take as long as the passes.
    """
    import faiss  # not needed to say "up to date"

    kmeans = faiss.Kmeans(
        fitted_on.shape[1], min(settings.k, len(fitted_on)), niter=settings.passes, seed=seed,
        init_method=faiss.ClusteringInitMethod_AFK_MC2, min_points_per_centroid=1,
        max_points_per_centroid=len(fitted_on),
    )  # fmt: skip
    kmeans.train(fitted_on)
    return kmeans.index.search(features, 1)[1][:, 0]


def share(units: np.ndarray, codes: np.ndarray, k: int) -> float:
    """I(label; unit) / H(label) of frames with a label; 0 where labels do not differ."""
    return quality.share(contingency(units, codes, k, int(codes.max()) + 1))


def bits_per_second(units: np.ndarray, utterances: np.ndarray) -> float:
    """Entropy of the units, runs of equal ones merged, times merged units per second.

    The bit rate of the ZeroSpeech challenges (Dunbar et al. 2019, arXiv 1904.11469). A run ends with its utterance.
    """
    starts = np.r_[True, (units[1:] != units[:-1]) | (utterances[1:] != utterances[:-1])]
    return entropy(np.bincount(units[starts])) * starts.sum() * FRAME_RATE / len(units)


def best_layer(rows: Iterable[Row]) -> str:
    """The layer whose units say most of phones, mean over trials: the next iteration's teacher. "" if none has any."""
    values = phone_shares(rows)
    return max(values, key=lambda layer: values[layer], default="")


def phone_shares(rows: Iterable[Row]) -> dict[str, float]:
    """Layer -> share of the phone's entropy, mean over trials.

    Layers are the taps named by a number: the convolutions and baselines are no teachers.
    """
    values: dict[str, list[float]] = {}
    for row in rows:
        if row.layer.isdecimal() and (row.prop, row.metric) == ("phone", "share"):
            values.setdefault(row.layer, []).append(row.value)
    return {layer: float(np.mean(each)) for layer, each in values.items()}
