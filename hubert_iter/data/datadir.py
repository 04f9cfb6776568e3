"""Kaldi data directories: wav.scp utt2spk spk2utt text utt2num_samples, optionally segments and spk2gender.

Those that stage 2 makes also have utt2hash, a hash of each utterance's samples, by which equal audio is found.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from hubert_iter import frames
from hubert_iter.data.tables import COLUMNS, Row, read_table
from hubert_iter.errors import UserError, summarise

MOST_DIGITS = 12
"""Of a number of samples: a year of audio."""


@dataclass(frozen=True, slots=True)
class Utterance:
    """One utterance: who speaks, how long, and where its audio is.

    `num_samples` is 0 where nothing has counted them yet (stage 1).

    `wav` is the entry of wav.scp: a path, `ark:offset`, or a command ending in `|`. With `start` and `end` (seconds,
    from `segments`) the utterance is that part of the recording named `recording`.
    """

    id: str
    speaker: str
    num_samples: int
    wav: str
    start: float | None = None
    end: float | None = None
    recording: str = ""

    @property
    def seconds(self) -> float:
        """Duration in seconds."""
        return frames.seconds(self.num_samples)


@dataclass(frozen=True)
class DataDir:
    """The utterances of a data directory in C order, and their transcripts (empty when there are none)."""

    path: Path
    utterances: tuple[Utterance, ...]
    text: dict[str, str]

    @cached_property
    def _by_id(self) -> dict[str, Utterance]:
        return {utterance.id: utterance for utterance in self.utterances}

    @property
    def total_seconds(self) -> float:
        """Seconds of audio."""
        return frames.seconds(sum(utterance.num_samples for utterance in self.utterances))

    @property
    def speakers(self) -> list[str]:
        """Speakers in C order."""
        return sorted({utterance.speaker for utterance in self.utterances})

    def __len__(self) -> int:
        """Number of utterances."""
        return len(self.utterances)

    def __contains__(self, utterance_id: object) -> bool:
        """True when the utterance is in the data directory."""
        return utterance_id in self._by_id

    def __getitem__(self, utterance_id: str) -> Utterance:
        """The utterance of this name; UserError when the data directory does not have it."""
        try:
            return self._by_id[utterance_id]
        except KeyError:
            raise UserError(f"{self.path}: expected utterance {utterance_id}, which is not there") from None


def files(path: str | Path) -> dict[str, Path]:
    """The data directory's own files that exist, by name."""
    path = Path(path)
    return {name: path / name for name in COLUMNS if (path / name).is_file()}


def read(path: str | Path, transcripts: bool = False) -> DataDir:
    """Read a data directory that is in order; UserError with file, line and utterance where it is not.

    Transcripts are looked at, but kept only where asked for: those of 960 h are 100 MB, in every process.
    """
    path = Path(path)
    if not path.is_dir():
        raise UserError(f"{path}: expected a data directory, found none. Run data preparation (stages 1 and 2) first")
    text = read_table(path / "text") if (path / "text").is_file() else {}
    words = {key: row.value for key, row in text.items()} if transcripts else {}
    text = {key: Row(row.line, key, "") for key, row in text.items()}
    wavs = read_table(path / "wav.scp")
    segments = read_table(path / "segments") if (path / "segments").is_file() else None
    speakers = read_table(path / "utt2spk")
    if not (path / "utt2num_samples").is_file():
        raise UserError(f"{path}/utt2num_samples: missing. filter_data (stage 2) makes it, or validate_data --fix true")
    lengths = read_table(path / "utt2num_samples")
    ids = segments if segments is not None else wavs
    source = "segments" if segments is not None else "wav.scp"
    _same_keys(path, source, ids, "utt2spk", speakers)
    _same_keys(path, source, ids, "utt2num_samples", lengths)
    if text:
        _same_keys(path, source, ids, "text", text)
    utterances = []
    for key, row in ids.items():
        num_samples = parse_length(path / "utt2num_samples", lengths[key])
        utterance = Utterance(key, speakers[key].value, num_samples, wavs[key].value if segments is None else "")
        if segments is not None:
            recording, start, end = parse_segment(path / "segments", row)
            if recording not in wavs:
                raise UserError(f"{path}/segments:{row.line}: utterance {key}: recording {recording} is not in wav.scp")
            utterance = replace(utterance, wav=wavs[recording].value, start=start, end=end, recording=recording)
        utterances.append(utterance)
    if not utterances:
        raise UserError(f"{path}: expected at least one utterance, found none")
    return DataDir(path, tuple(utterances), words)


