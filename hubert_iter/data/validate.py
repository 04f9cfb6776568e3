"""Find what is wrong in a data directory, decoding all of its audio; `repair` mends it."""

import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from hubert_iter.data import collect_alignments, decoding, equal_audio
from hubert_iter.data.alignment import TIERS
from hubert_iter.data.audio_ark import Dump
from hubert_iter.data.datadir import DataDir, Utterance, files, parse_length, parse_segment
from hubert_iter.data.decoding import Places
from hubert_iter.data.tables import Fault, Row, scan
from hubert_iter.errors import UserError, summarise
from hubert_iter.frames import num_frames

SPEAKER_TABLES = ("spk2utt", "spk2gender")
COUNTED = ("utt2num_samples", "utt2hash")  # tables made from the audio
REQUIRED = ("wav.scp", "utt2spk")
LIMIT_KINDS = ("short", "long")  # no faults of the data, but what the user's limits leave out
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Limits:
    """Shortest and longest utterance wanted, in seconds."""

    min_seconds: float = 0.0
    max_seconds: float = float("inf")


@dataclass
class Findings:
    """What is wrong in a data directory (`faults`), and the utterances that nothing is wrong with (`data`).

    `hashes` are those of their samples. `equal` names pairs of them that have the same samples: no fault, but odd.
    """

    data: DataDir
    genders: dict[str, str] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    hashes: dict[str, str] = field(default_factory=dict)
    equal: list[Fault] = field(default_factory=list)
    written: dict[str, str] = field(default_factory=dict)
    """Entries of wav.scp for those whose audio was written."""
    shared_speakers: dict[str, str] = field(default_factory=dict)
    """Speakers that are in another set too, where that is allowed, and which one."""

    def dropped(self) -> dict[str, str]:
        """Utterances that a fix leaves out, and the first reason of each."""
        reasons: dict[str, str] = {}
        for fault in self.faults:
            for key in fault.drops:
                reasons.setdefault(key, f"{fault.kind}: {fault.message}")
        return reasons

    def counts(self) -> dict[str, int]:
        """Number of faults by kind."""
        counts: dict[str, int] = {}
        for fault in self.faults:
            counts[fault.kind] = counts.get(fault.kind, 0) + 1
        return counts


def examine(
    path: str | Path,
    limits: Limits = Limits(),  # noqa: B008
    others: Sequence[str | Path] = (),
    nj: int = 1,
    other_utterances: Sequence[str | Path] = (),
    dump: Dump | None = None,
    same_speakers: bool = False,
) -> Findings:
    """Examine tables, audio and limits; with `dump` also write the audio that is to be written.

    No speaker may be in the data directories `others`, unless `same_speakers`; no utterance, by name or by its samples,
    in `other_utterances`.
    """
    path = Path(path)
    if not path.is_dir():
        raise UserError(f"{path}: expected a data directory, found none")
    findings = Findings(DataDir(path, (), {}))
    tables = _tables(path, findings)
    candidates = _candidates(path, tables, findings)
    if not candidates and not findings.faults:
        message = "expected at least one utterance, found none. Data preparation has to make some"
        findings.faults.append(Fault("empty set", str(path / _source(tables)), 0, "", message))
    parts = tables.get("segments", {})
    places = Places(str(path / "wav.scp"), tables["wav.scp"], str(path / "segments"), parts)
    log.info("%s: decoding %d utterances with %d threads", path, len(candidates), nj)
    decoded = decoding.decode(candidates, places, nj, dump)
    findings.faults.extend(decoded.faults)
    counted, hashes = decoded.utterances, decoded.hashes
    _check_lengths(path / "utt2num_samples", tables.get("utt2num_samples", {}), counted, findings)
    equal_audio.check_hashes(path / "utt2hash", tables.get("utt2hash", {}), hashes, findings)
    _check_limits(counted, places, limits, findings)
    equal_audio.check_utterances(path, tables, hashes, other_utterances, findings)
    _check_speakers(path, tables, counted, others, same_speakers, findings)
    dropped = findings.dropped()
    good = tuple(u for u in counted if u.id not in dropped)
    text = {u.id: tables["text"][u.id].value for u in good} if tables.get("text") else {}
    findings.data = DataDir(path, good, text)
    findings.written = {
        utterance.id: decoded.written[utterance.id] for utterance in good if utterance.id in decoded.written
    }
    findings.hashes = {utterance.id: hashes[utterance.id] for utterance in good}
    findings.equal = equal_audio.pairs(path, tables, findings.hashes)
    speakers = set(findings.data.speakers)
    findings.genders = {key: row.value for key, row in tables.get("spk2gender", {}).items() if key in speakers}
    findings.faults.sort(key=lambda fault: (fault.file, fault.line))
    return findings


