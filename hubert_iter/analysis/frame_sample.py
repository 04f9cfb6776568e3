"""Single frames that measures without segments are scored on: whole utterances, drawn by seed, the same for every run.

Frames of an utterance stand together and in order, so that runs of equal units can be counted. Speakers take turns,
so that each has about as many frames.
"""

import re
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from hubert_iter.analysis.sample import PROPERTIES, Span
from hubert_iter.data.alignment import Segment, frame_labels
from hubert_iter.data.datadir import Utterance
from hubert_iter.data.tables import read_lines
from hubert_iter.errors import UserError, shown
from hubert_iter.frames import num_frames

FILE_NAME = "frames.tsv"
COLUMNS = ("utterance", "frame", *PROPERTIES)
NONE = "-"
"""Where a frame bears no phone (silence) or no word."""
KEY = ("frame", 0)
"""Under which single frames are pooled, as segments of one frame."""


@dataclass(frozen=True)
class FrameSample:
    """N frames: str [N] utterance, int [N] number in it, and property -> str [N] label, NONE where there is none."""

    utterances: np.ndarray
    numbers: np.ndarray
    labels: Mapping[str, np.ndarray]

    def __len__(self) -> int:
        return len(self.numbers)

    @cached_property
    def parts(self) -> list[slice]:
        """The frames of each utterance."""
        starts = np.flatnonzero(np.r_[True, self.utterances[1:] != self.utterances[:-1]])
        return [slice(start, end) for start, end in zip(starts, [*starts[1:], len(self)], strict=True)]

    def codes(self, prop: str) -> tuple[np.ndarray, list[str]]:
        """Labels as numbers, int [N], -1 where there is none, and the names of the numbers."""
        given = self.labels[prop]
        names = [name for name in np.unique(given).tolist() if name != NONE]
        codes = np.searchsorted(np.array(names, dtype=given.dtype), given) if names else np.zeros(len(given), int)
        return np.where(given == NONE, -1, codes), names

    @property
    def spans(self) -> list[Span]:
        """Each frame as a segment."""
        return [
            Span(str(utterance), int(number), int(number) + 1, str(phone))
            for utterance, number, phone in zip(self.utterances, self.numbers, self.labels["phone"], strict=True)
        ]


def draw(
    utterances: Iterable[Utterance],
    phones: Mapping[str, Sequence[Segment]],
    words: Mapping[str, Sequence[Segment]],
    most: int,
    seed: int,
) -> FrameSample:
    """At most `most` frames of utterances with aligned phones; the last utterance is cut to fit.

    Of a set without any alignment (`phones` is empty) all utterances count.
    """
    drawn, left = [], most
    for utterance in _in_turn([each for each in utterances if not phones or phones.get(each.id)], seed):
        count = min(num_frames(utterance.num_samples), left)
        if count:
            drawn.append((utterance, count))
            left -= count
    if not drawn:
        raise UserError("no utterance of the evaluation set has aligned phones: check the alignments (stage 3)")
    drawn.sort(key=lambda each: each[0].id)
    columns = {
        "phone": [_labels(phones.get(utterance.id, ()), count) for utterance, count in drawn],
        "word": [_labels(words.get(utterance.id, ()), count) for utterance, count in drawn],
        "speaker": [np.full(count, utterance.speaker) for utterance, count in drawn],
    }
    return FrameSample(
        np.concatenate([np.full(count, utterance.id) for utterance, count in drawn]),
        np.concatenate([np.arange(count) for _, count in drawn]),
        {prop: np.concatenate(columns[prop]) for prop in PROPERTIES},
    )


def _in_turn(utterances: Sequence[Utterance], seed: int) -> list[Utterance]:
    """One utterance of each speaker, then a second of each, and so on."""
    turns = []
    for speaker in sorted({utterance.speaker for utterance in utterances}):
        mine = sorted((each for each in utterances if each.speaker == speaker), key=lambda each: each.id)
        generator = np.random.default_rng([seed, zlib.crc32(f"frames {speaker}".encode())])
        turns += [(place, speaker, mine[index]) for place, index in enumerate(generator.permutation(len(mine)))]
    return [utterance for _, _, utterance in sorted(turns, key=lambda turn: turn[:2])]


def _labels(segments: Sequence[Segment], count: int) -> np.ndarray:
    """The label at each frame's centre, str [count]."""
    names = sorted({segment.label for segment in segments})
    codes = frame_labels(segments, count, {name: number for number, name in enumerate(names)})
    return np.array([*names, NONE])[codes]  # -1, where there is none, is the last


def write(folder: Path, frames: FrameSample) -> None:
    """Write frames.tsv, a line for each frame."""
    columns = (frames.utterances, frames.numbers, *(frames.labels[prop] for prop in PROPERTIES))
    with open(Path(folder) / FILE_NAME, "w", encoding="utf-8") as file:
        file.write("\t".join(COLUMNS) + "\n")
        file.writelines("\t".join(map(str, row)) + "\n" for row in zip(*columns, strict=True))


def read(folder: str | Path) -> FrameSample:
    """Read frames.tsv."""
    path = Path(folder) / FILE_NAME
    if not path.is_file():
        raise UserError(f"{path}: missing. Run sample_segments (stage 8) again")
    header, *lines = read_lines(path) or [""]
    if tuple(header.split("\t")) != COLUMNS:
        raise UserError(f"{path}:1: expected the columns {' '.join(COLUMNS)}. Run sample_segments again")
    rows = [line.split("\t") for line in lines]
    for number, row in enumerate(rows, 2):
        if len(row) != len(COLUMNS) or not re.fullmatch("[0-9]{1,12}", row[1]):
            raise UserError(
                f"{path}:{number}: expected {len(COLUMNS)} columns, the second a number, found {shown(row)}"
            )
    if not rows:
        raise UserError(f"{path}:2: expected a frame, found the end of the file. Run sample_segments again")
    columns = list(zip(*rows, strict=True))
    return FrameSample(
        np.array(columns[0]), np.array(columns[1], dtype=np.int64),
        {prop: np.array(column) for prop, column in zip(PROPERTIES, columns[2:], strict=True)},
    )  # fmt: skip
