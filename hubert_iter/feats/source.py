"""What units are made from, behind one interface: MFCC on the disk, or a model's layer computed as it streams by.

Features can be described without being read: numpy, torch and what reads audio are imported with the first utterance.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from hubert_iter import provenance
from hubert_iter.data import datadir
from hubert_iter.data.ahead import ahead
from hubert_iter.errors import UserError, summarise
from hubert_iter.feats import normalise
from hubert_iter.feats.foreign import locate
from hubert_iter.frames import FRAME_RATE, num_frames

if TYPE_CHECKING:
    from argparse import Namespace

    import numpy as np

    from hubert_iter.feats.archive import Archive
    from hubert_iter.feats.taps import TappedModel


BATCH_FRAMES = 12000
"""Frames that a GPU takes at once: four minutes."""


class FeatureSource(Protocol):
    """Features of a data set, one utterance at a time.

    `rate` is in frames per second; `path` is the folder of the features or of the model.
    """

    rate: int
    path: Path

    def describe(self) -> dict:
        """Settings that distinguish these features, the same for every data set; provenance checks compare them."""

    def inputs(self) -> dict[str, Path]:
        """Inputs that a stage which uses the features records, besides the data directory."""

    def num_frames(self, utt: str) -> int:
        """Number of frames that `stream` will give for an utterance."""

    def stream(self, utts: Iterable[str]) -> "Iterator[tuple[str, np.ndarray]]":
        """Yield (utterance, float32 [T, D]), in the order asked for unless a GPU takes them by length."""


class MfccSource:
    """MFCC of a data directory, as merge_mfcc (or a user's own stage) left them."""

    def __init__(self, folder: Path, data: Path):
        self.path = Path(folder)
        record = provenance.read(self.path)
        made_from, given = record["inputs"].get("data"), provenance.identity(data)
        if made_from is None or made_from["id"] != given:
            made_from = made_from["path"] if made_from else "something else"
            raise UserError(
                f"{self.path}: these features were made from {made_from} as it was then, but the data directory "
                f"given is {data} as it is now. Give the features of that data set, or make them again (stage 4)"
            )
        self._settings = record["settings"]
        self.rate = int(self._settings["rate"])

    @cached_property
    def _feats(self) -> "Archive":
        from hubert_iter.feats import archive

        return archive.read_scp(self.path / "feats.scp")

    @cached_property
    def _lengths(self) -> dict[str, int]:
        from hubert_iter.feats import archive

        return archive.read_lengths(self.path / "utt2num_frames")

    def describe(self) -> dict:
        """The extraction's settings: any data set's features with these settings may be mixed."""
        return dict(self._settings)

    def inputs(self) -> dict[str, Path]:
        """The features' folder."""
        return {"mfcc": self.path}

    def num_frames(self, utt: str) -> int:
        """Frames of an utterance, at the features' rate."""
        return self._lengths.get(utt, 0)

    def stream(self, utts: Iterable[str]) -> "Iterator[tuple[str, np.ndarray]]":
        """Yield (utterance, float32 [T, 39]); a missing utterance is an error."""
        for utt in utts:
            if utt not in self._feats:
                raise UserError(f"{self._feats.path}: utterance {utt} has no features. Make them again (stage 4)")
            yield utt, checked(utt, self._feats[utt], self.num_frames(utt), self.path)


class LayerSource:
    """A tap (a layer's full output) of a trained model, computed from the audio without masking or dropout."""

    def __init__(self, model_dir: str | Path, tap: str, data: Path, device: str = "cpu"):
        self.path, self.tap, self.rate = self._locate(model_dir), str(tap), FRAME_RATE
        self._data_folder, self._device = data, device

    _locate = staticmethod(locate)

    @cached_property
    def _data(self) -> datadir.DataDir:
        return datadir.read(self._data_folder)

    @cached_property
    def _model(self) -> "TappedModel":
        from hubert_iter.feats import layers

        model = layers.open_model(self.path, self._device)
        if int(model.rate) != self.rate:
            raise UserError(f"{self.path}: expected a model with {self.rate} frames/s, found {model.rate}")
        return model

    def describe(self) -> dict:
        """The model by content, and the tap."""
        return describe_layer(self.path, self.tap)

    def inputs(self) -> dict[str, Path]:
        """The model's folder."""
        return {"model": self.path}

    def num_frames(self, utt: str) -> int:
        """Encoder frames of an utterance."""
        return num_frames(self._data[utt].num_samples)

    def stream(self, utts: Iterable[str]) -> "Iterator[tuple[str, np.ndarray]]":
        """Yield (utterance, float32 [T, D]); the model is loaded at the first utterance.

        On a GPU utterances with equally many frames go through the model together, the shortest first. On processors
        each thread takes an utterance and lets torch use one thread. Several torch threads for one utterance would wait
        for each other, for long on a busy machine, and their number would change the last digits.
        """
        from concurrent.futures import ThreadPoolExecutor

        import torch

        if self._device != "cpu":
            yield from self._by_length(utts)
            return
        features = partial(self._features, self._model)
        with ThreadPoolExecutor(num_threads(), initializer=torch.set_num_threads, initargs=(1,)) as pool:
            yield from ahead(pool, features, utts, 2 * num_threads())

    def _by_length(self, utts: Iterable[str]) -> "Iterator[tuple[str, np.ndarray]]":
        """The same by batches; threads read audio ahead."""
        from concurrent.futures import ThreadPoolExecutor

        model = self._model
        with ThreadPoolExecutor(num_threads()) as pool:
            for batch, waves in ahead(pool, self._read, batches_by_length(utts, self.num_frames), 2 * num_threads()):
                for utt, feats in zip(batch, model.tap_of_many(waves, self.tap), strict=True):
                    yield utt, checked(utt, feats, self.num_frames(utt), f"tap {self.tap} of {self.path}")

    def _read(self, utts: list[str]) -> "tuple[list[str], list[np.ndarray]]":
        return utts, [self._samples(utt) for utt in utts]

    def _features(self, model: "TappedModel", utt: str) -> "tuple[str, np.ndarray]":
        feats = model.tap(self._samples(utt), self.tap)
        return utt, checked(utt, feats, self.num_frames(utt), f"tap {self.tap} of {self.path}")

    def _samples(self, utt: str) -> "np.ndarray":
        from hubert_iter.data import audio

        return audio.read_audio(self._data[utt])


def batches_by_length(utts: Iterable[str], frames_of: Callable[[str], int]) -> Iterator[list[str]]:
    """Utterances with equally many frames, BATCH_FRAMES together at most; longer ones alone."""
    utts = sorted(utts, key=frames_of)
    batch: list[str] = []
    for utt in utts:
        frames = frames_of(utt)
        if batch and (frames != frames_of(batch[0]) or (len(batch) + 1) * frames > BATCH_FRAMES):
            yield batch
            batch = []
        batch.append(utt)
    if batch:
        yield batch


def num_threads() -> int:
    """Processors this process may use, no more than OMP_NUM_THREADS says."""
    count = len(os.sched_getaffinity(0))
    limit = os.environ.get("OMP_NUM_THREADS", "")
    return min(count, int(limit)) if limit.isdecimal() and int(limit) else count


def from_arguments(args: "Namespace") -> FeatureSource:
    """The source that the options of `add_options` name, of the data set --data, with its model where --gpu says."""
    return open_source(args.data, args.mfcc, args.model, args.tap, args.normalise, "cuda" if args.gpu else "cpu")


def open_source(
    data: Path, mfcc: Path | None, model: str | Path | None, tap: str | None, kind: str = normalise.NONE,
    device: str = "cpu",
) -> FeatureSource:  # fmt: skip
    """Open the one source of features: MFCC on the disk, or a model's layer, perhaps normalised."""
    if (mfcc is None) == (model is None):
        found = "neither" if mfcc is None else "both"
        raise UserError(f"expected either --mfcc or --model with --tap, found {found}")
    if (model is None) != (tap is None):
        raise UserError("expected --model and --tap together, found only " + ("--tap" if model is None else "--model"))
    source = LayerSource(model, tap, data, device) if model is not None else MfccSource(mfcc, data)
    return source if kind == normalise.NONE else normalise.NormalisedSource(source, kind, data)


def add_options(parser) -> None:
    """Add --mfcc, --model, --tap and --normalise, which name a source."""
    parser.add_argument("--mfcc", type=Path, help="folder of MFCC of this data set (either this or --model)")
    parser.add_argument(
        "--model", help="folder of a trained model, whose layer is the feature; or as pool_layers has it"
    )
    parser.add_argument("--tap", help="which output of the model: conv, 0 (before the first block) or a block's number")
    parser.add_argument(
        "--normalise",
        choices=normalise.KINDS,
        default=normalise.NONE,
        help="take the utterance's or the speaker's mean away; without _mean divide by the deviation, too",
    )


def describe_layer(model_dir: Path, tap: str) -> dict:
    """Describe a layer's features without opening the model: what provenance checks compare."""
    return {"kind": "layer", "rate": FRAME_RATE, "model": provenance.identity(locate(model_dir)), "tap": str(tap)}


def sentence(features: dict, path: str | Path | None = None) -> str:
    """Say in words which features `describe` means, for messages."""
    kind = normalise.kind_of(features)
    at = (f", normalised by {kind}" if kind != normalise.NONE else "") + (f" ({path})" if path else "")
    if features.get("kind") == "layer":
        return f"tap {features['tap']} of model {features['model'][:12]}{at}"
    return f"{features.get('dim')}-d {features.get('kind')} at {features.get('rate')} Hz{at}"


def check_utterances(source: FeatureSource, utts: Iterable[str]) -> None:
    """Refuse, before hours of work, a data set in which some utterances have no frame."""
    without = [utt for utt in utts if source.num_frames(utt) < 1]
    if without:
        raise UserError(f"{source.path}: utterances without a frame: {summarise(without)}. Drop them (stage 2)")


def checked(utt: str, feats: "np.ndarray", expected: int, where: str | Path) -> "np.ndarray":
    """Features float32 [expected, D]; UserError where they are not, or are not finite."""
    import numpy as np

    if feats.ndim != 2 or len(feats) != expected:
        raise UserError(f"{where}: utterance {utt}: expected {expected} frames, found an array of shape {feats.shape}")
    if not np.isfinite(feats).all():
        raise UserError(
            f"{where}: utterance {utt}: features are not finite numbers, as of a diverged model or broken audio"
        )
    return np.asarray(feats, np.float32)
