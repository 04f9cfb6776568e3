"""Any audio to run a model over: a folder of files, one file, a wav.scp or a data directory; no stage before it.

Found without reading any audio, so that work that is done is told in a moment (`find`); then opened (`measure`), and
read one utterance at a time (`read`). Audio that is not 16 kHz with one channel is refused with the command that
converts it, or converted on request.
"""

import hashlib
import json
import logging
import os
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from hubert_iter.data.datadir import DataDir, Utterance, parse_segment
from hubert_iter.data.folders import files_below
from hubert_iter.data.recordings import conversion, is_command, split_offset
from hubert_iter.data.tables import Row, raise_first, scan
from hubert_iter.errors import UserError, summarise
from hubert_iter.frames import FRAME_LENGTH, SAMPLE_RATE

if TYPE_CHECKING:
    import numpy as np
    import soundfile

SUFFIXES = (".wav", ".flac", ".ogg", ".opus", ".mp3", ".aiff", ".aif", ".au", ".sph", ".w64", ".caf")
"""Endings of the files that a folder is searched for; all are libsndfile's."""
NO_SPEAKER = "-"
FACTS = "audio.json"
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Found:
    """Utterances in C order, not opened yet; `speaker` is NO_SPEAKER where nothing says who speaks."""

    path: Path
    utterances: tuple[Utterance, ...]

    @property
    def state(self) -> str:
        """A hash of names, sizes and times of the audio, and of the parts of it that are meant; not of its place."""
        digest = hashlib.sha256()
        for utterance in self.utterances:
            file, offset = split_offset(utterance.wav)
            content: tuple = (utterance.wav,)  # a command, or what is missing
            if not is_command(utterance.wav) and os.path.exists(file):
                seen = os.stat(file)
                content = (seen.st_size, seen.st_mtime_ns, offset)
            words = (utterance.id, utterance.speaker, utterance.start, utterance.end, *content)
            digest.update(("\0".join(map(str, words)) + "\n").encode())
        return digest.hexdigest()[:16]


def find(path: str | Path) -> Found:
    """Find the utterances that `path` means. UserError where there are none, or two of one name."""
    path = Path(path)
    if path.is_dir():
        scp = path / "wav.scp"
        utterances = _listed(scp, path) if scp.is_file() else _files(path)
    elif path.suffix == ".scp" or path.suffix.lower() in SUFFIXES and path.is_file():
        utterances = _listed(path) if path.suffix == ".scp" else [_utterance(path, path.name)]
    else:
        raise UserError(
            f"{path}: expected a folder of audio files, a data directory, a wav.scp (its name ends in .scp) or an "
            f"audio file ({' '.join(SUFFIXES)}), found {'another file' if path.exists() else 'nothing'}"
        )
    return Found(path, tuple(sorted(utterances, key=lambda utterance: utterance.id)))


def _files(folder: Path) -> list[Utterance]:
    """The audio files at any depth, named by their path below the folder, without what comes after the last dot."""
    found: dict[str, Utterance] = {}
    others: Counter[str] = Counter()
    for file in files_below(folder):
        below = file.relative_to(folder)
        if any(part.startswith(".") for part in below.parts):
            continue
        if file.suffix.lower() not in SUFFIXES:
            others[file.suffix or "without an ending"] += 1
            continue
        utterance = _utterance(file, str(below))
        if utterance.id in found:
            raise UserError(
                f"{file}: its name as an utterance, {utterance.id}, is also that of {found[utterance.id].wav}. Rename "
                "one, or write a wav.scp with names of your own"
            )
        found[utterance.id] = utterance
    if not found:
        raise UserError(
            f"{folder}: expected audio files ({' '.join(SUFFIXES)}) or a wav.scp, found none. For other formats write "
            "a wav.scp whose entries are commands: <utterance> ffmpeg -i FILE -ac 1 -ar 16000 -f wav - |"
        )
    if others:
        counts = ", ".join(f"{number} {ending}" for ending, number in others.most_common())
        log.info("%s: %d audio files; left out, by their endings: %s", folder, len(found), counts)
    return list(found.values())


def _utterance(file: Path, name: str) -> Utterance:
    """Kaldi's tables have no room for spaces in a name."""
    return Utterance("_".join(name.removesuffix(file.suffix).split()), NO_SPEAKER, 0, str(file))


def _listed(scp: Path, folder: Path | None = None) -> list[Utterance]:
    """What a wav.scp lists, cut by the `segments` beside it where `folder` is a data directory."""
    wavs = _rows(scp, "wav.scp")
    tables = {
        name: _rows(folder / name, name) if folder and (folder / name).is_file() else {}
        for name in ("segments", "utt2spk")
    }
    found = [Utterance(key, NO_SPEAKER, 0, row.value) for key, row in wavs.items()]
    if tables["segments"]:
        found = []
        for key, row in tables["segments"].items():
            recording, start, end = parse_segment(folder / "segments", row)
            if recording not in wavs:
                raise UserError(
                    f"{folder}/segments:{row.line}: utterance {key}: recording {recording} is not in wav.scp"
                )
            found.append(Utterance(key, NO_SPEAKER, 0, wavs[recording].value, start, end, recording))
    if not found:
        raise UserError(f"{scp}: expected at least one utterance, found none")
    speakers = tables["utt2spk"]
    return [replace(each, speaker=speakers[each.id].value) if each.id in speakers else each for each in found]


