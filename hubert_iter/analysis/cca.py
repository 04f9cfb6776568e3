"""Held-out canonical correlation of a layer with one-hot labels: PWCCA and mean CCA, exact and fast.

docs/protocol.md section 4, points 4 to 6. Notation: X features [N, D], Y one-hot labels [N, K], both centred on the
train part; Sxx, Sxy, Syy their covariances, Sxx and Syy scaled by their largest absolute entries.

How it is fast, without approximation, in float64:

- X'X and the class sums are accumulated once per part; a train part's are the total less those of dev and test.
- Syy = diag(p) - pp', so (Syy + eps)^(-1/2) is known in closed form (up to a rotation, which CCA does not see).
- One Cholesky factor of Sxx + eps per regulariser stands for the inverse square root, and the singular value
  decomposition of the whitened Sxy is the eigenproblem of its Gram matrix, of size min(D, K).
- Label variates are constant within a class, so they are orthonormalised as a [K, K] matrix, not over instances.

Conventions:

- Correlations are those of the test part's variates (projected with the train part's weights) and keep their sign, so
  the null scatters around 0.
- A label view of K classes has rank K - 1. The null direction (0/0) counts as a correlation of 0 with the mean weight
  of the others, so a perfect layer scores exactly (K - 1) / K in both metrics. So count directions beyond a layer's D.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import linalg, sparse

from hubert_iter.analysis.folds import NUM_PARTS


@dataclass(frozen=True)
class Score:
    """One held-out evaluation. `directions`: how many canonical pairs there are."""

    pwcca: float
    mean_cca: float
    directions: int


@dataclass(frozen=True)
class TrialResult:
    """The test part's score, the regulariser that the dev part chose, and the same fit to shuffled labels.

    `without`: PWCCA of the test part with each group of its instances (an evaluation speaker's, say) left out.
    """

    score: Score
    regulariser: float
    null: Score | None
    without: tuple[float, ...] | None = None


@dataclass(frozen=True)
class Groups:
    """Group of each instance, int [n] in 0..count-1, per part."""

    parts: Sequence[np.ndarray]
    count: int


@dataclass(frozen=True)
class Covariances:
    """Moments of a train part: features [D, D], scaled; cross [D, K]; class frequencies [K]; Syy's largest entry."""

    features: np.ndarray
    cross: np.ndarray
    frequencies: np.ndarray
    label_scale: float


@dataclass(frozen=True)
class Weights:
    """Canonical weights, by falling train correlation: features [D, M], labels [K, M]."""

    features: np.ndarray
    labels: np.ndarray


class Labels:
    """Labels of each part, and the sum of each class's features in each part."""

    def __init__(self, parts: Sequence[np.ndarray], features: Sequence[np.ndarray], num_classes: int):
        """Take per part labels int [n] and features [n, D]."""
        self.parts = parts
        self._sums = [_class_sums(*pair, num_classes) for pair in zip(features, parts, strict=True)]
        self._total = sum(self._sums)

    def train_sums(self, dev: int, test: int) -> np.ndarray:
        """Class sums [K, D] of all parts but two."""
        return self._total - self._sums[dev] - self._sums[test]

    def cross(self, dev: int, test: int, frequencies: np.ndarray) -> np.ndarray:
        """Sxy [D, K] of all parts but two, up to a factor (which CCA does not see)."""
        sums = self.train_sums(dev, test)
        return (sums - frequencies[:, None] * sums.sum(axis=0)).T


def _class_sums(features: np.ndarray, labels: np.ndarray, num_classes: int) -> np.ndarray:
    one_hot = (np.ones(len(labels)), (labels, np.arange(len(labels))))
    return sparse.csr_array(one_hot, shape=(num_classes, len(labels))) @ features


class Layer:
    """One layer's instances dealt into parts, with the second moments of each part."""

    def __init__(self, features: np.ndarray, labels: np.ndarray, parts: np.ndarray, num_classes: int):
        """Take features [N, D], labels int [N] in 0..num_classes-1, parts int [N] in 0..9."""
        features = np.array(features, dtype=np.float64)
        features -= features.mean(axis=0)  # moments of centred numbers do not cancel
        self.num_classes = num_classes
        self.features = [features[parts == part] for part in range(NUM_PARTS)]
        self.labels = Labels([labels[parts == part] for part in range(NUM_PARTS)], self.features, num_classes)
        self._products = [part.T @ part for part in self.features]
        self._total = sum(self._products)
        self._counts = np.stack([np.bincount(part, minlength=num_classes) for part in self.labels.parts])

    def train(self, dev: int, test: int) -> Covariances:
        """Scaled covariances of all parts but two."""
        counts = self._counts.sum(axis=0) - self._counts[dev] - self._counts[test]
        total = counts.sum()
        mean = self.labels.train_sums(dev, test).sum(axis=0) / total
        features = self._total - self._products[dev]
        features -= self._products[test]
        features /= total
        features -= np.outer(mean, mean)
        scale = np.abs(features).max()
        if scale > 0:
            features /= scale
        frequencies = counts / total
        # The largest entry of diag(p) - pp' is on its diagonal, since p_i p_j <= p_i (1 - p_i).
        label_scale = max((frequencies * (1 - frequencies)).max(), np.finfo(float).tiny)
        return Covariances(features, self.labels.cross(dev, test, frequencies), frequencies, label_scale)


class Whitener:
    """R with R R' = (S + eps)^-1: from a Cholesky factor or, where S + eps is singular, its non-zero eigenvalues."""

    def __init__(self, covariance: np.ndarray, regulariser: float):
        """Factorise covariance [D, D] plus regulariser."""
        regularised = covariance.copy()
        regularised[np.diag_indices_from(regularised)] += regulariser
        self._factor = self._root = None
        if regulariser > 0:
            try:
                self._factor = linalg.cholesky(regularised, lower=True, check_finite=False)
                return
            except linalg.LinAlgError:
                pass
        values, vectors = np.linalg.eigh(regularised)
        kept = values > max(values[-1], 0) * len(values) * 10 * np.finfo(float).eps
        self._root = vectors[:, kept] / np.sqrt(values[kept])

    def whiten(self, matrix: np.ndarray) -> np.ndarray:
        """R' matrix."""
        if self._root is not None:
            return self._root.T @ matrix
        return linalg.solve_triangular(self._factor, matrix, lower=True, check_finite=False)

    def colour(self, matrix: np.ndarray) -> np.ndarray:
        """R matrix."""
        if self._root is not None:
            return self._root @ matrix
        return linalg.solve_triangular(self._factor, matrix, lower=True, trans="T", check_finite=False)


class LabelWhitener:
    """F with F F' = (Syy + eps)^-1 for Syy = (diag(p) - pp') / scale: diagonal plus rank one, so known in closed form.

    With d = p / scale + eps and v = p / sqrt(scale d): Syy + eps = sqrt(d) (I - vv') sqrt(d), and (I - vv')^(-1/2) =
    I + c vv' where 1 - |v|^2 = sum(p eps / d). For eps = 0 the null direction is projected away.
    """

    def __init__(self, frequencies: np.ndarray, scale: float, regulariser: float):
        """Take class frequencies [K] that sum to 1."""
        diagonal = frequencies / scale + regulariser
        present = diagonal > 0
        self._inverse = np.zeros_like(diagonal)
        self._inverse[present] = 1 / np.sqrt(diagonal[present])
        self._direction = frequencies / np.sqrt(scale) * self._inverse
        remainder = float(np.sum(frequencies * regulariser * self._inverse**2))
        square = float(self._direction @ self._direction)
        self._factor = ((remainder**-0.5 if remainder > 0 else 0.0) - 1) / square

    def whiten(self, matrix: np.ndarray) -> np.ndarray:
        """Matrix F, for matrix [M, K]."""
        scaled = matrix * self._inverse
        return scaled + np.outer(scaled @ self._direction, self._factor * self._direction)

    def colour(self, matrix: np.ndarray) -> np.ndarray:
        """F matrix, for matrix [K, M]."""
        turned = matrix + self._factor * np.outer(self._direction, self._direction @ matrix)
        return self._inverse[:, None] * turned


def solve(whitener: Whitener, labels: LabelWhitener, cross: np.ndarray) -> Weights:
    """Canonical weights: the singular vectors of the whitened cross-covariance, by its smaller Gram matrix.

    The Gram matrix squares correlations, so those below 1e-8 are noise; in-sample ones are orders above.
    """
    half = whitener.whiten(cross)  # half F is the whitened cross-covariance
    rank, num_classes = half.shape
    count = min(rank, num_classes - 1)
    if count == 0:
        return Weights(np.zeros((cross.shape[0], 0)), np.zeros((num_classes, 0)))
    if rank >= num_classes:
        gram = labels.whiten(labels.whiten(half.T @ half).T)  # F' half' half F
        right = labels.colour(_leading(gram, count))
        return Weights(whitener.colour(half @ right), right)
    whitened = labels.whiten(half)
    left = _leading(whitened @ whitened.T, count)
    return Weights(whitener.colour(left), labels.colour(whitened.T @ left))


def _leading(gram: np.ndarray, count: int) -> np.ndarray:
    """Eigenvectors of the largest eigenvalues, in falling order."""
    vectors = linalg.eigh(gram, driver="evd", overwrite_a=True, check_finite=False)[1]
    return np.ascontiguousarray(vectors[:, : -count - 1 : -1])


def evaluate(weights: Weights, features: np.ndarray, labels: np.ndarray) -> Score:
    """Project held-out features [n, D] and labels int [n] with trained weights, correlate, weight."""
    return _score(weights, labels, _correlations(*_variates(weights, features, labels)))


def evaluate_without(
    weights: Weights, features: np.ndarray, labels: np.ndarray, groups: np.ndarray, count: int
) -> tuple[Score, np.ndarray]:
    """As `evaluate`, and PWCCA with each group's instances left out [count], for groups int [n] in 0..count-1.

    The weights alpha stay those of all instances. New ones would cost 500 x 500 factorisations for each group of words
    and change little: on real phones the jackknife's standard error of a difference was 0.0057, with new ones 0.0059.
    """
    left, right = _variates(weights, features, labels)
    score = _score(weights, labels, _correlations(left, right))
    importance = projection_weights(weights.labels, np.bincount(labels, minlength=len(weights.labels)))
    total = importance.sum()
    if total <= 0:
        return score, np.zeros(count)
    correlations = _correlations_without(left, right, groups, count)
    return score, correlations @ importance / total * (len(importance) / len(weights.labels))


def _score(weights: Weights, labels: np.ndarray, correlations: np.ndarray) -> Score:
    """PWCCA and mean CCA from the correlations [M] of a part with labels int [n]."""
    num_classes = len(weights.labels)
    if len(correlations) == 0:
        return Score(0.0, 0.0, 0)
    importance = projection_weights(weights.labels, np.bincount(labels, minlength=num_classes))
    share = len(correlations) / num_classes  # null directions: correlation 0, mean weight
    weighted = float(importance @ correlations / importance.sum()) if importance.sum() > 0 else 0.0
    return Score(share * weighted, share * float(correlations.mean()), len(correlations))


def _variates(weights: Weights, features: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both views' variates [n, M], centred."""
    left = features @ weights.features
    right = weights.labels[labels]
    left -= left.mean(axis=0)
    right -= right.mean(axis=0)
    return left, right


def _correlations(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Pearson correlation of each pair of variates [M]; 0 where one of them is constant."""
    product = np.einsum("nm,nm->m", left, right)
    energy = np.einsum("nm,nm->m", left, left) * np.einsum("nm,nm->m", right, right)
    return np.divide(product, np.sqrt(energy), out=np.zeros_like(product), where=energy > 0)


def _correlations_without(left: np.ndarray, right: np.ndarray, groups: np.ndarray, count: int) -> np.ndarray:
    """Pearson correlations [count, M] with each group's rows left out, from the groups' sums of moments."""
    members = sparse.csr_array((np.ones(len(groups)), (groups, np.arange(len(groups)))), shape=(count, len(groups)))
    rest = np.maximum(len(groups) - np.bincount(groups, minlength=count), 1)[:, None]
    # Variates are centred: the sum of the rows that are left is that of a group's, negative.
    left_sums, right_sums = members @ left, members @ right

    def left_over(products: np.ndarray, sums: np.ndarray, other_sums: np.ndarray) -> np.ndarray:
        return products.sum(axis=0) - members @ products - sums * other_sums / rest

    product = left_over(left * right, left_sums, right_sums)
    left_energy = left_over(left**2, left_sums, left_sums)
    right_energy = left_over(right**2, right_sums, right_sums)
    # What is left of a constant variate is rounding.
    varies = (left_energy > 1e-12 * (left**2).sum(axis=0)) & (right_energy > 1e-12 * (right**2).sum(axis=0))
    energy = np.where(varies, left_energy * right_energy, 1.0)
    return np.where(varies, product / np.sqrt(energy), 0.0)


def projection_weights(weights: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """alpha_i = sum_j |<variate_i, column j of the label view>| [M], for label weights [K, M] and class counts [K].

    The variates are those of the label view, centred and orthonormalised in order of falling correlation. They are
    constant within a class: with n_j instances, variate i is q_ji / sqrt(n_j) there, and <variate_i, column j> =
    sqrt(n_j) q_ji. A variate that is a combination of earlier ones (the part lacks classes) weighs 0.
    """
    present = counts > 0
    root = np.sqrt(counts[present])
    variates = weights[present]
    variates = (variates - counts[present] @ variates / counts.sum()) * root[:, None]
    return root @ np.abs(orthonormalise(variates))


def orthonormalise(columns: np.ndarray) -> np.ndarray:
    """Gram-Schmidt in the given order, [K, M]; a column that depends on earlier ones becomes 0.

    By the Cholesky factor of the Gram matrix where that is well conditioned (the usual case: label weights are nearly
    orthogonal already), which is twice as fast as a QR decomposition; column by column otherwise.
    """
    gram = columns.T @ columns
    try:
        triangle = linalg.cholesky(gram, check_finite=False)
    except linalg.LinAlgError:
        return _gram_schmidt(columns)
    if (np.diagonal(triangle) ** 2 < 1e-6 * np.diagonal(gram)).any():
        return _gram_schmidt(columns)
    return linalg.solve_triangular(triangle, columns.T, trans="T", check_finite=False).T


def _gram_schmidt(columns: np.ndarray) -> np.ndarray:
    vectors = np.zeros_like(columns)
    for index in range(columns.shape[1]):
        column = columns[:, index]
        for _ in range(2):  # twice is enough for orthogonality to rounding
            column = column - vectors[:, :index] @ (vectors[:, :index].T @ column)
        length = np.linalg.norm(column)
        if length > 1e-9 * np.linalg.norm(columns[:, index]):
            vectors[:, index] = column / length
    return vectors


def score_trial(
    layer: Layer,
    dev: int,
    test: int,
    regularisers: Sequence[float],
    null: Labels | None = None,
    groups: Groups | None = None,
) -> TrialResult:
    """Fit each regulariser, choose by the dev part's PWCCA, score the test part; the null has the same regulariser.

    With `groups` also score the test part without each group.
    """
    train = layer.train(dev, test)
    best = None
    for regulariser in regularisers:
        whitener = Whitener(train.features, regulariser)
        label_whitener = LabelWhitener(train.frequencies, train.label_scale, regulariser)
        weights = solve(whitener, label_whitener, train.cross)
        on_dev = evaluate(weights, layer.features[dev], layer.labels.parts[dev]).pwcca
        if best is None or on_dev > best[0]:
            best = (on_dev, regulariser, weights, whitener, label_whitener)
    _, regulariser, weights, whitener, label_whitener = best
    held_out = layer.features[test], layer.labels.parts[test]
    without = None
    if groups is None:
        score = evaluate(weights, *held_out)
    else:
        score, values = evaluate_without(weights, *held_out, groups.parts[test], groups.count)
        without = tuple(values.tolist())
    null_score = None
    if null is not None:
        weights = solve(whitener, label_whitener, null.cross(dev, test, train.frequencies))
        null_score = evaluate(weights, layer.features[test], null.parts[test])
    return TrialResult(score, regulariser, null_score, without)
