"""The small aligner: times of synthetic speech, which are known, words that the dictionary lacks, parts."""

import importlib.util

import numpy as np
import pytest

from hubert_iter import provenance
from hubert_iter.bin import align_data, make_alignments, merge_alignments, plan, prepare_synth
from hubert_iter.corpora import aligner, made_alignments
from hubert_iter.corpora.aligner import Aligned
from hubert_iter.corpora.espeak import Synthesiser
from hubert_iter.data import datadir
from hubert_iter.data.alignment import Segment, read_ctm
from hubert_iter.errors import UserError

needs_pocketsphinx = pytest.mark.skipif(
    importlib.util.find_spec("pocketsphinx") is None, reason="no pocketsphinx here: pip install -e '.[align]'"
)


@pytest.fixture(scope="module")
def spoken(tmp_path_factory):
    """Two speakers of the synthetic corpus, a few utterances each, with exact times."""
    folder = tmp_path_factory.mktemp("spoken")
    prepare_synth.main(["--out", str(folder), "--num_speakers", "4", "--eval_speakers", "2", "--eval_lists", "1"])
    return folder / "eval"


def make(data, out, *options: str) -> None:
    make_alignments.main(["--data", str(data), "--out", str(out), *options])


@needs_pocketsphinx
def test_words_are_found_where_they_are_spoken(spoken, tmp_path):
    make(spoken, tmp_path / "made")
    exact, made = read_ctm(spoken / "words.ctm"), read_ctm(tmp_path / "made/words.ctm")
    assert made.keys() == exact.keys() and (tmp_path / "made/missing.txt").read_text() == ""
    shifts = []
    for utterance, words in exact.items():
        assert [word.label for word in made[utterance]] == [word.label for word in words]
        shifts += [found.start - word.start for found, word in zip(made[utterance], words, strict=True)]
    assert np.median(np.abs(shifts)) < 0.03 and np.mean(np.abs(shifts) < 0.1) > 0.85
    phones = read_ctm(tmp_path / "made/phones.ctm")
    assert {phone.label for each in phones.values() for phone in each} <= set(aligner.ipa.PHONES)
    # What stage 3 reads: nothing out of bounds, nothing that overlaps.
    align_data.main(["--data", str(spoken), "--ctm_dir", str(tmp_path / "made"), "--out", str(tmp_path / "out")])
    assert len(read_ctm(tmp_path / "out/phones.ctm")) == len(datadir.read(spoken, transcripts=True))


@needs_pocketsphinx
def test_parts_make_the_same_and_a_second_call_does_nothing(spoken, tmp_path, caplog):
    make(spoken, tmp_path / "whole")
    for part in ("1", "2", "3"):
        make(spoken, tmp_path / "joined", "--part", part, "--parts", "3")
    merge_alignments.main(["--data", str(spoken), "--out", str(tmp_path / "joined"), "--parts", "3"])
    for name in ("phones.ctm", "words.ctm", "missing.txt", "guessed.dict"):
        assert (tmp_path / "joined" / name).read_text() == (tmp_path / "whole" / name).read_text()
    assert not (tmp_path / "joined.parts").exists()
    caplog.set_level("INFO")
    make(spoken, tmp_path / "joined", "--part", "2", "--parts", "3")
    assert "up to date" in caplog.text


