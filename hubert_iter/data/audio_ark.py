"""Audio that stage 2 writes once: parts of recordings, the output of commands, what was converted.

Read where it is, a crop of such audio would cost what the whole recording costs. All of a set's goes into one file of
16-bit FLACs: the set stays a handful of files, and Kaldi's readers in Python and ESPnet know the format.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
import soundfile

from hubert_iter.data.audio import AudioError, hash_of, load_each
from hubert_iter.data.datadir import Utterance
from hubert_iter.data.recordings import is_command
from hubert_iter.frames import SAMPLE_RATE

FILE_NAME = "audio.ark"


class Decoded(NamedTuple):
    """An utterance with its length, a hash of its samples, and FLAC of them where they are to be written."""

    utterance: Utterance
    hash: str
    flac: bytes | None = None


@dataclass(frozen=True)
class Dump:
    """What stage 2 writes, for utterances of `shortest` to `longest` seconds. None is written of others."""

    folder: Path
    """Where audio.ark is written."""
    final: Path
    """What the folder will be called."""
    resample: bool = False
    """Convert audio of other rates and of several channels; otherwise it is a fault."""
    shortest: float = 0.0
    longest: float = float("inf")

    def holds(self, utterance: Utterance, converted: bool) -> bool:
        """Is this utterance's audio to be written?"""
        if not utterance.num_samples or not self.shortest <= utterance.seconds <= self.longest:
            return False
        return converted or utterance.start is not None or is_command(utterance.wav)


def decode(utterances: Sequence[Utterance], dump: Dump | None = None) -> list[Decoded | AudioError]:
    """Decode the utterances of one recording: their lengths, their hashes, and what is to be written of them."""
    found: list[Decoded | AudioError] = []
    for utterance, loaded in zip(utterances, load_each(utterances, bool(dump and dump.resample)), strict=True):
        if isinstance(loaded, AudioError):
            found.append(loaded)
            continue
        samples = loaded.samples
        counted = replace(utterance, num_samples=len(samples))
        if not dump or not dump.holds(counted, loaded.converted):
            found.append(Decoded(counted, hash_of(samples)))
            continue
        pcm = np.clip(np.rint(samples * 32768), -32768, 32767).astype(np.int16)
        encoded = io.BytesIO()
        soundfile.write(encoded, pcm, SAMPLE_RATE, format="FLAC", subtype="PCM_16")
        found.append(Decoded(counted, hash_of(pcm / np.float32(32768)), encoded.getvalue()))
    return found


def append(ark: BinaryIO, utterance: str, flac: bytes) -> int:
    """Write one utterance's audio, and return its offset for wav.scp: `utterance AUDIO`, size, FLAC."""
    ark.write(f"{utterance} ".encode())
    offset = ark.tell()
    ark.write(b"AUDIO" + bytes([8]) + len(flac).to_bytes(8, "little") + flac)
    return offset
