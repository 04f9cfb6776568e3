"""Error rates of what was recognised, by jiwer, with intervals over evaluation speakers."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hubert_iter import tsv
from hubert_iter.asr.tokens import PHONE
from hubert_iter.errors import UserError, summarise

FILE_NAME = "errors.tsv"
COLUMNS = ("what", "speaker", "length", "substitutions", "deletions", "insertions")
WHAT = {PHONE: ("phone",)}
"""Unit that is recognised -> what is counted; of other units words and characters."""


@dataclass(frozen=True)
class Errors:
    """Errors on some utterances, and how many words (phones, characters) these have."""

    length: int
    substitutions: int
    deletions: int
    insertions: int

    @property
    def rate(self) -> float:
        """Errors by length: above 1 where much is inserted."""
        return (self.substitutions + self.deletions + self.insertions) / self.length

    def __add__(self, other: "Errors") -> "Errors":
        return Errors(*(getattr(self, name) + getattr(other, name) for name in COLUMNS[2:]))


NONE = Errors(0, 0, 0, 0)


def count(reference: Mapping[str, str], found: Mapping[str, str], speakers: Mapping[str, str], unit: str):
    """what -> speaker -> Errors. UserError where an utterance of the reference was not recognised."""
    import jiwer

    missing = sorted(reference.keys() - found.keys())
    if missing:
        raise UserError(f"{len(missing)} utterances of the reference were not recognised: {summarise(missing)}. "
                        "Decode the same data set")  # fmt: skip
    by_speaker: dict[str, list[str]] = {}
    for utt in sorted(reference):
        by_speaker.setdefault(speakers[utt], []).append(utt)
    counted = {}
    for what in WHAT.get(unit, ("word", "character")):
        process = jiwer.process_characters if what == "character" else jiwer.process_words
        counted[what] = {
            speaker: _errors(process([reference[utt] for utt in utts], [found[utt] for utt in utts]))
            for speaker, utts in by_speaker.items()
        }
    return counted


def _errors(found) -> Errors:
    return Errors(found.hits + found.substitutions + found.deletions, found.substitutions, found.deletions,
                  found.insertions)  # fmt: skip


def write(folder: Path, counted: Mapping[str, Mapping[str, Errors]]) -> None:
    """Write errors.tsv: what is counted, speaker, length, errors of each kind."""
    rows = (
        (what, speaker, *(str(getattr(errors, name)) for name in COLUMNS[2:]))
        for what, each in counted.items()
        for speaker, errors in each.items()
    )
    tsv.write(folder / FILE_NAME, COLUMNS, rows)


def read(folder: Path) -> dict[str, dict[str, Errors]]:
    """what -> speaker -> Errors."""
    counted: dict[str, dict[str, Errors]] = {}
    for row in tsv.read(folder / FILE_NAME, COLUMNS, "stage 4 of asr.sh"):
        errors = Errors(*(int(row[name]) for name in COLUMNS[2:]))
        counted.setdefault(row["what"], {})[row["speaker"]] = errors
    return counted


def rates(by_speaker: Mapping[str, Errors]) -> tuple[float, dict[str, float]]:
    """The error rate over all speakers, and with each of them left out (none where there is but one)."""
    whole = sum(by_speaker.values(), NONE)
    if len(by_speaker) < 2:
        return whole.rate, {}
    others = {
        left_out: sum((errors for speaker, errors in by_speaker.items() if speaker != left_out), NONE)
        for left_out in by_speaker
    }
    return whole.rate, {speaker: errors.rate for speaker, errors in others.items()}
