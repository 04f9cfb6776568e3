"""A model seen through its taps: "conv", "0" (Transformer input), "1" to "L" (block outputs)."""

from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, Any

from hubert_iter.errors import UserError, nearest

if TYPE_CHECKING:
    import numpy as np


class Wanted:
    """An observer that keeps one tap's value, and stops there."""

    def __init__(self, name: str):
        self.name = name
        self.value: Any = None

    def __call__(self, name: str, value: Any) -> bool:
        """See a tap."""
        if name == self.name:
            self.value = value
        return name == self.name


class _Several:
    """An observer that keeps some taps' values, and stops when it has them."""

    def __init__(self, names: Collection[str]):
        self.missing = set(names)
        self.values: dict[str, Any] = {}

    def __call__(self, name: str, value: Any) -> bool:
        """See a tap."""
        if name in self.missing:
            self.values[name] = value
            self.missing.remove(name)
        return not self.missing


class TappedModel:
    """What our own and other libraries' models have in common: a subclass has `names` and runs with an observer."""

    names: tuple[str, ...]

    def taps(self, samples: "np.ndarray") -> "dict[str, np.ndarray]":
        """Samples [S] in +-1 -> all taps [T, D] float32, in order."""
        seen: dict[str, np.ndarray] = {}

        def observe(name: str, x: "np.ndarray") -> bool:
            seen[name] = x
            return False

        self._run(samples, observe)
        return seen

    def tap(self, samples: "np.ndarray", name: str) -> "np.ndarray":
        """One tap [T, D]; later blocks are not computed."""
        self.check(name)
        wanted = Wanted(name)
        self._run(samples, wanted)
        return wanted.value

    def some(self, samples: "np.ndarray", names: Collection[str]) -> "dict[str, np.ndarray]":
        """These taps [T, D] float32, in the model's order; blocks after the last of them are not computed."""
        for name in names:
            self.check(name)
        several = _Several(names)
        self._run(samples, several)
        return several.values

    def tap_of_many(self, waves: "Sequence[np.ndarray]", name: str) -> "list[np.ndarray]":
        """One tap of several utterances that have equally many frames; a model may take them all at once."""
        return [self.tap(wave, name) for wave in waves]

    def check(self, name: str) -> None:
        """Refuse a tap that the model does not have."""
        if name not in self.names:
            raise UserError(f"no tap '{name}'{nearest(name, self.names)}: this model has {', '.join(self.names)}")

    def _run(self, samples: "np.ndarray", observe: "Callable[[str, np.ndarray], bool]") -> None:
        """Run on samples [S]; `observe(name, x [T, D])` sees each tap in order and may return True to stop there."""
        raise NotImplementedError
