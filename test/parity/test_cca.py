"""PWCCA against references written another way: textbook CCA by scipy and scikit-learn, weighting from the formula."""

import numpy as np
import pytest
import scipy.linalg
from scored import cca_task

from hubert_iter.analysis import cca, folds
from hubert_iter.analysis.measures.cca import Settings, score_features


def features_and_labels(counts, dimension, signal=0.5, seed=0):
    generator = np.random.default_rng(seed)
    labels = np.repeat(np.arange(len(counts)), counts)
    features = signal * generator.standard_normal((len(counts), dimension))[labels]
    features += generator.standard_normal(features.shape)
    return features @ (generator.standard_normal((dimension, dimension)) + 3 * np.eye(dimension)), labels


def one_hot(labels, num_classes):
    return np.eye(num_classes)[labels]


def weighted(left, right, label_view):
    """PWCCA of paired variates [n, M], by the formula of docs/protocol.md section 4.6; the null counts as 0."""
    left, right = left - left.mean(axis=0), right - right.mean(axis=0)
    correlations = (left * right).sum(axis=0) / np.sqrt((left**2).sum(axis=0) * (right**2).sum(axis=0))
    basis, _ = np.linalg.qr(right)
    alpha = np.abs(basis.T @ label_view).sum(axis=1)
    share = right.shape[1] / label_view.shape[1]
    return share * (alpha @ correlations) / alpha.sum(), share * correlations.mean()


def scipy_reference(train_x, train_y, test_x, test_y):
    """CCA by the angles between the views' column spaces, from scipy's SVD of the orthonormal bases."""
    mean_x, mean_y = train_x.mean(axis=0), train_y.mean(axis=0)
    x, y = train_x - mean_x, (train_y - mean_y)[:, :-1]  # the last column is a combination of the others
    basis_x, upper_x = scipy.linalg.qr(x, mode="economic")
    basis_y, upper_y = scipy.linalg.qr(y, mode="economic")
    left, _, right = scipy.linalg.svd(basis_x.T @ basis_y, full_matrices=False)
    weights_x = scipy.linalg.solve_triangular(upper_x, left)
    weights_y = scipy.linalg.solve_triangular(upper_y, right.T)
    return weighted((test_x - mean_x) @ weights_x, (test_y - mean_y)[:, :-1] @ weights_y, test_y)


@pytest.mark.parametrize(
    ("counts", "dimension"), [([60] * 20, 48), ([200, 150, 90, 60, 40, 25, 15, 12], 30), ([40] * 39, 16)]
)
def test_held_out_scores_equal_scipys_on_the_same_folds(counts, dimension):
    features, labels = features_and_labels(counts, dimension)
    parts = folds.deal(labels, "phone", 0, 0)
    results = score_features(features.astype(np.float32), cca_task(labels, Settings((0.0,))))
    views = features.astype(np.float32).astype(np.float64), one_hot(labels, len(counts))
    for (dev, test), result in zip(folds.trials(3), results, strict=True):
        train = (parts != dev) & (parts != test)
        pwcca, mean = scipy_reference(*(view[train] for view in views), *(view[parts == test] for view in views))
        assert result.score.pwcca == pytest.approx(pwcca, abs=1e-6)
        assert result.score.mean_cca == pytest.approx(mean, abs=1e-6)


def test_held_out_scores_equal_scikit_learns():
    """An iterative algorithm, so it agrees to 1e-3, and with a regulariser of 1e-10 as with none."""
    from sklearn.cross_decomposition import CCA

    features, labels = features_and_labels([150] * 6, 10, signal=0.8)
    parts = folds.deal(labels, "phone", 0, 0)
    dev, test = folds.trials(1)[0]
    train, test_rows = (parts != dev) & (parts != test), parts == test
    label_view = one_hot(labels, 6)
    model = CCA(n_components=5, max_iter=5000, tol=1e-10).fit(features[train], label_view[train][:, :-1])
    left, right = model.transform(features[test_rows], label_view[test_rows][:, :-1])
    pwcca, mean = weighted(left, right, label_view[test_rows])
    for regulariser in (0.0, 1e-10):
        score = score_features(features, cca_task(labels, Settings((regulariser,)), trials=1))[0].score
        assert score.pwcca == pytest.approx(pwcca, abs=1e-3)
        assert score.mean_cca == pytest.approx(mean, abs=1e-3)


