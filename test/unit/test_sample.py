import numpy as np
import pytest

from hubert_iter.analysis import sample
from hubert_iter.data.alignment import Segment
from hubert_iter.data.audio import num_frames
from hubert_iter.data.datadir import Utterance
from hubert_iter.errors import UserError


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
    assert sample.frames_of(start, end, total=99) == expected


@pytest.mark.parametrize("length", range(1, 40))
def test_phone_core_drops_a_third_from_each_side_and_keeps_at_least_one(length):
    start, end = sample.phone_core(100, 100 + length)
    kept = length - 2 * ((length + 1) // 3)
    assert end - start == max(kept, 1)
    assert 100 <= start < end <= 100 + length
    assert abs((start - 100) - (100 + length - end)) <= 1  # in the middle


def test_limits_hold_and_spans_lie_within_their_segments():
    utterances, phones, words = corpus()
    limits = sample.Limits(max_per_phone=20, max_per_word=12, max_per_speaker=5)
    samples = sample.sample(utterances, phones, words, VOCABULARY, limits, seed=0)
    assert set(samples) == {(prop, number) for prop in sample.PROPERTIES for number in range(3)}
    for (prop, _), spans in samples.items():
        _, counts = np.unique([span.label for span in spans], return_counts=True)
        assert counts.max() == {"phone": 20, "word": 12, "speaker": 5}[prop]
        assert spans == sorted(spans) and len(set(spans)) == len(spans)
        assert all(0 <= span.start < span.end <= num_frames(64000) for span in spans)


def test_draws_repeat_and_sample_sets_differ():
    utterances, phones, words = corpus()
    limits = sample.Limits(max_per_phone=20, max_per_word=12)
    one = sample.sample(utterances, phones, words, VOCABULARY, limits, seed=0)
    assert one == sample.sample(utterances, phones, words, VOCABULARY, limits, seed=0)
    assert one["phone", 0] != one["phone", 1]
    assert one["phone", 0] != sample.sample(utterances, phones, words, VOCABULARY, limits, seed=1)["phone", 0]


def test_another_label_or_sample_set_changes_no_other_segments():
    utterances, phones, words = corpus()
    limits = sample.Limits(max_per_word=12)
    few = sample.sample(utterances, phones, words, VOCABULARY[:4], limits, seed=0)
    more = sample.sample(utterances, phones, words, VOCABULARY, sample.Limits(max_per_word=12, sample_sets=5), seed=0)
    for number in range(3):
        assert few["word", number] == [span for span in more["word", number] if span.label in VOCABULARY[:4]]
        assert few["phone", number] == more["phone", number]


def test_rare_words_are_left_out():
    utterances, phones, words = corpus(num_utterances=20)
    words["utt000"].append(Segment("utt000", 0.0, 0.5, "rare"))
    samples = sample.sample(utterances, phones, words, [*VOCABULARY, "rare"], sample.Limits(), seed=0)
    assert "rare" not in {span.label for span in samples["word", 0]}


def test_speaker_instances_are_utterances_or_chunks():
    utterances, _, _ = corpus(num_utterances=2)
    total = num_frames(64000)
    assert [(span.start, span.end) for span in sample.speaker_spans(utterances)] == [(0, total)] * 2
    chunks = [(span.start, span.end) for span in sample.speaker_spans(utterances[:1], 1.5)]
    assert chunks == [(0, 75), (75, 150)]
    assert sample.speaker_spans(utterances[:1], 100.0) == []


def test_a_property_with_one_class_is_left_out_with_a_warning(caplog):
    utterances, phones, words = corpus(speakers=1)
    samples = sample.sample(utterances, phones, words, VOCABULARY, sample.Limits(), seed=0)
    assert {prop for prop, _ in samples} == {"phone", "word"}
    assert "speaker CCA is left out" in caplog.text


def test_nothing_to_score_is_an_error():
    utterances, _, _ = corpus(speakers=1)
    with pytest.raises(UserError, match="no property has two classes"):
        sample.sample(utterances, {}, {}, VOCABULARY, sample.Limits(), seed=0)


def test_frequent_words_are_normalised_with_ties_in_alphabetical_order(tmp_path):
    (tmp_path / "text").write_text("utt1 THE CAT the\nutt2 A DOG <unk>\n")
    assert sample.frequent_words(tmp_path / "text", 3) == ["the", "a", "cat"]
    (tmp_path / "empty").write_text("utt1\n")
    with pytest.raises(UserError, match="no word"):
        sample.frequent_words(tmp_path / "empty", 3)


def test_samples_are_read_as_written_and_faults_are_named(tmp_path):
    utterances, phones, words = corpus(num_utterances=20)
    samples = sample.sample(utterances, phones, words, VOCABULARY, sample.Limits(), seed=0)
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
