import numpy as np
import pytest
from scored import cca_task, score, write_layers, write_samples

from hubert_iter.analysis import cca, folds
from hubert_iter.analysis.measure import FACT
from hubert_iter.analysis.measures.cca import Settings, score_features
from hubert_iter.analysis.sample import Span
from hubert_iter.analysis.statistics import of_network as interval
from hubert_iter.errors import UserError


def speechlike(num_classes, per_class, dimension, signal, seed=0):
    """Class means plus noise, through a mixing matrix as layers have it: float32 [N, D], labels [N]."""
    generator = np.random.default_rng(seed)
    labels = np.repeat(np.arange(num_classes), per_class)
    means = signal * generator.standard_normal((num_classes, dimension))
    features = means[labels] + generator.standard_normal((len(labels), dimension))
    mixing = generator.standard_normal((dimension, dimension)) + 3 * np.eye(dimension)
    return (features @ mixing + 5).astype(np.float32), labels


def run(features, labels, regularisers=(1e-8, 1e-4, 1e-2), trials=3, seed=0, sample_set=0):
    return score_features(features, cca_task(labels, Settings(regularisers), trials, seed, sample_set))


def mean_pwcca(results):
    return float(np.mean([result.score.pwcca for result in results]))


def test_random_features_score_zero_held_out_but_not_in_sample():
    generator = np.random.default_rng(0)
    labels = np.repeat(np.arange(20), 60)
    held_out = []
    for sample_set in range(3):
        features = generator.standard_normal((1200, 96))
        held_out += [result.score.pwcca for result in run(features, labels, sample_set=sample_set)]
    found = interval(held_out)
    assert abs(found.mean) < found.half
    assert found.half < 0.05
    in_sample = _in_sample(features, labels)
    assert 0.2 < in_sample < 0.6


def _in_sample(features, labels):
    parts = folds.deal(labels, "phone", 0, 0)
    layer = cca.Layer(features, labels, parts, int(labels.max()) + 1)
    train = layer.train(0, 1)
    weights = cca.solve(cca.Whitener(train.features, 1e-8), _labels(train, 1e-8), train.cross)
    chosen = [part for part in range(2, 10)]
    return cca.evaluate(
        weights,
        np.concatenate([layer.features[p] for p in chosen]),
        np.concatenate([layer.labels.parts[p] for p in chosen]),
    ).pwcca


def _labels(train, regulariser):
    return cca.LabelWhitener(train.frequencies, train.label_scale, regulariser)


@pytest.mark.parametrize("num_classes", [2, 5, 39])
def test_a_perfect_layer_scores_the_ceiling(num_classes):
    features, labels = speechlike(num_classes, 40, 64, signal=1.0)
    features = 100 * np.eye(64)[labels] + 1e-3 * features
    for result in run(features, labels, (1e-8,)):
        assert result.score.pwcca == pytest.approx((num_classes - 1) / num_classes, abs=1e-3)
        assert result.score.mean_cca == pytest.approx((num_classes - 1) / num_classes, abs=1e-3)
        assert result.score.directions == num_classes - 1


def test_balanced_classes_weigh_alike():
    for result in run(*speechlike(39, 100, 64, signal=0.5)):
        assert result.score.pwcca == pytest.approx(result.score.mean_cca, abs=0.002)


def test_invertible_maps_of_the_features_change_nothing():
    features, labels = speechlike(10, 80, 24, signal=0.5)
    generator = np.random.default_rng(1)
    mapped = features.astype(np.float64) @ generator.standard_normal((24, 24)) - 3
    for one, other in zip(run(features, labels, (0.0,)), run(mapped, labels, (0.0,)), strict=True):
        assert one.score.pwcca == pytest.approx(other.score.pwcca, abs=1e-9)
        assert one.score.mean_cca == pytest.approx(other.score.mean_cca, abs=1e-9)
    for one, other in zip(run(features, labels), run(7 * features + 2, labels), strict=True):
        assert one.score.pwcca == pytest.approx(other.score.pwcca, abs=1e-5)  # scaling: with regularisers too


