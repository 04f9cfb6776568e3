"""Kaldi archives (ark and scp): features as float matrices, labels as int32 vectors. Only this module uses kaldiio.

An scp names its ark by the path of the folder in which both end up, as Kaldi's tools expect when run from the recipe.
On reading, an ark that lies beside its scp comes first, so that a moved or renamed recipe keeps working.
"""

import mmap
import os
import struct
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import kaldiio
import kaldiio.matio
import numpy as np

from hubert_iter.errors import UserError, summarise

BINARY = b"\0B"  # what every binary Kaldi object begins with; kaldiio would also unpickle, which we never want
INT_VECTOR = np.dtype([("size", "i1"), ("value", "<i4")])  # Kaldi writes the size in bytes before every integer


def write_matrices(folder: Path, name: str, items: Iterable[tuple[str, np.ndarray]], final: Path | None = None) -> int:
    """Write (utterance, [T, D]) pairs as NAME.ark, NAME.scp and utt2num_frames; return the number of frames.

    `final` is the folder's later name where it is written under a temporary one.
    """
    return _write(folder, name, items, final, np.float32, 2)


def write_vectors(folder: Path, name: str, items: Iterable[tuple[str, np.ndarray]], final: Path | None = None) -> int:
    """Write (utterance, int vector [T]) pairs as NAME.ark, NAME.scp and utt2num_frames; return the number of frames."""
    return _write(folder, name, items, final, np.int32, 1)


def _write(folder: Path, name: str, items: Iterable, final: Path | None, dtype: type, dimensions: int) -> int:
    with Writer(folder, name, final, dtype, dimensions) as writer:
        for utt, array in items:
            writer.add(utt, array)
    return writer.total


class Writer:
    """Writes NAME.ark, NAME.scp and utt2num_frames, array by array: for who writes several archives at once."""

    def __init__(
        self, folder: Path, name: str, final: Path | None = None, dtype: type = np.float32, dimensions: int = 2
    ):
        folder = Path(folder)
        self.path = Path(final or folder) / f"{name}.ark"
        self.total = 0
        """Frames so far."""
        self._dtype, self._dimensions = dtype, dimensions
        with ExitStack() as files:
            self._ark = files.enter_context(open(folder / f"{name}.ark", "wb"))
            self._scp = files.enter_context(open(folder / f"{name}.scp", "w", encoding="utf-8"))
            self._lengths = files.enter_context(open(folder / "utt2num_frames", "w", encoding="utf-8"))
            self._files = files.pop_all()

    def __enter__(self) -> "Writer":
        return self

    def __exit__(self, *exception) -> None:
        self._files.close()

    def add(self, utt: str, array: np.ndarray) -> None:
        """Append an utterance's array."""
        array = np.ascontiguousarray(array, dtype=self._dtype)
        if array.ndim != self._dimensions or not len(array):
            raise UserError(
                f"utterance {utt}: expected an array of {self._dimensions} dimension(s) with at least one frame for "
                f"{self.path}, found shape {array.shape}. Drop utterances shorter than 25 ms (stage 2)"
            )
        offset = self._ark.tell() + len(utt.encode()) + 1
        kaldiio.save_ark(self._ark, {utt: array})
        self._scp.write(f"{utt} {self.path}:{offset}\n")
        self._lengths.write(f"{utt} {len(array)}\n")
        self.total += len(array)


def merge(folders: Iterable[Path], folder: Path, name: str, final: Path | None = None) -> int:
    """Join the archives NAME of several folders into one, in C order of utterances; return the number of frames."""
    parts = [read_scp(Path(part) / f"{name}.scp") for part in folders]
    where = {}
    for part in parts:
        twice = sorted(where.keys() & part.keys())
        if twice:
            raise UserError(f"{part.path}: utterances of another part too: {summarise(twice)}. Make the parts again")
        where.update(dict.fromkeys(part, part))
    arrays = ((utt, where[utt][utt]) for utt in sorted(where))
    first = next(iter(where), None)
    write = write_matrices if first is None or where[first][first].ndim == 2 else write_vectors
    return write(folder, name, arrays, final)


def read_lengths(path: Path) -> dict[str, int]:
    """Read utt2num_frames."""
    lengths = {}
    for number, line in enumerate(_lines(path), 1):
        columns = line.split()
        if len(columns) != 2 or not _is_number(columns[1]):
            raise UserError(f"{path}:{number}: expected 'utterance frames', found '{line[:80]}'. Make the folder again")
        lengths[columns[0]] = int(columns[1])
    return lengths


