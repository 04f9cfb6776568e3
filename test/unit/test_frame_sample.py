"""Single frames: drawn by seed in whole utterances, labelled at their centres, read as written."""

from collections import Counter

import numpy as np
import pytest

from hubert_iter.analysis import frame_sample
from hubert_iter.analysis.frame_sample import NONE, FrameSample
from hubert_iter.data.alignment import Segment
from hubert_iter.data.datadir import Utterance
from hubert_iter.errors import UserError
from hubert_iter.frames import num_frames

SECONDS = 2.0
LENGTH = num_frames(int(SECONDS * 16000))
# Frame t is centred at 20 t + 12.5 ms: k holds frames 2 to 4, s frames 7 to 9.
TIMES = ((0.05, 0.11, "k"), (0.15, 0.21, "s"))


@pytest.fixture
def spoken():
    """Nine utterances of s0, three of s1, one of s2, which is not aligned, and their phones and words."""
    names = [f"s0-{n}" for n in range(9)] + [f"s1-{n}" for n in range(3)] + ["s2-0"]
    utterances = [Utterance(name, name[:2], int(SECONDS * 16000), "-") for name in names]
    phones = {name: [Segment(name, *time) for time in TIMES] for name in names if name != "s2-0"}
    words = {name: [Segment(name, 0.05, 0.21, "ks")] for name in names if name != "s0-0"}
    return utterances, phones, words


def whole(frames: FrameSample) -> list[str]:
    """The utterances of which all frames are there."""
    assert all((frames.numbers[part] == np.arange(part.stop - part.start)).all() for part in frames.parts)
    return [str(frames.utterances[part.start]) for part in frames.parts if part.stop - part.start == LENGTH]


def test_whole_utterances_are_drawn_by_seed_and_the_budget_holds(spoken):
    frames = frame_sample.draw(*spoken, most=5 * LENGTH + 7, seed=0)
    assert len(frames) == 5 * LENGTH + 7 and len(frames.parts) == 6 and len(whole(frames)) == 5
    assert [frames.utterances[part.start] for part in frames.parts] == sorted(set(frames.utterances.tolist()))
    again, other = (frame_sample.draw(*spoken, most=5 * LENGTH + 7, seed=seed) for seed in (0, 1))
    np.testing.assert_array_equal(frames.utterances, again.utterances)
    assert set(other.utterances.tolist()) != set(frames.utterances.tolist())
    everything = frame_sample.draw(*spoken, most=10**6, seed=0)
    assert len(everything) == 12 * LENGTH  # not the utterance without phones


def test_the_order_in_which_utterances_are_listed_changes_nothing(spoken):
    utterances, phones, words = spoken
    one, other = (frame_sample.draw(given, phones, words, 3 * LENGTH, 0) for given in (utterances, utterances[::-1]))
    np.testing.assert_array_equal(one.utterances, other.utterances)


def test_speakers_take_turns(spoken):
    for utterances, expected in ((4, {"s0": 2, "s1": 2}), (8, {"s0": 5, "s1": 3})):
        frames = frame_sample.draw(*spoken, most=utterances * LENGTH, seed=0)
        assert Counter(name[:2] for name in whole(frames)) == expected
        assert Counter(frames.labels["speaker"].tolist()) == {name: n * LENGTH for name, n in expected.items()}
    # A larger budget adds utterances and takes none away.
    few, many = (set(whole(frame_sample.draw(*spoken, most=n * LENGTH, seed=0))) for n in (3, 6))
    assert few < many


def test_labels_are_those_at_the_frames_centres(spoken):
    frames = frame_sample.draw(*spoken, most=10**6, seed=0)
    for part in frames.parts:
        phones = frames.labels["phone"][part].tolist()
        assert phones == [NONE] * 2 + ["k"] * 3 + [NONE] * 2 + ["s"] * 3 + [NONE] * (LENGTH - 10)
        word = NONE if frames.utterances[part.start] == "s0-0" else "ks"
        assert frames.labels["word"][part].tolist() == [NONE] * 2 + [word] * 8 + [NONE] * (LENGTH - 10)
    codes, names = frames.codes("phone")
    assert names == ["k", "s"]
    assert codes[:11].tolist() == [-1, -1, 0, 0, 0, -1, -1, 1, 1, 1, -1]
    assert frames.spans[3].start == 3 and frames.spans[3].end == 4 and frames.spans[3].label == "k"


def test_no_labels_at_all_are_no_names():
    frames = FrameSample(np.array(["u", "u"]), np.arange(2), {"word": np.array([NONE, NONE])})
    codes, names = frames.codes("word")
    assert names == [] and codes.tolist() == [-1, -1]


def test_frames_are_read_as_written_and_faults_are_named(spoken, tmp_path):
    frames = frame_sample.draw(*spoken, most=2 * LENGTH, seed=0)
    frame_sample.write(tmp_path, frames)
    read = frame_sample.read(tmp_path)
    np.testing.assert_array_equal(read.utterances, frames.utterances)
    np.testing.assert_array_equal(read.numbers, frames.numbers)
    for prop, labels in frames.labels.items():
        np.testing.assert_array_equal(read.labels[prop], labels)
    assert read.parts == frames.parts
    path = tmp_path / frame_sample.FILE_NAME
    lines = path.read_text().splitlines(keepends=True)
    for number, bad in ((5, "s0-0\t3\tk\tks\n"), (3, "s0-0\tthree\tk\tks\ts0\n")):
        path.write_text("".join([*lines[: number - 1], bad, *lines[number:]]))
        with pytest.raises(UserError, match=rf"frames\.tsv:{number}: expected 5 columns, the second a number, found"):
            frame_sample.read(tmp_path)
    path.write_text("".join(lines[1:]))
    with pytest.raises(UserError, match=r"frames\.tsv:1: expected the columns utterance frame phone word speaker"):
        frame_sample.read(tmp_path)
    path.write_text(lines[0])
    with pytest.raises(UserError, match=r"frames\.tsv:2: expected a frame"):
        frame_sample.read(tmp_path)
    path.unlink()
    with pytest.raises(UserError, match=r"frames\.tsv: missing. Run sample_segments \(stage 8\) again"):
        frame_sample.read(tmp_path)


def test_alignments_of_other_utterances_are_refused(spoken):
    with pytest.raises(UserError, match="no utterance of the evaluation set has aligned phones"):
        frame_sample.draw(spoken[0], {"other": [Segment("other", 0, 1, "a")]}, {}, 100, 0)


def test_without_any_alignment_frames_have_speakers_alone(spoken):
    frames = frame_sample.draw(spoken[0], {}, {}, 100, 0)
    assert len(frames) == 100 and frames.codes("phone")[1] == [] == frames.codes("word")[1]
    assert len(frames.codes("speaker")[1]) > 1