def test_shuffling_both_views_together_changes_nothing():
    features, labels = speechlike(10, 80, 24, signal=0.5)
    parts = folds.deal(labels, "phone", 0, 0)
    order = np.random.default_rng(2).permutation(len(labels))
    one = cca.score_trial(cca.Layer(features, labels, parts, 10), 0, 1, (1e-4,))
    other = cca.score_trial(cca.Layer(features[order], labels[order], parts[order], 10), 0, 1, (1e-4,))
    assert one.score.pwcca == pytest.approx(other.score.pwcca, abs=1e-10)
    # Classes may also be renamed.
    renamed = cca.score_trial(cca.Layer(features, 9 - labels, parts, 10), 0, 1, (1e-4,))
    assert one.score.pwcca == pytest.approx(renamed.score.pwcca, abs=1e-10)


def test_null_lies_within_its_interval_of_zero_though_the_signal_is_strong():
    features, labels = speechlike(20, 60, 48, signal=1.0)
    results = [result for sample_set in range(3) for result in run(features, labels, sample_set=sample_set)]
    null = interval([result.null.pwcca for result in results])
    assert abs(null.mean) < null.half < 0.08
    assert mean_pwcca(results) > 0.6


def test_more_signal_scores_higher():
    scores = [mean_pwcca(run(*speechlike(20, 60, 48, signal))) for signal in (0.0, 0.2, 0.4, 0.8, 1.6)]
    assert scores == sorted(scores)
    assert scores[0] < 0.05 and scores[-1] > 0.8


def test_scores_repeat_to_the_last_digit():
    features, labels = speechlike(20, 60, 48, signal=0.4)
    assert run(features, labels) == run(features.copy(), labels.copy())
    assert run(features, labels) != run(features, labels, seed=1)


def test_label_whitener_is_an_inverse_square_root():
    frequencies = np.array([0.5, 0.3, 0.15, 0.05])
    covariance = (np.diag(frequencies) - np.outer(frequencies, frequencies)) / 0.25
    for regulariser in (1e-8, 1e-3, 0.1):
        root = cca.LabelWhitener(frequencies, 0.25, regulariser).colour(np.eye(4))
        np.testing.assert_allclose(root @ root.T, np.linalg.inv(covariance + regulariser * np.eye(4)), rtol=1e-6)
        np.testing.assert_allclose(cca.LabelWhitener(frequencies, 0.25, regulariser).whiten(np.eye(4)), root)
    # Without a regulariser the null direction is gone and the rest is white.
    root = cca.LabelWhitener(frequencies, 0.25, 0.0).colour(np.eye(4))
    np.testing.assert_allclose(np.linalg.eigvalsh(root.T @ covariance @ root), [0, 1, 1, 1], atol=1e-12)


def test_whitener_survives_singular_covariances():
    generator = np.random.default_rng(0)
    basis = generator.standard_normal((30, 5))
    covariance = basis @ basis.T
    root = cca.Whitener(covariance, 0.0).colour(np.eye(5))
    assert root.shape == (30, 5)
    np.testing.assert_allclose(root.T @ covariance @ root, np.eye(5), atol=1e-9)
    regular = cca.Whitener(covariance, 1e-3).colour(np.eye(30))
    np.testing.assert_allclose(regular @ regular.T @ (covariance + 1e-3 * np.eye(30)), np.eye(30), atol=1e-6)


@pytest.mark.parametrize("regularisers", [(0.0,), Settings().regularisers])
def test_fewer_instances_than_dimensions_and_classes_smaller_than_the_parts(regularisers):
    generator = np.random.default_rng(3)
    labels = np.repeat(np.arange(12), [3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 2, 2])
    features = generator.standard_normal((12, 200))[labels] + 0.5 * generator.standard_normal((len(labels), 200))
    for result in run(features, labels, regularisers):
        assert np.isfinite([result.score.pwcca, result.score.mean_cca, result.null.pwcca]).all()
        assert 0.3 < result.score.pwcca < 1


def test_a_layer_narrower_than_the_labels_has_fewer_directions():
    features, labels = speechlike(30, 60, 8, signal=2.0)
    for result in run(features, labels):
        assert result.score.directions == 8
        assert 0.15 < result.score.pwcca <= 8 / 30


