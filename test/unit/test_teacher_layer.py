"""ROW@best: the layer whose units say most of phones, chosen once on held-out speech and recorded."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile

from hubert_iter import provenance
from hubert_iter.bin import choose_layer
from hubert_iter.data import datadir
from hubert_iter.errors import UserError
from hubert_iter.runs import Run
from hubert_iter.train.inputs import Inputs
from hubert_iter.units import labels

PHONES = ("a", "b", "c")
SECONDS = 2


class Teacher:
    """Layer 2 tells tones apart by their pitch, layer 0 hardly, layer 1 not; conv best of all, but it is no block."""

    rate, description = 50, {}

    def taps(self, samples):
        frames = np.lib.stride_tricks.sliding_window_view(samples, 400)[::320]
        spectrum = np.log(np.abs(np.fft.rfft(frames * np.hanning(400)))[:, :40] + 1e-2)
        noise = np.random.default_rng(len(samples)).normal(size=spectrum.shape)
        layers = {"conv": spectrum, "0": spectrum + 6 * noise, "1": noise, "2": spectrum + 0.1 * noise}
        return {name: layer.astype(np.float32) for name, layer in layers.items()}


@pytest.fixture
def held_out(tmp_path, monkeypatch):
    """A data directory of tones, its alignments, and a teacher."""
    from hubert_iter.feats import layers

    generator = np.random.default_rng(0)
    utterances, lines = [], []
    for number in range(8):
        phones = [PHONES[index] for index in generator.integers(len(PHONES), size=10 * SECONDS)]
        pitch = np.repeat([500 + 1500 * PHONES.index(phone) for phone in phones], 1600)
        samples = 0.1 * np.sin(2 * np.pi * np.cumsum(pitch) / 16000) + 0.01 * generator.normal(size=len(pitch))
        path = tmp_path / f"u{number}.wav"
        soundfile.write(path, samples, 16000)
        utterances.append(datadir.Utterance(f"u{number}", f"s{number % 2}", len(samples), str(path)))
        lines += [f"u{number} 1 {place / 10:.3f} 0.100 {phone}\n" for place, phone in enumerate(phones)]
    datadir.write(tmp_path / "valid", utterances)
    for name, files in {"alignments": {"phones.ctm": "".join(lines)}, "model": {"weights": "teacher"}}.items():
        (tmp_path / name).mkdir()
        for file, content in files.items():
            (tmp_path / name / file).write_text(content)
        provenance.write(tmp_path / name, "test", {}, {})
    monkeypatch.setattr(layers, "open_model", lambda spec, device: Teacher())
    return tmp_path


def choose(folder, **more):
    options = {
        "model": folder / "model", "name": "first", "data": folder / "valid", "alignments": folder / "alignments",
        "out": folder / "best", "nj": 1, **more,
    }  # fmt: skip
    choose_layer.main([word for key, value in options.items() for word in (f"--{key}", str(value))])
    return (folder / "best/layer.txt").read_text()


def test_the_block_is_chosen_whose_units_follow_the_phones(held_out):
    assert choose(held_out) == "2\n"
    shares = json.loads((held_out / "best/shares.json").read_text())
    assert set(shares) == {"0", "1", "2"}
    # With a hundred clusters of so few frames, units of noise say something too.
    assert shares["2"] > max(shares["0"], shares["1"]) + 0.2


def test_a_choice_stays_until_the_teacher_changes(held_out, caplog):
    caplog.set_level("INFO")
    choose(held_out)
    before = provenance.read(held_out / "best")
    choose(held_out, nj=2)
    assert provenance.read(held_out / "best") == before and "up to date" in caplog.text
    (held_out / "model/weights").write_text("teacher trained again")
    provenance.write(held_out / "model", "test", {}, {})
    choose(held_out)
    assert "input model changed" in caplog.text


def test_a_set_too_small_to_choose_on_is_refused(held_out):
    first = datadir.read(held_out / "valid").utterances[:1]
    datadir.write(held_out / "small", first)
    with pytest.raises(UserError, match="a best layer cannot be named: .* 1 utterance"):
        choose(held_out, data=held_out / "small")
    assert not (held_out / "best").exists()


def test_without_alignments_no_layer_is_named(held_out):
    (held_out / "none").mkdir()
    (held_out / "none/phones.ctm").write_text("")
    provenance.write(held_out / "none", "align_data", {}, {})
    with pytest.raises(UserError, match="a best layer cannot be named: the set has no aligned phones"):
        choose(held_out, alignments=held_out / "none")


def test_labels_must_be_of_the_layer_that_was_chosen(held_out):
    from hubert_iter.feats.source import describe_layer

    run = {"name": "second", "targets": "first@best", "replicate": 1}
    features = describe_layer(held_out / "model", "2")
    made = SimpleNamespace(folder="labels", provenance={"settings": {"features": features}})
    labels.verify_targets(made, run, held_out / "model", "2")
    with pytest.raises(UserError, match="that is tap 1 of model .* made from tap 2"):
        labels.verify_targets(made, run, held_out / "model", "1")


@pytest.mark.parametrize(("targets", "given", "fine"), [
    ("first@best", "2", True), ("first@best", None, False), ("first@2", None, True), ("first@2", "2", True),
    ("first@2", "1", False),
])  # fmt: skip
def test_a_layer_is_given_to_the_trainer_where_the_study_leaves_it_open(targets, given, fine):
    run = Run(name="second", targets=targets)
    inputs = Inputs("data", "valid", teacher_tap=given)
    if fine:
        inputs.check_tap(run)
    else:
        with pytest.raises(UserError, match=f"targets: {targets}, found --teacher_tap {given}"):
            inputs.check_tap(run)
