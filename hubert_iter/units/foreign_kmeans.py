"""Somebody else's centroids: npz, npy, or the joblib dump of scikit-learn's k-means that fairseq's scripts write.

A joblib dump is a pickle between whose instructions the arrays lie as raw bytes. Nothing of it is executed here: its
instructions are read one by one, classes and calls are only noted down, and an instruction that is not among the few
such files need is refused.
"""

import pickletools
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from hubert_iter.array_files import DAMAGE
from hubert_iter.errors import UserError

KEYS = ("centroids", "cluster_centers_")
WRAPPER = "NumpyArrayWrapper"
ALIGNED = "numpy_array_alignment_bytes"


@dataclass
class Noted:
    """An object that a pickle would make: the name of its class, what it would be called with, its state."""

    name: str
    arguments: Any = ()
    state: Any = field(default_factory=dict)


def read(path: Path) -> np.ndarray:
    """Centroids float32 [k, D]; UserError, with the way to convert the file, for what cannot be read."""
    try:
        if path.suffix in (".npz", ".npy"):
            centroids = _numpy(path)
        else:
            with open(path, "rb") as file:
                centroids = _joblib(file, path)
    except FileNotFoundError:
        raise UserError(f"{path}: no such file of centroids (kmeans: of the study)") from None
    except DAMAGE as error:
        raise UserError(f"{path}: cannot be read as centroids ({error}). {_way_out(path)}") from None
    if centroids.ndim != 2 or not np.issubdtype(centroids.dtype, np.floating) or not np.isfinite(centroids).all():
        raise UserError(f"{path}: expected centroids, numbers [clusters, dimensions], found shape {centroids.shape}")
    return np.ascontiguousarray(centroids, np.float32)


def _way_out(path: Path) -> str:
    return (
        "Where you trust it, convert it yourself: python -c 'import joblib, numpy; numpy.save("
        f'"{path.stem}.npy", joblib.load("{path}").cluster_centers_)\''
    )


def _numpy(path: Path) -> np.ndarray:
    found = np.load(path, allow_pickle=False)
    if isinstance(found, np.ndarray):
        return found
    key = next((key for key in KEYS if key in found), found.files[0] if len(found.files) == 1 else None)
    if key is None:
        raise UserError(f"{path}: expected an array {' or '.join(KEYS)}, found {', '.join(found.files)}")
    return found[key]


def _joblib(file: BinaryIO, path: Path) -> np.ndarray:
    made = _Notes(file).read()
    state = made.state if isinstance(made, Noted) else {}
    centroids = state.get("cluster_centers_") if isinstance(state, dict) else None
    if not isinstance(centroids, np.ndarray):
        raise UserError(f"{path}: expected a k-means of scikit-learn with cluster_centers_. {_way_out(path)}")
    return centroids


class _Notes:
    """Reads a pickle's instructions onto a stack, as pickle would, but makes plain values and notes alone."""

    def __init__(self, file: BinaryIO):
        self.file = file
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}

    def read(self) -> Any:
        for code, argument, _ in pickletools.genops(self.file):
            if code.name == "STOP":
                return self.stack.pop()
            if code.name in _VALUES:
                self.stack.append(argument)
            elif (act := getattr(self, f"_{code.name.lower()}", None)) is not None:
                act(argument)
            elif code.name not in ("PROTO", "FRAME"):
                raise ValueError(f"it holds the instruction {code.name}")
        raise ValueError("it ends before its end")

    def _since_mark(self) -> list[Any]:
        place = self.marks.pop()
        taken = self.stack[place:]
        del self.stack[place:]
        return taken

    def _mark(self, _):
        self.marks.append(len(self.stack))

    def _none(self, _):
        self.stack.append(None)

    def _newtrue(self, _):
        self.stack.append(True)

    def _newfalse(self, _):
        self.stack.append(False)

    def _empty_dict(self, _):
        self.stack.append({})

    def _empty_list(self, _):
        self.stack.append([])

    def _empty_tuple(self, _):
        self.stack.append(())

    def _tuple(self, _):
        self.stack.append(tuple(self._since_mark()))

    def _tuple1(self, _):
        self.stack.append((self.stack.pop(),))

    def _tuple2(self, _):
        self.stack[-2:] = [tuple(self.stack[-2:])]

    def _tuple3(self, _):
        self.stack[-3:] = [tuple(self.stack[-3:])]

    def _append(self, _):
        value = self.stack.pop()
        self.stack[-1].append(value)

    def _appends(self, _):
        values = self._since_mark()
        self.stack[-1].extend(values)

    def _setitem(self, _):
        value, key = self.stack.pop(), self.stack.pop()
        self.stack[-1][key] = value

    def _setitems(self, _):
        values = self._since_mark()
        self.stack[-1].update(zip(values[::2], values[1::2], strict=True))

    def _memoize(self, _):
        self.memo[len(self.memo)] = self.stack[-1]

    def _binput(self, place):
        self.memo[place] = self.stack[-1]

    _long_binput = _binput

    def _binget(self, place):
        self.stack.append(self.memo[place])

    _long_binget = _binget

    def _global(self, names):
        self.stack.append(Noted(names.split(" ")[-1]))

    def _stack_global(self, _):
        name = self.stack.pop()
        self.stack[-1] = Noted(name)

    def _reduce(self, _):
        arguments, made = self.stack.pop(), self.stack.pop()
        self.stack.append(Noted(made.name, arguments))

    _newobj = _reduce

    def _build(self, _):
        state = self.stack.pop()
        made = self.stack[-1]
        made.state = state
        if made.name == WRAPPER:
            self.stack[-1] = self._array(state)
            # The memo holds the wrapper, which later mentions of the array mean.
            self.memo = {place: self.stack[-1] if value is made else value for place, value in self.memo.items()}

    def _array(self, facts: dict[str, Any]) -> Any:
        """The raw bytes that follow a wrapper."""
        kind = facts["dtype"].arguments[0]
        if facts.get(ALIGNED) is not None:
            self.file.read(self.file.read(1)[0])
        if kind == "O":
            raise ValueError("it holds an array of objects")
        order = (facts["dtype"].state or (None, "|"))[1]
        dtype = np.dtype(kind).newbyteorder(order if order in "<>" else "=")
        count = int(np.prod(facts["shape"], dtype=np.int64))
        data = self.file.read(count * dtype.itemsize)
        if len(data) != count * dtype.itemsize:
            raise ValueError("an array is cut off")
        return np.frombuffer(data, dtype).reshape(facts["shape"], order=facts["order"])


_VALUES = frozenset({
    "BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "SHORT_BINUNICODE", "BINUNICODE", "SHORT_BINBYTES", "BINBYTES",
})  # fmt: skip
"""Instructions whose argument is the value."""
