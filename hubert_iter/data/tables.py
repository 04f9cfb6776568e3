"""Kaldi tables: one key a line, the rest of the line its value; sorted in C order, no key twice."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hubert_iter.errors import UserError, summarise


@dataclass(frozen=True)
class Fault:
    """One thing wrong in a data directory. `drops` names the utterances that a fix leaves out because of it."""

    kind: str
    file: str
    line: int  # counted from 1; 0 when no single line is to blame
    utterance: str
    message: str
    drops: tuple[str, ...] = ()

    def __str__(self) -> str:
        """`file:line: utterance X: message`."""
        place = f"{self.file}:{self.line}" if self.line else self.file
        return f"{place}: utterance {self.utterance}: {self.message}" if self.utterance else f"{place}: {self.message}"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a table: its number from 1, its key, and the rest (may be empty)."""

    line: int
    key: str
    value: str


# Columns after the key: least and most (None: any number, for text, paths and commands with spaces).
COLUMNS: dict[str, tuple[int, int | None]] = {
    "wav.scp": (1, None),
    "segments": (3, 3),
    "utt2spk": (1, 1),
    "spk2utt": (1, None),
    "text": (0, None),
    "utt2num_samples": (1, 1),
    "utt2hash": (1, 1),
    "spk2gender": (1, 1),
}
MEANING = {
    "wav.scp": "<key> <path, ark:offset or command |>",
    "segments": "<utterance> <recording> <start seconds> <end seconds>",
    "utt2spk": "<utterance> <speaker>",
    "spk2utt": "<speaker> <utterance> ...",
    "text": "<utterance> <words>",
    "utt2num_samples": "<utterance> <number of samples>",
    "utt2hash": "<utterance> <hash of its samples>",
    "spk2gender": "<speaker> <m or f>",
}


@contextmanager
def many_objects() -> Iterator[None]:
    """While as many are made as a corpus has utterances: Python would look through all of them again and again.

    That takes a third of the time to read 960 h, and finds nothing: no object here refers to itself.
    """
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


def read_lines(path: Path) -> list[str]:
    """The lines of a UTF-8 file without their ends; Windows line ends and a byte-order mark are refused by line."""
    try:
        text = path.read_bytes().decode("utf-8")
    except FileNotFoundError:
        raise UserError(f"{path}: expected a file, found none. Make it, or run the stage that does") from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise UserError(f"{path}:{line}: expected UTF-8 text, found other bytes. Convert the file to UTF-8") from None
    if text.startswith("\ufeff"):
        raise UserError(f"{path}:1: starts with a byte-order mark. Save the file as plain UTF-8 without one")
    if "\r" in text:
        line = text[: text.index("\r")].count("\n") + 1
        raise UserError(f"{path}:{line}: Windows line end found. Convert the file: tr -d '\\r' < {path.name} > new")
    # Not splitlines(): it also breaks at characters that are legal within a transcript.
    return text.removesuffix("\n").split("\n") if text else []


_AT_A_SPACE = ". Is there a space in its name? Names end at the first space"


def scan(path: Path, name: str | None = None) -> tuple[list[Row], list[Fault]]:
    """Read a table of a known kind (by `name`, default the file's), collecting what is wrong with its form.

    Rows of a wrong column count and repeated keys are left out of the rows returned; the order is the file's.
    """
    name = name or path.name
    least, most = COLUMNS.get(name, (0, None))
    expected = MEANING.get(name, "<utterance> <value>")
    rows: list[Row] = []
    faults: list[Fault] = []
    seen: dict[str, Row] = {}
    previous = ""
    for number, line in enumerate(read_lines(path), start=1):
        fields = line.split(maxsplit=1)
        if not fields:
            faults.append(Fault("columns", str(path), number, "", f"expected '{expected}', found an empty line"))
            continue
        key, value = fields[0], fields[1].rstrip() if len(fields) == 2 else ""
        # Counting the words of every transcript would take most of the time, and says nothing.
        count = len(value.split()) if most is not None else bool(value)
        if count < least or (most is not None and count > most):
            found = f"{count + 1:d} column{'s' if count else ''}"
            fault = f"expected '{expected}', found {found}: '{line[:80]}'"
            if most is not None and count > most:
                fault += _AT_A_SPACE
            faults.append(Fault("columns", str(path), number, key, fault, (key,)))
            continue
        if key in seen:
            kind, how = "repeated", "the same value"
            if seen[key].value != value:
                kind, how = "duplicate", f"another value{_AT_A_SPACE}"
            faults.append(Fault(kind, str(path), number, key, f"was on line {seen[key].line} already, with {how}"))
            continue
        if key < previous:
            message = f"expected keys in C order (LC_ALL=C sort), found this one after {previous}"
            faults.append(Fault("order", str(path), number, key, message))
        previous = max(previous, key)
        seen[key] = Row(number, key, value)
        rows.append(seen[key])
    return rows, faults


def read_table(path: Path, name: str | None = None) -> dict[str, Row]:
    """Read a table that must be in order; UserError with the first fault otherwise."""
    rows, faults = scan(path, name)
    raise_first(faults)
    return {row.key: row for row in rows}


def raise_first(faults: list[Fault]) -> None:
    """Raise a UserError for the first few faults, if there are any."""
    if faults:
        shown = summarise((str(fault) for fault in faults), most=3)
        raise UserError(f"{shown}. Mend it, or let validate_data --fix true do so")