def examine_alignments(findings: Findings, folders: Iterable[Path], max_missing: int = 0) -> None:
    """Add the faults of each folder's phones.ctm and words.ctm; missing ones are listed in FOLDER.missing.txt."""
    for folder in folders:
        if findings.data.utterances:
            found = collect_alignments.from_ctm(findings.data, folder)
            findings.faults.extend(found.faults)
            try:
                collect_alignments.refuse_missing(
                    findings.data, found, max_missing, folder.with_name(folder.name + ".missing.txt")
                )
            except UserError as error:
                findings.faults.append(Fault("no alignment", f"{folder}/phones.ctm", 0, "", str(error)))


def has_alignments(path: Path) -> bool:
    """True when the folder has CTM files of its own."""
    return any((path / f"{tier}.ctm").is_file() for tier in TIERS)


def report(findings: Findings, most: int = 20, count_only: Collection[str] = ()) -> None:
    """Log the first faults of each kind (kinds in `count_only` without examples) and how many there are of each.

    Also logs pairs of utterances with equal audio, which are not faults.
    """
    shown: dict[str, int] = {}
    counts = findings.counts()
    for fault in (fault for fault in findings.faults if fault.kind not in count_only):
        shown[fault.kind] = shown.get(fault.kind, 0) + 1
        if shown[fault.kind] <= most:
            log.warning("%s: %s", fault.kind, fault)
        elif shown[fault.kind] == most + 1:
            log.warning("%s: and %d more", fault.kind, counts[fault.kind] - most)
    for pair in findings.equal[:most]:
        log.warning("equal audio: %s", pair)
    if len(findings.equal) > most:
        log.warning("equal audio: and %d more", len(findings.equal) - most)
    data = findings.data
    log.info(
        "%s: %d utterances without fault (%.2f h, %d speakers), %d faults%s",
        data.path,
        len(data),
        data.total_seconds / 3600,
        len(data.speakers),
        len(findings.faults),
        "".join(f", {number} {kind}" for kind, number in sorted(counts.items())),
    )


def _tables(path: Path, findings: Findings) -> dict[str, dict[str, Row]]:
    """Read all tables, noting faults of form. A table that is missing or cannot be read at all is a UserError."""
    tables: dict[str, dict[str, Row]] = {}
    present = files(path)
    for name in REQUIRED:
        if name not in present:
            raise UserError(f"{path / name}: expected this file, found none. Data preparation has to make it")
    for name, file in present.items():
        rows, faults = scan(file, name)
        speakers = name in SPEAKER_TABLES or (name == "wav.scp" and "segments" in present)
        for fault in faults:
            # A key repeated with the same value loses nothing. Keys of speakers and recordings are checked below.
            drops = (fault.utterance,) if not speakers and fault.kind in ("columns", "duplicate") else ()
            kept = replace(fault, drops=tuple(key for key in drops if key))
            findings.faults.append(replace(kept, utterance="") if speakers else kept)
        tables[name] = {row.key: row for row in rows}
    return tables


def _candidates(path: Path, tables: dict[str, dict[str, Row]], findings: Findings) -> list[Utterance]:
    """Utterances that every table has, lengths not yet known."""
    source = _source(tables)
    named = [name for name in (source, "utt2spk", "text", *COUNTED) if name in tables]
    faulty = set(findings.dropped())
    for key in sorted(set().union(*(tables[name] for name in named)) - faulty):
        absent = [name for name in named if key not in tables[name]]
        if absent:
            there = next(name for name in named if key in tables[name])
            # Lengths and hashes are counted anew, so that an utterance without one need not go.
            drops = () if set(absent) <= set(COUNTED) else (key,)
            line = tables[there][key].line
            findings.faults.append(Fault("keys", str(path / there), line, key, f"not in {', '.join(absent)}", drops))
    dropped = findings.dropped()
    utterances = []
    for key in sorted(set(tables[source]) - set(dropped)):
        utterance = Utterance(key, tables["utt2spk"][key].value, 0, "")
        try:
            utterances.append(_locate(path, tables, key, utterance))
        except UserError as error:
            row = tables[source][key]
            message = str(error).split(f"utterance {key}: ", 1)[-1]
            findings.faults.append(Fault("segments", str(path / source), row.line, key, message, (key,)))
    _check_spk2utt(path, tables, findings)
    for row in list(tables.get("spk2gender", {}).values()):
        if row.value not in ("m", "f"):
            message = f"speaker {row.key}: expected m or f, found '{row.value}'"
            findings.faults.append(Fault("gender", str(path / "spk2gender"), row.line, "", message))
            del tables["spk2gender"][row.key]
    return utterances


