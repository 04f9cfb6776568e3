"""MFCC and log-mel bands as models of one tap, frame by frame beside the encoder's."""

import numpy as np
import pytest
import torch
from torchaudio.compliance import kaldi

from hubert_iter.feats import baselines, mfcc
from hubert_iter.feats.layers import open_model
from hubert_iter.frames import num_frames

LENGTHS = (0, 399, 400, 719, 720, 8000, 16001)


def noise(length: int) -> np.ndarray:
    return (0.1 * np.random.default_rng(length).standard_normal(length)).astype(np.float32)


@pytest.mark.parametrize("name", baselines.BASELINES)
@pytest.mark.parametrize("length", LENGTHS)
def test_there_are_as_many_frames_as_the_encoder_has(name, length):
    model = open_model(name)
    (tap,) = model.names
    found = model.taps(noise(length))[tap]
    assert found.dtype == np.float32
    assert found.shape == (num_frames(length), {"mfcc": 39, "logmel": 80}[name])


def test_log_mel_frame_t_is_torchaudio_s_of_its_samples_alone():
    samples = noise(4000)
    found = baselines.log_mel(samples)
    for t, frame in enumerate(found):
        window = torch.from_numpy(samples[320 * t : 320 * t + 400])[None] * 32768
        theirs = kaldi.fbank(window, num_mel_bins=80, sample_frequency=16000, frame_length=25, frame_shift=20, dither=0)
        assert theirs.shape == (1, 80)
        np.testing.assert_allclose(frame, theirs[0].numpy(), atol=1e-4)


def test_mfcc_is_every_second_frame_of_the_features_that_are_clustered():
    samples = noise(8000)
    found = open_model("mfcc").taps(samples)[baselines.TAP]
    everything = mfcc.mfcc(samples)
    np.testing.assert_array_equal(found, everything[::2])
    assert not np.array_equal(found[1], everything[1])
