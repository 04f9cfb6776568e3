"""Which command made a folder, from what: written beside every result, checked by everything that reads it.

A stage writes its results into a temporary folder next to the final one, then renames it, so that a folder with a
`provenance.json` is always complete. A folder's identity is a hash of its files' contents, hence a stage that is
repeated with the same outcome causes no work downstream.
"""

import hashlib
import json
import logging
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from hubert_iter import __version__, lock
from hubert_iter.errors import UserError

FILE_NAME = "provenance.json"
BINARY = (".ark", ".npy", ".npz", ".safetensors", ".pt")
"""Suffixes of files that nobody edits by hand."""
log = logging.getLogger(__name__)


def file_hash(path: Path) -> str:
    """SHA-256 of a file's contents, as hex."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def identity(path: str | Path) -> str:
    """Identify an input by content.

    A file by its hash, a folder made by a stage by the hash of its outputs, any other folder (a corpus, say) by the
    names, sizes and times of its files, since hashing a corpus would take hours.
    """
    path = Path(path)
    if path.is_file():
        return file_hash(path)
    if (path / FILE_NAME).is_file():
        record = read(path)
        hashes = {name: _current_hash(path / name, entry) for name, entry in record["outputs"].items()}
        _refuse_damage(path, record, hashes)
        return _combine(hashes)
    if not path.is_dir():
        raise UserError(f"{path}: expected an input file or folder, found nothing. Run the stage that makes it first")
    digest = hashlib.sha256()
    for file in _files(path):
        status = file.stat()
        digest.update(f"{file.relative_to(path)}\0{status.st_size}\0{status.st_mtime_ns}\n".encode())
    return digest.hexdigest()


@cache
def verify(file: Path) -> None:
    """UserError where a file is not what its stage wrote, though size and time may be; read once in a process.

    For who is about to read it: elsewhere size and time are trusted.
    """
    folder = file.parent
    if file.is_file() and (folder / FILE_NAME).is_file():
        record = read(folder)
        if file.name in record["outputs"]:
            _refuse_damage(folder, record, {file.name: file_hash(file)})


def _refuse_damage(folder: Path, record: Mapping, hashes: Mapping[str, str]) -> None:
    """UserError where a binary file is not what was written. Tables may be edited by hand; these are damaged."""
    for name, found_hash in hashes.items():
        if found_hash != record["outputs"][name]["sha256"] and Path(name).suffix in BINARY:
            found = "another content" if found_hash else "none"
            raise UserError(
                f"{folder / name}: expected the file that {record['command']} wrote, found {found}: it is damaged or "
                f"was changed. Delete {folder} and run the stage that makes it again"
            )


def read(folder: str | Path) -> dict:
    """Read a folder's provenance: command, version, settings, inputs, outputs, id."""
    path = Path(folder) / FILE_NAME
    try:
        record = json.loads(path.read_text())
    except FileNotFoundError:
        raise UserError(
            f"{path}: missing, so {folder} is incomplete or was not made by hubert_iter. "
            "Run the stage that makes it (again)"
        ) from None
    except (ValueError, RecursionError):  # no JSON, or no text at all
        raise UserError(f"{path}: not valid JSON. Delete {folder} and run its stage again") from None
    if not _is_record(record):
        raise UserError(f"{path}: not a provenance record. Delete {folder} and run its stage again")
    return record


def _is_record(record: object) -> bool:
    """Has it all that `write` writes?"""
    if not isinstance(record, dict) or not {"command", "settings", "inputs", "outputs", "id"} <= record.keys():
        return False
    tables = [record[name] for name in ("settings", "inputs", "outputs")]
    if not isinstance(record["command"], str) or not all(isinstance(table, dict) for table in tables):
        return False
    kinds = [(record["inputs"], {"path": str, "id": str}), (record["outputs"], {"bytes": int, "sha256": str})]
    return all(map(may_be_file, record["outputs"])) and all(
        isinstance(each, dict) and all(isinstance(each.get(key), kind) for key, kind in entry.items())
        for table, entry in kinds
        for each in table.values()
    )


def may_be_file(name: str) -> bool:
    """Can a file below a folder be called so?"""
    return name.isprintable() and all(0 < len(part.encode()) <= 255 and part != ".." for part in name.split("/"))


def write(folder: Path, command: str, settings: Mapping, inputs: Mapping[str, str | Path], form: int = 1) -> None:
    """Record how `folder` was made; its files must be complete. This marks the folder as done."""
    folder = Path(folder)
    outputs = record_files(folder)
    record = {
        "command": command,
        "version": __version__,
        "form": form,
        "settings": _plain(settings),
        "inputs": {name: {"path": str(path), "id": identity(path)} for name, path in inputs.items()},
        "outputs": outputs,
        "id": _combine({name: entry["sha256"] for name, entry in outputs.items()}),
    }
    temporary = folder / (FILE_NAME + ".tmp")
    temporary.write_text(json.dumps(record, indent=1) + "\n")
    sync(temporary)
    temporary.replace(folder / FILE_NAME)
    sync(folder)


def record_files(folder: Path) -> dict[str, dict]:
    """Size, time and hash of each file of a folder, by name; all of them are safe on the disk then."""
    recorded = {}
    for file in _files(folder):
        status = file.stat()
        entry = {"bytes": status.st_size, "modified_ns": status.st_mtime_ns, "sha256": file_hash(file)}
        recorded[str(file.relative_to(folder))] = entry
        sync(file)
    return recorded