@needs_pocketsphinx
def test_unknown_words_are_pronounced_told_and_may_be_given_or_left_out(spoken, tmp_path, caplog):
    data = datadir.read(spoken, transcripts=True)
    first = data.utterances[0]
    # Written as no dictionary has it, and pronounced as it is spoken.
    words = data.text[first.id].split()
    place, word = next((place, word) for place, word in enumerate(words) if len(word) > 4 and word.isalpha())
    odd = f"{word}hh"
    text = " ".join([*words[:place], f"{odd.upper()},", *words[place + 1 :]])
    datadir.write(tmp_path / "data", data.utterances, data.text | {first.id: text})
    provenance.write(tmp_path / "data", "test", {}, {})
    make(tmp_path / "data", tmp_path / "guessed")
    phones = aligner.read_lexicon(tmp_path / "guessed/guessed.dict")[odd]
    assert "1 words are not in the dictionary" in caplog.text and "--lexicon" in caplog.text
    assert read_ctm(tmp_path / "guessed/words.ctm")[first.id][place].label == f"{odd},"  # as the transcript has it

    make(tmp_path / "data", tmp_path / "strict", "--guess", "false")
    reason = f"words that the dictionary does not have: {odd},"
    assert (tmp_path / "strict/missing.txt").read_text() == f"{first.id} {reason}\n"
    options = ["--data", str(tmp_path / "data"), "--ctm_dir", str(tmp_path / "strict"), "--out", str(tmp_path / "out")]
    with pytest.raises(UserError, match="--max_missing 1"):
        align_data.main(options)
    align_data.main([*options, "--max_missing", "1"])

    shorter = " ".join(phones[:-1])
    (tmp_path / "own.dict").write_text(f"{odd} {shorter.lower()}\n{odd}(2) {shorter} {phones[-2]}\n")
    make(tmp_path / "data", tmp_path / "own", "--guess", "false", "--lexicon", str(tmp_path / "own.dict"))
    assert (tmp_path / "own/missing.txt").read_text() == ""
    mine = read_ctm(tmp_path / "own/words.ctm")[first.id][place]
    inside = [each for each in read_ctm(tmp_path / "own/phones.ctm")[first.id] if mine.start <= each.start < mine.end]
    assert [each.label.upper() for each in inside][: len(phones) - 1] == list(phones[:-1])


@needs_pocketsphinx
def test_an_utterance_without_words_is_listed(spoken, tmp_path):
    data = datadir.read(spoken, transcripts=True)
    first = data.utterances[0]
    datadir.write(tmp_path / "data", data.utterances, data.text | {first.id: "<unk> ..."})
    provenance.write(tmp_path / "data", "test", {}, {})
    make(tmp_path / "data", tmp_path / "made")
    assert (tmp_path / "made/missing.txt").read_text() == f"{first.id} the transcript has no word\n"


@pytest.mark.parametrize(
    ("line", "fault"), [("ax A X", "found the phone A"), ("ax", "found no phone"), ("ax(2) AE K S", "the word itself")]
)
def test_faults_of_a_lexicon_are_named_by_line(tmp_path, line, fault):
    (tmp_path / "own.dict").write_text(f";;; comment\nox AA1 K S\n{line}\n")
    with pytest.raises(UserError, match=rf"own\.dict:3: .*{fault}"):
        aligner.read_lexicon(tmp_path / "own.dict")


def test_what_was_made_is_read_as_written_and_joined(tmp_path):
    parts = [
        Aligned([Segment(key, 0.1, 0.2, "ah")], [Segment(key, 0.1, 0.2, "a")], {f"{key}x": "why not"}, {key: ("AH",)})
        for key in ("u1", "u2")
    ]
    for number, part in enumerate(parts):
        (tmp_path / str(number)).mkdir()
        made_alignments.write(tmp_path / str(number), part)
        assert made_alignments.read(tmp_path / str(number)) == part
    (tmp_path / "work").mkdir()
    made_alignments.join([tmp_path / "1", tmp_path / "0"], tmp_path / "work")
    whole = made_alignments.read(tmp_path / "work")
    assert [segment.utt for segment in whole.phones] == ["u1", "u2"]
    assert list(whole.missing) == ["u1x", "u2x"] and list(whole.guessed) == ["u1", "u2"]


def test_espeak_pronounces_words_without_a_sound():
    with Synthesiser() as synthesiser:
        synthesiser.set_voice(aligner.VOICE, 175, 50, 50)
        phones = [phone for symbol in synthesiser.phonemes("workhouse") for phone in aligner.ipa.arpabet(symbol)]
    assert phones == ["w", "er", "k", "hh", "aw", "s"]


def test_a_missing_package_is_told_before_any_work(tmp_path, monkeypatch):
    (tmp_path / "study.yaml").write_text("model: tiny\ntrain: debug\nupdates: 2\nruns: {random: {objective: none}}\n")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"needs pocketsphinx, which is not installed: .*\[align\]"):
        plan.main(["--study", str(tmp_path / "study.yaml"), "--alignments", "make"])
