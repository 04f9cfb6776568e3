"""Features of any audio with any model: what the entry points label and layers stream."""

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from hubert_iter.data import any_audio
from hubert_iter.data.ahead import ahead
from hubert_iter.data.datadir import DataDir
from hubert_iter.feats.baselines import BASELINES
from hubert_iter.feats.foreign import locate
from hubert_iter.feats.source import LayerSource, checked, describe_layer, num_threads
from hubert_iter.frames import num_frames

if TYPE_CHECKING:
    import numpy as np


def place(model: str | Path) -> Path:
    """Where a model is: its file or folder, or the name of features without a network, as open_model takes them."""
    return Path(model) if str(model) in BASELINES else locate(model)


class AnySource(LayerSource):
    """A tap of a model, or features without one, of audio that any_audio has measured."""

    _locate = staticmethod(place)

    def __init__(self, model: str | Path, tap: str, data: DataDir, device: str = "cpu"):
        super().__init__(model, tap, data.path, device)
        self._data = data  # the class before would read it as a data directory of stage 2

    def describe(self) -> dict:
        """The model by content and the tap, or the settings of features without a network."""
        name = str(self.path)
        return dict(BASELINES[name].settings) if name in BASELINES else describe_layer(self.path, self.tap)

    def inputs(self) -> dict[str, Path]:
        """The model, where there is one."""
        return {} if str(self.path) in BASELINES else {"model": self.path}

    def several(self, taps: Collection[str]) -> "Iterator[tuple[str, dict[str, np.ndarray]]]":
        """Yield (utterance, tap -> float32 [T, D]) in the data's order, each utterance through the model once.

        On processors each thread takes an utterance; on a GPU they go one by one while threads read audio ahead.
        """
        from concurrent.futures import ThreadPoolExecutor

        import torch

        model = self._model

        def run(utt: str, samples: "np.ndarray") -> "tuple[str, dict[str, np.ndarray]]":
            found, expected = model.some(samples, taps), num_frames(len(samples))
            return utt, {tap: checked(utt, x, expected, f"tap {tap} of {self.path}") for tap, x in found.items()}

        utts = [utterance.id for utterance in self._data.utterances]
        if self._device == "cpu":
            with ThreadPoolExecutor(num_threads(), initializer=torch.set_num_threads, initargs=(1,)) as pool:
                yield from ahead(pool, lambda utt: run(utt, self._samples(utt)), utts, 2 * num_threads())
            return
        with ThreadPoolExecutor(num_threads()) as pool:
            for utt, samples in ahead(pool, lambda utt: (utt, self._samples(utt)), utts, 2 * num_threads()):
                yield run(utt, samples)

    def check(self, taps: Collection[str]) -> None:
        """Refuse, before any audio is read, taps that the model does not have."""
        for tap in taps:
            self._model.check(tap)

    @property
    def names(self) -> tuple[str, ...]:
        """All taps of the model."""
        return self._model.names

    def _samples(self, utt: str) -> "np.ndarray":
        return any_audio.read(self._data[utt])
