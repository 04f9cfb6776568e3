"""Linear probe: logistic regression and its scores."""

import numpy as np
import pytest
from networks import write

from hubert_iter import options
from hubert_iter.analysis import folds, logistic, measures
from hubert_iter.analysis.measures import probe
from hubert_iter.analysis.parallel import Workers
from hubert_iter.analysis.sample import class_numbers
from hubert_iter.errors import UserError


def clusters(num_classes=6, per_class=40, dimension=12, signal=1.0, seed=0):
    """Features float32 [N, D] with class means, through a mixing matrix as layers have it, and labels int [N]."""
    generator = np.random.default_rng(seed)
    labels = np.repeat(np.arange(num_classes), per_class)
    features = signal * generator.standard_normal((num_classes, dimension))[labels]
    features += generator.standard_normal(features.shape)
    mixing = generator.standard_normal((dimension, dimension)) + 2 * np.eye(dimension)
    return (features @ mixing + 5).astype(np.float32), labels


def loss(train, weights, labels, penalty):
    """Mean cross-entropy and penalty, in float64."""
    logits = train.turn(train_features).astype(float) @ weights.T.astype(float)
    log_total = np.log(np.exp(logits).sum(axis=1))
    return (log_total - logits[np.arange(len(labels)), labels]).mean() + penalty / 2 * (weights[:, :-1] ** 2).sum()


train_features, train_labels = clusters()


def test_the_fit_is_a_minimum():
    train = logistic.Train(train_features)
    weights = train.fit(train_labels, 6, 0.01, tolerance=1e-4)
    lowest = loss(train, weights, train_labels, 0.01)
    generator = np.random.default_rng(0)
    for _ in range(20):
        step = 0.01 * generator.standard_normal(weights.shape)
        assert loss(train, weights + step, train_labels, 0.01) > lowest
        assert loss(train, weights - step, train_labels, 0.01) > lowest
    # What the default tolerance leaves on the table, from nothing and from a stronger penalty's weights.
    for start in (None, train.fit(train_labels, 6, 0.1)):
        assert loss(train, train.fit(train_labels, 6, 0.01, start), train_labels, 0.01) < lowest + 2e-3


def test_scale_and_offset_of_features_do_not_count_nor_what_is_constant():
    weights = logistic.Train(train_features).fit(train_labels, 6, 0.01, tolerance=1e-4)
    expected = logistic.predict(weights, logistic.Train(train_features).turn(train_features))
    other = np.concatenate([train_features * np.arange(1, 13) - 3, np.full((240, 2), 7)], axis=1, dtype=np.float32)
    train = logistic.Train(other)
    found = logistic.predict(train.fit(train_labels, 6, 0.01, tolerance=1e-4), train.turn(other))
    assert (found == expected).mean() > 0.99


def test_more_dimensions_than_instances_and_none_at_all():
    generator = np.random.default_rng(0)
    wide = generator.standard_normal((40, 300)).astype(np.float32)
    labels = np.arange(40) % 4
    train = logistic.Train(wide)
    assert train.turn(wide).shape[1] <= 40 + 1
    assert (logistic.predict(train.fit(labels, 4, 1e-3), train.turn(wide)) == labels).all()
    constant = np.ones((40, 5), dtype=np.float32)
    labels = np.where(np.arange(40) < 25, 2, 0)
    train = logistic.Train(constant)
    assert (logistic.predict(train.fit(labels, 3, 1e-3), train.turn(constant)) == 2).all()


def test_a_class_that_the_train_part_lacks_is_never_predicted():
    train = logistic.Train(train_features)
    weights = train.fit(train_labels, 9, 0.01)
    assert np.isfinite(weights).all()
    assert logistic.predict(weights, train.turn(train_features)).max() == 5


def test_the_minimiser_halves_steps_that_go_too_far():
    steps = []

    def objective(x):  # the curvature is 1 at the minimum and 100 at the start, where a whole step overshoots
        steps.append(float(np.abs(x).max()))
        return 1 + float((x**2 / 2 + 2 * x**4).sum()), x + 8 * x**3

    found = logistic.minimise(objective, np.array([1.0, -0.5, 2.0], dtype=np.float32), 1e-3)
    np.testing.assert_allclose(found, 0, atol=1e-3)
    assert max(steps) > 60 and len(steps) < 40


def test_the_dev_part_chooses_the_penalty_and_of_equals_the_strongest():
    features, labels = clusters(signal=0.8, per_class=30, seed=1)
    in_train = np.arange(len(labels)) % 3 > 0
    train = logistic.Train(features[in_train])
    dev = train.turn(features[~in_train])
    penalties = (1e-5, 10.0, 1e-2)
    right = {
        penalty: (logistic.predict(train.fit(labels[in_train], 6, penalty), dev) == labels[~in_train]).mean()
        for penalty in penalties
    }
    assert len(set(right.values())) == 3
    weights, penalty = probe.choose(train, labels[in_train], 6, dev, labels[~in_train], penalties)
    assert right[penalty] == max(right.values())
    assert (logistic.predict(weights, dev) == labels[~in_train]).mean() == pytest.approx(right[penalty], abs=0.02)
    far, _ = clusters(signal=20, per_class=30, seed=1)
    train = logistic.Train(far[in_train])
    assert (
        probe.choose(train, labels[in_train], 6, train.turn(far[~in_train]), labels[~in_train], (0.01, 0.1))[1] == 0.1
    )