@dataclass(frozen=True)
class Product:
    """One folder, the settings that shape it and the inputs it is made from."""

    folder: Path
    command: str
    settings: Mapping
    inputs: Mapping[str, str | Path]
    form: int = 1
    """Version of the contents: raised when the code comes to make another result of the same settings and inputs."""

    def why(self) -> str:
        """Why the folder must be made (again): "" when it is up to date."""
        folder = Path(self.folder)
        if not (folder / FILE_NAME).is_file():
            return "not made yet"
        record = read(folder)
        if record["command"] != self.command:
            return f"it was made by {record['command']}"
        if record.get("form", 1) != self.form:
            return f"its contents are of form {record.get('form', 1)}, now {self.form}"
        settings = _plain(self.settings)
        for key in sorted(settings.keys() | record["settings"].keys()):
            old, new = record["settings"].get(key), settings.get(key)
            if old != new:
                return f"setting {key} changed from {old} to {new}"
        for name in sorted(self.inputs.keys() | record["inputs"].keys()):
            if name not in self.inputs or name not in record["inputs"]:
                return f"input {name} was {'removed' if name not in self.inputs else 'added'}"
            if identity(self.inputs[name]) != record["inputs"][name]["id"]:
                return f"input {name} changed ({self.inputs[name]})"
        for name in record["outputs"]:
            if not (folder / name).is_file():
                return f"output {name} is missing"
        edited = _edited(folder)
        return f"output {edited[0]} was changed by hand" if edited else ""

    def done(self, wait: bool = True) -> bool:
        """True, with a message, when the folder is up to date; otherwise say why it is made, and claim it.

        From then on it is this process's to make. Somebody else who is making it is waited for, and then it may be
        done; with `wait=False` that is a UserError.
        """
        return self.tell(self.why(), wait)

    def tell(self, why: str, wait: bool = True) -> bool:
        """What `done` does with an answer of `why`, for who needs to know it before."""
        if why:
            self._refuse_foreign()
            if lock.claim(self.folder, wait):
                why = self.why()
        if why:
            log.info("%s: making %s (%s)", self.command, self.folder, why)
        else:
            lock.release(self.folder)
            log.info("%s: %s is up to date, nothing to do", self.command, self.folder)
        return not why

    @contextmanager
    def writing(self) -> Iterator[Path]:
        """Yield an empty folder to write into; it takes the place of the final one only if all goes well."""
        folder = Path(self.folder)
        self._refuse_foreign()
        lock.claim(folder)
        work = folder.with_name(folder.name + ".tmp")
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(parents=True)
        try:
            yield work
            write(work, self.command, self.settings, self.inputs, self.form)
            if _edited(folder):
                _keep(folder)
            shutil.rmtree(folder, ignore_errors=True)
            work.replace(folder)
            sync(folder.parent)
        except BaseException:
            shutil.rmtree(work, ignore_errors=True)
            raise
        finally:
            lock.release(folder)

    def _refuse_foreign(self) -> None:
        """UserError where the folder holds what this command has not made: writing would delete it."""
        folder = Path(self.folder)
        if folder.is_file():
            raise UserError(f"{folder}: expected a folder to write, found a file. Name another place")
        if not folder.is_dir() or not any(folder.iterdir()):
            return
        maker = read(folder)["command"] if (folder / FILE_NAME).is_file() else ""
        if maker != self.command:
            whose = f"a folder made by {maker}" if maker else f"a folder without {FILE_NAME}, which others have made"
            raise UserError(
                f"{folder}: expected a folder made by {self.command}, or none, found {whose}. {self.command} would "
                "delete what is in it: move it away, or name another place"
            )


def is_current(folder: Path) -> bool:
    """False for a folder that is being made, or was kept because somebody had edited it."""
    return not re.search(r"\.(tmp|edited\d+)$", folder.name)


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and path.name != FILE_NAME)


def _combine(hashes: Mapping[str, str]) -> str:
    return hashlib.sha256("".join(f"{name}\0{value}\n" for name, value in hashes.items()).encode()).hexdigest()


def _current_hash(file: Path, entry: Mapping) -> str:
    """The file's hash: recorded while size and time are as recorded, otherwise computed; "" when the file is gone."""
    if not file.is_file():
        return ""
    status = file.stat()
    if (status.st_size, status.st_mtime_ns) == (entry["bytes"], entry.get("modified_ns")):
        return entry["sha256"]
    return file_hash(file)


def _edited(folder: Path) -> list[str]:
    """Outputs whose content is no longer what the stage wrote."""
    if not (folder / FILE_NAME).is_file():
        return []
    outputs = read(folder)["outputs"]
    return [name for name, entry in outputs.items() if _current_hash(folder / name, entry) not in ("", entry["sha256"])]


def _keep(folder: Path) -> None:
    """Move a folder that somebody has edited out of the way of its new version."""
    number = 1
    while (old := folder.with_name(f"{folder.name}.edited{number}")).exists():
        number += 1
    folder.rename(old)
    log.warning("%s had been edited by hand: kept as %s", folder, old)


def sync(path: Path) -> None:
    """Force a file, or a folder's list of names, onto the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _plain(settings: Mapping) -> dict:
    """The settings as JSON gives them back, so that a tuple equals the list it is read as."""
    return json.loads(json.dumps(dict(settings), default=str))