def test_a_dead_layer_scores_zero():
    labels = np.repeat(np.arange(5), 30)
    for regularisers in ((0.0,), Settings().regularisers):
        for result in run(np.ones((150, 16), dtype=np.float32), labels, regularisers):
            assert result.score.pwcca == 0 and result.null.pwcca == 0


def test_orthonormalise_skips_dependent_columns():
    generator = np.random.default_rng(0)
    columns = generator.standard_normal((6, 4))
    columns[:, 2] = columns[:, 0] - 2 * columns[:, 1]
    vectors = cca.orthonormalise(columns)
    np.testing.assert_allclose(vectors.T @ vectors, np.diag([1, 1, 0, 1]), atol=1e-12)
    full = generator.standard_normal((6, 4))
    expected = np.linalg.qr(full)[0]
    np.testing.assert_allclose(np.abs(cca.orthonormalise(full)), np.abs(expected), atol=1e-9)


def test_parts_are_stratified_and_equal_and_trials_disjoint():
    labels = np.repeat(np.arange(7), [200, 100, 14, 11, 10, 3, 1])
    parts = folds.deal(labels, "phone", 0, 0)
    counts = np.array([np.bincount(labels[parts == part], minlength=7) for part in range(10)])
    assert (counts.max(axis=0) - counts.min(axis=0) <= 1).all()
    assert np.ptp(counts.sum(axis=1)) <= 1
    pairs = folds.trials(5)
    assert sorted(part for pair in pairs for part in pair) == list(range(10))
    with pytest.raises(UserError, match="expected 1 to 5"):
        folds.trials(6)
    shuffled = folds.shuffle_within_parts(labels, parts, "phone", 0, 0)
    assert (shuffled != labels).any()
    for part in range(10):
        assert sorted(shuffled[parts == part]) == sorted(labels[parts == part])


def write(root, dimension=40):
    """A network with taps conv (narrower), 0 and 1, of which only 1 knows the labels, and its segments."""
    generator = np.random.default_rng(0)
    samples, arrays = {}, {}
    labels = np.repeat(np.arange(8), 40)
    for sample_set in range(2):
        samples["phone", sample_set] = [Span("utt", n, n + 1, f"p{label}") for n, label in enumerate(labels)]
        features = generator.standard_normal((2, 320, dimension))
        features[1] += generator.standard_normal((8, dimension))[labels]
        arrays[f"phone.{sample_set}"] = features
        arrays[f"phone.{sample_set}.conv"] = features[:1, :, :10]
    write_samples(root, samples, {"utt": "spk"})
    write_layers(root, arrays, ("conv", "0", "1"))
    return samples


def test_scores_do_not_depend_on_the_number_of_processes(tmp_path):
    write(tmp_path)
    settings = Settings(regularisers=(1e-4, 1e-2))
    one = score("cca", tmp_path, settings)
    assert one == score("cca", tmp_path, settings, nj=2)
    assert one.speakers == []  # one speaker cannot be left out
    facts = {row.metric: row.value for row in one.rows if row.layer == FACT}
    assert facts == {"num_instances": 320, "num_classes": 8, "ceiling": 0.875, "too_few_instances": 0}
    found = [row for row in one.rows if row.metric == "pwcca"]
    assert len(found) == 3 * 2 * 3
    assert min(row.value for row in found if row.layer == "1") > max(row.value for row in found if row.layer == "0")
    chosen = {row.value for row in one.rows if row.metric == "regulariser"}
    assert chosen <= {1e-4, 1e-2}


def test_too_few_instances_are_warned_of(tmp_path, caplog):
    write(tmp_path, dimension=200)
    rows = score("cca", tmp_path, Settings((1e-2,)), trials=1).rows
    assert "256 instances to train on are too few for 200 dimensions" in caplog.text
    assert {row.value for row in rows if row.metric == "too_few_instances"} == {1}


def test_layers_of_other_samples_are_refused(tmp_path):
    samples = write(tmp_path)
    samples["phone", 1] = samples["phone", 1][:-1]
    write_samples(tmp_path, samples, {"utt": "spk"})
    with pytest.raises(UserError, match="expected 319 instances, found 320"):
        score("cca", tmp_path, Settings((1e-4,)))
