"""CCA of two continuous views against the textbook's SVD of the whitened cross-covariance, and scikit-learn's."""

import numpy as np
import pytest
import scipy.linalg

from hubert_iter.analysis import folds, two_views


def views(frames=3000, first=12, second=8, seed=0):
    generator = np.random.default_rng(seed)
    y = generator.standard_normal((frames, second)) @ generator.standard_normal((second, second))
    x = np.tanh(y @ generator.standard_normal((second, first))) + generator.standard_normal((frames, first))
    return (x + 4).astype(np.float32), (y - 2).astype(np.float32), np.repeat(np.arange(30) % 10, frames // 30)


def weighted(left, right, view):
    """PWCCA of paired variates by the formula, over frames: weights are the second view's."""
    left, right, view = (each - each.mean(axis=0) for each in (left, right, view))
    correlations = (left * right).sum(axis=0) / np.sqrt((left**2).sum(axis=0) * (right**2).sum(axis=0))
    alpha = np.abs(np.linalg.qr(right)[0].T @ view).sum(axis=1)
    return right.shape[1] / view.shape[1] * (alpha @ correlations) / alpha.sum()


def inverse_root(data, regulariser):
    covariance = np.cov(data.T, bias=True)
    covariance = covariance / np.abs(covariance).max()
    return scipy.linalg.fractional_matrix_power(covariance + regulariser * np.eye(len(covariance)), -0.5).real


def textbook(x, y, train, test, regulariser):
    centred = x[train] - x[train].mean(axis=0), y[train] - y[train].mean(axis=0)
    roots = [inverse_root(view, regulariser) for view in centred]
    left, _, right = scipy.linalg.svd(roots[0] @ (centred[0].T @ centred[1]) @ roots[1], full_matrices=False)
    return weighted(x[test] @ roots[0] @ left, y[test] @ roots[1] @ right.T, y[test])


@pytest.mark.parametrize("widths", [(12, 8), (5, 9)])
@pytest.mark.parametrize("regulariser", [1e-6, 1e-3, 1e-1])
def test_pwcca_is_the_textbooks(widths, regulariser):
    x, y, parts = views(first=widths[0], second=widths[1])
    moments = two_views.Moments(x, y, parts)
    for dev, test in folds.trials(3):
        train = (parts != dev) & (parts != test)
        found = two_views.score_trial(moments, dev, test, (regulariser,))
        expected = textbook(x.astype(float), y.astype(float), train, parts == test, regulariser)
        assert found.pwcca == pytest.approx(expected, abs=1e-6)


def test_pwcca_is_scikit_learns():
    """An iterative algorithm, without a regulariser: it agrees to 1e-3."""
    from sklearn.cross_decomposition import CCA

    x, y, parts = views()
    moments = two_views.Moments(x, y, parts)
    for dev, test in folds.trials(2):
        train = (parts != dev) & (parts != test)
        model = CCA(n_components=8, max_iter=5000, tol=1e-10).fit(x[train].astype(float), y[train].astype(float))
        expected = weighted(*model.transform(x[parts == test], y[parts == test]), y[parts == test].astype(float))
        assert two_views.score_trial(moments, dev, test, (1e-10,)).pwcca == pytest.approx(expected, abs=1e-3)


def test_null_is_the_textbooks_of_rolled_parts():
    x, y, parts = views()
    rolled = y.copy()
    for part in range(folds.NUM_PARTS):
        members = np.flatnonzero(parts == part)
        rolled[members] = y[np.roll(members, len(members) // 2)]
    moments = two_views.Moments(x, y, parts)
    for dev, test in folds.trials(3):
        train = (parts != dev) & (parts != test)
        found = two_views.score_trial(moments, dev, test, (1e-4,))
        expected = textbook(x.astype(float), rolled.astype(float), train, parts == test, 1e-4)
        assert found.null == pytest.approx(expected, abs=1e-6)
