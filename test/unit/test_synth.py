"""The synthetic corpus: voices, sentences, exact times, the same bytes for a seed."""

import json
import subprocess
import sys
import time
from collections import Counter
from itertools import product

import numpy as np
import pytest
import soundfile

from hubert_iter.bin import prepare_synth
from hubert_iter.corpora import sentences, synth
from hubert_iter.corpora.espeak import Synthesiser
from hubert_iter.corpora.ipa import PHONES, arpabet
from hubert_iter.corpora.voices import ACCENTS, VARIANTS, draw_speakers
from hubert_iter.data import datadir
from hubert_iter.data.alignment import read_ctm
from hubert_iter.errors import UserError

pytest.importorskip("espeakng_loader", reason="espeakng-loader is not installed")
VOWELS = {phone for phone in PHONES if phone[0] in "aeiou"}
OPTIONS = "--num_speakers 4 --eval_speakers 2 --sentences_per_speaker 4 --valid_utterances 3 --eval_lists 1"
SMALL = OPTIONS.split()


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    out = tmp_path_factory.mktemp("synth") / "data"
    prepare_synth.main(["--out", str(out), *SMALL])
    return out


def read_set(folder):
    data = datadir.read(folder, transcripts=True)
    return data, read_ctm(folder / "phones.ctm"), read_ctm(folder / "words.ctm")


def test_there_are_240_distinct_sentences_of_plain_words():
    text = [sentence for group in sentences.LISTS for sentence in group]
    assert len(text) == len(set(text)) == 240
    assert {character for sentence in text for character in sentence} <= set("abcdefghijklmnopqrstuvwxyz ,.?'")
    assert all(sentence.count(mark) <= 1 for sentence in text for mark in ".?,")


def test_every_list_holds_every_phone_and_no_accent_runs_words_together():
    phones = {accent: Counter() for accent in ACCENTS}
    with Synthesiser() as synthesiser:
        for accent, group in product(ACCENTS, sentences.LISTS):
            synthesiser.set_voice(ACCENTS[accent], 175, 50, 50)
            found = Counter()
            for sentence in group:
                speech = synthesiser.speak(sentence)
                assert speech is not None, (accent, sentence)
                found.update(phone for span in speech.phonemes for phone in arpabet(span.label))
            assert accent != "us" or set(found) == set(PHONES), group
            phones[accent] += found
    assert len(PHONES) == 39
    # An accent may lack a phone (Caribbean th), but not many.
    assert all(len(found) >= 36 for found in phones.values())


def test_every_voice_exists_and_keeps_silence_silent_so_that_closures_can_be_found():
    with Synthesiser() as synthesiser:
        for variant in [*VARIANTS["f"], *VARIANTS["m"]]:
            synthesiser.set_voice(f"gmw/en-US+{variant}", 175, 50, 50)
            speech = synthesiser.speak("a quick cup of tea.")
            start = next(span.start for span in speech.phonemes if span.label == "k")
            assert not speech.samples[start : start + 400].any(), variant
            assert speech.samples[start - 200 : start].any(), variant


SAY = """
import hashlib
from hubert_iter.corpora.espeak import Synthesiser
from hubert_iter.corpora.voices import VARIANTS
with Synthesiser() as synthesiser:
    for variant in [*VARIANTS["f"], *VARIANTS["m"]]:
        synthesiser.set_voice(f"gmw/en-US+{variant}", 175, 50, 50)
        print(variant, hashlib.md5(synthesiser.speak("a quick cup of tea.").samples).hexdigest())
"""


def test_every_voice_says_the_same_in_every_process():
    first = subprocess.run([sys.executable, "-c", SAY], capture_output=True, text=True)
    time.sleep(1.1)  # espeak-ng seeds its noise by the second
    second = subprocess.run([sys.executable, "-c", SAY], capture_output=True, text=True)
    assert first.returncode == 0, first.stderr
    assert first.stdout.splitlines() == second.stdout.splitlines()


