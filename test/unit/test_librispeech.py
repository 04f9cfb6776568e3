"""LibriSpeech's layout into data directories, on a small made corpus and on the real one where it is at hand."""

import os
from pathlib import Path

import numpy as np
import pytest
import soundfile

from hubert_iter.bin import align_data, filter_data, prepare_librispeech
from hubert_iter.corpora import librispeech
from hubert_iter.data import datadir
from hubert_iter.data.alignment import read_ctm
from hubert_iter.errors import UserError

ROOT = Path(__file__).resolve().parents[2]
REAL = Path(os.environ.get("HUBERT_ITER_DATA", ROOT.parent / "shared/data"))


@pytest.fixture
def corpus(tmp_path):
    """Two parts, three speakers, four utterances each."""
    root = tmp_path / "my corpora" / "LibriSpeech"
    rng = np.random.default_rng(0)
    for part, speakers in {"train-x": ["19", "103"], "test-x": ["7"]}.items():
        for speaker in speakers:
            for chapter in ("5", "66"):
                folder = root / part / speaker / chapter
                folder.mkdir(parents=True)
                names = [f"{speaker}-{chapter}-{n:04}" for n in range(2)]
                for name in names:
                    soundfile.write(folder / f"{name}.flac", rng.standard_normal(4000) * 0.1, 16000)
                text = "".join(f"{name} IT'S {name[-1]} WORDS\n" for name in names)
                (folder / f"{speaker}-{chapter}.trans.txt").write_text(text)
    lines = ["; comment | M", "7    | F | test-x | 1.0 | A Name", "19 | M | train-x | 2 | |odd|Name"]
    lines += ["103 | F | train-x | 2 | \xe9", "4000 | ? | none | 2 | other"]
    (root / "SPEAKERS.TXT").write_bytes("\n".join(lines).encode("latin-1"))
    return root


def prepare(corpus, out, parts="train-x", *more) -> None:
    prepare_librispeech.main(["--corpus", str(corpus), "--parts", *parts.split(), "--out", str(out), *more])


@pytest.mark.parametrize("place", ["itself", "its parent"])
def test_a_part_becomes_a_data_directory(corpus, tmp_path, place):
    prepare(corpus if place == "itself" else corpus.parent, tmp_path / "raw")
    assert not (tmp_path / "raw" / "utt2num_samples").exists()
    filter_data.main(["--data", str(tmp_path / "raw"), "--out", str(tmp_path / "d")])
    data = datadir.read(tmp_path / "d", transcripts=True)
    assert len(data) == 8
    assert data.speakers == ["103", "19"]
    assert data["19-66-0001"].wav == str(corpus / "train-x/19/66/19-66-0001.flac")
    assert data["19-66-0001"].num_samples == 4000
    assert data.text["19-66-0001"] == "IT'S 1 WORDS"
    assert (tmp_path / "d" / "spk2gender").read_text() == "103 f\n19 m\n"


def test_parts_are_joined_whatever_their_order(corpus, tmp_path):
    prepare(corpus, tmp_path / "a", "train-x test-x")
    prepare(corpus, tmp_path / "b", "test-x train-x")
    assert (tmp_path / "a/wav.scp").read_bytes() == (tmp_path / "b/wav.scp").read_bytes()
    assert len((tmp_path / "a/wav.scp").read_text().splitlines()) == 12


def test_validation_utterances_are_split_off_by_seed(corpus, tmp_path):
    def ids(seed) -> tuple[set[str], set[str]]:
        more = ["--valid_out", str(tmp_path / "v"), "--num_valid", "3", "--seed", str(seed)]
        prepare(corpus, tmp_path / "t", "train-x", *more)
        parts = [(tmp_path / name / "utt2spk").read_text().splitlines() for name in ("t", "v")]
        return tuple({line.split()[0] for line in part} for part in parts)

    train, valid = ids(0)
    assert len(train) == 5 and len(valid) == 3 and not train & valid
    assert ids(0) == (train, valid)
    assert any(ids(seed) != (train, valid) for seed in (1, 2, 3))
    with pytest.raises(UserError, match="--valid_out and --num_valid together"):
        prepare(corpus, tmp_path / "t", "train-x", "--num_valid", "3")
    with pytest.raises(UserError, match="expected 1 to 7 validation utterances out of 8, found 8"):
        prepare(corpus, tmp_path / "t", "train-x", "--num_valid", "8", "--valid_out", str(tmp_path / "v"))


def test_a_second_run_does_nothing_and_a_changed_corpus_is_read_again(corpus, tmp_path, caplog):
    prepare(corpus, tmp_path / "d")
    with caplog.at_level("INFO"):
        prepare(corpus, tmp_path / "d")
    assert "nothing to do" in caplog.text
    for path in (corpus / "train-x/19/5").iterdir():
        path.unlink()
    prepare(corpus, tmp_path / "d")
    assert len((tmp_path / "d/wav.scp").read_text().splitlines()) == 6


