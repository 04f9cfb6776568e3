"""Label t is frame t in every crop: audio whose every hop of 320 samples spells its frame number."""

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from hubert_iter.data.datadir import DataDir, Utterance
from hubert_iter.data.dataset import BatchStream, CropReader
from hubert_iter.data.joining import Joining
from hubert_iter.data.sampler import Sampler
from hubert_iter.errors import UserError
from hubert_iter.frames import FRAME_SHIFT, num_frames
from hubert_iter.train.held_out import plans


@pytest.fixture(scope="module")
def numbered(tmp_path_factory) -> tuple[DataDir, dict[str, np.ndarray]]:
    """Whole files and segments of a long recording; sample values are frame numbers over 2^15, labels frame numbers."""
    folder = tmp_path_factory.mktemp("numbered")
    random = np.random.default_rng(0)
    utterances, labels = [], {}
    recording, position = [], 0
    for number in range(14):
        samples = int(random.integers(8_000, 60_000))
        audio = np.arange(samples) // FRAME_SHIFT
        name = f"s-{number:02d}"
        if number % 2:
            # A segment that begins anywhere in a recording.
            gap = int(random.integers(1, 2000))
            recording += [np.full(gap, 30_000), audio]
            start, position = position + gap, position + gap + samples
            path = folder / "recording.flac"
            utterances.append(Utterance(name, "s", samples, str(path), start / 16000, position / 16000))
        else:
            path = folder / f"{name}.flac"
            soundfile.write(path, audio.astype(np.int16), 16000)
            utterances.append(Utterance(name, "s", samples, str(path)))
        # MFCC labels and encoder frames may differ by one or two at the end.
        labels[name] = np.arange(num_frames(samples) + int(random.integers(-1, 3)), dtype=np.int32)
    soundfile.write(folder / "recording.flac", np.concatenate(recording).astype(np.int16), 16000)
    return DataDir(folder, tuple(utterances), {}), labels


def check(batch) -> None:
    frames = batch.labels.shape[1]
    assert frames == num_frames(batch.wave.shape[1])
    # Frame t's 400 samples begin at 320 t, in the crop as in the utterance.
    first_samples = batch.wave[:, : FRAME_SHIFT * frames : FRAME_SHIFT] * 2**15
    assert (first_samples == batch.labels).all()
    assert batch.masked.max() < frames


@settings(deadline=None, max_examples=25)
@given(
    seed=st.integers(0, 1000),
    position=st.integers(0, 60),
    batch_seconds=st.floats(4.0, 15.0),
    max_crop_seconds=st.floats(0.3, 4.0),
)
def test_labels_of_random_crops_are_their_frames(numbered, seed, position, batch_seconds, max_crop_seconds):
    data, labels = numbered
    lengths = np.array([utterance.num_samples for utterance in data.utterances])
    sampler = Sampler(lengths, batch_seconds, max_crop_seconds, seed)
    plan = sampler.plan(position)
    assert all(crop.start % FRAME_SHIFT == 0 for (crop,) in plan.sequences)
    check(CropReader(data, labels, 0.8, 10).read(plan))


def joined(utterances, crops, mixed):
    speakers = np.array([f"s{number % 5}" for number in range(len(utterances))])
    return Joining(crops, speakers, np.array([utterance.num_samples for utterance in utterances]), mixed)


@settings(deadline=None, max_examples=40)
@given(
    seed=st.integers(0, 1000),
    position=st.integers(0, 60),
    crops=st.integers(2, 4),
    mixed=st.booleans(),
    max_crop_seconds=st.floats(0.5, 4.0),
)
def test_labels_of_joined_crops_are_their_frames(numbered, seed, position, crops, mixed, max_crop_seconds):
    data, labels = numbered
    joining = joined(data.utterances, crops, mixed)
    sampler = Sampler(joining.lengths, 9.0, max_crop_seconds, seed, joining)
    plan = sampler.plan(position)
    assert all(crop.start % FRAME_SHIFT == 0 for sequence in plan.sequences for crop in sequence)
    for sequence in plan.sequences:
        who = [joining.speakers[crop.utterance] for crop in sequence]
        assert len(sequence) == crops and len(set(who)) == (crops if mixed else 1)
        assert sum(crop.num_samples for crop in sequence) == plan.num_samples <= max_crop_seconds * 16000
    check(CropReader(data, labels, 0.8, 10).read(plan))


def test_arm_and_control_differ_in_who_follows_alone(numbered):
    data, _ = numbered
    plans = []
    for mixed in (True, False):
        joining = joined(data.utterances, 2, mixed)
        plans.append([Sampler(joining.lengths, 9.0, 2.0, 3, joining).plan(position) for position in range(40)])
    for arm, control in zip(*plans, strict=True):
        assert arm.seed == control.seed and len(arm.sequences) == len(control.sequences)
        for one, other in zip(arm.sequences, control.sequences, strict=True):
            assert one[0] == other[0]
            assert [crop.num_samples for crop in one] == [crop.num_samples for crop in other]
            assert one[1].utterance != other[1].utterance


def test_a_speaker_with_one_utterance_is_its_own_partner_and_all_partners_occur(numbered):
    data, _ = numbered
    lengths = np.array([utterance.num_samples for utterance in data.utterances])
    alone = np.array(["a", *"bbbbbbbbbbbbb"])
    sampler = Sampler(lengths, 60.0, 1.0, 0, Joining(2, alone, lengths, False))
    pairs = {tuple(crop.utterance for crop in each) for n in range(40) for each in sampler.plan(n).sequences}
    assert {second for first, second in pairs if first == 0} == {0}
    assert {second for first, second in pairs if first == 1} >= {2, 3, 4} and (1, 1) not in pairs


def test_too_few_speakers_for_a_sequence_are_named(numbered):
    data, _ = numbered
    with pytest.raises(UserError, match="at least 6 training speakers .* found 5"):
        joined(data.utterances, 6, True)


def test_crops_begin_all_over_the_utterances(numbered):
    data, labels = numbered
    lengths = np.array([utterance.num_samples for utterance in data.utterances])
    stream = iter(BatchStream(Sampler(lengths, 6.0, 0.5, 0), CropReader(data, labels, 0.8, 10), 0))
    starts = set()
    for _ in range(30):
        batch = next(stream)
        check(batch)
        starts |= set(batch.labels[:, 0].tolist())
    assert len(starts) > 40


def test_labels_of_validation_crops_are_their_frames(numbered):
    data, labels = numbered
    lengths = np.array([utterance.num_samples for utterance in data.utterances])
    reader = CropReader(data, labels, 0.8, 10)
    for plan in plans(lengths):
        check(reader.read(plan))


def test_an_utterance_too_short_to_be_joined_is_told_before_the_training():
    lengths = np.array([32000, 32000, 1600])
    joining = Joining(2, np.array(["a", "b", "a"]), lengths, True)
    with pytest.raises(UserError, match="an utterance of 0.100 s is too short for sequences of 2 crops"):
        Sampler(lengths, 60.0, 1.0, 0, joining)
    lengths[2] = 3200
    Sampler(lengths, 60.0, 1.0, 0, Joining(2, np.array(["a", "b", "a"]), lengths, True)).plan(0)
