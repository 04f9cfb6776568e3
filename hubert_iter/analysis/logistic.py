"""Multinomial logistic regression with an L2 penalty, fast enough to fit every layer of every network.

Minimised is the mean cross-entropy of n instances plus penalty / 2 times the sum of squared weights; biases are free.
In scikit-learn's terms C = 1 / (n penalty), on features standardised on the train part.

How it is fast:

- Features are turned to the principal axes of the train part, which the penalty does not see. There the curvature is
  nearly diagonal, and its diagonal is known: frequency (1 - frequency) of the class times the axis's variance, plus the
  penalty. Variables scaled by it are well conditioned: 40 instead of 200 evaluations for 39 phones.
- L-BFGS (Nocedal and Wright 2006, algorithm 7.4) in float32. SciPy's wants float64 and takes 1.2 to 1.9 times as long.
- Weights are [classes, axes] and instances [axes, n], so that the softmax runs along contiguous memory. For products
  the classes are filled up to a multiple of 8, which BLAS takes a quarter less time for.
- A fit may start from that of a stronger penalty. Fits to one train part (penalties, shuffled labels) share its axes.

Tried without gain: a start at the linear discriminant, curvatures of the start instead of those at 0, a longer memory.
"""

from collections.abc import Callable

import numpy as np

TOLERANCE = 0.01
"""Norm of the scaled gradient, over the root of the loss, at which a fit ends. About half its square is what the loss
could still fall by: measured on layers, the loss is then a thousandth too high, and one prediction of 100 differs."""
ROUGH = 5 * TOLERANCE
"""Tolerance for a control, whose accuracy is chance however well it is fitted: half the evaluations."""
MOST_UPDATES = 300
MEMORY = 10
_FLAT = 1e-6  # axes with a smaller share of the first one's variance are left out: their weights would be 0

Objective = Callable[[np.ndarray], tuple[float, np.ndarray]]


class Train:
    """A train part, standardised and turned to its principal axes."""

    def __init__(self, features: np.ndarray):
        """Take features float32 [n, D]."""
        self._mean = features.mean(axis=0)
        deviation = features.std(axis=0)
        self._inverse = 1 / np.where(deviation > 0, deviation, 1)
        standard = (features - self._mean) * self._inverse
        variances, axes = np.linalg.eigh(standard.T @ standard / np.float32(len(features)))
        kept = variances > _FLAT * max(variances[-1], np.finfo(np.float32).tiny)
        self._axes = axes[:, kept]
        self._variances = np.append(variances[kept], np.float32(1))
        self._instances = self.turn(features)
        self._transposed = np.ascontiguousarray(self._instances.T)

    def turn(self, features: np.ndarray) -> np.ndarray:
        """Features [m, D] on the principal axes, with a column of ones for the bias: [m, A + 1]."""
        turned = np.ones((len(features), self._axes.shape[1] + 1), dtype=np.float32)
        np.matmul((features - self._mean) * self._inverse, self._axes, out=turned[:, :-1])
        return turned

    def fit(
        self, labels: np.ndarray, num_classes: int, penalty: float, start: np.ndarray | None = None,
        tolerance: float = TOLERANCE,
    ) -> np.ndarray:  # fmt: skip
        """Weights [num_classes, A + 1] for labels int [n]; `start`: weights of another fit to this train part."""
        frequencies = (np.bincount(labels, minlength=num_classes) + 0.5) / (len(labels) + 0.5 * num_classes)
        penalties = np.append(np.full(len(self._variances) - 1, penalty, np.float32), np.float32(0))
        curvature = np.outer(frequencies * (1 - frequencies), self._variances) + penalties
        scale = (1 / np.sqrt(curvature)).astype(np.float32)
        objective = self._objective(labels, penalties, scale)
        first = np.zeros_like(scale) if start is None else start / scale
        return minimise(objective, first, tolerance) * scale

    def _objective(self, labels: np.ndarray, penalties: np.ndarray, scale: np.ndarray) -> Objective:
        """Loss and gradient in variables weights / scale."""
        own = labels, np.arange(len(labels))
        share = np.float32(1 / len(labels))
        num_classes, axes = scale.shape
        filled = np.zeros((-num_classes % 8 + num_classes, axes), np.float32)
        logits = np.zeros((len(filled), len(labels)), np.float32)
        weights, x = filled[:num_classes], logits[:num_classes]

        def objective(variables: np.ndarray) -> tuple[float, np.ndarray]:
            np.multiply(variables, scale, out=weights)
            penalised = weights * penalties
            np.matmul(filled, self._transposed, out=logits)
            x[:] -= x.max(axis=0)
            likelihood = x[own].sum(dtype=np.float64)
            np.exp(x, out=x)
            total = x.sum(axis=0)
            loss = (np.log(total).sum(dtype=np.float64) - likelihood) / len(labels) + np.vdot(penalised, weights) / 2
            x[:] *= share / total
            x[own] -= share
            gradient = (logits @ self._instances)[:num_classes]
            gradient += penalised
            gradient *= scale
            return float(loss), gradient

        return objective


def predict(weights: np.ndarray, turned: np.ndarray) -> np.ndarray:
    """Class of each row of `Train.turn`, int [m]."""
    return (turned @ weights.T).argmax(axis=1)


def minimise(objective: Objective, x: np.ndarray, tolerance: float) -> np.ndarray:
    """L-BFGS for a convex function above 0, whole steps first, halved while they do not lower it enough."""
    loss, gradient = objective(x)
    memory: list[tuple[np.ndarray, np.ndarray, np.float32]] = []
    for _ in range(MOST_UPDATES):
        if np.vdot(gradient, gradient) < tolerance**2 * loss:
            break
        direction = _direction(gradient, memory)
        slope = float(np.vdot(gradient, direction))
        step = np.float32(1)
        while True:
            new_x = x + step * direction
            new_loss, new_gradient = objective(new_x)
            if new_loss <= loss + 1e-4 * step * slope:
                break
            step /= 2
            if step < 1e-6:  # float32 knows no lower loss
                return x
        moved, bent = new_x - x, new_gradient - gradient
        product = np.vdot(moved, bent)
        if product > 0:
            memory = [*memory[1 - MEMORY :], (moved, bent, 1 / product)]
        x, loss, gradient = new_x, new_loss, new_gradient
    return x


def _direction(gradient: np.ndarray, memory: list[tuple[np.ndarray, np.ndarray, np.float32]]) -> np.ndarray:
    """Minus the inverse of the curvature, as the last updates saw it, times the gradient (two-loop recursion)."""
    direction = -gradient
    factors = []
    for moved, bent, inverse in reversed(memory):
        factors.append(inverse * np.vdot(moved, direction))
        direction -= factors[-1] * bent
    if memory:
        _, bent, inverse = memory[-1]
        direction /= inverse * np.vdot(bent, bent)
    for (moved, bent, inverse), factor in zip(memory, reversed(factors), strict=True):
        direction += (factor - inverse * np.vdot(bent, direction)) * moved
    return direction