def test_an_unknown_voice_and_an_unknown_phoneme_are_named():
    with Synthesiser() as synthesiser, pytest.raises(UserError, match="nowhere"):
        synthesiser.set_voice("gmw/nowhere", 175, 50, 50)
    with pytest.raises(UserError, match="ɮ"):
        arpabet("ˈɮ")


def test_phones_are_as_spoken():
    with Synthesiser() as synthesiser:
        synthesiser.set_voice("gmw/en-US+m3", 175, 50, 50)
        speech = synthesiser.speak("the small boy measured a yellow chair.")
    found = [phone for span in speech.phonemes for phone in arpabet(span.label)]
    assert " ".join(found) == "dh ah s m ao l b oy m eh zh er d ah y eh l ow ch eh r"
    assert " ".join(span.label for span in speech.words) == "the small boy measured a yellow chair"
    assert all(span.end - span.start > 64 for span in speech.phonemes)
    # Speech is where the phonemes are: outside them is digital silence.
    sound = speech.samples.copy()
    for span in speech.phonemes:
        sound[span.start : span.end] = 0
    assert not sound.any()


def test_sentences_and_voices_of_the_sets_are_disjoint():
    plan = synth.Plan()
    parts = synth.split_sentences(plan)
    assert {name: len(part) for name, part in parts.items()} == {"eval": 20, "valid": 20, "train": 200}
    assert len(set().union(*parts.values())) == 240
    train, evaluation = draw_speakers(plan.seed, plan.num_speakers, plan.eval_speakers)
    assert len(train) + len(evaluation) == len({s.id for s in train + evaluation}) == plan.num_speakers >= 20
    assert len(evaluation) >= 8
    assert not {s.voice.split("+")[1] for s in train} & {s.voice.split("+")[1] for s in evaluation}
    assert {s.voice.split("+")[0] for s in train} == set(ACCENTS.values())
    assert Counter(s.gender for s in evaluation) == {"f": 5, "m": 5}


def test_many_speakers_are_distinct_voices_and_too_many_are_refused():
    train, evaluation = draw_speakers(3, 70, 10)
    assert len({s.voice for s in train + evaluation}) == 70
    with pytest.raises(UserError, match="at most"):
        draw_speakers(3, 500, 10)
    with pytest.raises(UserError, match="evaluation speaker"):
        draw_speakers(3, 10, 10)


def test_corpus_is_a_data_directory_with_alignments_inside_the_audio(corpus):
    speakers = {}
    for name in synth.SETS:
        data, phones, words = read_set(corpus / name)
        speakers[name] = set(data.speakers)
        assert len(data) == len(phones) == len(words)
        for utterance in data.utterances:
            assert soundfile.info(utterance.wav).frames == utterance.num_samples
            assert synth.MIN_SECONDS <= utterance.seconds <= synth.MAX_SECONDS
            assert " ".join(segment.label for segment in words[utterance.id]) == data.text[utterance.id]
            for segments in (phones[utterance.id], words[utterance.id]):
                assert segments[0].start > 0.04 and segments[-1].end < utterance.seconds
                assert all(a.end <= b.start + 1e-6 for a, b in zip(segments, segments[1:], strict=False))
            assert {segment.label for segment in phones[utterance.id]} <= set(PHONES)
    assert speakers["valid"] <= speakers["train"] and not speakers["eval"] & speakers["train"]
    assert [len(speakers[name]) for name in ("train", "eval")] == [2, 2]


def test_phones_cover_the_speech_and_begin_with_it(corpus):
    data, phones, _ = read_set(corpus / "eval")
    loud_inside = loud_all = 0
    onsets = []
    for utterance in data.utterances:
        samples, _ = soundfile.read(utterance.wav)
        inside = np.zeros(len(samples), dtype=bool)
        vowel = np.zeros(len(samples), dtype=bool)
        for segment in phones[utterance.id]:
            part = slice(round(segment.start * 16000), round(segment.end * 16000))
            inside[part] = True
            vowel[part] |= segment.label in VOWELS
        assert samples[vowel].std() > 10 * samples[~inside].std()
        loud = np.abs(samples) > 6 * samples[~inside].std()
        loud_inside += (loud & inside).sum()
        loud_all += loud.sum()
        first = phones[utterance.id][0]
        if first.label in VOWELS | {"b", "d", "m", "n", "w", "y", "r", "l", "k", "t", "p", "ch", "jh"}:
            onsets.append(np.flatnonzero(loud)[0] / 16000 - first.start)
    assert loud_inside / loud_all > 0.99
    assert np.abs(np.median(onsets)) < 0.005