def usual_way(train_x, train_y, test_x, test_y, regulariser):
    """Regularised CCA as it is usually written: inverse square roots of both scaled covariances, then an SVD."""
    x, y = train_x - train_x.mean(axis=0), train_y - train_y.mean(axis=0)
    covariances = x.T @ x / len(x), y.T @ y / len(x)
    scales = [np.abs(covariance).max() for covariance in covariances]
    roots = []
    for covariance, scale in zip(covariances, scales, strict=True):
        values, vectors = np.linalg.eigh(covariance / scale + regulariser * np.eye(len(covariance)))
        roots.append(vectors / np.sqrt(values) @ vectors.T)
    cross = x.T @ y / len(x) / np.sqrt(scales[0] * scales[1])
    left, _, right = np.linalg.svd(roots[0] @ cross @ roots[1], full_matrices=False)
    count = min(x.shape[1], y.shape[1] - 1)
    test_x, test_y = test_x - train_x.mean(axis=0), test_y
    return weighted(test_x @ (roots[0] @ left[:, :count]), test_y @ (roots[1] @ right[:count].T), test_y)


@pytest.mark.parametrize("regulariser", [1e-6, 1e-3, 1e-1])
@pytest.mark.parametrize("counts", [[60] * 20, [200, 150, 90, 60, 40, 25, 15, 12]])
def test_regularised_scores_equal_the_usual_way(regulariser, counts):
    features, labels = features_and_labels(counts, 24)
    parts = folds.deal(labels, "phone", 0, 0)
    views = features, one_hot(labels, len(counts))
    results = score_features(features, cca_task(labels, Settings((regulariser,)), trials=2))
    for (dev, test), result in zip(folds.trials(2), results, strict=True):
        train = (parts != dev) & (parts != test)
        expected = usual_way(
            *(view[train] for view in views), *(view[parts == test] for view in views), regulariser=regulariser
        )
        assert (result.score.pwcca, result.score.mean_cca) == pytest.approx(expected, abs=1e-6)


def test_regulariser_is_the_dev_parts_choice():
    features, labels = features_and_labels([30] * 20, 120, signal=0.4)
    parts = folds.deal(labels, "phone", 0, 0)
    layer = cca.Layer(features, labels, parts, 20)
    grid = (1e-8, 1e-4, 1e-3, 1e-2, 1e-1)
    for dev, test in folds.trials(3):
        # With dev and test exchanged, the score of one regulariser on "test" is its score on dev.
        on_dev = {eps: cca.score_trial(layer, test, dev, (eps,)).score.pwcca for eps in grid}
        result = cca.score_trial(layer, dev, test, grid)
        assert result.regulariser == max(grid, key=on_dev.get)
        assert result == cca.score_trial(layer, dev, test, (result.regulariser,))


@pytest.mark.parametrize("strength", [0.3, 1.0, 3.0])
def test_planted_correlations_are_recovered_within_sampling_error(strength):
    """Features = strength * (orthogonal contrasts of the classes) + noise: each correlation is s / sqrt(1 + s^2)."""
    generator = np.random.default_rng(0)
    num_classes, per_class = 8, 1500
    labels = np.repeat(np.arange(num_classes), per_class)
    contrasts = np.linalg.qr(np.column_stack([np.ones(num_classes), generator.standard_normal((num_classes, 7))]))[0][
        :, 1:
    ]
    contrasts *= np.sqrt(num_classes)  # unit variance over classes
    features = np.zeros((len(labels), 12))
    features[:, :7] = strength * contrasts[labels]
    features += generator.standard_normal(features.shape)
    expected = strength / np.sqrt(1 + strength**2)
    sampling_error = (1 - expected**2) / np.sqrt(len(labels) / folds.NUM_PARTS)  # of one correlation
    mixing = generator.standard_normal((12, 12))
    for result in score_features(features @ mixing, cca_task(labels, Settings())):
        found = result.score.mean_cca * num_classes / (num_classes - 1)
        assert found == pytest.approx(expected, abs=3 * sampling_error / np.sqrt(7) + 0.01)
        assert result.score.pwcca == pytest.approx(result.score.mean_cca, abs=0.01)


def test_planted_correlations_of_different_size_are_recovered_one_by_one():
    generator = np.random.default_rng(1)
    planted = np.array([0.9, 0.7, 0.5, 0.2])
    labels = np.repeat(np.arange(5), 4000)
    contrasts = np.linalg.qr(np.column_stack([np.ones(5), generator.standard_normal((5, 4))]))[0][:, 1:] * np.sqrt(5)
    features = contrasts[labels] * planted + generator.standard_normal((len(labels), 4)) * np.sqrt(1 - planted**2)
    parts = folds.deal(labels, "phone", 0, 0)
    layer = cca.Layer(features @ generator.standard_normal((4, 4)), labels, parts, 5)
    train = layer.train(0, 1)
    weights = cca.solve(
        cca.Whitener(train.features, 0.0), cca.LabelWhitener(train.frequencies, train.label_scale, 0.0), train.cross
    )
    left, right = layer.features[1] @ weights.features, weights.labels[layer.labels.parts[1]]
    found = [np.corrcoef(left[:, index], right[:, index])[0, 1] for index in range(4)]
    error = (1 - planted**2) / np.sqrt(len(layer.labels.parts[1]))
    assert (np.abs(found - planted) < 3.5 * error).all()
