"""A Gaussian process: Matérn 5/2 with a length scale for each dimension, fitted by its posterior's maximum.

Rasmussen and Williams, Gaussian Processes for Machine Learning, 2006: equations 2.25, 2.26 (prediction), 5.9 (gradient).
NumPy alone: importing SciPy takes longer than all suggestions of a small tuning job.
"""

from typing import Callable, Optional, Tuple

import numpy as np

SQRT5 = np.sqrt(5.0)
JITTER = 1e-8
FLOOR = 1e-4
"""The least variance of noise, of values standardised to variance one."""
EVALUATIONS = 40
"""The most evaluations of the posterior in one search for its maximum."""

Loss = Callable[[np.ndarray], Tuple[float, np.ndarray]]


class GaussianProcess:
    """Zero mean; ``values`` are expected standardised.

    Parameters, all logarithms: a length scale for each group of columns, the signal's and the noise's variance.
    """

    def __init__(self, groups: np.ndarray) -> None:
        self.groups = groups
        self.count = int(groups.max()) + 1 if len(groups) else 0
        centre = np.log(0.5) + 0.25 * np.log(max(self.count, 1))
        # normal priors of the logarithms keep few observations from saying that nothing, or all, matters; distances, and
        # so the length scales, grow with the root of the number of dimensions
        self._mean = np.concatenate([np.full(self.count, centre), [0.0, np.log(1e-3)]])
        self._width = np.concatenate([np.ones(self.count), [1.0, 2.0]])
        self._low = np.log(np.concatenate([np.full(self.count, 0.02), [0.05, 1e-6]]))
        self._high = np.log(np.concatenate([np.full(self.count, 20.0), [20.0, 1.0]]))
        self._start = np.concatenate([self._mean[:-1], [np.log(1e-2)]])
        self.theta = self._start

    @property
    def noise(self) -> float:
        """The variance of noise."""
        return float(np.exp(self.theta[-1])) + FLOOR

    # -- fitting

    def fit(self, x: np.ndarray, values: np.ndarray, tune: bool = True) -> None:
        """Condition on data; ``tune`` also finds the parameters anew, from the last ones and from the prior's."""
        self.x = x
        if tune and len(values) > 1:
            self.theta = self._maximum(values)
        self._scale()
        k = self._kernel(self._scaled, self._scaled)
        # the inverse of the factor: one product predicts, and further points extend it
        self._whiten = np.linalg.inv(_factor(k + self.noise * np.eye(len(k))))
        self.alpha = self._whiten.T @ (self._whiten @ values)

    def _maximum(self, values: np.ndarray) -> np.ndarray:
        squares = self._squares()

        def loss(theta: np.ndarray) -> Tuple[float, np.ndarray]:
            return self._loss(theta, squares, values)

        found = [descend(loss, self._start, self._low, self._high)]
        if self.theta is not self._start:
            found.append(descend(loss, self.theta, self._low, self._high))
        return min(found, key=lambda f: f[0])[1]

    def _squares(self) -> np.ndarray:
        """(groups, n * n): squared distances in each group of columns."""
        n = len(self.x)
        out = np.zeros((self.count, n, n))
        for column, group in enumerate(self.groups):
            difference = self.x[:, None, column] - self.x[None, :, column]
            out[group] += difference * difference
        return out.reshape(self.count, -1)

    def _loss(self, theta: np.ndarray, squares: np.ndarray, values: np.ndarray) -> Tuple[float, np.ndarray]:
        """The negative log posterior, and its gradient."""
        n = len(values)
        inverse = np.exp(-2.0 * theta[: self.count])
        signal, noise = np.exp(theta[-2]), np.exp(theta[-1])
        far = np.sqrt(5.0 * (inverse @ squares) + 1e-12)
        # dk/d log length = 5/3 signal (1 + √5 r) exp(-√5 r) · squares / length²
        slope = (signal * (1.0 + far)) * np.exp(-far)
        k = (slope + (signal / 3.0) * far * far * np.exp(-far)).reshape(n, n)
        try:
            factor = np.linalg.cholesky(k + (noise + FLOOR) * np.eye(n))
        except np.linalg.LinAlgError:
            return np.inf, np.zeros_like(theta)
        whiten = np.linalg.inv(factor)
        half = whiten @ values
        alpha = whiten.T @ half
        inner = np.outer(alpha, alpha) - whiten.T @ whiten
        gradient = np.empty_like(theta)
        gradient[: self.count] = (-5.0 / 6.0) * inverse * (squares @ (inner.ravel() * slope))
        gradient[-2] = -0.5 * (inner.ravel() @ k.ravel())
        gradient[-1] = -0.5 * noise * np.trace(inner)
        z = (theta - self._mean) / self._width
        return float(0.5 * half @ half + np.log(np.diag(factor)).sum() + 0.5 * z @ z), gradient + z / self._width

    # -- predicting

    def predict(self, x: np.ndarray) -> Tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation of the function, noise left out."""
        k = self._kernel(self._scaled, x * self._inverse)
        half = self._whiten @ k
        variance = np.exp(self.theta[-2]) - np.einsum("ij,ij->j", half, half)
        return self.alpha @ k, np.sqrt(np.maximum(variance, 1e-12))

    def believe(self, x: np.ndarray) -> None:
        """Take the mean at further points for their values: the variance falls there, the mean stays."""
        new = x * self._inverse
        across = self._whiten @ self._kernel(self._scaled, new)
        own = self._kernel(new, new) + self.noise * np.eye(len(new))
        corner = np.linalg.inv(_factor(own - across.T @ across))
        n = len(self._whiten)
        whiten = np.zeros((n + len(new), n + len(new)))
        whiten[:n, :n] = self._whiten
        whiten[n:, :n] = -corner @ across.T @ self._whiten
        whiten[n:, n:] = corner
        self._whiten = whiten
        # values equal to the mean add nothing to it
        self.alpha = np.concatenate([self.alpha, np.zeros(len(new))])
        self.x = np.vstack([self.x, x])
        self._scaled = np.vstack([self._scaled, new])

    def _scale(self) -> None:
        self._inverse = np.exp(-self.theta[: self.count])[self.groups] * SQRT5
        self._scaled = self.x * self._inverse

    def _kernel(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """Of points whose columns are in units of length scales over √5."""
        square = (a * a).sum(1)[:, None] + (b * b).sum(1)[None, :]
        square -= 2.0 * (a @ b.T)
        np.maximum(square, 0.0, out=square)
        far = np.sqrt(square)
        square /= 3.0
        square += far
        square += 1.0
        np.negative(far, out=far)
        square *= np.exp(far, out=far)
        square *= np.exp(self.theta[-2])
        return square


def descend(loss: Loss, start: np.ndarray, low: np.ndarray, high: np.ndarray) -> Tuple[float, np.ndarray]:
    """A minimum inside of a box, and where: BFGS on the coordinates that are free, steps clipped to the box.

    Nocedal and Wright, Numerical Optimization, 2006: algorithm 6.1, with steps halved until they help enough.
    """
    x = start
    value, gradient = loss(x)
    if not np.isfinite(value):
        return value, x
    size = len(x)
    curvature: Optional[np.ndarray] = None
    left = EVALUATIONS - 1
    while left > 0:
        free = ~(((x <= low) & (gradient > 0)) | ((x >= high) & (gradient < 0)))
        slope = gradient * free
        if np.abs(slope).max(initial=0.0) < 1e-3:
            break
        way = -slope / max(1.0, float(np.linalg.norm(slope))) if curvature is None else -(curvature @ slope) * free
        if way @ slope > -1e-10:
            curvature, way = None, -slope / max(1.0, float(np.linalg.norm(slope)))
        step = 1.0
        while True:
            there = np.clip(x + step * way, low, high)
            moved = there - x
            found, turned = loss(there)
            left -= 1
            if found <= value + 1e-4 * float(gradient @ moved) or left <= 0:
                break
            step *= 0.4
        if not found < value:
            break
        gain = value - found
        bend = turned - gradient
        along = float(moved @ bend)
        if along > 1e-10:
            rho = 1.0 / along
            if curvature is None:
                curvature = np.eye(size) * (along / float(bend @ bend))
            left_side = np.eye(size) - rho * np.outer(moved, bend)
            curvature = left_side @ curvature @ left_side.T + rho * np.outer(moved, moved)
        x, value, gradient = there, found, turned
        if gain < 1e-5 * (1.0 + abs(value)):
            break
    return value, x


def _factor(k: np.ndarray) -> np.ndarray:
    jitter = JITTER
    while True:
        try:
            return np.asarray(np.linalg.cholesky(k + jitter * np.eye(len(k))))
        except np.linalg.LinAlgError:
            jitter *= 10.0
            if jitter > 1.0:
                raise
