"""Means of two crossed factors (speakers and phones), their principal directions, and how orthogonal these are.

Liu, Tang and Goldwater 2023 (arXiv 2305.12464) collapse the principal directions of speaker means and look at what is
left of phones; Mohamed, Liu, Tang and Goldwater 2024 (arXiv 2406.09200) collapse them in turn and sum what is left.
Here those that hold a fixed share of the variance are collapsed at once: a sum depends on how many speakers and phones
there are, and counts directions that hold little but the noise of the means.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np


@dataclass(frozen=True)
class Cells:
    """Instances in a table of A rows by B columns: float64 means [A, B, D], and which cells have any, bool [A, B]."""

    means: np.ndarray
    present: np.ndarray

    def without(self, rows: np.ndarray) -> "Cells":
        """Rows bool [A] left out."""
        return Cells(self.means[~rows], self.present[~rows])


def cells(features: np.ndarray, rows: np.ndarray, columns: np.ndarray, shape: tuple[int, int]) -> Cells:
    """From features [N, D], rows int [N] in 0..shape[0]-1, columns int [N]."""
    from scipy import sparse  # not needed to say "up to date"

    index = rows * shape[1] + columns
    counts = np.bincount(index, minlength=shape[0] * shape[1])
    shares = (1 / counts[index]).astype(features.dtype)
    average = sparse.csr_array((shares, (index, np.arange(len(index)))), shape=(len(counts), len(index)))
    return Cells((average @ features).astype(np.float64).reshape(*shape, -1), counts.reshape(shape) > 0)


def effects(table: Cells) -> tuple[np.ndarray, np.ndarray]:
    """What each row and each column adds, centred: [A, D] and [B, D], by least squares over the cells there are.

    In a full table these are the rows' means over columns, each counting alike, and the columns' over rows. Rows and
    columns without any instance are 0, so that they do not count.
    """
    num_rows = len(table.present)
    sums = np.concatenate([table.means.sum(axis=1), table.means.sum(axis=0)])
    solution = _inverse(table.present.tobytes(), num_rows) @ sums
    return (
        _centred(solution[:num_rows], table.present.any(axis=1)),
        _centred(solution[num_rows:], table.present.any(axis=0)),
    )


@lru_cache(maxsize=128)
def _inverse(present: bytes, num_rows: int) -> np.ndarray:
    """Of the normal equations, which are those of all layers: they know only which cells there are."""
    cells = np.frombuffer(present, bool).reshape(num_rows, -1).astype(float)
    normal = np.block([[np.diag(cells.sum(axis=1)), cells], [cells.T, np.diag(cells.sum(axis=0))]])
    return np.linalg.pinv(normal, hermitian=True)  # singular: what rows gain columns may lose


def _centred(means: np.ndarray, known: np.ndarray) -> np.ndarray:
    return (means - means[known].mean(axis=0)) * known[:, None]


def directions(means: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Shares of the variance of centred means [A, D] by falling size [M], and the unit directions [M, D]."""
    squares, left = np.linalg.eigh(means @ means.T)
    kept = squares > 1e-9 * max(squares[-1], np.finfo(float).tiny)  # of A centred means at most A - 1
    squares, left = squares[kept][::-1], left[:, kept][:, ::-1]
    return squares / squares.sum(), (left / np.sqrt(squares)).T @ means


def leading(shares: np.ndarray, share: float) -> int:
    """How many directions hold `share` of the variance."""
    return min(int(np.searchsorted(np.cumsum(shares), share - 1e-9)) + 1, len(shares))


def left(means: np.ndarray, collapsed: np.ndarray) -> float:
    """Share of the variance of centred means [B, D] outside orthonormal directions [M, D]; 1 where they do not vary."""
    total = np.vdot(means, means)
    return 1 - float(np.sum((means @ collapsed.T) ** 2) / total) if total > 0 else 1.0


def cosine(one: tuple[np.ndarray, np.ndarray], other: tuple[np.ndarray, np.ndarray]) -> float:
    """Mean |cosine| of pairs of directions, weighted by the product of their shares."""
    return float(one[0] @ np.abs(one[1] @ other[1].T) @ other[0])
