"""Held-out canonical correlation of a layer's frames with another continuous view of the same frames: PWCCA.

For measures that compare layers with features (log-mel bands, the convolutions' output) and not with labels, as Pasad
et al. do (arXiv 2107.04734, 2211.03929). Method and conventions are those of `cca`:

- Ten parts, dealt by utterance; eight train, one chooses the regulariser, one is scored with the trained weights.
- Correlations are weighted by alpha_i = sum_j |<variate_i, column j of the second view>|, variates orthonormalised by
  falling trained correlation. The second view's, because it is the same for all layers and networks: a score says how
  much of *it* a layer holds, and a layer's own scaling does not decide what counts.
- Directions of the second view beyond a layer's width count as correlations of 0 with the mean weight.

All comes from second moments, which are summed once per part; no frame is touched again for a trial or a regulariser.
In float64: LayerNorm leaves a layer one direction in which nothing varies, and whitening would make float32's rounding
there as large as the directions that do.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from hubert_iter.analysis import folds
from hubert_iter.analysis.measure import FACT, Material, Measure, Metric, Row
from hubert_iter.analysis.pool import Layers
from hubert_iter.options import option

if TYPE_CHECKING:  # scipy, which is not needed to say "up to date"
    from hubert_iter.analysis.cca import Whitener

ROUNDING = 1e-9
"""Least variance of a variate, over the largest one's; and what is added to their correlations' diagonal, so that
those of dependent variates have a Cholesky factor."""


@dataclass(frozen=True)
class Settings:
    """Settings of CCA-mel and CCA-intra."""

    regularisers: tuple[float, ...] = option(
        (1e-4, 1e-2),
        "added to both scaled covariances; the dev part chooses. The lower one is for layers with outlying dimensions",
        least=1e-12,
        most=1,
        fewest=1,
    )
    frames_per_dimension: int = option(
        40,
        "frames used, at most, per dimension of the wider view; half as many lower scores of log-mel by 0.01 to 0.02",
        least=10,
        most=10**6,
    )

    def chosen(self, frames: int, width: int) -> np.ndarray:
        """Which of so many frames are used for a wider view of so many dimensions, int [n]."""
        return folds.evenly(np.arange(frames), self.frames_per_dimension * width)


class TrialResult(NamedTuple):
    """The test part's PWCCA, the regulariser that the dev part chose, and PWCCA of the control."""

    pwcca: float
    regulariser: float
    null: float


class Covariances(NamedTuple):
    """Covariances of some parts: first view [D, D], both [D, E], second view [E, E]."""

    first: np.ndarray
    cross: np.ndarray
    second: np.ndarray


