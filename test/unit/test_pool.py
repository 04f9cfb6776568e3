import json

import numpy as np
import pytest

from hubert_iter.analysis import pool
from hubert_iter.analysis.sample import Span
from hubert_iter.data.datadir import DataDir, Utterance
from hubert_iter.errors import UserError
from hubert_iter.frames import num_frames

SECONDS = {"a": 2.0, "b": 1.0, "c": 1.5}


class FakeModel:
    """Three taps that depend on the audio; `widths` may give conv another one."""

    def __init__(self, widths=(5, 5, 5), spoil=None):
        self.widths = dict(zip(("conv", "0", "1"), widths, strict=True))
        self.spoil = spoil
        self.heard = []

    def taps(self, samples):
        self.heard.append(len(samples))
        frames = num_frames(len(samples))
        outputs = {}
        for number, (tap, width) in enumerate(self.widths.items()):
            generator = np.random.default_rng([len(samples), number])
            outputs[tap] = generator.standard_normal((frames, width)).astype(np.float32)
        if self.spoil:
            outputs[self.spoil][3, 0] = np.nan
        return outputs


def data(seconds=SECONDS):
    utterances = tuple(Utterance(name, "spk", int(length * 16000), "-") for name, length in seconds.items())
    return DataDir("data", utterances, {})


SAMPLES = {
    ("phone", 0): [Span("a", 3, 7, "x"), Span("a", 3, 4, "y"), Span("b", 0, 49, "x")],
    ("phone", 1): [Span("c", 2, 9, "y")],
    ("speaker", 0): [Span("c", 0, 74, "s"), Span("a", 0, 99, "s")],
}


def silence(utterance):
    return np.zeros(utterance.num_samples, dtype=np.float32)


@pytest.mark.parametrize("widths", [(5, 5, 5), (3, 5, 5)])
def test_each_instance_is_the_mean_of_its_frames_at_each_tap(tmp_path, widths):
    model = FakeModel(widths)
    pool.pool(model, data(), SAMPLES, tmp_path, "run", {"updates": 7, "id": "abc"}, silence)
    assert sorted(model.heard) == sorted(int(seconds * 16000) for seconds in SECONDS.values())  # each utterance once
    layers = pool.read(tmp_path)
    assert (layers.taps, layers.updates, layers.name) == (("conv", "0", "1"), 7, "run")
    for (prop, sample_set), spans in SAMPLES.items():
        for tap in layers.taps:
            loaded = layers.load(prop, sample_set, tap)
            assert loaded.dtype == np.float32 and loaded.shape == (len(spans), model.widths[tap])
            for row, span in zip(loaded, spans, strict=True):
                output = model.taps(np.zeros(int(SECONDS[span.utterance] * 16000)))[tap]
                np.testing.assert_allclose(row, output[span.start : span.end].mean(axis=0), atol=1e-6)
    assert json.loads((tmp_path / "layers.json").read_text())["model"] == {"id": "abc"}


def test_pooling_repeats_to_the_last_bit(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        pool.pool(FakeModel(), data(), SAMPLES, tmp_path / name, "run", None, silence)
    for path in (tmp_path / "one").glob("*.npy"):
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()


@pytest.mark.parametrize("widths", [(5, 5, 5), (3, 5, 5)])
@pytest.mark.parametrize("shares", ["a|b|c", "ab||c", "|abc"])
def test_parts_are_together_the_whole(tmp_path, widths, shares):
    (tmp_path / "whole").mkdir()
    pool.pool(FakeModel(widths), data(), SAMPLES, tmp_path / "whole", "run", {"updates": 7}, silence)
    known = {utterance.id: utterance for utterance in data().utterances}
    folders, parts = [], [[known[name] for name in names] for names in shares.split("|")]
    for number, part in enumerate(parts):
        folders.append(tmp_path / str(number))
        folders[-1].mkdir()
        pool.pool(FakeModel(widths), data(), SAMPLES, folders[-1], "run", {"updates": 7}, silence, part)
    (tmp_path / "joined").mkdir()
    pool.join(folders, parts, SAMPLES, tmp_path / "joined")
    names = sorted(path.name for path in (tmp_path / "whole").iterdir())
    assert names == sorted(path.name for path in (tmp_path / "joined").iterdir())
    for name in names:
        assert (tmp_path / "joined" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_faults_name_the_utterance(tmp_path):
    with pytest.raises(UserError, match="utterance c: sampled but not in data"):
        pool.pool(FakeModel(), data({"a": 2.0, "b": 1.0}), SAMPLES, tmp_path, "run", None, silence)
    with pytest.raises(UserError, match="utterance a: expected at least 99 frames, the model gave 49"):
        pool.pool(FakeModel(), data(SECONDS | {"a": 1.0}), SAMPLES, tmp_path, "run", None, silence)
    with pytest.raises(UserError, match="utterance a: tap 0: expected numbers"):
        pool.pool(FakeModel(spoil="0"), data(), SAMPLES, tmp_path, "run", None, silence)
    with pytest.raises(UserError, match="missing. Run pool_layers"):
        pool.read(tmp_path / "nothing")
