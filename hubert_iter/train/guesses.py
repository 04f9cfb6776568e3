"""Guesses without a network: how often the unmasked targets of an utterance give away a masked one.

An accuracy that is no higher says nothing about context: neighbouring frames mostly bear the same label. Each guess
ranks the targets and takes the first that the model had to choose among. M masked frames of T, N rivals of each.
"""

import math
from collections import Counter

import numpy as np
from scipy.special import stdtrit
from torch import Tensor

from hubert_iter.analysis.learning import GUESSES
from hubert_iter.models.objective import Contest

NEAR = 3
"""Frames up to which `near_copy` copies."""
LEAST_GAIN = 0.05
"""Share of the best guess by which accuracy must exceed it at least."""
OUT_OF_REACH = np.iinfo(np.int32).max


class Guesses:
    """Hits of the guesses and of the model over held-out utterances; sums alone are kept, but for what waits."""

    def __init__(self, counts: np.ndarray | None = None):
        """`counts` [K]: frames per target in the held-out set. None: counted over the utterances.

        Then utterances whose targets compete with all others wait until all are counted, lest the first ones be guessed
        by few. Those with rivals do not, for these fill the memory: they are guessed by what has been counted so far.
        """
        self.counted_before = counts is not None
        self.waiting: list[tuple[Contest, Tensor, Tensor]] = []
        self.counts = Counter({} if counts is None else dict(enumerate(counts.tolist())))
        self.utterances = self.frames = self.frames_squared = self.hits = 0
        self.guessed = dict.fromkeys(GUESSES, 0.0)
        self.squares = dict.fromkeys(GUESSES, 0.0)
        self.products = dict.fromkeys(GUESSES, 0.0)

    def add(self, contest: Contest, masked: Tensor, accuracy: Tensor) -> None:
        """Take one utterance (or a batch, counted as one), given its masked frames [B, M] and the model's accuracy."""
        if not self.counted_before:
            self.counts.update(contest.targets.flatten().tolist())
            if contest.rivals is None:
                self.waiting.append((contest, masked, accuracy))
                return
        self._score(contest, masked, accuracy)

    def _score(self, contest: Contest, masked: Tensor, accuracy: Tensor) -> None:
        targets, masked = contest.targets.cpu().numpy(), masked.cpu().numpy()
        rivals = [None] * len(masked) if contest.rivals is None else contest.rivals.cpu().numpy()
        guessed = Counter()
        for number, frames in enumerate(masked):
            chosen = choose(targets[number], frames, rivals[number], self.counts)
            guessed.update({name: int((choice == targets[number][frames]).sum()) for name, choice in chosen.items()})
        hits, size = float(accuracy) * masked.size, masked.size
        self.utterances += 1
        self.frames += size
        self.frames_squared += size**2
        self.hits += hits
        for name in GUESSES:
            self.guessed[name] += guessed[name]
            self.squares[name] += (hits - guessed[name]) ** 2
            self.products[name] += (hits - guessed[name]) * size

    def chance(self) -> dict[str, float]:
        """Share of the most frequent target among all frames; {} where unknown."""
        return {"chance": max(self.counts.values()) / self.counts.total()} if self.counts else {}

    def values(self) -> dict[str, float]:
        """Accuracies of the guesses, the best, the margin over it, and whether the model is above; {} where unknown."""
        while self.waiting:
            self._score(*self.waiting.pop(0))
        if not self.utterances:
            return {}
        shares = {name: hits / self.frames for name, hits in self.guessed.items()}
        best = max(shares, key=shares.get)
        margin = max(self._half_width(best), LEAST_GAIN * shares[best])
        above = self.hits / self.frames > shares[best] + margin
        named = {f"guess_{name}": share for name, share in shares.items()}
        return {**named, "guess": shares[best], "guess_margin": margin, "uses_context": float(above)}

    def _half_width(self, name: str) -> float:
        """Half of the 95 % interval of accuracy less guess: a ratio of sums over utterances (Cochran 1977, ch. 6)."""
        if self.utterances < 2:
            return 1.0  # one utterance has no interval: nothing is above
        ratio = (self.hits - self.guessed[name]) / self.frames
        residual = self.squares[name] - 2 * ratio * self.products[name] + ratio**2 * self.frames_squared
        error = math.sqrt(max(residual, 0.0) * self.utterances / (self.utterances - 1)) / self.frames
        return float(stdtrit(self.utterances - 1, 0.975)) * error


def choose(
    targets: np.ndarray, masked: np.ndarray, rivals: np.ndarray | None, counts: Counter
) -> dict[str, np.ndarray]:
    """The guesses [M] of one utterance's `masked` frames [M], from `targets` [T]: only the unmasked.

    Candidates: a frame's own target and those of its rivals, masked frames by number, [M, N]; all targets if None.
    `counts` says how frequent each target is. Equally frequent ones: the smaller number first. Equally near ones: the
    earlier first.
    """
    hidden = np.zeros(len(targets), bool)
    hidden[masked] = True
    visible = np.flatnonzero(~hidden)
    present, numbers = np.unique(targets, return_inverse=True)
    seen = np.bincount(numbers[visible], minlength=len(present))
    overall = np.array([counts[target] for target in present.tolist()])
    by_count, by_seen = np.lexsort((present, -overall)), np.lexsort((present, -overall, -seen))
    keys = 2 * np.abs(masked[:, None] - visible).astype(np.int32) + (visible > masked[:, None])
    if rivals is None:
        most = max(counts.values())
        mode = np.full(len(masked), min(target for target, count in counts.items() if count == most))
        utterance_mode = np.full(len(masked), present[by_seen[0]]) if len(visible) else mode
    else:
        own = numbers[masked]
        candidates = np.concatenate([own[:, None], own[rivals]], axis=1)
        mode, utterance_mode = (present[_first(candidates, order)] for order in (by_count, by_seen))
        among = np.zeros((len(masked), len(present)), bool)
        np.put_along_axis(among, candidates, True, axis=1)
        keys = np.where(among[:, numbers[visible]], keys, OUT_OF_REACH)
    if not len(visible):
        return {"mode": mode, "utterance_mode": utterance_mode, "copy": mode, "near_copy": utterance_mode}
    nearest = keys.argmin(axis=1)
    key, copied = keys[np.arange(len(masked)), nearest], targets[visible[nearest]]
    return {
        "mode": mode,
        "utterance_mode": utterance_mode,
        "copy": np.where(key < OUT_OF_REACH, copied, mode),
        "near_copy": np.where(key <= 2 * NEAR + 1, copied, utterance_mode),
    }


def _first(candidates: np.ndarray, order: np.ndarray) -> np.ndarray:
    """[M, N] numbers -> [M]: the number of each row that comes first in `order`."""
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    return order[rank[candidates].min(axis=1)]


def warning(values: dict[str, float], last: bool) -> str | None:
    """A sentence where the model has not been shown to use context; `last`: training has ended."""
    if values.get("uses_context", 1.0):
        return None
    best = max(GUESSES, key=lambda name: values[f"guess_{name}"])
    end = " No finding will rest on this run" if last else ""
    return (
        f"held-out masked accuracy {values['accuracy']:.3f} is not above what needs no network by the margin of "
        f"{values['guess_margin']:.3f}: {GUESSES[best]} ({best}) reaches {values['guess']:.3f}. "
        f"Train for more updates, or on other labels.{end}"
    )