class Moments:
    """Second moments of both views in each part."""

    def __init__(self, first: np.ndarray, second: np.ndarray, parts: np.ndarray):
        """Take first [N, D], second [N, E], and the part of each frame, int [N]."""
        self._width = first.shape[1]
        mean = np.concatenate([view.mean(axis=0, dtype=np.float64) for view in (first, second)])
        self._counts = np.bincount(parts, minlength=folds.NUM_PARTS)
        self._sums, self._products, self._null = [], [], []
        for part in range(folds.NUM_PARTS):
            both = np.concatenate([view[parts == part] for view in (first, second)], axis=1, dtype=np.float64)
            both -= mean  # moments of centred numbers do not cancel
            self._sums.append(both.sum(axis=0))
            self._products.append(both.T @ both)
            # For the null the second view is rolled by half the part, so that frames meet those of other utterances.
            # A shuffle of single frames would lose that neighbours are alike, which is what makes chance correlations
            # as large as they are.
            rolled = np.roll(both[:, self._width :], len(both) // 2, axis=0)
            self._null.append(both[:, : self._width].T @ rolled)

    def covariances(self, parts: Sequence[int], null: bool = False) -> Covariances:
        """Covariances over these parts; with `null`, the second view is that of other utterances."""
        total, split = max(self._counts[parts].sum(), 1), self._width
        mean = sum(self._sums[part] for part in parts) / total
        product = sum(self._products[part] for part in parts)
        if null:
            product = product.copy()  # the sum of one part is the part itself
            product[:split, split:] = sum(self._null[part] for part in parts)
        product = product / total - np.outer(mean, mean)
        return Covariances(product[:split, :split], product[:split, split:], product[split:, split:])


class Weights(NamedTuple):
    """Canonical weights by falling trained correlation: first view [D, M], second view [E, M]."""

    first: np.ndarray
    second: np.ndarray


class Whiteners(NamedTuple):
    """Whitener of each view: covariance over its largest absolute entry, plus a regulariser."""

    first: "Whitener"
    second: "Whitener"


def whiteners(train: Covariances, regulariser: float) -> Whiteners:
    """Factorise both views' covariances."""
    from hubert_iter.analysis.cca import Whitener

    scaled = [view / max(np.abs(view).max(), np.finfo(float).tiny) for view in (train.first, train.second)]
    return Whiteners(*(Whitener(view, regulariser) for view in scaled))


def solve(views: Whiteners, cross: np.ndarray) -> Weights:
    """Canonical weights: the singular vectors of the whitened cross-covariance, by its smaller Gram matrix."""
    whitened = views.second.whiten(views.first.whiten(cross).T).T
    if whitened.shape[0] < whitened.shape[1]:
        left = _falling(whitened @ whitened.T)
        right = whitened.T @ left
    else:
        right = _falling(whitened.T @ whitened)
        left = whitened @ right
    return Weights(views.first.colour(left), views.second.colour(right))


def _falling(gram: np.ndarray) -> np.ndarray:
    """Eigenvectors in the order of falling eigenvalues."""
    from scipy import linalg

    return linalg.eigh(gram, driver="evd", overwrite_a=True, check_finite=False)[1][:, ::-1]


def evaluate(weights: Weights, held_out: Covariances) -> float:
    """PWCCA of other parts' variates, from their covariances; a variate that does not vary has a correlation of 0."""
    columns = weights.second.T @ held_out.second  # of the second view's variates with its columns, [M, E]
    gram = columns @ weights.second
    energy = np.einsum("dm,dm->m", weights.first, held_out.first @ weights.first) * np.diagonal(gram)
    product = np.einsum("dm,dm->m", weights.first, held_out.cross @ weights.second)
    correlations = np.where(energy > 0, product / np.sqrt(np.where(energy > 0, energy, 1)), 0)
    importance = _projection_weights(gram, columns)
    share = len(correlations) / len(held_out.second)
    return share * float(importance @ correlations / max(importance.sum(), np.finfo(float).tiny))


def _projection_weights(gram: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """alpha [M], from the variates' covariances with each other [M, M] and with their view's columns [M, E].

    Gram-Schmidt in the given order is the Cholesky factor: gram = L L', and L^-1 V are the orthonormal variates. A
    variate that is a combination of earlier ones (fewer frames than columns, say) weighs next to nothing.
    """
    from scipy import linalg

    variances = np.diagonal(gram)
    length = np.sqrt(np.maximum(variances, max(ROUNDING * variances.max(), np.finfo(float).tiny)))
    correlations = gram / length[:, None] / length
    correlations[np.diag_indices_from(correlations)] = 1 + ROUNDING
    triangle = linalg.cholesky(correlations, lower=True, check_finite=False)
    turned = linalg.solve_triangular(triangle, columns / length[:, None], lower=True, check_finite=False)
    return np.abs(turned).sum(axis=1)


def score_trial(moments: Moments, dev: int, test: int, regularisers: Sequence[float]) -> TrialResult:
    """Fit each regulariser, choose by the dev part's PWCCA, score the test part; the null has the same regulariser."""
    parts = [part for part in range(folds.NUM_PARTS) if part not in (dev, test)]
    train, on_dev = moments.covariances(parts), moments.covariances([dev])
    best = None
    for regulariser in regularisers:
        views = whiteners(train, regulariser)
        weights = solve(views, train.cross)
        value = evaluate(weights, on_dev)
        if best is None or value > best[0]:
            best = (value, regulariser, views, weights)
    _, regulariser, views, weights = best
    null = solve(views, moments.covariances(parts, null=True).cross)
    return TrialResult(
        evaluate(weights, moments.covariances([test])), regulariser,
        evaluate(null, moments.covariances([test], null=True)),
    )  # fmt: skip


@dataclass(frozen=True)
class Task:
    """One layer against the second view."""

    layers: Layers
    tap: str
    second: Layers
    second_tap: str
    parts: np.ndarray
    trials: int
    settings: Settings


def score_layer(task: Task) -> list[TrialResult]:
    """All trials of one layer."""
    views = task.layers.frames(task.tap), task.second.frames(task.second_tap)
    chosen = task.settings.chosen(len(task.parts), max(view.shape[1] for view in views))
    moments = Moments(*(view[chosen] for view in views), task.parts[chosen])
    return [score_trial(moments, dev, test, task.settings.regularisers) for dev, test in folds.trials(task.trials)]


class TwoViews(Measure):
    """What measures of this kind share."""

    metrics = (
        Metric("pwcca", "PWCCA, held out", control="null_pwcca", lines=("ceiling",), control_label="other utterances"),
        Metric("regulariser", "regulariser that the dev part chose", drawn=False),
    )
    facts: Mapping[str, str] = {"ceiling": "ceiling", "num_instances": "frames"}
    Settings = Settings

    def leaves_out(self, material: Material) -> str:
        """Frames are dealt into parts by utterance, so it takes as many."""
        count = len(material.frames.parts)
        if count >= folds.NUM_PARTS:
            return ""
        return f"single frames come from {count} utterances, of {folds.NUM_PARTS} needed"


def score(material: Material, settings: Settings, prop: str, second: Layers, second_tap: str) -> list[Row]:
    """Rows of every layer but the second view itself, and facts, under the name `prop`."""
    taps = [tap for tap in material.layers.taps if (material.layers, tap) != (second, second_tap)]
    parts = folds.deal_utterances(material.frames, "two views", material.seed)
    tasks = [Task(material.layers, tap, second, second_tap, parts, material.trials, settings) for tap in taps]
    rows = [
        Row(tap, prop, metric, 0, trial, value)
        for tap, results in zip(taps, material.workers.map(score_layer, tasks), strict=True)
        for trial, result in enumerate(results)
        for metric, value in (
            ("pwcca", result.pwcca), ("null_pwcca", result.null), ("regulariser", result.regulariser),
        )
    ]  # fmt: skip
    width = second.frames(second_tap).shape[1]
    widest = max(material.layers.frames(tap).shape[1] for tap in taps)
    used = settings.chosen(len(material.frames), max(widest, width))
    facts = {"ceiling": min(widest, width) / width, "num_instances": len(used)}
    return rows + [Row(FACT, prop, fact, 0, None, value) for fact, value in facts.items()]
