"""Data directories: what is written is read back, and what is wrong is named by file, line and utterance."""

import pytest

from hubert_iter.data import datadir
from hubert_iter.data.datadir import Utterance
from hubert_iter.errors import UserError

UTTERANCES = (
    Utterance("a-1", "a", 16000, "/data/a 1.flac"),
    Utterance("a-2", "a", 24000, "sox 'a 2.wav' -t wav - |"),
    Utterance("b-1", "b", 8000, "/data/b.ark:17"),
)
TEXT = {"a-1": "ONE", "a-2": "TWO  WORDS", "b-1": ""}


@pytest.fixture
def folder(tmp_path):
    datadir.write(tmp_path / "d", reversed(UTTERANCES), TEXT, {"a": "f", "b": "m", "c": "m"})
    return tmp_path / "d"


def test_round_trip(folder):
    data = datadir.read(folder, transcripts=True)
    assert data.utterances == UTTERANCES
    assert data.text == TEXT
    assert data.total_seconds == 3.0
    assert data.speakers == ["a", "b"]
    assert data["a-2"].seconds == 1.5
    assert "b-1" in data and "c-1" not in data
    assert (folder / "spk2utt").read_text() == "a a-1 a-2\nb b-1\n"
    assert (folder / "spk2gender").read_text() == "a f\nb m\n"
    assert set(datadir.files(folder)) == {"wav.scp", "utt2spk", "spk2utt", "text", "utt2num_samples", "spk2gender"}


def test_round_trip_with_segments(tmp_path):
    utterances = (
        Utterance("a-1", "a", 8000, "/r 1.flac", 0.25, 0.75, "r1"),
        Utterance("a-2", "a", 16000, "/r 1.flac", 12345.0625, 12346.0625, "r1"),
    )
    datadir.write(tmp_path, utterances)
    data = datadir.read(tmp_path)
    assert data.utterances == utterances
    assert data.text == {}
    assert (tmp_path / "wav.scp").read_text() == "r1 /r 1.flac\n"


def test_an_utterance_that_is_not_there_is_named(folder):
    data = datadir.read(folder)
    with pytest.raises(UserError, match="utterance z"):
        data["z"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("utt2spk", "a-1 a f\na-2 a\nb-1 b\n", r"utt2spk:1: utterance a-1: expected .*found 3 columns"),
        ("utt2spk", "a-1 a\nb-1 b\na-2 a\n", r"utt2spk:3: utterance a-2: expected keys in C order"),
        ("utt2spk", "a-1 a\na-1 a\na-2 a\nb-1 b\n", r"utt2spk:2: utterance a-1: was on line 1 already"),
        ("utt2spk", "a-1 a\nb-1 b\n", r"wav.scp:2: utterance a-2: not in utt2spk"),
        ("text", "a-1 X\na-2 X\nb-1 X\nc-1 X\n", r"text:4: utterance c-1: not in wav.scp"),
        ("utt2num_samples", "a-1 1\na-2 1.5\nb-1 1\n", r"utt2num_samples:2: utterance a-2: expected a positive number"),
        ("utt2num_samples", "a-1 1\n\na-2 1\nb-1 1\n", r"utt2num_samples:2: .*found an empty line"),
        ("wav.scp", "a-1 x\na-2\nb-1 y\n", r"wav.scp:2: utterance a-2: expected .*found 1 column: 'a-2'"),
        ("text", "a-1 X\r\na-2 X\r\nb-1 X\r\n", r"text:1: Windows line end"),
        ("text", b"a-1 X\na-2 \xff\nb-1 X\n", r"text:2: expected UTF-8"),
        ("text", b"\xef\xbb\xbfa-1 X\n", r"text:1: .*byte-order mark"),
        ("segments", "a-1 a-1 0 1\na-2 zz 0 1\nb-1 b-1 0 1\n", r"segments:2: utterance a-2: recording zz is not in"),
        ("segments", "a-1 a-1 0 1\na-2 a-2 2 1\nb-1 b-1 0 1\n", r"segments:2: utterance a-2: expected 0 <= start"),
    ],
)
def test_faults_are_named_by_file_line_and_utterance(folder, name, content, message):
    (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(UserError, match=message):
        datadir.read(folder)


@pytest.mark.parametrize("name", ["wav.scp", "utt2spk", "utt2num_samples"])
def test_missing_files_are_named(folder, name):
    (folder / name).unlink()
    with pytest.raises(UserError, match=name):
        datadir.read(folder)


def test_order_is_that_of_bytes_not_of_a_locale(tmp_path):
    names = ["B", "a", "a-1", "a1", "é", "z"]
    datadir.write(tmp_path, [Utterance(name, name, 400, "x") for name in reversed(names)])
    found = [line.split()[0] for line in (tmp_path / "utt2spk").read_text(encoding="utf-8").splitlines()]
    assert found == sorted(names, key=lambda name: name.encode())
    assert [u.id for u in datadir.read(tmp_path).utterances] == found
