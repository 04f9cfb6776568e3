"""Decode all audio of a data directory in parallel, each recording once, and write what is to be written of it."""

import logging
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import groupby

from hubert_iter.data import audio_ark
from hubert_iter.data.ahead import ahead
from hubert_iter.data.audio import AudioError
from hubert_iter.data.audio_ark import Dump
from hubert_iter.data.datadir import Utterance
from hubert_iter.data.tables import Fault, Row

log = logging.getLogger(__name__)
_AHEAD = 4  # recordings a thread may be ahead of the slowest one: their audio waits in memory


@dataclass(frozen=True)
class Places:
    """Files and lines to blame: wav.scp for a recording, segments for a part of one."""

    wav_scp: str
    recordings: Mapping[str, Row]
    segments: str
    parts: Mapping[str, Row]

    def fault(self, kind: str, utterance: Utterance, message: str) -> Fault:
        """A fault of an utterance, which is dropped. What `kind` says of a part of a recording is said of segments."""
        if utterance.id in self.parts and kind in ("segments", "short", "long", "empty"):
            return Fault(kind, self.segments, self.parts[utterance.id].line, utterance.id, message, (utterance.id,))
        row = self.recordings.get(utterance.recording or utterance.id)
        line = row.line if row else 0
        return Fault(kind, self.wav_scp, line, utterance.id, f"{utterance.wav}: {message}", (utterance.id,))


@dataclass
class Found:
    """Utterances in C order with their lengths, hashes, and entries of wav.scp where their audio was written."""

    utterances: list[Utterance] = field(default_factory=list)
    hashes: dict[str, str] = field(default_factory=dict)
    written: dict[str, str] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)


def decode(utterances: Iterable[Utterance], places: Places, nj: int, dump: Dump | None = None) -> Found:
    """Decode with `nj` threads. What cannot be decoded, or is empty, becomes a fault. The outcome is that of any nj."""
    groups = [list(group) for _, group in groupby(sorted(utterances, key=_order), key=lambda each: each.wav)]
    found = Found()
    with ExitStack() as stack:
        pool = stack.enter_context(ThreadPoolExecutor(max(1, nj)))
        ark = None
        for result in ahead(pool, lambda group: audio_ark.decode(group, dump), groups, _AHEAD * max(1, nj)):
            for each in result:
                if isinstance(each, AudioError):
                    found.faults.append(places.fault(each.kind, each.utterance, f"{each.fault}. {each.advice}"))
                    continue
                utterance = each.utterance
                if utterance.num_samples == 0:
                    found.faults.append(places.fault("empty", utterance, "has no samples. Repair the file"))
                    continue
                if each.flac is not None:
                    ark = ark or stack.enter_context(open(dump.folder / audio_ark.FILE_NAME, "wb"))
                    offset = audio_ark.append(ark, utterance.id, each.flac)
                    found.written[utterance.id] = f"{dump.final / audio_ark.FILE_NAME}:{offset}"
                found.utterances.append(utterance)
                found.hashes[utterance.id] = each.hash
    found.utterances.sort(key=lambda utterance: utterance.id)
    found.hashes = {utterance.id: found.hashes[utterance.id] for utterance in found.utterances}
    return found


def _order(utterance: Utterance) -> tuple[str, float, str]:
    """Those of a recording together, in the order of time; recordings in the order of their entries in wav.scp."""
    return utterance.wav, utterance.start or 0.0, utterance.id
