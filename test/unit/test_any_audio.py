"""Any audio is found, measured and read, at any rate on request; and what is amiss is named."""

import shlex
import shutil

import numpy as np
import pytest
import soundfile

from hubert_iter.data import any_audio, recordings
from hubert_iter.data.any_audio import NO_SPEAKER
from hubert_iter.errors import UserError


def tone(seconds: float, rate: int = 16000, hertz: float = 440.0) -> np.ndarray:
    return (0.3 * np.sin(2 * np.pi * hertz * np.arange(int(seconds * rate)) / rate)).astype(np.float32)


def write(path, samples, rate=16000):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, samples, rate, subtype="PCM_16")
    return path


def measured(path, resample=False):
    return any_audio.measure(any_audio.find(path), resample)


@pytest.fixture
def folder(tmp_path):
    """Audio at several depths, beside other files."""
    root = tmp_path / "my audio"
    for name in ("b.wav", "a/one two.flac", "a/c.WAV", ".hidden/d.wav"):
        write(root / name, tone(0.5))
    (root / "notes.txt").write_text("no audio")
    return root


def test_a_folder_s_files_are_named_by_their_paths(folder):
    data, short = measured(folder)
    assert [utterance.id for utterance in data.utterances] == ["a/c", "a/one_two", "b"] and not short
    assert {utterance.speaker for utterance in data.utterances} == {NO_SPEAKER}
    np.testing.assert_allclose(any_audio.read(data["b"]), tone(0.5), atol=1e-4)


def test_linked_folders_are_entered_each_once_on_its_way(folder, tmp_path):
    write(tmp_path / "elsewhere/x.wav", tone(0.5))
    (folder / "linked").symlink_to(tmp_path / "elsewhere")
    (folder / "a/back").symlink_to(folder)
    (tmp_path / "elsewhere/back").symlink_to(folder)
    assert [each.id for each in any_audio.find(folder).utterances] == ["a/c", "a/one_two", "b", "linked/x"]


def test_what_is_left_out_by_its_ending_is_counted(folder, caplog):
    caplog.set_level("INFO")
    for name in ("b.m4a", "a/d.m4a", "README"):
        (folder / name).write_text("")
    any_audio.find(folder)
    assert "3 audio files; left out, by their endings: 2 .m4a, 1 without an ending, 1 .txt" in caplog.text


def test_one_file_is_an_utterance(folder):
    data, _ = measured(folder / "a/one two.flac")
    assert [(utterance.id, utterance.num_samples) for utterance in data.utterances] == [("one_two", 8000)]


def test_a_data_directory_is_cut_by_its_segments_and_knows_speakers(tmp_path):
    audio = write(tmp_path / "long.wav", np.concatenate([tone(1.0), tone(1.0, hertz=880)]))
    (tmp_path / "wav.scp").write_text(f"rec {audio}\n")
    (tmp_path / "segments").write_text("z rec 1.0 2.0\ny rec 0.25 0.75\n")  # in any order
    (tmp_path / "utt2spk").write_text("y anna\nz ben\n")
    data, _ = measured(tmp_path)
    assert [(each.id, each.speaker, each.num_samples) for each in data.utterances] == [
        ("y", "anna", 8000),
        ("z", "ben", 16000),
    ]
    np.testing.assert_allclose(any_audio.read(data["z"]), tone(1.0, hertz=880), atol=1e-4)
    np.testing.assert_allclose(any_audio.read(data["y"]), tone(1.0)[4000:12000], atol=1e-4)


def test_a_wav_scp_may_have_commands(tmp_path):
    audio = write(tmp_path / "x.wav", tone(0.5))
    (tmp_path / "list.scp").write_text(f"b {audio}\na cat {shlex.quote(str(audio))} |\n")
    data, _ = measured(tmp_path / "list.scp")
    assert [utterance.id for utterance in data.utterances] == ["a", "b"]
    np.testing.assert_array_equal(any_audio.read(data["a"]), any_audio.read(data["b"]))


