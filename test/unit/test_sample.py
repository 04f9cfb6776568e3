import itertools
import json
from dataclasses import replace

import numpy as np
import pytest

from hubert_iter import frames, provenance
from hubert_iter.analysis import folds, sample
from hubert_iter.bin import sample_segments
from hubert_iter.data import datadir
from hubert_iter.data.alignment import Segment, write_ctm
from hubert_iter.data.datadir import Utterance
from hubert_iter.errors import UserError
from hubert_iter.frames import num_frames


def corpus(num_utterances=40, speakers=4, seconds=4.0):
    """Utterances with a phone every 90 ms and a word every 360 ms, labels in a fixed but irregular order."""
    generator = np.random.default_rng(1)
    utterances, phones, words = [], {}, {}
    for index in range(num_utterances):
        name = f"utt{index:03d}"
        utterances.append(Utterance(name, f"spk{index % speakers}", int(seconds * 16000), f"{name}.flac"))
        times = np.arange(0, seconds - 0.1, 0.09)
        phones[name] = [Segment(name, t, t + 0.09, f"p{generator.integers(6)}") for t in times]
        words[name] = [Segment(name, t, t + 0.36, f"w{generator.integers(8)}") for t in times[::4]]
    return tuple(utterances), phones, words


VOCABULARY = [f"w{index}" for index in range(8)]


def draw_all(utterances, phones, words, vocabulary, limits, seed):
    return sample.sample(sample.candidates(utterances, phones, words, vocabulary, limits), limits.sample_sets, seed)


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        (0.0, 0.02, (0, 1)),
        (0.14, 0.28, (7, 14)),
        (0.13, 0.15, (6, 8)),
        (0.059999999, 0.06, (3, 3)),
        (1.9, 2.3, (95, 99)),
    ],
)
def test_frames_are_floor_to_ceil_clamped_and_deaf_to_rounding(start, end, expected):
    assert frames.touching(start, end, total=99) == expected


@pytest.mark.parametrize("length", range(1, 40))
def test_phone_core_drops_a_third_from_each_side_and_keeps_at_least_one(length):
    start, end = sample.phone_core(100, 100 + length)
    kept = length - 2 * ((length + 1) // 3)
    assert end - start == max(kept, 1)
    assert 100 <= start < end <= 100 + length
    assert abs((start - 100) - (100 + length - end)) <= 1  # in the middle


@pytest.mark.parametrize(
    ("length", "kept"), [(1, (0, 1)), (2, (1, 2)), (3, (1, 2)), (4, (1, 3)), (5, (2, 3)), (6, (2, 4)), (12, (4, 8))]
)
def test_phone_core_of_two_frames_is_the_second(length, kept):
    assert sample.phone_core(100, 100 + length) == (100 + kept[0], 100 + kept[1])


def test_limits_hold_and_spans_lie_within_their_segments():
    utterances, phones, words = corpus()
    limits = sample.Limits(max_per_phone=20, max_per_word=12, max_per_speaker=5)
    samples = draw_all(utterances, phones, words, VOCABULARY, limits, seed=0)
    assert set(samples) == {(prop, number) for prop in sample.PROPERTIES for number in range(3)}
    for (prop, _), spans in samples.items():
        _, counts = np.unique([span.label for span in spans], return_counts=True)
        assert counts.max() == {"phone": 20, "word": 12, "speaker": 5}[prop]
        assert spans == sorted(spans) and len(set(spans)) == len(spans)
        assert all(0 <= span.start < span.end <= num_frames(64000) for span in spans)


def test_draws_repeat_and_sample_sets_differ():
    utterances, phones, words = corpus()
    limits = sample.Limits(max_per_phone=20, max_per_word=12)
    one = draw_all(utterances, phones, words, VOCABULARY, limits, seed=0)
    assert one == draw_all(utterances, phones, words, VOCABULARY, limits, seed=0)
    assert one["phone", 0] != one["phone", 1]
    assert one["phone", 0] != draw_all(utterances, phones, words, VOCABULARY, limits, seed=1)["phone", 0]


def test_another_label_or_sample_set_changes_no_other_segments():
    utterances, phones, words = corpus()
    limits = sample.Limits(max_per_word=12)
    few = draw_all(utterances, phones, words, VOCABULARY[:4], limits, seed=0)
    more = draw_all(utterances, phones, words, VOCABULARY, sample.Limits(max_per_word=12, sample_sets=5), seed=0)
    for number in range(3):
        assert few["word", number] == [span for span in more["word", number] if span.label in VOCABULARY[:4]]
        assert few["phone", number] == more["phone", number]


def test_words_of_three_instances_are_kept_rarer_ones_are_lost_and_counted(caplog):
    utterances, phones, words = corpus(num_utterances=20)
    for name, count in (("once", 1), ("twice", 2), ("thrice", 3)):
        for index in range(count):
            words[f"utt{index:03d}"].append(Segment(f"utt{index:03d}", 0.0, 0.5, name))
    vocabulary = [*VOCABULARY, "once", "twice", "thrice", "never"]
    with caplog.at_level("INFO"):
        samples = draw_all(utterances, phones, words, vocabulary, sample.Limits(), seed=0)
    assert {span.label for span in samples["word", 0]} == {*VOCABULARY, "thrice"}
    found = sample.candidates(utterances, phones, words, vocabulary, sample.Limits())
    assert found["word"].facts() == {"wanted": 12, "found": 11, "kept": 9, "lost": 2, "minimum": 3}
    assert "word: 12 classes wanted, 11 found, 9 kept, 2 lost for having fewer than 3 instances" in caplog.text


def test_three_instances_always_leave_one_to_train_on_and_two_may_not():
    never_trained = {2: 0, sample.LEAST: 0}
    for count, seed in itertools.product(never_trained, range(50)):
        labels = np.concatenate([np.zeros(count, int), np.repeat([1, 2], 23)])
        parts = folds.deal(labels, "word", 0, seed)[:count]
        never_trained[count] += any(set(parts) <= set(trial) for trial in folds.trials(5))
    assert never_trained[2] > 0 and never_trained[sample.LEAST] == 0


def test_speaker_instances_are_utterances_or_chunks():
    utterances, _, _ = corpus(num_utterances=2)
    total = num_frames(64000)
    assert [(span.start, span.end) for span in sample.speaker_spans(utterances)] == [(0, total)] * 2
    chunks = [(span.start, span.end) for span in sample.speaker_spans(utterances[:1], 1.5)]
    assert chunks == [(0, 75), (75, 150)]
    assert sample.speaker_spans(utterances[:1], 100.0) == []


def test_a_property_with_one_class_is_left_out_with_a_warning(caplog):
    utterances, phones, words = corpus(speakers=1)
    samples = draw_all(utterances, phones, words, VOCABULARY, sample.Limits(), seed=0)
    assert {prop for prop, _ in samples} == {"phone", "word"}
    assert "speaker is left out" in caplog.text


def test_nothing_to_score_is_an_error():
    utterances, phones, _ = corpus(speakers=1)
    alike = {key: [replace(segment, label="p") for segment in segments] for key, segments in phones.items()}
    with pytest.raises(UserError, match="no property has two classes"):
        draw_all(utterances, alike, {}, VOCABULARY, sample.Limits(), seed=0)


def test_without_alignments_speakers_are_drawn_and_of_one_speaker_nothing_but_frames():
    utterances, _, _ = corpus(speakers=4)
    samples = draw_all(utterances, {}, {}, VOCABULARY, sample.Limits(), seed=0)
    assert {prop for prop, _ in samples} == {"speaker"}
    utterances, _, _ = corpus(speakers=1)
    assert draw_all(utterances, {}, {}, VOCABULARY, sample.Limits(), seed=0) == {}


def test_frequent_words_are_normalised_with_ties_in_alphabetical_order(tmp_path):
    (tmp_path / "text").write_text("utt1 THE CAT the\nutt2 A DOG <unk>\n")
    assert sample.frequent_words(tmp_path / "text", 3) == ["the", "a", "cat"]
    (tmp_path / "empty").write_text("utt1\n")
    with pytest.raises(UserError, match="no word"):
        sample.frequent_words(tmp_path / "empty", 3)


def test_samples_are_read_as_written_and_faults_are_named(tmp_path):
    utterances, phones, words = corpus(num_utterances=20)
    samples = draw_all(utterances, phones, words, VOCABULARY, sample.Limits(), seed=0)
    sample.write(tmp_path, samples)
    assert sample.read(tmp_path) == samples
    path = tmp_path / sample.FILE_NAME
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:5] + lines[6:]))
    with pytest.raises(UserError, match=r"samples.tsv:6: expected instance 4"):
        sample.read(tmp_path)
    path.write_text("".join([*lines[:2], "phone\t0\n"]))
    with pytest.raises(UserError, match=r"samples.tsv:3: expected 7 columns"):
        sample.read(tmp_path)


