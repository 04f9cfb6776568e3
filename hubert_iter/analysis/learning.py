"""Has a run learnt to use context? Masked accuracy beside guesses without a network. docs/protocol.md section 6."""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

GUESSES = {
    "mode": "the most frequent target of the held-out set",
    "utterance_mode": "the most frequent unmasked target of the utterance",
    "copy": "a copy of the nearest unmasked target",
    "near_copy": "a copy of an unmasked target up to 3 frames away, else the utterance's most frequent one",
}
"""Guesses without a network: name in metrics.jsonl (after `guess_`), and in words. train/guesses.py computes them."""


@dataclass(frozen=True)
class Learning:
    """One run at its last validation. Accuracies are shares of masked frames."""

    run: str
    update: int
    accuracy: float
    guess: float
    """Accuracy of the best guess without a network."""
    guess_name: str
    """Its key in GUESSES."""
    margin: float
    """By how much accuracy must exceed it."""
    uses_context: bool
    updates_wanted: int | None = None
    """Of one that does not: updates after which it would, at the pace of the second half of its training."""


def learning(run: str, records: Sequence[Mapping]) -> Learning | None:
    """From a run's metrics; None where they do not say, as for an objective without discrete targets."""
    told = [record for record in records if record["split"] == "valid" and "uses_context" in record]
    if not told:
        return None
    last = told[-1]
    known = {name: last[f"guess_{name}"] for name in GUESSES if f"guess_{name}" in last}
    uses_context = bool(last["uses_context"])
    return Learning(
        run, int(last["update"]), last["accuracy"], last["guess"], max(known, key=known.get, default=""),
        last["guess_margin"], uses_context, None if uses_context else _rounded(updates_wanted(told)),
    )  # fmt: skip


def updates_wanted(told: Sequence[Mapping]) -> float | None:
    """Where the line through the validations of the second half reaches the guess and its margin; None if it falls.

    A rough guide: the schedule's end, where the learning rate is small, teaches more slowly than a longer one would.
    """
    last = told[-1]
    half = [record for record in told if record["update"] >= last["update"] / 2]
    updates = [record["update"] for record in half]
    if len(half) < 2:
        return None
    pace = statistics.linear_regression(updates, [record["accuracy"] for record in half]).slope
    missing = last["guess"] + last["guess_margin"] - last["accuracy"]
    if pace <= 0:
        return None
    return last["update"] + missing / pace


def _rounded(updates: float | None) -> int | None:
    """Up, to two figures: more would promise too much."""
    if updates is None:
        return None
    step = 10 ** max(math.floor(math.log10(updates)) - 1, 0)
    return math.ceil(updates / step) * step
