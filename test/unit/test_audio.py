"""Reading audio: crops, arks, pipes, segments, and every kind of bad file."""

import struct

import numpy as np
import pytest
import soundfile

from hubert_iter.data.audio import AudioError, hash_of, load, read_audio
from hubert_iter.data.datadir import Utterance
from hubert_iter.data.recordings import split_offset
from hubert_iter.errors import UserError
from hubert_iter.frames import num_frames

RNG = np.random.default_rng(0)
SAMPLES = (RNG.standard_normal(48000) * 3000).astype(np.int16)


def utterance(wav, num_samples=48000, **more) -> Utterance:
    return Utterance("spk-1", "spk", num_samples, str(wav), **more)


@pytest.fixture
def flac(tmp_path):
    path = tmp_path / "a folder" / "with spaces.flac"
    path.parent.mkdir()
    soundfile.write(path, SAMPLES, 16000)
    return path


@pytest.mark.parametrize(("samples", "frames"), [(0, 0), (399, 0), (400, 1), (719, 1), (720, 2), (16000, 49)])
def test_frame_i_covers_samples_from_320_i_on(samples, frames):
    assert num_frames(samples) == frames
    assert frames == sum(320 * i + 400 <= samples for i in range(100))


def test_a_crop_is_the_same_samples_as_in_the_whole(flac):
    whole = read_audio(utterance(flac))
    assert whole.dtype == np.float32
    np.testing.assert_array_equal(whole, SAMPLES / np.float32(32768))
    for start, count in [(0, 10), (320, 4000), (30000, 18000), (47999, 1), (100, 0)]:
        np.testing.assert_array_equal(read_audio(utterance(flac), start, count), whole[start : start + count])


def test_segments_cut_and_offset_a_recording(flac):
    cut = utterance(flac, 8000, start=1.0, end=1.5, recording="rec")
    np.testing.assert_array_equal(read_audio(cut), SAMPLES[16000:24000] / np.float32(32768))
    np.testing.assert_array_equal(read_audio(cut, 320, 640), SAMPLES[16320:16960] / np.float32(32768))
    assert len(load(cut).samples) == 8000


@pytest.mark.parametrize("segment", [{}, {"start": 0.5, "end": 1.5, "recording": "r"}])
def test_commands_are_run(flac, segment):
    piped = utterance(f"cat '{flac}' |", 16000 if segment else len(SAMPLES), **segment)
    first = 8000 if segment else 0
    np.testing.assert_array_equal(read_audio(piped, 100, 500), SAMPLES[first + 100 : first + 600] / np.float32(32768))
    assert len(load(piped).samples) == piped.num_samples


def test_a_failing_command_is_named_with_its_own_words():
    with pytest.raises(UserError, match="utterance spk-1.*ended with 3: no such tape"):
        read_audio(utterance("echo no such tape >&2; exit 3 |"))


@pytest.mark.parametrize("kind", ["kaldi wav", "espnet wav", "espnet flac"])
def test_recordings_within_an_ark(tmp_path, kind):
    name = tmp_path / f"one.{kind.split()[1]}"
    soundfile.write(name, SAMPLES, 16000)
    content = name.read_bytes()
    if kind.startswith("espnet"):
        content = b"AUDIO" + bytes([4]) + struct.pack("<i", len(content)) + content
    ark = tmp_path / "all.ark"
    ark.write_bytes(b"first " + content + b"second " + content)
    for offset in (6, 6 + len(content) + 7):
        inside = utterance(f"{ark}:{offset}")
        assert len(load(inside).samples) == len(SAMPLES)
        np.testing.assert_array_equal(read_audio(inside, 20000, 300), SAMPLES[20000:20300] / np.float32(32768))


def test_a_recording_in_an_ark_ends_with_the_ark_whatever_its_header_says(tmp_path):
    soundfile.write(tmp_path / "one.wav", SAMPLES, 16000)
    content = (tmp_path / "one.wav").read_bytes()
    ark = tmp_path / "all.ark"
    ark.write_bytes(b"first AUDIO" + bytes([8]) + b"\xff" * 8 + content)
    assert len(load(utterance(f"{ark}:6")).samples) == len(SAMPLES)