def folders(tmp_path, speakers=4):
    """The corpus as a data directory and alignments made by stages, and the options of sample_segments for them."""
    utterances, phones, words = corpus(num_utterances=12, speakers=speakers)
    data, alignments = tmp_path / "data", tmp_path / "alignments"
    datadir.write(data, utterances, {utterance.id: "w0 w1 w2 nowhere" for utterance in utterances})
    alignments.mkdir()
    write_ctm(alignments / "phones.ctm", [segment for row in phones.values() for segment in row])
    write_ctm(alignments / "words.ctm", [segment for row in words.values() for segment in row])
    for folder in (data, alignments):
        provenance.write(folder, "test", {}, {})
    inputs = ["--data", str(data), "--alignments", str(alignments), "--train_text", str(data / "text")]
    return [*inputs, "--out", str(tmp_path / "samples")], tmp_path / "samples"


def test_facts_are_written_beside_the_samples(tmp_path):
    options, out = folders(tmp_path)
    sample_segments.main(options)
    facts = sample.read_facts(out)
    assert facts["phone"] == {"wanted": 6, "found": 6, "kept": 6, "lost": 0, "minimum": 3}
    assert facts["word"] == {"wanted": 4, "found": 3, "kept": 3, "lost": 0, "minimum": 3}
    assert facts["speaker"] == {"wanted": 4, "found": 4, "kept": 4, "lost": 0, "minimum": 3}
    for content, fault in (
        ("{", r"facts.json:1: not valid JSON"),
        (json.dumps({**facts, "word": {"wanted": 4}}), r'word: expected the numbers .*, found \{"wanted": 4\}'),
        ("[]", "phone: expected the numbers"),
    ):
        (out / sample.FACTS_NAME).write_text(content)
        with pytest.raises(UserError, match=fault):
            sample.read_facts(out)
    (out / sample.FACTS_NAME).unlink()
    with pytest.raises(UserError, match=r"facts.json: missing. Run sample_segments \(stage 8\) again"):
        sample.read_facts(out)


def test_facts_of_a_property_that_is_left_out(tmp_path):
    options, out = folders(tmp_path, speakers=1)
    sample_segments.main(options)
    assert sample.read_facts(out)["speaker"] == {"wanted": 1, "found": 1, "kept": 0, "lost": 1, "minimum": 3}