def test_vowels_are_louder_where_the_alignment_says_than_40_ms_aside(corpus):
    data, phones, _ = read_set(corpus / "train")

    def contrast(shift):
        """Mean level of vowels over that of voiceless stops and fricatives, dB, with the times shifted."""
        levels = {True: [], False: []}
        for utterance in data.utterances:
            samples, _ = soundfile.read(utterance.wav)
            for segment in phones[utterance.id]:
                start = round((segment.start + shift) * 16000)
                part = samples[start : start + round((segment.end - segment.start) * 16000)]
                if segment.label in VOWELS or segment.label in ("p", "t", "k", "f", "th"):
                    levels[segment.label in VOWELS].append(10 * np.log10(np.mean(part**2) + 1e-9))
        return np.mean(levels[True]) - np.mean(levels[False])

    assert contrast(0) > max(contrast(-0.04), contrast(0.04)) + 2


def test_same_seed_same_bytes_another_seed_another_corpus(corpus, tmp_path):
    other = tmp_path / "again"
    prepare_synth.main(["--out", str(other), *SMALL])
    names = sorted(str(path.relative_to(corpus)) for path in corpus.rglob("*") if path.is_file())
    assert names == sorted(str(path.relative_to(other)) for path in other.rglob("*") if path.is_file())
    for name in names:
        if name.endswith("provenance.json"):
            continue
        first, second = (corpus / name).read_bytes(), (other / name).read_bytes()
        assert first.replace(str(corpus).encode(), b"") == second.replace(str(other).encode(), b""), name
    plan = synth.Plan(seed=1, num_speakers=4, eval_speakers=2, eval_lists=1)
    assert synth.split_sentences(plan) != synth.split_sentences(synth.Plan(eval_lists=1))
    assert draw_speakers(1, 4, 2) != draw_speakers(0, 4, 2)


def test_a_longer_plan_begins_with_the_same_utterances():
    short, long = (
        synth.Plan(num_speakers=2, eval_speakers=1, sentences_per_speaker=count, valid_utterances=1)
        for count in (6, 12)
    )
    few, many = (list(synth.speak_set(plan, "train")) for plan in (short, long))
    assert len(few) >= 2 and len(many) > len(few)
    for a, b in zip(few[:-1], many, strict=False):  # the last one may be shorter
        assert a.text == b.text and np.array_equal(a.samples, b.samples)


def test_a_second_run_does_nothing_and_a_changed_setting_makes_it_again(corpus, caplog):
    caplog.set_level("INFO")
    before = (corpus / "train" / "phones.ctm").stat().st_mtime_ns
    prepare_synth.main(["--out", str(corpus), *SMALL])
    assert caplog.text.count("up to date") == 3
    assert (corpus / "train" / "phones.ctm").stat().st_mtime_ns == before
    record = json.loads((corpus / "eval" / "provenance.json").read_text())
    assert record["settings"]["espeak"] and record["settings"]["seed"] == 0


@pytest.mark.parametrize("option", ["--eval_lists 23", "--eval_speakers 0"])
def test_an_impossible_plan_is_refused_before_anything_is_written(option, tmp_path):
    with pytest.raises(UserError, match="expected"):
        prepare_synth.main(["--out", str(tmp_path / "data"), *option.split()])
    assert not list(tmp_path.rglob("*.flac"))


def test_too_few_sentences_are_refused_by_option(tmp_path, capsys):
    with pytest.raises(SystemExit):
        prepare_synth.main(["--out", str(tmp_path / "data"), "--sentences_per_speaker", "0"])
    assert "--sentences_per_speaker: expected a whole number of at least 1, found 0" in capsys.readouterr().err