def _source(tables: Mapping[str, Mapping[str, Row]]) -> str:
    """The table that says which utterances there are."""
    return "segments" if "segments" in tables else "wav.scp"


def _locate(path: Path, tables: dict[str, dict[str, Row]], key: str, utterance: Utterance) -> Utterance:
    if "segments" not in tables:
        return replace(utterance, wav=tables["wav.scp"][key].value)
    recording, start, end = parse_segment(path / "segments", tables["segments"][key])
    if recording not in tables["wav.scp"]:
        raise UserError(f"utterance {key}: recording {recording} is not in wav.scp")
    return replace(utterance, wav=tables["wav.scp"][recording].value, start=start, end=end, recording=recording)


def _check_spk2utt(path: Path, tables: dict[str, dict[str, Row]], findings: Findings) -> None:
    """spk2utt must say what utt2spk says; a fix makes it anew."""
    if "spk2utt" not in tables:
        return
    file = str(path / "spk2utt")
    speaker_of = {key: row.value for key, row in tables["utt2spk"].items()}
    listed = set(findings.dropped())  # what has a fault already is not named twice
    for row in tables["spk2utt"].values():
        for key in row.value.split():
            if key not in listed and speaker_of.get(key) != row.key:
                message = f"is of speaker {row.key}, utt2spk says {speaker_of.get(key, 'nothing')}"
                findings.faults.append(Fault("speaker", file, row.line, key, message))
        listed.update(row.value.split())
    for key in sorted(speaker_of.keys() - listed):
        message = f"not in spk2utt, utt2spk gives it speaker {speaker_of[key]}"
        findings.faults.append(Fault("speaker", file, 0, key, message))


def _check_lengths(file: Path, rows: Mapping[str, Row], utterances: list[Utterance], findings: Findings) -> None:
    """Compare lengths with utt2num_samples; a fix counts anew."""
    for utterance in utterances:
        row = rows.get(utterance.id)
        if row is not None:
            try:
                stated = parse_length(file, row)
            except UserError:
                stated = -1
            if stated != utterance.num_samples:
                message = f"expected {utterance.num_samples} as in the audio, found '{row.value}'"
                findings.faults.append(Fault("length", str(file), row.line, utterance.id, message))


def _check_limits(utterances: list[Utterance], places: Places, limits: Limits, findings: Findings) -> None:
    """An utterance must hold one frame at least, and keep to the user's limits."""
    for utterance in utterances:
        seconds = utterance.seconds
        if num_frames(utterance.num_samples) == 0 or seconds < limits.min_seconds:
            message = f"lasts {seconds:g} s, expected at least {max(limits.min_seconds, 0.025):g} s"
            findings.faults.append(places.fault("short", utterance, message))
        elif seconds > limits.max_seconds:
            message = f"lasts {seconds:g} s, expected at most {limits.max_seconds:g} s"
            findings.faults.append(places.fault("long", utterance, message))


def _check_speakers(
    path: Path,
    tables: dict[str, dict[str, Row]],
    utterances: list[Utterance],
    others: Sequence[str | Path],
    allowed: bool,
    findings: Findings,
) -> None:
    """Speakers that are in another set as well: faults, unless they are allowed."""
    by_speaker: dict[str, list[str]] = {}
    for utterance in utterances:
        by_speaker.setdefault(utterance.speaker, []).append(utterance.id)
    for other in others:
        theirs = {row.value for row in scan(Path(other) / "utt2spk")[0]}
        for speaker in sorted(theirs & by_speaker.keys()):
            if allowed:
                findings.shared_speakers.setdefault(speaker, Path(other).name)
                continue
            ids = by_speaker[speaker]
            message = f"speaker {speaker} is also in {other} ({len(ids)} utterances here: {summarise(ids, 3)}). "
            message += "Split by speaker, or allow for it by --same_speakers true: the report then says so"
            line = tables["utt2spk"][ids[0]].line
            findings.faults.append(Fault("shared speaker", str(path / "utt2spk"), line, ids[0], message, tuple(ids)))
