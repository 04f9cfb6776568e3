"""Repair a data directory in place: sort, drop, count anew. The old files stay in .backup."""

import filecmp
import logging
import os
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

from hubert_iter import provenance
from hubert_iter.data import datadir
from hubert_iter.data.alignment import TIERS
from hubert_iter.data.recordings import SHARED_SPEAKERS, is_command
from hubert_iter.data.tables import COLUMNS, Fault, read_lines
from hubert_iter.data.validate import Findings
from hubert_iter.errors import UserError

ALIGNMENT_KINDS = ("alignment", "bounds", "overlap")
DROPPED = "dropped.txt"
log = logging.getLogger(__name__)


def write_good(folder: Path, findings: Findings, absolute: bool = False) -> None:
    """Write the utterances without fault as a data directory with utt2hash; what was dropped and why as dropped.txt.

    `absolute`: relative paths are written as absolute ones.
    """
    if not findings.data.utterances:
        first = f"; the first: {findings.faults[0]}" if findings.faults else ""
        raise UserError(f"{findings.data.path}: no utterance is left{first}")
    utterances = [_where_written(utterance, findings) for utterance in findings.data.utterances]
    if absolute:
        utterances = [replace(utterance, wav=_absolute(utterance.wav)) for utterance in utterances]
    datadir.write(folder, utterances, findings.data.text, findings.genders)
    datadir.write_table(folder / "utt2hash", findings.hashes)
    dropped = findings.dropped()
    lines = "".join(f"{key} {dropped[key]}\n" for key in sorted(dropped))
    (folder / DROPPED).write_text(lines, encoding="utf-8")
    if findings.shared_speakers:
        datadir.write_table(folder / SHARED_SPEAKERS, findings.shared_speakers)


def _where_written(utterance: datadir.Utterance, findings: Findings) -> datadir.Utterance:
    """The utterance with its audio in the ark, if it was written there."""
    if utterance.id not in findings.written:
        return utterance
    return replace(utterance, wav=findings.written[utterance.id], start=None, end=None, recording="")


def _absolute(wav: str) -> str:
    """An entry of wav.scp that leads to the same audio from any folder. Not normalised: links may lie before a `..`."""
    return wav if is_command(wav) else os.path.join(os.getcwd(), wav)


def in_place(findings: Findings) -> Path | None:
    """Put the repaired files in place of the old ones, which are copied to .backup (or .backup.1, ... ) first.

    Other `utt2*` tables and CTM files lose the lines of dropped utterances; CTM files also those of faulty alignments.
    Returns the folder of the old files, or None when nothing had to change.
    """
    path = findings.data.path
    with tempfile.TemporaryDirectory(prefix=".fix.", dir=path) as temporary:
        new = Path(temporary)
        write_good(new, findings)
        if not (path / "utt2hash").is_file():
            (new / "utt2hash").unlink()  # it is stage 2 that adds this table
        _filter_others(path, new, findings)
        for name in ("text", "spk2gender"):
            if (path / name).is_file() and not (new / name).is_file():
                (new / name).touch()
        changed = [file for file in sorted(new.iterdir()) if not _same(file, path / file.name)]
        if not changed:
            return None
        backup = _free_name(path)
        backup.mkdir()
        for file in changed:
            if (path / file.name).exists():
                shutil.copy2(path / file.name, backup / file.name)
        (backup / "faults.txt").write_text("".join(f"{f.kind}: {f}\n" for f in findings.faults), encoding="utf-8")
        for file in changed:
            file.replace(path / file.name)
    _refresh_provenance(path)
    log.info("%s: repaired %s; the old files are in %s", path, ", ".join(file.name for file in changed), backup)
    return backup


def _filter_others(path: Path, new: Path, findings: Findings) -> None:
    """Leave dropped utterances out of tables that are not the data directory's own."""
    keep = {utterance.id for utterance in findings.data.utterances}
    for file in sorted(path.glob("utt2*")):
        if file.name not in COLUMNS and file.is_file():
            lines = sorted(line for line in read_lines(file) if line.split(maxsplit=1)[:1] and line.split()[0] in keep)
            (new / file.name).write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    ctms = [str(path / f"{tier}.ctm") for tier in TIERS]
    bad = {fault.utterance for fault in findings.faults if fault.file in ctms}
    for file in (Path(ctm) for ctm in ctms):
        if file.is_file():
            lines = [line for line in read_lines(file) if line.split() and line.split()[0] in keep - bad]
            (new / file.name).write_text("".join(line + "\n" for line in lines), encoding="utf-8")


def _same(new: Path, old: Path) -> bool:
    if not old.is_file():
        # An empty list of dropped utterances is no news.
        return new.stat().st_size == 0
    return filecmp.cmp(new, old, shallow=False)


def _free_name(path: Path) -> Path:
    """A folder for the old files that does not exist yet: an earlier backup is never overwritten."""
    number = 0
    while (path / (".backup" if number == 0 else f".backup.{number}")).exists():
        number += 1
    return path / (".backup" if number == 0 else f".backup.{number}")


def _refresh_provenance(path: Path) -> None:
    """A folder made by a stage stays complete after repair, with the settings and inputs it was made from."""
    if (path / provenance.FILE_NAME).is_file():
        record = provenance.read(path)
        inputs = {name: entry["path"] for name, entry in record["inputs"].items()}
        provenance.write(path, record["command"], record["settings"], inputs, record.get("form", 1))


def repairable(fault: Fault, path: Path) -> bool:
    """False for what lies outside the data directory, or cannot be invented: alignments."""
    return fault.kind != "no alignment" and (fault.kind not in ALIGNMENT_KINDS or Path(fault.file).parent == path)
