"""What stage 2 writes once: parts of recordings, commands' output, converted audio. The rest stays where it is."""

import numpy as np
import pytest
import soundfile

from hubert_iter import provenance
from hubert_iter.bin import filter_data
from hubert_iter.data import datadir
from hubert_iter.data.audio import read_audio
from hubert_iter.data.datadir import Utterance
from hubert_iter.errors import UserError

SAMPLES = (np.random.default_rng(0).standard_normal(5 * 16000) * 2000).astype(np.int16)
FLOATS = SAMPLES / np.float32(32768)


@pytest.fixture
def mixed(tmp_path):
    """Two parts and a half-second end of one recording that a command gives, and a file that is whole."""
    soundfile.write(tmp_path / "long file.wav", SAMPLES, 16000)
    soundfile.write(tmp_path / "whole.flac", SAMPLES[::-1], 16000)
    count = tmp_path / "count"
    command = f"echo x >> '{count}'; cat '{tmp_path}/long file.wav' |"
    utterances = [
        Utterance("b-1", "b", 16000, command, 3.0, 4.0, "rec"),
        Utterance("a-1", "a", 8000, command, 0.5, 1.0, "rec"),
        Utterance("a-2", "a", 8000, command, 4.5, 5.0, "rec"),
        Utterance("c-1", "c", len(SAMPLES), str(tmp_path / "whole.flac"), 0.0, 5.0, "whole"),
    ]
    datadir.write(tmp_path / "d", utterances)
    return tmp_path / "d"


def stage2(folder, out, *options):
    filter_data.main(["--data", str(folder), "--out", str(out), *options])
    return datadir.read(out)


def test_parts_are_cut_once_and_read_as_before(mixed, tmp_path):
    before = {u.id: read_audio(u) for u in datadir.read(mixed).utterances}
    (tmp_path / "count").unlink()
    data = stage2(mixed, tmp_path / "o")
    assert (tmp_path / "count").read_text() == "x\n"  # one run of the command for all its parts
    assert not (tmp_path / "o" / "segments").exists()
    for utterance in data.utterances:
        assert utterance.start is None and utterance.wav.startswith(f"{tmp_path}/o/audio.ark:")
        np.testing.assert_array_equal(read_audio(utterance), before[utterance.id])
        np.testing.assert_array_equal(read_audio(utterance, 320, 640), before[utterance.id][320:960])
    (tmp_path / "count").unlink()
    list(map(read_audio, data.utterances))
    assert not (tmp_path / "count").exists()


def test_the_outcome_is_that_of_any_number_of_threads(mixed, tmp_path):
    made = [stage2(mixed, tmp_path / nj / "o", "--nj", nj).path for nj in ("1", "5")]
    first, second = ((folder / "audio.ark").read_bytes() for folder in made)
    assert first == second and len(first) > 1000
    assert (made[0] / "utt2hash").read_text() == (made[1] / "utt2hash").read_text()


def test_what_is_dropped_for_its_length_is_not_written(mixed, tmp_path, caplog):
    data = stage2(mixed, tmp_path / "o", "--min_seconds", "0.8", "--max_seconds", "2")
    assert [u.id for u in data.utterances] == ["b-1"]
    content, head = (tmp_path / "o/audio.ark").read_bytes(), len(b"b-1 AUDIO\x08")
    assert len(content) == head + 8 + int.from_bytes(content[head : head + 8], "little")  # and nothing else
    said = [record.getMessage() for record in caplog.records if "dropped" in record.getMessage()]
    assert said == [f"{tmp_path}/o: 3 utterances dropped (1 long, 2 short): {tmp_path}/o/dropped.txt"]


def test_whole_files_stay_where_they_are(tmp_path):
    soundfile.write(tmp_path / "a.flac", SAMPLES, 16000)
    datadir.write(tmp_path / "d", [Utterance("a-1", "a", 0, str(tmp_path / "a.flac"))])
    assert stage2(tmp_path / "d", tmp_path / "o").utterances[0].wav == str(tmp_path / "a.flac")
    assert "folder" not in provenance.read(tmp_path / "o")["settings"]
    assert stage2(tmp_path / "d", tmp_path / "r", "--resample", "true").utterances[0].wav == str(tmp_path / "a.flac")
    assert not list(tmp_path.glob("?/audio.ark"))


def test_a_moved_dump_is_made_again(mixed, tmp_path):
    stage2(mixed, tmp_path / "o")
    (tmp_path / "o").rename(tmp_path / "moved")
    data = stage2(mixed, tmp_path / "moved")
    assert data.utterances[0].wav.startswith(f"{tmp_path}/moved/audio.ark:")
    read_audio(data.utterances[0])


@pytest.mark.parametrize(("rate", "channels", "part"), [(44100, 2, False), (8000, 1, False), (48000, 3, True)])
def test_resampling_keeps_times_and_tones(tmp_path, rate, channels, part):
    """A click and a tone: where they are, and how loud, does not change. Several channels become their mean."""
    time = np.arange(4 * rate) / rate
    tone = 0.2 * np.sin(2 * np.pi * 440 * time) * (time >= 2)
    tone[rate : rate + rate // 1000] = 0.5
    scale = np.arange(1, channels + 1) / np.mean(np.arange(1, channels + 1))
    soundfile.write(tmp_path / "a.wav", (tone[:, None] * scale / 2).squeeze(), rate)
    first = 0.5 if part else 0.0
    place = {"start": first, "end": 4.0, "recording": "r"} if part else {}
    datadir.write(tmp_path / "d", [Utterance("a-1", "a", 0, str(tmp_path / "a.wav"), **place)])
    with pytest.raises(UserError, match=r"--resample true .*sox \S*/a.wav -r 16000 -c 1"):
        stage2(tmp_path / "d", tmp_path / "o")
    (utterance,) = stage2(tmp_path / "d", tmp_path / "o", "--resample", "true").utterances
    found = read_audio(utterance)
    assert len(found) == round((4 - first) * 16000)
    assert abs(np.abs(found[:24000]).argmax() / 16000 + first - 1.0005) < 0.001
    steady = found[round((2.5 - first) * 16000) : round((3.5 - first) * 16000)]
    expected = 0.1 * np.sin(2 * np.pi * 440 * (2.5 + np.arange(16000) / 16000))
    assert np.abs(steady - expected).max() < 0.002


def test_a_hole_in_a_long_recording_costs_only_what_lies_there(tmp_path):
    path = tmp_path / "long.flac"
    soundfile.write(path, np.tile(SAMPLES, 4), 16000)
    content = path.read_bytes()
    middle = len(content) // 2
    path.write_bytes(content[:middle] + bytes(3000) + content[middle + 3000 :])
    parts = [Utterance(f"a-{n}", "a", 0, str(path), 2.0 * n, 2.0 * n + 1.5, "r") for n in range(10)]
    datadir.write(tmp_path / "d", parts)
    data = stage2(tmp_path / "d", tmp_path / "o", "--fix", "true")
    kept = {u.id for u in data.utterances}
    assert kept >= {"a-0", "a-1", "a-2", "a-8", "a-9"} and len(kept) < 10
    np.testing.assert_array_equal(read_audio(data["a-9"]), np.tile(FLOATS, 4)[18 * 16000 :][:24000])
