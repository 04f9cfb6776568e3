"""Has a run learnt to use context? Masked accuracy beside guesses without a network. docs/protocol.md section 6."""

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


def learning(run: str, records: Sequence[Mapping]) -> Learning | None:
    """From a run's metrics; None where they do not say, as for an objective without discrete targets."""
    told = [record for record in records if record["split"] == "valid" and "uses_context" in record]
    if not told:
        return None
    last = told[-1]
    known = {name: last[f"guess_{name}"] for name in GUESSES if f"guess_{name}" in last}
    return Learning(
        run, int(last["update"]), last["accuracy"], last["guess"], max(known, key=known.get, default=""),
        last["guess_margin"], bool(last["uses_context"]),
    )  # fmt: skip
