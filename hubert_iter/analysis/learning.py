"""Whether a run has learnt to use context: its held-out masked accuracy beside what needs no network (PROTOCOL 6)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

GUESSES = {
    "guess_mode": "the most frequent label",
    "guess_utterance_mode": "the utterance's most frequent label",
    "guess_copy": "the nearest unmasked label",
    "guess_near_copy": "the nearest unmasked label up to 3 frames away, else the utterance's most frequent one",
}
"""What each predictor without a network names, by its key in metrics.jsonl."""


@dataclass(frozen=True)
class Learning:
    """One run at its last validation. Accuracies are shares of masked frames."""

    run: str
    update: int
    accuracy: float
    guess: float
    """Of the best predictor without a network."""
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
    known = {name: last[name] for name in GUESSES if name in last}
    return Learning(
        run, int(last["update"]), last["accuracy"], last["guess"], max(known, key=known.get, default=""),
        last["guess_margin"], bool(last["uses_context"]),
    )  # fmt: skip
