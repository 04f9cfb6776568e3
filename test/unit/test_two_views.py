"""Held-out CCA of two continuous views, and the two measures that rest on it."""

import numpy as np
import pytest
from frame_networks import frames, material, values, write

from hubert_iter.analysis import folds, measures, two_views
from hubert_iter.feats.baselines import TAP

TINY = (1e-8,)


def noise(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def scores(first, second, parts=None, regularisers=TINY):
    parts = np.repeat(np.arange(40) % 10, len(first) // 40) if parts is None else parts
    moments = two_views.Moments(first, second, parts)
    return [two_views.score_trial(moments, dev, test, regularisers) for dev, test in folds.trials(3)]


def pwcca(*args, **more):
    return np.mean([result.pwcca for result in scores(*args, **more)])


def test_parts_keep_an_utterance_together_and_spread_each_speaker():
    sample = frames(utterances=60, speakers=3)
    parts = folds.deal_utterances(sample, "x", 0)
    assert all(len(set(parts[place])) == 1 for place in sample.parts)
    for speaker in range(3):
        assert set(parts[sample.labels["speaker"] == f"speaker{speaker}"]) == set(range(10))
    assert (folds.deal_utterances(sample, "x", 1) != parts).any()


def test_evenly_takes_so_many_from_all_over():
    assert folds.evenly(np.arange(100, 110), 5).tolist() == [100, 102, 104, 106, 108]
    assert folds.evenly(np.arange(3), 5).tolist() == [0, 1, 2]
    assert folds.evenly(np.arange(0), 5).tolist() == []


def test_a_linear_map_of_the_view_scores_1_and_unrelated_frames_0():
    second = noise(4000, 6)
    first = second @ noise(6, 9, seed=1) + 3
    assert pwcca(first, second) == pytest.approx(1, abs=1e-5)
    assert abs(pwcca(noise(4000, 9, seed=2), second)) < 0.03


def test_planted_correlation_is_recovered():
    second = noise(20000, 4)
    first = (second + 0.75 * noise(20000, 4, seed=1)) @ noise(4, 4, seed=2)
    assert pwcca(first, second) == pytest.approx(0.8, abs=0.015)


def test_scores_do_not_change_with_a_linear_map_of_the_layer():
    second = noise(4000, 5)
    first = np.tanh(second @ noise(5, 8, seed=1)) + noise(4000, 8, seed=2)
    assert pwcca(100 * first @ noise(8, 8, seed=3) - 7, second) == pytest.approx(pwcca(first, second), abs=1e-5)


def test_what_counts_is_how_large_a_column_of_the_second_view_is():
    """The layer knows one column of two, loud or quiet; its own scale does not matter."""
    columns, other = noise(8000, 2), noise(8000, 1, seed=1)
    known = np.concatenate([columns[:, :1], other], axis=1)
    loud = pwcca(known, columns * [10, 1])
    assert loud == pytest.approx(10 / 11, abs=0.06)
    assert pwcca(known, columns * [1, 10]) == pytest.approx(1 / 11, abs=0.06)
    assert pwcca(known * [0.1, 1], columns * [10, 1]) == pytest.approx(loud, abs=1e-5)


def test_a_layer_narrower_than_the_view_reaches_its_share():
    second = noise(8000, 6)
    assert pwcca(second[:, :3] @ noise(3, 3, seed=1), second) == pytest.approx(3 / 6, abs=1e-5)


def test_layers_that_do_not_vary_score_0():
    second = noise(2000, 3)
    assert pwcca(np.ones((2000, 4)), second) == 0
    assert pwcca(second, np.ones((2000, 4))) == 0


def test_dependent_columns_change_nothing():
    """As LayerNorm leaves them: one direction of a layer never varies."""
    second = noise(4000, 5)
    first = second + noise(4000, 5, seed=1)
    more = np.concatenate([first, first.sum(axis=1, keepdims=True)], axis=1)
    assert pwcca(more, second) == pytest.approx(pwcca(first, second), abs=1e-4)
    centred = noise(4000, 30, seed=2)
    centred -= centred.mean(axis=1, keepdims=True)
    assert pwcca(centred @ noise(30, 30, seed=3), centred, regularisers=(1e-4,)) == pytest.approx(29 / 30, abs=0.04)


def test_null_of_a_view_with_itself_is_near_0():
    second = noise(8000, 4)
    assert max(abs(result.null) for result in scores(second, second)) < 0.1


def test_dev_part_chooses_the_regulariser():
    second = noise(600, 4)
    first = np.concatenate([second + noise(600, 4, seed=1), 0.1 * noise(600, 150, seed=2)], axis=1)
    parts = np.repeat(np.arange(10), 60)
    moments = two_views.Moments(first, second, parts)
    grid = (1e-6, 1e-3, 1e-1)
    for dev, test in folds.trials(3):
        # With dev and test exchanged, the score of one regulariser on "test" is its score on dev.
        on_dev = {each: two_views.score_trial(moments, test, dev, (each,)).pwcca for each in grid}
        result = two_views.score_trial(moments, dev, test, grid)
        assert result.regulariser == max(grid, key=on_dev.get)
        assert result == two_views.score_trial(moments, dev, test, (result.regulariser,))


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    """Layers ever farther from the convolutions, which hold half of the log-mel bands."""
    root, sample = tmp_path_factory.mktemp("networks"), frames(utterances=40, length=100)
    mel = noise(4000, 8)
    conv = mel[:, :4] @ noise(4, 6, seed=1) + 0.1 * noise(4000, 6, seed=2)
    taps = {"conv": conv, "0": conv + noise(4000, 6, seed=3), "1": conv + 3 * noise(4000, 6, seed=4)}
    return write(root / "net", sample, taps), write(root / "logmel", sample, {TAP: mel})


def test_mel_scores_every_layer_and_says_what_it_rests_on(network):
    layers, logmel = network
    measure, given = measures.find("mel", "test"), material(layers, logmel=logmel)
    assert measure.leaves_out(given) == ""
    assert measure.inputs(given)["logmel"] == logmel.folder
    scored = measure.score(given, measure.Settings(frames_per_dimension=1000))
    pwcca, null = (values(scored, metric, "mel") for metric in ("pwcca", "null_pwcca"))
    assert list(pwcca) == ["conv", "0", "1"]
    assert 0.55 > pwcca["conv"] > pwcca["0"] > pwcca["1"] > 0.05
    assert max(map(abs, null.values())) < 0.05
    assert values(scored, "ceiling") == {"-": 6 / 8}
    assert {row.trial for row in scored.rows if row.metric == "pwcca"} == {0, 1, 2}


def test_intra_scores_the_layers_above_the_convolutions(network):
    layers, _ = network
    measure = measures.find("intra", "test")
    pwcca = values(measure.score(material(layers), measure.Settings(frames_per_dimension=1000)), "pwcca")
    assert list(pwcca) == ["0", "1"]
    assert 1 > pwcca["0"] > pwcca["1"] > 0


def test_networks_without_what_is_needed_are_left_out(network, tmp_path):
    layers, logmel = network
    mel, intra = (measures.find(name, "test") for name in ("mel", "intra"))
    assert "log-mel frames" in mel.leaves_out(material(layers))
    assert "it is" in mel.leaves_out(material(logmel, logmel=logmel))
    assert "'conv'" in intra.leaves_out(material(logmel))
    few = write(tmp_path / "few", frames(utterances=9, length=20), {"conv": noise(180, 3), "0": noise(180, 3)})
    assert "9 utterances" in intra.leaves_out(material(few))
    assert "9 utterances" in mel.leaves_out(material(few, logmel=logmel))


def test_fewer_frames_are_used_where_settings_say_so(network):
    layers, logmel = network
    measure, given = measures.find("mel", "test"), material(layers, logmel=logmel)
    all_frames, few = (
        values(measure.score(given, measure.Settings(frames_per_dimension=each)), "pwcca") for each in (500, 100)
    )
    assert all_frames != few
    assert values(measure.score(given, measure.Settings(frames_per_dimension=100)), "num_instances") == {"-": 800}
    assert all_frames["conv"] == pytest.approx(few["conv"], abs=0.05)
