"""MFCC with deltas and delta-deltas as Kaldi and HuBERT's first iteration have them: 39 dimensions at 100 Hz.

Settings are Kaldi's (25 ms Povey windows every 10 ms, 23 mel bins from 20 Hz, 13 coefficients, the zeroth kept rather
than replaced by the log energy, liftering by 22) without dither and without mean normalisation. Deltas are regressions
over two frames to each side, edges repeated; delta-deltas are deltas of the deltas.
"""

import logging
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from hubert_iter.data import audio, datadir
from hubert_iter.errors import UserError
from hubert_iter.feats import archive
from hubert_iter.feats.mfcc_folders import DIM, NAME
from hubert_iter.frames import FRAME_LENGTH, MFCC_SHIFT, SAMPLE_RATE, hours
from hubert_iter.parts import share

log = logging.getLogger(__name__)


def mfcc(samples: np.ndarray) -> np.ndarray:
    """Turn float samples within +-1 at 16 kHz into float32 [T, 39]; frame t sees samples [160 t, 160 t + 400)."""
    if len(samples) < FRAME_LENGTH:
        return np.zeros((0, DIM), np.float32)
    import torch  # here: it takes seconds to import, and a stage that is up to date does not need it
    from torchaudio.compliance import kaldi
    from torchaudio.functional import compute_deltas

    # Kaldi reads audio as 16-bit integers; the scale shifts only the zeroth coefficient.
    wave = torch.from_numpy(np.asarray(samples, np.float32)).unsqueeze(0) * 32768
    static = kaldi.mfcc(wave, sample_frequency=SAMPLE_RATE, dither=0.0, use_energy=False)
    static = static.T.contiguous()  # [13, T]
    delta = compute_deltas(static)
    return torch.cat([static, delta, compute_deltas(delta)]).T.contiguous().numpy()


def write_part(data: Path, folder: Path, part: int, parts: int) -> None:
    """Compute the features of a part of the utterances, number `part` (from 1) of `parts`."""
    import torch

    torch.set_num_threads(1)  # small transforms; jobs run side by side instead
    began = time.monotonic()
    utterances = share(datadir.read(data).utterances, part, parts)
    frames = archive.write_matrices(folder, NAME, _stream(utterances))
    log.info(
        "MFCC part %d of %d: %d utterances, %.2f h in %.1f s",
        part, parts, len(utterances), hours(frames * MFCC_SHIFT), time.monotonic() - began,
    )  # fmt: skip


def _stream(utterances: tuple) -> Iterator[tuple[str, np.ndarray]]:
    for utt in utterances:
        feats = mfcc(audio.read_audio(utt))
        if not np.isfinite(feats).all():
            raise UserError(f"{utt.wav}: utterance {utt.id}: its MFCC are not finite numbers. Drop it (stage 2)")
        yield utt.id, feats