def test_a_path_that_ends_like_an_offset_is_a_path(flac):
    odd = flac.with_name("take:12")
    flac.rename(odd)
    assert split_offset(str(odd)) == (str(odd), None)
    assert split_offset("/some/where.ark:12") == ("/some/where.ark", 12)


@pytest.mark.parametrize("spoil", ["half", "last bytes", "hole", "empty", "text"])
def test_broken_flac_is_found_and_named(flac, spoil):
    content = flac.read_bytes()
    middle = len(content) // 2
    flac.write_bytes(
        {
            "half": content[:middle],
            "last bytes": content[:-10],
            "hole": content[:middle] + bytes(300) + content[middle + 300 :],
            "empty": b"",
            "text": b"not audio at all",
        }[spoil]
    )
    for read in (load, read_audio):
        with pytest.raises(AudioError) as error:
            read(utterance(flac))
        assert str(flac) in str(error.value)
        assert "utterance spk-1" in str(error.value)
        assert "--fix true" in str(error.value)


def test_a_truncated_wav_is_found_though_its_reader_is_silent(tmp_path):
    path = tmp_path / "a.wav"
    soundfile.write(path, SAMPLES, 16000)
    path.write_bytes(path.read_bytes()[:50000])
    with pytest.raises(AudioError, match="truncated: its header promises 96000 bytes of samples, found 49956"):
        load(utterance(path))
    with pytest.raises(AudioError, match="truncated or utt2num_samples is wrong"):
        read_audio(utterance(path))


@pytest.mark.parametrize(
    ("shape", "rate", "kind", "message"),
    [((48000,), 8000, "rate", "expected 16000 Hz, found 8000"), ((48000, 2), 16000, "channels", "one channel, f")],
)
def test_wrong_rate_and_several_channels(tmp_path, shape, rate, kind, message):
    path = tmp_path / "a.wav"
    soundfile.write(path, np.zeros(shape, np.int16), rate)
    for read in (load, read_audio):
        with pytest.raises(AudioError, match=message) as error:
            read(utterance(path))
        assert error.value.kind == kind


def test_missing_audio(tmp_path):
    with pytest.raises(AudioError, match="gone.flac: utterance spk-1: .*no such file"):
        read_audio(utterance(tmp_path / "gone.flac"))


def test_a_segment_may_end_a_rounding_beyond_its_recording_but_no_more(flac):
    assert len(load(utterance(flac, start=2.0, end=3.01, recording="r")).samples) == 16000
    with pytest.raises(AudioError, match="expected 3.100 s as segments says, found 3.000 s"):
        load(utterance(flac, start=2.0, end=3.1, recording="r"))


def test_samples_beyond_the_utterance_are_a_programming_error(flac):
    with pytest.raises(ValueError, match="asked for"):
        read_audio(utterance(flac), 47000, 2000)


def test_the_hash_is_that_of_the_samples_whatever_file_they_come_from(flac, tmp_path):
    """Other containers, a command, a part of a longer recording: one hash; one sample that differs: another."""
    soundfile.write(tmp_path / "a.wav", SAMPLES, 16000)
    soundfile.write(tmp_path / "float.wav", SAMPLES / np.float32(32768), 16000, subtype="FLOAT")
    soundfile.write(tmp_path / "long.wav", np.concatenate([SAMPLES[:8000], SAMPLES, SAMPLES[:100]]), 16000)
    hashes = {
        hash_of(load(utterance(flac)).samples),
        hash_of(load(utterance(tmp_path / "a.wav")).samples),
        hash_of(load(utterance(tmp_path / "float.wav")).samples),
        hash_of(load(utterance(f"cat '{flac}' |")).samples),
        hash_of(load(utterance(tmp_path / "long.wav", start=0.5, end=3.5, recording="r")).samples),
    }
    assert len(hashes) == 1
    other = SAMPLES / np.float32(32768)
    other[-1] += np.float32(1e-4)
    soundfile.write(tmp_path / "other.wav", other, 16000, subtype="FLOAT")
    assert hash_of(load(utterance(tmp_path / "other.wav")).samples) not in hashes
    assert hash_of(load(utterance(flac, start=0.0, end=2.9, recording="r")).samples) not in hashes
