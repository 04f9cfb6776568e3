"""Linear CKA of layers."""

import dataclasses

import numpy as np
import pytest
from frame_networks import frames, material, write

from hubert_iter.analysis import folds, measures

MEASURE = measures.find("similarity", "test")
SETTINGS = MEASURE.Settings(frames=1500)


def noise(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def means(scored, metric="cka"):
    """(layer, other, other layer) -> mean over trials."""
    found = {}
    for row in scored.pairs:
        if row.metric == metric:
            found.setdefault((row.layer, row.other, row.other_layer), []).append(row.value)
    assert all(len(each) == 3 for each in found.values())
    return {key: float(np.mean(each)) for key, each in found.items()}


@pytest.fixture(scope="module")
def networks(tmp_path_factory):
    """`other` has layer 0 of `net` turned, scaled and shifted, and noise of more dimensions than a trial has frames."""
    root, sample = tmp_path_factory.mktemp("networks"), frames(utterances=60, length=30)
    layer = noise(1800, 8) * np.arange(1, 9)
    turned = np.linalg.qr(noise(8, 8, seed=1))[0]
    net = write(root / "net", sample, {"0": layer, "1": layer + 3 * noise(1800, 8, seed=2)})
    other = write(root / "other", sample, {"0": 7 * layer @ turned - 3, "wide": noise(1800, 700, seed=3)})
    return net, other


@pytest.fixture(scope="module")
def scored(networks):
    net, other = networks
    return MEASURE.score(material(net, other=other, logmel=other), SETTINGS)


def test_all_pairs_of_layers_but_those_of_baselines(scored, networks):
    net, other = networks
    found = means(scored)
    assert set(found) == {
        (layer, name, tap) for layer in "01" for name, taps in (("net", "01"), ("other", ("0", "wide"))) for tap in taps
    }
    assert MEASURE.inputs(material(net, other=other, logmel=other)).keys() == {"layers", "samples", "layers_other"}


def test_a_layer_is_like_itself_turned_scaled_and_shifted(scored):
    found = means(scored)
    assert found["0", "net", "0"] == pytest.approx(1, abs=1e-5)
    assert found["0", "other", "0"] == pytest.approx(1, abs=1e-4)
    assert found["0", "net", "1"] == pytest.approx(found["1", "net", "0"], abs=1e-5)
    assert 0.5 < found["0", "net", "1"] < 0.99


def test_unrelated_layers_score_0_whatever_their_width(scored):
    """The usual estimator would say 0.5 and more of two such layers, and 0.1 of one."""
    assert abs(means(scored)["0", "other", "wide"]) < 0.02


def test_null_is_the_last_layer_on_frames_of_other_utterances(scored):
    null = means(scored, "null_cka")
    assert set(null) == {("1", name, tap) for name, taps in (("net", "01"), ("other", ("0", "wide"))) for tap in taps}
    assert max(map(abs, null.values())) < 0.03


def test_trials_take_frames_of_different_utterances_evenly(networks):
    net, _ = networks
    tasks = []

    class Watch:
        def map(self, function, given):
            tasks.extend(given)
            return [{"net": []} for _ in given]

    given = material(net)
    MEASURE.score(dataclasses.replace(given, workers=Watch()), MEASURE.Settings(frames=900))
    assert [len(task.frames) for task in tasks] == [300, 300, 300]
    utterances = [set(given.frames.utterances[task.frames]) for task in tasks]
    assert [len(each) for each in utterances] == [20, 20, 20]
    assert not utterances[0] & utterances[1] and not utterances[1] & utterances[2]
    assert set(np.unique(folds.deal_utterances(given.frames, "similarity", 0, 3))) == {0, 1, 2}


def test_a_layer_that_does_not_vary_is_like_nothing(tmp_path):
    sample = frames(utterances=12, length=30)
    net = write(tmp_path / "net", sample, {"0": noise(360, 4), "1": np.ones((360, 4))})
    found = means(MEASURE.score(material(net), SETTINGS))
    assert found["0", "net", "1"] == 0 and found["1", "net", "1"] == 0


def test_fewer_utterances_than_trials_are_left_out(tmp_path):
    net = write(tmp_path / "net", frames(utterances=2, length=30), {"0": noise(60, 4)})
    assert "2 utterances" in MEASURE.leaves_out(material(net))
