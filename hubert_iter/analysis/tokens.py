"""Phone tokens for ABX: which ones are compared, and their frames at every layer in one pass of a model.

A draw depends on the seed and on the tokens of one phone and speaker alone, never on a model: all runs of a study are
scored on the same tokens of the evaluation set.
"""

import logging
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np

from hubert_iter.analysis.pool import Model, check_finite, check_length
from hubert_iter.data.alignment import Segment
from hubert_iter.data.audio import read_audio
from hubert_iter.data.datadir import DataDir, Utterance
from hubert_iter.frames import centred, num_frames

SILENCE = "sil"
"""What stands before or after a phone where no phone does."""
_TOUCHING = 1e-3  # seconds between neighbours: alignments round their times
log = logging.getLogger(__name__)


@dataclass(frozen=True, order=True)
class Token:
    """Frames [start, end) of an utterance in which a speaker says a phone, between two others."""

    utterance: str
    start: int
    end: int
    phone: str
    before: str
    after: str
    speaker: str

    @property
    def context(self) -> tuple[str, str]:
        """The phones before and after."""
        return self.before, self.after


def find(utterances: Iterable[Utterance], alignments: Mapping[str, Sequence[Segment]]) -> list[Token]:
    """All phones that cover the centre of a frame, sorted by utterance and time: whole, whereas CCA trims them."""
    tokens, skipped = [], 0
    for utterance in utterances:
        total = num_frames(utterance.num_samples)
        segments = sorted(alignments.get(utterance.id, ()), key=lambda segment: segment.start)
        for place, segment in enumerate(segments):
            start, end = centred(segment.start, segment.end, total)
            if start >= end:
                skipped += 1
                continue
            before = _neighbour(segments[place - 1], segments[place - 1].end, segment.start) if place else SILENCE
            last = place + 1 == len(segments)
            after = SILENCE if last else _neighbour(segments[place + 1], segment.end, segments[place + 1].start)
            tokens.append(Token(utterance.id, start, end, segment.label, before, after, utterance.speaker))
    if skipped:
        log.info("%d of %d phones are left out: no frame has its centre in them", skipped, skipped + len(tokens))
    return sorted(tokens)


def _neighbour(segment: Segment, end: float, start: float) -> str:
    return segment.label if start - end < _TOUCHING else SILENCE


def draw(tokens: Iterable[Token], most: int, seed: int, in_context: bool = False) -> list[Token]:
    """At most `most` tokens of each phone and speaker; `in_context`, of each phone, speaker and context.

    In context, tokens are left out whose context no speaker fills with two phones: they are in no triple.
    """
    tokens = list(tokens)
    if in_context:
        phones = defaultdict(set)
        for token in tokens:
            phones[token.speaker, *token.context].add(token.phone)
        contexts = {key[1:] for key, found in phones.items() if len(found) > 1}
        tokens = [token for token in tokens if token.context in contexts]
    groups = defaultdict(list)
    for token in tokens:
        groups[token.speaker, token.phone, *(token.context if in_context else ())].append(token)
    drawn = []
    for key, candidates in groups.items():
        generator = np.random.default_rng([seed, zlib.crc32(" ".join(("abx", *key)).encode())])
        candidates.sort()
        drawn.extend(candidates[index] for index in generator.permutation(len(candidates))[:most])
    return sorted(drawn)


def bounds(tokens: Sequence[Token]) -> np.ndarray:
    """Where each token's frames lie when all stand one after the other: int [tokens + 1]."""
    return np.cumsum([0, *(token.end - token.start for token in tokens)])


def write_frames(
    model: Model,
    data: DataDir,
    tokens: Sequence[Token],
    folder: Path,
    read_samples: Callable[[Utterance], np.ndarray] = read_audio,
) -> tuple[str, ...]:
    """Write <tap>.npy, float32 [frames, width], all tokens' frames one after the other; return the taps.

    The files are memory-mapped and hold only what was drawn, so neither frames nor a corpus is ever held.
    """
    known = {utterance.id: utterance for utterance in data.utterances}
    places = dict(zip(tokens, bounds(tokens), strict=False))
    writers: dict[str, np.ndarray] = {}
    for utterance, group in groupby(tokens, key=lambda token: token.utterance):
        outputs = model.taps(read_samples(known[utterance]))
        if not writers:
            writers = _open(folder, outputs, int(bounds(tokens)[-1]))
        wanted = list(group)
        for tap, x in outputs.items():
            check_length(f"utterance {utterance}: tap {tap}", len(x), max(token.end for token in wanted))
            check_finite(utterance, tap, x)
            for token in wanted:
                place = places[token]
                writers[tap][place : place + token.end - token.start] = x[token.start : token.end]
    for array in writers.values():
        array.flush()
    return tuple(writers)


def _open(folder: Path, outputs: Mapping[str, np.ndarray], frames: int) -> dict[str, np.ndarray]:
    size = 4 * frames * sum(x.shape[1] for x in outputs.values())
    log.info("%d frames at %d taps: %.2f GB on the disk until they are scored", frames, len(outputs), size / 1e9)
    return {
        tap: np.lib.format.open_memmap(folder / f"{tap}.npy", "w+", np.float32, (frames, x.shape[1]))
        for tap, x in outputs.items()
    }
