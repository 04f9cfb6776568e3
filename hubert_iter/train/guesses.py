"""What needs no network: how many held-out masked frames guesses from the unmasked labels name rightly.

PROTOCOL section 6. A guess ranks labels; it names the highest-ranked one among the candidates that the model has too,
all classes for HuBERT, the drawn negatives' targets and the frame's own for contrastive objectives. A model that is not
above the best guess by a margin has not learnt to use context. M masked frames of T, K labels that occur.
"""

import math
from collections import Counter

import numpy as np
from scipy.special import stdtrit

from hubert_iter.models.objective import Contest

NAMES = ("mode", "utterance_mode", "copy", "near_copy")
"""The most frequent label of all; the utterance's most frequent unmasked one; the nearest unmasked one; that one where
it is up to NEAR frames away, else the utterance's most frequent one."""
NEAR = 3
LEAST_SHARE = 1 / 20
"""The margin is at least this share of the best guess."""
_FAR = 1e9


class Guesses:
    """Adds up over utterances."""

    def __init__(self, frequencies: np.ndarray | None):
        """`frequencies` int [classes] of the held-out labels; None where targets change: then those seen so far."""
        self._frequencies = Counter()
        self._growing = frequencies is None
        if frequencies is not None:
            self._frequencies.update(dict(enumerate(frequencies.tolist())))
        self._rows: list[tuple[float, ...]] = []

    def add(self, contest: Contest, masked: np.ndarray, accuracy: float) -> None:
        """One utterance: its targets and candidates, the numbers [M] of its masked frames, the model's accuracy."""
        targets = contest.targets[0].cpu().numpy()
        if self._growing:
            self._frequencies.update(targets.tolist())
        candidates = None if contest.candidates is None else contest.candidates[0].cpu().numpy()
        right = score(targets, masked, candidates, self._frequencies)
        self._rows.append((len(masked), accuracy * len(masked), *(right[name] for name in NAMES)))

    def summary(self) -> dict[str, float]:
        """Accuracy of each guess, the best, the margin, and whether the model exceeds both together (1 or 0)."""
        frames, model, *guesses = np.array(self._rows).T
        total = frames.sum()
        values = {f"guess_{name}": float(row.sum() / total) for name, row in zip(NAMES, guesses, strict=True)}
        best = max(guesses, key=np.sum)
        guess, gain = float(best.sum() / total), float((model - best).sum() / total)
        margin = max(half_width(model - best, frames), LEAST_SHARE * guess)
        return values | {"guess": guess, "guess_margin": margin, "uses_context": float(gain > margin)}


def score(
    targets: np.ndarray, masked: np.ndarray, candidates: np.ndarray | None, frequencies: Counter
) -> dict[str, int]:
    """How many masked frames each of NAMES names rightly.

    `targets` int [T]; `masked` [M] frame numbers; `candidates` [M, N] targets among which to choose besides the frame's
    own, None for all classes; `frequencies` of all targets.
    """
    labels, ids = np.unique(np.append(targets, frequencies.most_common(1)[0][0]), return_inverse=True)
    ids, own = ids[:-1], ids[masked]
    total = frequencies.total()
    overall = np.array([frequencies[label] for label in labels.tolist()]) / (total + 1)  # below 1: breaks ties
    unmasked = np.setdiff1d(np.arange(len(targets)), masked)
    in_utterance = np.bincount(ids[unmasked], minlength=len(labels)) + overall
    distances = _distances(ids, masked, unmasked, len(labels))
    copied = np.where(distances < _FAR, -distances, -_FAR + overall)
    near = distances.min(axis=1, keepdims=True) <= 2 * NEAR + 1
    shape = (len(masked), len(labels))
    ranks = {
        "mode": np.broadcast_to(overall, shape),
        "utterance_mode": np.broadcast_to(in_utterance, shape),
        "copy": copied,
        "near_copy": np.where(near, copied, in_utterance),
    }
    allowed = np.ones(shape, bool)
    if candidates is not None:
        allowed[:] = False
        np.put_along_axis(allowed, np.searchsorted(labels, candidates), True, axis=1)
        np.put_along_axis(allowed, own[:, None], True, axis=1)
    return {name: int((np.where(allowed, rank, -np.inf).argmax(1) == own).sum()) for name, rank in ranks.items()}


def _distances(ids: np.ndarray, masked: np.ndarray, unmasked: np.ndarray, count: int) -> np.ndarray:
    """[M, K] twice the frames to the nearest unmasked frame of each label, one more if it is a later one; else far."""
    distances = np.full((len(masked), count), _FAR)
    if len(unmasked):
        order = unmasked[np.argsort(ids[unmasked], kind="stable")]
        found, starts = np.unique(ids[order], return_index=True)
        apart = order - masked[:, None]
        distances[:, found] = np.minimum.reduceat(2 * np.abs(apart) + (apart > 0), starts, axis=1)
    return distances


def half_width(differences: np.ndarray, frames: np.ndarray) -> float:
    """Half of the 95 % interval of sum(differences) / sum(frames), utterances being drawn: 1 where there is one alone.

    The ratio estimator's variance (Cochran 1977, section 6.3), with t of as many degrees as utterances less one.
    """
    count = len(frames)
    if count < 2:
        return 1.0
    rest = differences - differences.sum() / frames.sum() * frames
    return float(stdtrit(count - 1, 0.975)) * math.sqrt(count / (count - 1) * float(rest @ rest)) / float(frames.sum())
