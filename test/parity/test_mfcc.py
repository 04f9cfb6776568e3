"""MFCC against torchaudio's own, and against a few lines of float64 written from Kaldi's definition."""

import numpy as np
import pytest
import soundfile
import torch
import torchaudio.compliance.kaldi
import torchaudio.functional

from hubert_iter.feats.mfcc import mfcc


def mel(frequency):
    return 1127 * np.log(1 + frequency / 700)


def kaldi_mfcc(samples: np.ndarray) -> np.ndarray:
    """Kaldi's compute-mfcc-feats --use-energy=false --dither=0, in float64."""
    wave = samples.astype(np.float64) * 32768
    frames = np.lib.stride_tricks.sliding_window_view(wave, 400)[::160]
    frames = frames - frames.mean(axis=1, keepdims=True)
    before = np.concatenate([frames[:, :1], frames[:, :-1]], axis=1)
    frames = frames - 0.97 * before
    frames = frames * (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 399)) ** 0.85
    power = np.abs(np.fft.rfft(frames, 512)) ** 2
    edges = np.linspace(mel(20), mel(8000), 25)
    bins = mel(np.arange(257) * 16000 / 512)
    rise = (bins - edges[:-2, None]) / (edges[1] - edges[0])
    bank = np.maximum(0, np.minimum(rise, 2 - rise))
    bank[:, 256] = 0  # Kaldi leaves the Nyquist bin out
    log_mel = np.log(np.maximum(power @ bank.T, np.finfo(np.float32).eps))
    dct = np.cos(np.pi * np.arange(13)[:, None] * (np.arange(23) + 0.5) / 23) * np.sqrt(2 / 23)
    dct[0] = np.sqrt(1 / 23)
    return log_mel @ dct.T * (1 + 11 * np.sin(np.pi * np.arange(13) / 22))


def deltas(feats: np.ndarray) -> np.ndarray:
    padded = np.pad(feats, ((2, 2), (0, 0)), mode="edge")
    size = len(feats)
    return sum(n * (padded[2 + n : 2 + n + size] - padded[2 - n : 2 - n + size]) for n in (1, 2)) / 10


@pytest.fixture(params=["noise", "tone", "speech"])
def samples(request):
    if request.param == "noise":
        return np.random.default_rng(0).uniform(-0.7, 0.7, 20011).astype(np.float32)
    if request.param == "tone":
        time = np.arange(16000) / 16000
        # A little noise: the logarithm of an empty band would only compare float32 with float64.
        noise = np.random.default_rng(0).normal(0, 0.003, 16000)
        return (0.3 * np.sin(2 * np.pi * (200 + 900 * time) * time) + noise).astype(np.float32)
    folder = request.getfixturevalue("real_data") / "LibriSpeech"
    return soundfile.read(sorted(folder.rglob("*.flac"))[0], dtype="float32")[0]


def test_equals_torchaudio(samples):
    wave = torch.from_numpy(samples)[None] * 2**15
    static = torchaudio.compliance.kaldi.mfcc(
        wave, num_ceps=13, num_mel_bins=23, frame_length=25.0, frame_shift=10.0, cepstral_lifter=22.0, dither=0.0,
        use_energy=False, window_type="povey", low_freq=20.0, high_freq=0.0, preemphasis_coefficient=0.97,
        snip_edges=True, subtract_mean=False, sample_frequency=16000.0,
    ).T  # fmt: skip
    delta = torchaudio.functional.compute_deltas(static, win_length=5)
    expected = torch.cat([static, delta, torchaudio.functional.compute_deltas(delta, win_length=5)]).T
    np.testing.assert_allclose(mfcc(samples), expected.numpy(), rtol=1e-5, atol=1e-4)


def test_equals_kaldis_definition(samples):
    static = kaldi_mfcc(samples)
    delta = deltas(static)
    expected = np.concatenate([static, delta, deltas(delta)], axis=1)
    np.testing.assert_allclose(mfcc(samples), expected, rtol=1e-3, atol=0.02)
