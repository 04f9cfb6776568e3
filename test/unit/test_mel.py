"""Log-mel frames in place of the convolutions."""

import pytest
import torch

from hubert_iter import options
from hubert_iter.bin import export
from hubert_iter.errors import UserError
from hubert_iter.frames import num_frames
from hubert_iter.models import store
from hubert_iter.models.encoder import Encoder
from hubert_iter.models.mel import MelFeatures
from hubert_iter.models.pretrainer import build
from hubert_iter.models.settings import EncoderConfig

SIZES = {"front_end": "mel", "width": 16, "layers": 2, "heads": 2, "feedforward": 32, "position_groups": 4}


def bands(wave: torch.Tensor, shift: int) -> torch.Tensor:
    """torchaudio's log-mel bands of windows that begin at `shift` and every 160 samples from there, not normalised."""
    from torchaudio.transforms import MelSpectrogram

    mel = MelSpectrogram(16000, n_fft=512, win_length=400, hop_length=160, f_min=20.0, n_mels=80, center=False)
    # torchaudio centres the window of 400 in 512 samples.
    return mel(torch.nn.functional.pad(wave, (56 - shift, 56 + 512)))[0].T.clamp_min(1e-7).log()


@pytest.mark.parametrize("samples", [400, 719, 720, 16000, 16079, 16080, 31999])
def test_there_are_as_many_frames_as_with_convolutions(samples):
    assert MelFeatures()(torch.randn(2, samples)).shape == (2, num_frames(samples), 160)


def test_bands_are_torchaudio_s_normalised_over_time():
    wave = 0.1 * torch.randn(1, 16000)
    mine = MelFeatures()(wave)[0].view(-1, 2, 80)
    # The first window of frame 0 begins 80 samples before the audio: compare those that lie within it.
    theirs = bands(wave, 80)[: 2 * len(mine) - 2].view(-1, 2, 80)
    for band in (0, 30, 79):
        one, other = mine[:-1, 1, band], theirs[:, 0, band]
        slope = (one - one.mean()) @ (other - other.mean()) / (other - other.mean()).square().sum()
        assert slope > 0
        assert torch.allclose(one - one.mean(), slope * (other - other.mean()), atol=1e-3)
    assert torch.allclose(mine.flatten(0, 1).mean(0), torch.zeros(80), atol=1e-4)
    assert torch.allclose(mine.flatten(0, 1).std(0, correction=0), torch.ones(80), atol=1e-3)


def test_loudness_of_the_whole_does_not_matter():
    wave = 0.1 * torch.randn(1, 16000)
    assert torch.allclose(MelFeatures()(wave), MelFeatures()(0.5 * wave), atol=1e-3)


def test_silence_gives_finite_frames():
    assert MelFeatures()(torch.zeros(1, 8000)).isfinite().all()


def test_a_frame_lies_around_the_centre_of_the_convolutions_frame():
    """A click at the common centre, sample 320 t + 200, stands out in frame t and in both of its windows alike."""
    wave = 1e-3 * torch.randn(1, 16000)
    wave[0, 320 * 20 + 200] = 1.0
    mel = MelFeatures()(wave)[0].view(-1, 2, 80).mean(-1)
    assert int(mel.sum(1).argmax()) == 20
    assert abs(float(mel[20, 0] - mel[20, 1])) < 0.2 * float(mel[20, 0])


def test_nothing_of_it_is_learnt_or_saved():
    encoder = Encoder(options.read(EncoderConfig, SIZES, "test"))
    features, penalty = encoder.frame_features(torch.randn(1, 8000))
    assert not features.requires_grad and float(penalty) == 0
    assert not [
        name for name in encoder.state_dict() if "mel" in name or "norm" in name.split(".")[0] and "feature" in name
    ]


def test_it_fits_no_encoder_with_convolutions():
    mel, convolutions = (
        options.read(EncoderConfig, SIZES | {"front_end": each}, "t") for each in ("mel", "convolutions")
    )
    assert mel.shape != convolutions.shape
    assert mel.shape == options.read(EncoderConfig, SIZES | {"conv_channels": 32}, "t").shape


def test_export_leaves_it_out(tmp_path, caplog):
    model = build(SIZES, None, None, "test")
    (tmp_path / "model").mkdir()
    store.write(tmp_path / "model", model, {"model": SIZES, "objective": None, "classes": None, "updates": 0})
    caplog.set_level("INFO")
    export.main(["--model", str(tmp_path / "model"), "--formats", "huggingface", "--out", str(tmp_path / "out")])
    assert not (tmp_path / "out").exists()
    assert "log-mel" in caplog.text


def test_it_is_not_said_to_be_uploaded(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_mine")
    model = build(SIZES, None, None, "test")
    (tmp_path / "model").mkdir()
    store.write(tmp_path / "model", model, {"model": SIZES, "objective": None, "classes": None, "updates": 0})
    words = ["--model", str(tmp_path / "model"), "--formats", "huggingface", "--out", str(tmp_path / "out")]
    with pytest.raises(UserError, match="--push_to me/mel: .* takes log-mel frames"):
        export.main([*words, "--push_to", "me/mel"])
