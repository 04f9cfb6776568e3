"""Layers of any audio as files: an npz for each utterance, or Kaldi archives."""

import logging
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from hubert_iter.errors import UserError
from hubert_iter.feats.any_source import AnySource
from hubert_iter.feats.archive import Writer

PAUSE = 30
"""Seconds between two messages on how far it is."""
log = logging.getLogger(__name__)


def write_npz(source: AnySource, taps: Sequence[str], folder: Path, final: Path) -> None:
    """Write FOLDER/<utterance>.npz, float32 [frames, width] by tap; an utterance named a/b goes into the folder a."""
    for utt, found in _told(source.several(taps), final):
        path = folder / f"{utt}.npz"
        if not path.resolve().is_relative_to(folder.resolve()):
            raise UserError(f"utterance {utt}: its name leads out of {final}. Rename it, or write --format ark")
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez(path, **found)


def write_arks(source: AnySource, taps: Sequence[str], folder: Path, final: Path) -> None:
    """Write FOLDER/<tap>/feats.ark, feats.scp and utt2num_frames."""
    with ExitStack() as files:
        writers = {}
        for tap in taps:
            (folder / tap).mkdir()
            writers[tap] = files.enter_context(Writer(folder / tap, "feats", final / tap))
        for utt, found in _told(source.several(taps), final):
            for tap, x in found.items():
                writers[tap].add(utt, x)


def _told(items: Iterable[tuple[str, dict]], final: Path) -> Iterator[tuple[str, dict]]:
    """The items, while it is said now and then how many there were."""
    began = last = time.monotonic()
    number = 0
    for number, item in enumerate(items, 1):
        yield item
        if time.monotonic() - last > PAUSE:
            last = time.monotonic()
            log.info("layers: %d utterances written", number)
    log.info("layers: %d utterances in %.1f s: %s", number, time.monotonic() - began, final)