def write(
    path: str | Path,
    utterances: Iterable[Utterance],
    text: Mapping[str, str] | None = None,
    genders: Mapping[str, str] | None = None,
) -> None:
    """Write a data directory in C order; transcripts and genders of others than these utterances are left out.

    utt2num_samples is written when the length of every utterance is known.
    """
    path = Path(path)
    utterances = sorted(utterances, key=lambda utterance: utterance.id)
    path.mkdir(parents=True, exist_ok=True)
    by_speaker: dict[str, list[str]] = {}
    for utterance in utterances:
        by_speaker.setdefault(utterance.speaker, []).append(utterance.id)
    segmented = any(utterance.start is not None for utterance in utterances)
    if segmented:
        whole = [replace(u, start=0.0, end=u.seconds) if u.start is None else u for u in utterances]
        lines = {u.id: f"{u.recording or u.id} {float(u.start)!r} {float(u.end)!r}" for u in whole}
        write_table(path / "segments", lines)
        write_table(path / "wav.scp", {u.recording or u.id: u.wav for u in whole})
    else:
        write_table(path / "wav.scp", {u.id: u.wav for u in utterances})
    write_table(path / "utt2spk", {u.id: u.speaker for u in utterances})
    write_table(path / "spk2utt", {speaker: " ".join(ids) for speaker, ids in by_speaker.items()})
    if all(u.num_samples for u in utterances):
        write_table(path / "utt2num_samples", {u.id: str(u.num_samples) for u in utterances})
    if text:
        write_table(path / "text", {u.id: text[u.id] for u in utterances if u.id in text})
    if genders:
        write_table(path / "spk2gender", {s: genders[s] for s in by_speaker if s in genders})


def write_table(path: Path, values: Mapping[str, str]) -> None:
    """Write `key value` lines in C order, in one step: readers never see half a table."""
    temporary = path.with_name(path.name + ".tmp")
    lines = (f"{key} {values[key]}".rstrip() + "\n" for key in sorted(values))
    temporary.write_text("".join(lines), encoding="utf-8")
    temporary.replace(path)


def parse_segment(path: Path, row: Row) -> tuple[str, float, float]:
    """Recording, start and end (seconds) of a line of `segments`."""
    recording, *times = row.value.split()
    try:
        start, end = (float(time) for time in times)
    except ValueError:
        raise UserError(f"{path}:{row.line}: utterance {row.key}: expected times in seconds, found {times}") from None
    if not 0 <= start < end <= frames.MOST_SECONDS:
        raise UserError(f"{path}:{row.line}: utterance {row.key}: expected 0 <= start < end, found {start} and {end}")
    return recording, start, end


def parse_length(path: Path, row: Row) -> int:
    """The number of samples on a line of utt2num_samples."""
    sound = row.value.isascii() and row.value.isdigit() and len(row.value) <= MOST_DIGITS
    if not (sound and int(row.value) > 0):
        raise UserError(
            f"{path}:{row.line}: utterance {row.key}: expected a positive number of samples, found '{row.value[:80]}'"
        )
    return int(row.value)


def _same_keys(path: Path, name: str, keys: Mapping[str, Row], other: str, others: Mapping[str, Row]) -> None:
    for first, first_keys, second, second_keys in ((name, keys, other, others), (other, others, name, keys)):
        missing = [key for key in first_keys if key not in second_keys]
        if missing:
            line = first_keys[missing[0]].line
            raise UserError(
                f"{path}/{first}:{line}: utterance {missing[0]}: not in {second} "
                f"({len(missing)} in all: {summarise(missing)}). Mend it, or let validate_data --fix true drop them"
            )
