"""Utterances that two sets share, by name or by their samples, and those of one set that sound the same."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hubert_iter.data.tables import Fault, Row, scan
from hubert_iter.errors import UserError

if TYPE_CHECKING:
    from hubert_iter.data.validate import Findings


def check_hashes(file: Path, rows: Mapping[str, Row], hashes: Mapping[str, str], findings: "Findings") -> None:
    """Compare hashes with utt2hash; a fix counts anew."""
    for key, found in hashes.items():
        if key in rows and rows[key].value != found:
            message = f"expected {found} as of the audio, found '{rows[key].value}'"
            findings.faults.append(Fault("hash", str(file), rows[key].line, key, message))


def check_utterances(
    path: Path,
    tables: dict[str, dict[str, Row]],
    hashes: Mapping[str, str],
    others: Sequence[str | Path],
    findings: "Findings",
) -> None:
    """No utterance may be in another set as well, neither by name nor, under another name, by its samples."""
    for other in others:
        table = Path(other) / "utt2hash"
        if not table.is_file():
            raise UserError(
                f"{table}: expected this table, by which equal audio is found, but found none. "
                f"Run filter_data (stage 2) for {other} first, and give the folder that it makes"
            )
        theirs = {row.key: row for row in scan(table)[0]}
        by_hash: dict[str, Row] = {}
        for row in theirs.values():
            by_hash.setdefault(row.value, row)
        dropped = findings.dropped()  # what has a fault already, or is left out, is not named again
        for key, found in hashes.items():
            if key in dropped:
                continue
            if key in theirs:
                place = f"{table}:{theirs[key].line}"
                message = f"expected an utterance that {other} does not have, found it there ({place})"
                kind = "shared utterance"
            elif found in by_hash:
                row = by_hash[found]
                message = f"has the same samples as utterance {row.key} of {other} ({table}:{row.line})"
                kind = "equal audio"
            else:
                continue
            message += ". Take it out of one of the two sets"
            file, line = _place(path, tables, key)
            findings.faults.append(Fault(kind, file, line, key, message, (key,)))


def pairs(path: Path, tables: dict[str, dict[str, Row]], hashes: Mapping[str, str]) -> list[Fault]:
    """Utterances of this set that have the samples of an earlier one."""
    first: dict[str, str] = {}
    found = []
    for key, samples in hashes.items():
        earlier = first.setdefault(samples, key)
        if earlier != key:
            message = (
                f"has the same samples as utterance {earlier} ({':'.join(map(str, _place(path, tables, earlier)))})"
            )
            found.append(Fault("equal audio", *_place(path, tables, key), key, f"{message}. Keep one of them"))
    return found


def _place(path: Path, tables: dict[str, dict[str, Row]], key: str) -> tuple[str, int]:
    """File and line of an utterance."""
    source = "segments" if "segments" in tables else "wav.scp"
    return str(path / source), tables[source][key].line
