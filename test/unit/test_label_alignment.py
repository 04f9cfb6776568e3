"""Label t is frame t in every crop: audio whose every hop of 320 samples spells its frame number."""

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from hubert_iter.data.datadir import DataDir, Utterance
from hubert_iter.data.dataset import BatchStream, CropReader
from hubert_iter.data.sampler import Sampler
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
    assert all(crop.start % FRAME_SHIFT == 0 for crop in plan.crops)
    check(CropReader(data, labels, 0.8, 10).read(plan))


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
