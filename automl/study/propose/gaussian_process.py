"""A Gaussian process on few rows: its scales by likelihood, then mean and spread at other rows.

Rasmussen and Williams 2006, chapters 2 and 5: Matérn 5/2, one length scale per group of columns,
the signal's variance in closed form.
"""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_solve, solve_triangular
from scipy.optimize import minimize

Array = NDArray[np.float64]
LOG_LENGTH = (-3.0, 4.0)
LOG_NOISE = (np.log(1e-5), 0.0)
USUAL_LOG_NOISE = np.log(1e-2)
MAX_ITERATIONS = 40


@dataclass(frozen=True)
class Scales:
    """Logarithms of the length for each group of columns, and of noise over signal variance."""

    log_lengths: Array
    log_noise: float


def fit_scales(rows: Array, groups: NDArray[np.int64], targets: Array) -> Scales:
    """The likeliest scales, held near usual ones by a wide prior.

    `rows` are (n, d), `groups` (d,), `targets` (n,) and standardised.
    """
    num_groups = int(groups.max(initial=-1)) + 1
    distances = np.zeros((num_groups, len(rows), len(rows)))
    for column, group in zip(rows.T, groups, strict=True):
        distances[group] += (column[:, None] - column) ** 2
    usual = np.full(num_groups + 1, np.log(0.5 * max(num_groups, 1) ** 0.5))
    usual[-1] = USUAL_LOG_NOISE
    widths = np.ones(num_groups + 1)
    widths[-1] = 2.0

    def loss(point: Array) -> tuple[float, Array]:
        """The loss at a `point` of shape (parameters,), and its slope of that shape."""
        away = (point - usual) / widths
        value, slope = _unlikelihood(point, distances.reshape(num_groups, -1), targets)
        return value + float(away @ away) / 2, slope + away / widths

    bounds = [LOG_LENGTH] * num_groups + [LOG_NOISE]
    options = {"maxiter": MAX_ITERATIONS}
    found = minimize(loss, usual, jac=True, method="L-BFGS-B", bounds=bounds, options=options)
    return Scales(found.x[:-1], float(found.x[-1]))


def _unlikelihood(point: Array, distances: Array, targets: Array) -> tuple[float, Array]:
    """Minus the log likelihood, and its slope; `distances` are squared, (groups, n * n)."""
    n = len(targets)
    weights, noise = np.exp(-2 * point[:-1]), np.exp(point[-1])
    kernel, slope = _matern((weights @ distances).reshape(n, n))
    lower = np.linalg.cholesky(kernel + noise * np.eye(n))
    inverse = cho_solve((lower, True), np.eye(n))
    solved = inverse @ targets
    variance = max(float(targets @ solved) / n, 1e-6)
    value = 0.5 * n * np.log(variance) + np.log(np.diag(lower)).sum()
    pull = 0.5 * (inverse - np.outer(solved, solved) / variance)
    lengths = distances @ (pull * slope).ravel() * weights * -2
    return float(value), np.append(lengths, np.trace(pull) * noise)


def _matern(squared: Array) -> tuple[Array, Array]:
    """The kernel at squared distances, and its slope there."""
    far = np.sqrt(5 * squared + 1e-12)
    decay = np.exp(-far)
    return (1 + far + far**2 / 3) * decay, (1 + far) * decay * (-5 / 6)


class Process:
    """The process of a target: `rows` (n, d) encoded, `targets` (n,) in any unit."""

    def __init__(
        self,
        rows: Array,
        groups: NDArray[np.int64],
        targets: Array,
        scales: Scales | None = None,
    ) -> None:
        self.middle, self.unit = float(targets.mean()), float(targets.std()) or 1.0
        self.scaled = (targets - self.middle) / self.unit
        self.scales = fit_scales(rows, groups, self.scaled) if scales is None else scales
        self.stretch = np.exp(-self.scales.log_lengths)[groups]
        self.rows = rows * self.stretch
        kernel = _matern(_squared(self.rows, self.rows))[0]
        kernel += np.exp(self.scales.log_noise) * np.eye(len(rows))
        self.lower = np.linalg.cholesky(kernel)
        self.solved = cho_solve((self.lower, True), self.scaled)
        self.variance = max(float(self.scaled @ self.solved) / len(rows), 1e-6)

    def add(self, rows: Array, targets: Array) -> Process:
        """A process that knows more rows (k, d) and targets (k,), the scales and unit unchanged."""
        other = copy(self)
        stretched = rows * self.stretch
        across = solve_triangular(
            self.lower, _matern(_squared(self.rows, stretched))[0], lower=True
        )
        corner = _matern(_squared(stretched, stretched))[0] - across.T @ across
        corner += np.exp(self.scales.log_noise) * np.eye(len(rows))
        other.lower = np.block(
            [[self.lower, np.zeros_like(across)], [across.T, np.linalg.cholesky(corner)]]
        )
        other.rows = np.vstack([self.rows, stretched])
        other.scaled = np.append(self.scaled, (targets - self.middle) / self.unit)
        other.solved = cho_solve((other.lower, True), other.scaled)
        other.variance = max(float(other.scaled @ other.solved) / len(other.rows), 1e-6)
        return other

    def predict(self, rows: Array) -> tuple[Array, Array]:
        """Mean and standard deviation of the noiseless target at rows (k, d), (k,) each."""
        kernel = _matern(_squared(rows * self.stretch, self.rows))[0]
        explained = (solve_triangular(self.lower, kernel.T, lower=True) ** 2).sum(axis=0)
        spread = np.sqrt(self.variance * np.maximum(1 - explained, 1e-9))
        return self.middle + self.unit * (kernel @ self.solved), self.unit * spread


def _squared(a: Array, b: Array) -> Array:
    cross = (a**2).sum(axis=1)[:, None] + (b**2).sum(axis=1) - 2 * a @ b.T
    squared: Array = np.maximum(cross, 0.0)
    return squared
