import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny import write_noise

from hubert_iter import frames, provenance
from hubert_iter.bin import make_mfcc, merge_mfcc
from hubert_iter.errors import UserError
from hubert_iter.feats import archive, mfcc, source


@given(st.integers(0, 100_000))
def test_every_second_mfcc_frame_is_one_encoder_frame(num_samples):
    assert len(range(0, frames.num_frames(num_samples, frames.MFCC_SHIFT), 2)) == frames.num_frames(num_samples)


@pytest.mark.parametrize("num_samples", [0, 399, 400, 559, 560, 719, 720, 16001])
def test_frame_count(num_samples):
    feats = mfcc.mfcc(np.random.default_rng(0).uniform(-0.5, 0.5, num_samples))
    assert feats.shape == (frames.num_frames(num_samples, frames.MFCC_SHIFT), mfcc.DIM) and feats.dtype == np.float32


def test_frame_2t_sees_the_samples_of_encoder_frame_t():
    samples = np.random.default_rng(0).uniform(-0.5, 0.5, 8000).astype(np.float32)
    whole, t = mfcc.mfcc(samples), 11
    alone = mfcc.mfcc(samples[320 * t : 320 * t + 400])
    np.testing.assert_allclose(whole[2 * t, :13], alone[0, :13], rtol=1e-5, atol=1e-4)


def test_repeats_exactly():
    samples = np.random.default_rng(0).uniform(-0.5, 0.5, 8000).astype(np.float32)
    np.testing.assert_array_equal(mfcc.mfcc(samples), mfcc.mfcc(samples))


def make(data, out, parts, which=None):
    for part in which or range(1, parts + 1):
        make_mfcc.main(["--data", str(data), "--out", str(out), "--part", str(part), "--parts", str(parts)])
    merge_mfcc.main(["--data", str(data), "--out", str(out), "--parts", str(parts)])


@pytest.fixture
def data(tmp_path):
    write_noise(tmp_path / "data", 5, 1.0, 0)
    return tmp_path / "data"


def test_number_of_parts_does_not_matter(data, tmp_path):
    # The scp names its folder, so all are made at one place and set aside.
    identities = []
    for parts in (1, 3, 7):
        make(data, tmp_path / "mfcc", parts)
        identities.append(provenance.identity(tmp_path / "mfcc"))
        (tmp_path / "mfcc").rename(tmp_path / f"mfcc_{parts}")
    assert len(set(identities)) == 1
    assert not (tmp_path / "mfcc.parts").exists()
    assert list(archive.read_scp(tmp_path / "mfcc_7" / "feats.scp")) == sorted(
        archive.read_lengths(data / "utt2num_samples")
    )


def test_second_run_does_nothing(data, tmp_path, caplog):
    make(data, tmp_path / "mfcc", 2)
    before = (tmp_path / "mfcc" / "feats.ark").stat().st_mtime_ns
    caplog.set_level("INFO")
    caplog.clear()
    make(data, tmp_path / "mfcc", 3)
    assert (tmp_path / "mfcc" / "feats.ark").stat().st_mtime_ns == before
    assert caplog.text.count("up to date, nothing to do") == 4 and "making" not in caplog.text


def test_missing_part_is_named(data, tmp_path):
    with pytest.raises(UserError, match="2of2.*not made yet.*--parts 2"):
        make(data, tmp_path / "mfcc", 2, which=[1])
    assert not (tmp_path / "mfcc").exists()
    make(data, tmp_path / "mfcc", 2, which=[2])
    assert len(archive.read_scp(tmp_path / "mfcc" / "feats.scp")) == 5


def test_part_out_of_range(data, tmp_path):
    with pytest.raises(UserError, match="expected 1 to 2"):
        make(data, tmp_path / "mfcc", 2, which=[3])


def test_features_of_another_data_set_are_refused(data, tmp_path):
    make(data, tmp_path / "mfcc", 1)
    write_noise(tmp_path / "other", 5, 1.0, 1)
    with pytest.raises(UserError, match="made from .*data as it was then, but the data directory given is .*other"):
        source.MfccSource(tmp_path / "mfcc", tmp_path / "other")


def test_source_streams_in_the_order_asked_for(corpus):
    features = source.MfccSource(corpus.data.parent / "mfcc" / "train", corpus.data)
    utts = sorted(archive.read_lengths(corpus.data / "utt2num_samples"), reverse=True)[:3]
    streamed = list(features.stream(utts))
    assert [utt for utt, _ in streamed] == utts
    assert all(feats.shape == (features.num_frames(utt), 39) for utt, feats in streamed)
    assert features.rate == 100 and features.describe()["kind"] == "mfcc"


@pytest.mark.parametrize(
    ("mfcc_folder", "model", "tap", "message"),
    [
        (None, None, None, "found neither"),
        ("m", "n", "1", "found both"),
        (None, "n", None, "found only --model"),
        ("m", None, "1", "found only --tap"),
    ],
)
def test_one_source_at_a_time(tmp_path, mfcc_folder, model, tap, message):
    with pytest.raises(UserError, match=message):
        source.open_source(tmp_path, mfcc_folder, model, tap)
