"""LibriSpeech's own layout (part/speaker/chapter/*.flac and *.trans.txt) into the utterances of a data directory."""

import logging
import os
from dataclasses import dataclass
from pathlib import Path

from hubert_iter.data.datadir import Utterance
from hubert_iter.data.tables import read_lines
from hubert_iter.errors import UserError, nearest, summarise

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Corpus:
    """Utterances in C order, their transcripts, and the speakers' genders (m, f) where SPEAKERS.TXT has them."""

    utterances: tuple[Utterance, ...]
    text: dict[str, str]
    genders: dict[str, str]


def part_folders(corpus: str | Path, parts: list[str]) -> dict[str, Path]:
    """Each part's folder, in `corpus` itself or in `corpus`/LibriSpeech."""
    root = _root(Path(corpus))
    found = sorted(entry.name for entry in root.iterdir() if entry.is_dir())
    if not parts:
        raise UserError(f"expected at least one part of {root}, found none given. Parts there: {', '.join(found)}")
    for part in parts:
        if part not in found:
            raise UserError(
                f"{root}: expected part '{part}'{nearest(part, found)}, found {', '.join(found) or 'nothing'}. "
                "Download it (download_librispeech), or name parts that are there"
            )
    repeated = sorted({part for part in parts if parts.count(part) > 1})
    if repeated:
        raise UserError(f"part given twice: {', '.join(repeated)}")
    return {part: root / part for part in parts}


def read(corpus: str | Path, parts: list[str]) -> Corpus:
    """Read parts of the corpus. UserError for a transcript line without audio file or the other way round."""
    utterances: dict[str, Utterance] = {}
    text: dict[str, str] = {}
    for folder in part_folders(corpus, parts).values():
        before = len(utterances)
        for speaker, chapter in _chapters(folder):
            for key, (path, words) in _read_chapter(chapter).items():
                if key in utterances:
                    raise UserError(f"{path}: utterance {key}: is also {utterances[key].wav}. Leave one part out")
                utterances[key] = Utterance(key, speaker, 0, str(path))
                text[key] = words
        if len(utterances) == before:
            raise UserError(f"{folder}: expected speaker/chapter/*.flac, found no utterance")
        log.info("%s: %d utterances", folder, len(utterances) - before)
    ordered = tuple(utterances[key] for key in sorted(utterances))
    return Corpus(ordered, text, _genders(_root(Path(corpus)) / "SPEAKERS.TXT", {u.speaker for u in ordered}))


def _root(corpus: Path) -> Path:
    if not corpus.is_dir():
        raise UserError(f"{corpus}: expected the LibriSpeech folder, found none. Set its path, or download it")
    # Absolute, so that wav.scp is good from any folder; not resolved, so that the user's links stay theirs.
    return Path(os.path.abspath(corpus / "LibriSpeech" if (corpus / "LibriSpeech").is_dir() else corpus))


def _chapters(part: Path) -> list[tuple[str, Path]]:
    speakers = sorted(entry for entry in part.iterdir() if entry.is_dir())
    return [(s.name, chapter) for s in speakers for chapter in sorted(s.iterdir()) if chapter.is_dir()]


def _read_chapter(chapter: Path) -> dict[str, tuple[Path, str]]:
    """Utterance -> (audio file, transcript) of one chapter."""
    prefix = f"{chapter.parent.name}-{chapter.name}"
    transcript = chapter / f"{prefix}.trans.txt"
    audio = {path.stem: path for path in sorted(chapter.glob("*.flac"))}
    if not audio and not transcript.exists():
        return {}
    lines: dict[str, tuple[int, str]] = {}
    for number, line in enumerate(read_lines(transcript), start=1):
        key, _, words = line.partition(" ")
        if not key.startswith(f"{prefix}-") or not words.strip():
            expected = f"expected '{prefix}-NNNN WORDS', found '{line[:80]}'"
            raise UserError(f"{transcript}:{number}: utterance {key}: {expected}")
        if key in lines:
            raise UserError(f"{transcript}:{number}: utterance {key}: was on line {lines[key][0]} already")
        lines[key] = number, " ".join(words.split())
    missing = sorted(audio.keys() - lines.keys())
    if missing:
        raise UserError(
            f"{transcript}: utterance {missing[0]}: expected a transcript line for {audio[missing[0]].name}, "
            f"found none ({len(missing)} in all: {summarise(missing)}). Add the line, or move the audio file away"
        )
    silent = sorted(lines.keys() - audio.keys())
    if silent:
        raise UserError(
            f"{transcript}:{lines[silent[0]][0]}: utterance {silent[0]}: expected {chapter / silent[0]}.flac, found no "
            f"such file ({len(silent)} in all: {summarise(silent)}). Restore the audio, or remove the line"
        )
    return {key: (audio[key], lines[key][1]) for key in audio}


def _genders(path: Path, speakers: set[str]) -> dict[str, str]:
    """Genders from SPEAKERS.TXT: `id | M or F | part | minutes | name`, comments start with a semicolon."""
    genders: dict[str, str] = {}
    if not path.is_file():
        log.warning("%s: not there, so spk2gender is not made", path)
        return genders
    # Names are in several encodings there; they are not used.
    for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), start=1):
        if line.startswith(";") or not line.strip():
            continue
        fields = [field.strip() for field in line.split("|")]
        if fields[0] not in speakers:
            continue
        if len(fields) < 4 or fields[1] not in ("M", "F"):
            expected = "'speaker | M or F | part | minutes | name'"
            raise UserError(f"{path}:{number}: expected {expected}, found '{line[:80]}'")
        genders[fields[0]] = fields[1].lower()
    return genders