def transcript(corpus) -> Path:
    return corpus / "train-x/19/66/19-66.trans.txt"


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (
            lambda c: transcript(c).write_text("19-66-0000 WORDS\n"),
            r"19-66.trans.txt: utterance 19-66-0001: expected a transcript line for 19-66-0001.flac, found none",
        ),
        (lambda c: transcript(c).unlink(), r"19-66.trans.txt: expected a file, found none"),
        (
            lambda c: (c / "train-x/19/66/19-66-0001.flac").unlink(),
            r"19-66.trans.txt:2: utterance 19-66-0001: expected .*19-66-0001.flac, found no such file",
        ),
        (
            lambda c: transcript(c).write_text("19-66-0000 A\n19-66-0000 B\n"),
            r"19-66.trans.txt:2: utterance 19-66-0000: was on line 1 already",
        ),
        (
            lambda c: transcript(c).write_text("19-66-0000 A\n19-66-0001\n"),
            r"19-66.trans.txt:2: utterance 19-66-0001: expected '19-66-NNNN WORDS'",
        ),
    ],
)
def test_faults_of_the_corpus_are_named_and_leave_nothing_behind(corpus, tmp_path, spoil, message):
    spoil(corpus)
    with pytest.raises(UserError, match=message):
        prepare(corpus, tmp_path / "d")
    assert not (tmp_path / "d").exists()


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ("train-y", "expected part 'train-y' .did you mean train-x"),
        ("", "none given. Parts there: test-x, train-x"),
        ("train-x train-x", "given twice"),
    ],
)
def test_wrong_parts(corpus, tmp_path, parts, message):
    with pytest.raises(UserError, match=message):
        prepare(corpus, tmp_path / "d", parts)


def test_one_utterance_in_two_parts_is_refused(corpus, tmp_path):
    (corpus / "train-z").symlink_to(corpus / "train-x")
    with pytest.raises(UserError, match="utterance 103-5-0000: is also .*Leave one part out"):
        librispeech.read(corpus, ["train-x", "train-z"])


@pytest.mark.skipif(not (REAL / "LibriSpeech").is_dir(), reason=f"{REAL}/LibriSpeech is not there (HUBERT_ITER_DATA)")
def test_the_real_corpus(tmp_path):
    prepare(REAL / "LibriSpeech", tmp_path / "raw", "test-other")
    filter_data.main(["--data", str(tmp_path / "raw"), "--out", str(tmp_path / "d"), "--nj", "2"])
    data = datadir.read(tmp_path / "d", transcripts=True)
    assert (len(data), len(data.speakers)) == (100, 10)
    assert round(data.total_seconds / 3600, 2) == 0.21
    textgrids = ["--textgrids", str(REAL / "LibriSpeech-Alignments")]
    align_data.main(["--data", str(tmp_path / "d"), "--out", str(tmp_path / "a"), *textgrids])
    phones = read_ctm(tmp_path / "a/phones.ctm")
    assert sorted(phones) == [u.id for u in data.utterances]
    labels = {segment.label for segments in phones.values() for segment in segments}
    assert len(labels) == 39 and all(label.isalpha() and label.islower() for label in labels)
    words = read_ctm(tmp_path / "a/words.ctm")
    spoken = [segment.label for key in sorted(words) for segment in words[key]]
    written = [word for key in sorted(data.text) for word in data.text[key].lower().split()]
    assert spoken == written


@pytest.mark.skipif(not (REAL / "LibriSpeech").is_dir(), reason=f"{REAL}/LibriSpeech is not there (HUBERT_ITER_DATA)")
def test_the_utterance_without_textgrid(tmp_path):
    prepare(REAL / "LibriSpeech", tmp_path / "raw", "train-clean-5")
    chosen = ("2136-5147-0013", "2136-5147-0014")
    for name in ("wav.scp", "utt2spk", "text"):
        lines = (tmp_path / "raw" / name).read_text().splitlines(keepends=True)
        (tmp_path / "raw" / name).write_text("".join(line for line in lines if line.startswith(chosen)))
    (tmp_path / "raw" / "spk2utt").unlink()
    (tmp_path / "raw" / "spk2gender").unlink()
    filter_data.main(["--data", str(tmp_path / "raw"), "--out", str(tmp_path / "d")])
    arguments = ["--data", str(tmp_path / "d"), "--out", str(tmp_path / "a")]
    arguments += ["--textgrids", str(REAL / "LibriSpeech-Alignments")]
    with pytest.raises(UserError, match="1 of 2 utterances have no alignment .*2136-5147-0014"):
        align_data.main(arguments)
    align_data.main([*arguments, "--max_missing", "1"])
    assert (tmp_path / "a/missing.txt").read_text() == "2136-5147-0014 no alignment\n"