def test_another_rate_or_channel_is_refused_with_the_command_that_converts_it(folder):
    write(folder / "a/slow.wav", np.stack([tone(1.0, 44100)] * 2, axis=1), 44100)
    with pytest.raises(UserError) as caught:
        measured(folder)
    said = str(caught.value)
    assert "1 of 4" in said and "44100 Hz, 2 channel(s)" in said and "--resample true" in said
    assert f"a/slow sox {shlex.quote(str(folder / 'a/slow.wav'))} -r 16000 -c 1" in said


@pytest.mark.parametrize("rate", [8000, 22050, 44100, 48000])
def test_on_request_it_is_converted(tmp_path, rate):
    write(tmp_path / "x.wav", np.stack([tone(1.0, rate), np.zeros(rate, np.float32)], axis=1), rate)
    data, _ = measured(tmp_path, resample=True)
    samples = any_audio.read(data["x"])
    assert samples.dtype == np.float32 and len(samples) == data["x"].num_samples
    assert abs(len(samples) - 16000) <= 1
    np.testing.assert_allclose(samples[1000:15000], tone(1.0)[1000:15000] / 2, atol=0.01)


def test_a_segment_of_another_rate_is_converted_alone(tmp_path):
    audio = write(tmp_path / "x.wav", np.concatenate([tone(1.0, 8000), tone(1.0, 8000, 880)]), 8000)
    (tmp_path / "wav.scp").write_text(f"rec {audio}\n")
    (tmp_path / "segments").write_text("u rec 1.0 2.0\n")
    data, _ = measured(tmp_path, resample=True)
    np.testing.assert_allclose(any_audio.read(data["u"])[1000:15000], tone(1.0, hertz=880)[1000:15000], atol=0.01)


def test_the_printed_command_converts(tmp_path):
    if shutil.which("sox") is None:
        pytest.skip("no sox here")
    audio = write(tmp_path / "my x.wav", tone(1.0, 44100), 44100)
    (tmp_path / "list.scp").write_text(f"x {recordings.conversion(str(audio))}\n")
    data, _ = measured(tmp_path / "list.scp")
    assert data["x"].num_samples == 16000


def test_what_has_no_frame_is_left_out(folder):
    write(folder / "click.wav", tone(0.02))
    data, short = measured(folder)
    assert short == ["click"] and len(data) == 3


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda folder: (folder / "b.wav").write_bytes(b"RIFF no"), "1 of 3 cannot be used: utterance b: .*b.wav"),
        (lambda folder: write(folder / "b.flac", tone(0.5)), "b.wav: its name as an utterance, b, is also that of"),
        (lambda folder: write(folder / "a/one_two.wav", tone(0.5)), "a/one_two, is also that of"),
    ],
)
def test_faults_are_named(folder, spoil, words):
    spoil(folder)
    with pytest.raises(UserError, match=words):
        measured(folder)


def test_what_is_no_audio_at_all_is_named(tmp_path):
    with pytest.raises(UserError, match="expected audio files .* found none"):
        any_audio.find(tmp_path)
    with pytest.raises(UserError, match="found nothing"):
        any_audio.find(tmp_path / "absent")
    (tmp_path / "wav.scp").write_text("a absent.wav\n")
    with pytest.raises(UserError, match="1 of 1 cannot be used: utterance a: absent.wav: .*no such file"):
        measured(tmp_path)
    write(tmp_path / "x.wav", tone(0.5))
    (tmp_path / "wav.scp").write_text(f"rec {tmp_path}/x.wav\n")
    (tmp_path / "segments").write_text("a rec 0.0 3.0\n")
    with pytest.raises(UserError, match="utterance a: segments ends it at 3.0 s, but .*x.wav has 0.500 s"):
        measured(tmp_path)
    (tmp_path / "segments").write_text("a other 0.0 0.5\n")
    with pytest.raises(UserError, match="segments:1: utterance a: recording other is not in wav.scp"):
        any_audio.find(tmp_path)


def test_the_state_changes_with_the_audio_alone(folder):
    before = any_audio.find(folder).state
    (folder / "notes.txt").write_text("other words")
    assert any_audio.find(folder).state == before
    moved = folder.rename(folder.with_name("elsewhere"))
    assert any_audio.find(moved).state == before
    write(moved / "b.wav", tone(0.6))
    assert any_audio.find(moved).state != before