def _rows(path: Path, name: str) -> dict[str, Row]:
    """A table in any order: nothing here goes through two of them in step."""
    rows, faults = scan(path, name)
    raise_first([fault for fault in faults if fault.kind != "order"])
    return {row.key: row for row in rows}


def write_facts(folder: Path, data: DataDir, short: list[str]) -> None:
    """Write audio.json: what a folder of results is of, for people."""
    facts = {
        "path": str(data.path.resolve()), "utterances": len(data), "hours": round(data.total_seconds / 3600, 4),
        "left_out": short,
    }  # fmt: skip
    (folder / FACTS).write_text(json.dumps(facts, indent=1) + "\n")


class Extent(NamedTuple):
    """Where an utterance lies in its recording, in the recording's samples, and of what kind these are."""

    first: int
    count: int
    rate: int
    channels: int

    @property
    def fits(self) -> bool:
        """True for what our models take as it is."""
        return self.rate == SAMPLE_RATE and self.channels == 1

    @property
    def num_samples(self) -> int:
        """Samples once they are converted."""
        return -(-self.count * SAMPLE_RATE // self.rate)  # as torchaudio's resample rounds: up


def measure(found: Found, resample: bool) -> tuple[DataDir, list[str]]:
    """Open all audio: the utterances with their numbers of samples at 16 kHz, and those too short for one frame.

    UserError with all that cannot be opened and, without `resample`, all that would have to be converted.
    """
    import soundfile

    def look(utterance: Utterance) -> Extent | str:
        try:
            with _open(utterance) as file:
                return _extent(file, utterance)
        except (soundfile.LibsndfileError, OSError) as error:
            return f"utterance {utterance.id}: {utterance.wav}: cannot be read ({error})"
        except UserError as error:
            return str(error)

    with ThreadPoolExecutor(8) as pool:
        extents = list(pool.map(look, found.utterances))
    faults = [extent for extent in extents if isinstance(extent, str)]
    if faults:
        raise UserError(f"{found.path}: {len(faults)} of {len(extents)} cannot be used: {summarise(faults, 3)}")
    pairs = list(zip(found.utterances, extents, strict=True))
    others = [(utterance, extent) for utterance, extent in pairs if not extent.fits]
    if others and not resample:
        utterance, extent = others[0]
        command = conversion(utterance.wav)
        raise UserError(
            f"{found.path}: {len(others)} of {len(pairs)} are not {SAMPLE_RATE} Hz with one channel, as utterance "
            f"{utterance.id}: {utterance.wav}: {extent.rate} Hz, {extent.channels} channel(s). Add --resample true"
            + (f", or convert it, in a wav.scp by: {utterance.recording or utterance.id} {command}" if command else "")
        )
    measured = [replace(utterance, num_samples=extent.num_samples) for utterance, extent in pairs]
    kept = tuple(utterance for utterance in measured if utterance.num_samples >= FRAME_LENGTH)
    if not kept:
        raise UserError(f"{found.path}: expected audio of at least 25 ms, found none")
    short = [utterance.id for utterance in measured if utterance.num_samples < FRAME_LENGTH]
    if short:
        log.warning("%s: left out, shorter than a frame of 25 ms: %s", found.path, summarise(short))
    return DataDir(found.path, kept, {}), short


def read(utterance: Utterance) -> "np.ndarray":
    """All of a measured utterance at 16 kHz, channels averaged: float32 [num_samples] in +-1.

    UserError where it cannot be read any more, or is shorter than its header says.
    """
    from hubert_iter.data.audio import load  # loads soundfile

    return load(utterance, resample=True).samples


def _open(utterance: Utterance) -> "soundfile.SoundFile":
    from hubert_iter.data.audio import open_audio  # loads soundfile

    return open_audio(utterance)


def _extent(file: "soundfile.SoundFile", utterance: Utterance) -> Extent:
    from hubert_iter.data.audio import OVERSHOOT

    first = 0 if utterance.start is None else round(utterance.start * file.samplerate)
    last = file.frames if utterance.end is None else round(utterance.end * file.samplerate)
    if last > file.frames + OVERSHOOT * file.samplerate or first > file.frames:
        raise UserError(
            f"utterance {utterance.id}: segments ends it at {utterance.end} s, but {utterance.wav} has "
            f"{file.frames / file.samplerate:.3f} s. Mend segments"
        )
    return Extent(first, max(0, min(last, file.frames) - first), file.samplerate, file.channels)