class Archive(Mapping):
    """Arrays of an scp by utterance, read one at a time; int32 vectors are views of a memory map.

    May be sent to worker processes: open files and maps are left behind and opened anew there.
    """

    def __init__(self, path: Path):
        self.path = Path(path)
        arks: dict[str, int] = {}
        self._utts, which, offsets = {}, [], []
        for number, line in enumerate(_lines(self.path), 1):
            utt, _, rest = line.strip().partition(" ")
            ark, _, offset = rest.strip().rpartition(":")
            if not ark or not _is_number(offset):
                raise UserError(f"{self.path}:{number}: expected 'utterance file.ark:offset', found '{line[:200]}'")
            if utt in self._utts:
                raise UserError(f"{self.path}:{number}: utterance {utt} is there twice. Make the folder again")
            self._utts[utt] = len(which)
            which.append(arks.setdefault(ark, len(arks)))
            offsets.append(int(offset))
        # Arrays instead of a list of tuples: a corpus of 300,000 utterances is copied into every loader worker.
        self._which, self._offsets = np.array(which, np.int16), np.array(offsets, np.int64)
        self._arks = [self._find(ark) for ark in arks]
        self._maps: dict[int, mmap.mmap] = {}

    def _find(self, ark: str) -> Path:
        beside = self.path.parent / Path(ark).name
        try:
            found = beside if beside.is_file() else Path(ark)
            there = found.is_file()
        except OSError:  # a name that is too long
            there = False
        if not there:
            raise UserError(f"{self.path}: expected the archive {beside} or {ark}, found neither. Run its stage again")
        return found

    def __getitem__(self, utt: str) -> np.ndarray:
        """The utterance's array: a float matrix, or an int32 vector as a read-only view."""
        index = self._utts[utt]
        ark, offset = int(self._which[index]), int(self._offsets[index])
        if ark not in self._maps:
            with open(self._arks[ark], "rb") as file:
                if not os.fstat(file.fileno()).st_size:
                    raise UserError(f"{self._arks[ark]}: the file is empty. Delete its folder and run its stage again")
                self._maps[ark] = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        data = self._maps[ark]
        if data[offset : offset + 2] != BINARY or offset + 2 >= len(data):
            raise UserError(
                f"{self._arks[ark]}: utterance {utt}: expected a binary Kaldi object at byte {offset}, found none. "
                "The file is damaged or belongs to another scp; delete its folder and run its stage again"
            )
        if data[offset + 2] == 4:
            return self._vector(data, utt, offset)
        with open(self._arks[ark], "rb") as file:
            file.seek(offset)
            try:
                return kaldiio.matio.read_kaldi(file)
            except (ValueError, EOFError, MemoryError, OverflowError, AssertionError, struct.error) as error:
                raise self._truncated(utt) from error

    def _vector(self, data: mmap.mmap, utt: str, offset: int) -> np.ndarray:
        count = int.from_bytes(data[offset + 3 : offset + 7], "little")
        try:
            return np.frombuffer(data, INT_VECTOR, count, offset + 7)["value"]
        except ValueError as error:
            raise self._truncated(utt) from error

    def _truncated(self, utt: str) -> UserError:
        return UserError(f"{self.path}: utterance {utt}: its array ends early. Delete the folder, run its stage again")

    def __iter__(self) -> Iterator[str]:
        return iter(self._utts)

    def __len__(self) -> int:
        return len(self._utts)

    def __contains__(self, utt: object) -> bool:
        return utt in self._utts

    def __getstate__(self) -> dict:
        """Everything but the maps, which cannot leave this process."""
        return self.__dict__ | {"_maps": {}}


def read_scp(path: Path) -> Archive:
    """Open an scp: a mapping from utterance to array."""
    return Archive(path)


def _is_number(text: str) -> bool:
    """A place in a file, or a number of frames."""
    return text.isascii() and text.isdecimal() and len(text) <= 18


def _lines(path: Path) -> list[str]:
    try:
        return Path(path).read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        raise UserError(f"{path}: expected this file, found none. Run the stage that makes it") from None
    except UnicodeDecodeError:
        raise UserError(
            f"{path}: expected UTF-8 text, found other bytes. Delete its folder, run its stage again"
        ) from None