def network(folder, **more):
    """Phones with signal at tap "1" and none at tap "mfcc", 39 wide; two sample sets, five speakers."""
    generator = np.random.default_rng(5)
    keys = [("phone", 0), ("phone", 1), ("speaker", 0)]
    made = {key: clusters(seed=number) for number, key in enumerate(keys)}
    labels = {key: each for key, (_, each) in made.items()}
    speakers = {key: generator.integers(5, size=240) for key in keys}
    taps = {
        "mfcc": {key: generator.standard_normal((240, 39)) for key in keys},
        "1": {key: features for key, (features, _) in made.items()},
    }
    return write(folder, labels, speakers, taps, **more), labels, speakers


def test_signal_is_found_noise_and_shuffled_labels_are_not(tmp_path):
    material, _, _ = network(tmp_path)
    rows = probe.Probe().score(material, probe.Settings(sample_sets=9, trials=3)).rows

    def mean(layer, metric, prop="phone"):
        values = [row.value for row in rows if (row.layer, row.prop, row.metric) == (layer, prop, metric)]
        assert len(values) == (6 if prop == "phone" else 3)
        return np.mean(values)

    assert mean("1", "accuracy") > 0.7
    for layer, metric in (("mfcc", "accuracy"), ("mfcc", "null_accuracy"), ("1", "null_accuracy")):
        assert mean(layer, metric) == pytest.approx(1 / 6, abs=0.1)
    assert mean("1", "accuracy", "speaker") > 0.8
    facts = {row.metric: row.value for row in rows if row.layer == "-" and row.prop == "phone"}
    assert facts == {"num_instances": 240, "num_classes": 6, "chance": 1 / 6, "majority": 4 / 24, "ceiling": 1}
    assert set(facts) == set(probe.Probe.facts)
    assert {row.metric for row in rows} - set(facts) == {metric.name for metric in probe.Probe.metrics}


def test_by_default_one_trial_of_the_first_sample_set(tmp_path):
    material, _, _ = network(tmp_path)
    scored = probe.Probe().score(material, probe.Settings(control=False))
    assert {(row.prop, row.sample_set, row.trial) for row in scored.rows if row.layer != "-"} == {
        ("phone", 0, 0), ("speaker", 0, 0),
    }  # fmt: skip
    assert not [row for row in scored.rows if row.metric == "null_accuracy"]


def test_leaving_a_speaker_out_is_removing_their_test_instances(tmp_path):
    material, labels, speakers = network(tmp_path)
    settings = probe.Settings(sample_sets=2, trials=2)
    found = {
        row.speaker: row.value
        for row in probe.Probe().score(material, settings).speakers
        if (row.layer, row.prop) == ("1", "phone")
    }
    assert list(found) == [f"spk{number}" for number in range(5)]
    values = []
    for sample_set in range(2):
        key = "phone", sample_set
        parts = folds.deal(labels[key], *key, 0)
        features = material.layers.load(*key, "1")
        for dev, test in folds.trials(2):
            in_train, tested = (parts != dev) & (parts != test), parts == test
            train = logistic.Train(features[in_train])
            dev_part = train.turn(features[parts == dev]), labels[key][parts == dev]
            weights, _ = probe.choose(train, labels[key][in_train], 6, *dev_part, settings.penalties)
            for speaker in range(5):
                kept = tested & (speakers[key] != speaker)
                right = logistic.predict(weights, train.turn(features[kept])) == labels[key][kept]
                values.append((speaker, right.mean()))
    for speaker in range(5):
        expected = np.mean([value for number, value in values if number == speaker])
        assert found[f"spk{speaker}"] == pytest.approx(expected, abs=1e-12)


def test_nobody_is_left_where_all_test_instances_are_one_speakers():
    right = np.array([True, False, True])
    np.testing.assert_allclose(probe.accuracy_without(right, np.array([1, 1, 1]), 3), [2 / 3, 0, 2 / 3])


def test_processes_give_the_same_scores(tmp_path):
    material, _, _ = network(tmp_path / "a")
    with Workers(1) as workers:
        other, _, _ = network(tmp_path / "b", workers=workers)
        assert probe.Probe().score(other, probe.Settings()) == probe.Probe().score(material, probe.Settings())


def test_layers_of_other_samples_and_odd_settings_are_refused(tmp_path):
    material, _, _ = network(tmp_path)
    path = tmp_path / "layers" / "phone.0.1.npy"
    np.save(path, np.load(path)[:, :-1])
    with pytest.raises(UserError, match="phone, sample set 0: expected 240 instances, found 239"):
        probe.Probe().score(material, probe.Settings())
    with pytest.raises(UserError, match="penalties: expected a list, each a number"):
        options.read(probe.Settings, {"penalties": [0]}, "file")
    with pytest.raises(UserError, match="penalties: expected at least one"):
        measures.find("probe", "file").check(probe.Settings(penalties=()))


def test_labels_are_numbered_in_alphabetical_order():
    assert class_numbers(["b", "a", "b"]).tolist() == [1, 0, 1]
