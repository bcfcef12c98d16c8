"""A Gaussian process: Matérn 5/2 with a length scale for each dimension, fitted by its posterior's maximum.

Rasmussen and Williams, Gaussian Processes for Machine Learning, 2006: equations 2.25, 2.26 (prediction), 5.9 (gradient).
"""

from typing import Optional, Tuple

import numpy as np
from scipy.linalg import cho_solve, cholesky, solve_triangular
from scipy.optimize import minimize

SQRT5 = np.sqrt(5.0)
JITTER = 1e-8
FLOOR = 1e-4
"""The least variance of noise, of values standardised to variance one."""


class GaussianProcess:
    """Zero mean; ``values`` are expected standardised.

    Parameters, all logarithms: a length scale for each group of columns, the signal's and the noise's variance.
    """

    def __init__(self, groups: np.ndarray, evaluations: int = 40) -> None:
        self.groups = groups
        self.count = int(groups.max()) + 1 if len(groups) else 0
        self.evaluations = evaluations
        self.centre = np.log(0.5) + 0.5 * np.log(max(self.count, 1)) * 0.5
        """Prior of a log length scale: distances grow with the root of the number of dimensions."""
        self.theta = np.concatenate([np.full(self.count, self.centre), [0.0, np.log(1e-2)]])

    # -- fitting

    def fit(self, x: np.ndarray, values: np.ndarray, tune: bool = True) -> None:
        """Condition on data; ``tune`` also finds the parameters anew, from the last ones and from the prior's."""
        self.x, self.values = x, values
        if tune and len(values) > 1:
            self.theta = self._maximum()
        self._condition()

    def _condition(self) -> None:
        k = self._kernel(self.x, self.x)
        noise = np.exp(self.theta[-1]) + FLOOR
        self.factor = _factor(k + noise * np.eye(len(k)))
        self.alpha = cho_solve((self.factor, True), self.values)

    def _maximum(self) -> np.ndarray:
        squares = self._squares()
        start = np.concatenate([np.full(self.count, self.centre), [0.0, np.log(1e-2)]])
        bounds = [(np.log(0.02), np.log(20.0))] * self.count + [(np.log(0.05), np.log(20.0)), (np.log(1e-6), np.log(1.0))]
        best: Optional[Tuple[float, np.ndarray]] = None
        starts = [self.theta] if np.allclose(self.theta, start) else [self.theta, start]
        for origin in starts:
            found = minimize(
                self._loss, origin, args=(squares,), jac=True, method="L-BFGS-B", bounds=bounds,
                options={"maxfun": self.evaluations},
            )
            if np.isfinite(found.fun) and (best is None or found.fun < best[0]):
                best = float(found.fun), found.x
        return self.theta if best is None else best[1]

    def _squares(self) -> np.ndarray:
        """(groups, n, n): squared distances in each group of columns."""
        n = len(self.x)
        out = np.zeros((self.count, n, n))
        for column, group in enumerate(self.groups):
            difference = self.x[:, None, column] - self.x[None, :, column]
            out[group] += difference * difference
        return out

    def _loss(self, theta: np.ndarray, squares: np.ndarray) -> Tuple[float, np.ndarray]:
        """The negative log posterior, and its gradient."""
        n = squares.shape[1]
        inverse = np.exp(-2.0 * theta[: self.count])
        signal, noise = np.exp(theta[-2]), np.exp(theta[-1])
        distance = np.sqrt(np.tensordot(inverse, squares, 1) + 1e-12)
        decay = np.exp(-SQRT5 * distance)
        k = signal * (1.0 + SQRT5 * distance + 5.0 / 3.0 * distance**2) * decay
        try:
            factor = cholesky(k + (noise + FLOOR) * np.eye(n), lower=True)
        except np.linalg.LinAlgError:
            return 1e10, np.zeros_like(theta)
        alpha = cho_solve((factor, True), self.values)
        inner = np.outer(alpha, alpha) - cho_solve((factor, True), np.eye(n))
        loss = 0.5 * self.values @ alpha + np.log(np.diag(factor)).sum()
        # dk/d log length = 5/3 signal (1 + √5 r) exp(-√5 r) · squares / length²
        slope = inner * (5.0 / 3.0 * signal) * (1.0 + SQRT5 * distance) * decay
        gradient = np.empty_like(theta)
        gradient[: self.count] = -0.5 * inverse * np.tensordot(squares, slope, 2)
        gradient[-2] = -0.5 * np.sum(inner * k)
        gradient[-1] = -0.5 * noise * np.trace(inner)
        prior, slope_prior = self._prior(theta)
        return float(loss + prior), gradient + slope_prior

    def _prior(self, theta: np.ndarray) -> Tuple[float, np.ndarray]:
        """Normal priors of the logarithms: they keep few observations from saying that nothing, or all, matters."""
        mean = np.concatenate([np.full(self.count, self.centre), [0.0, np.log(1e-3)]])
        width = np.concatenate([np.full(self.count, 1.0), [1.0, 2.0]])
        z = (theta - mean) / width
        return float(0.5 * z @ z), z / width

    # -- predicting

    def predict(self, x: np.ndarray) -> Tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation of the function, noise left out."""
        k = self._kernel(x, self.x)
        mean = k @ self.alpha
        half = solve_triangular(self.factor, k.T, lower=True)
        variance = np.exp(self.theta[-2]) - np.einsum("ij,ij->j", half, half)
        return mean, np.sqrt(np.maximum(variance, 1e-12))

    def believe(self, x: np.ndarray) -> None:
        """Take the mean at further points for their values: the variance falls there, the mean stays."""
        mean, _ = self.predict(x)
        self.x, self.values = np.vstack([self.x, x]), np.concatenate([self.values, mean])
        self._condition()

    def _kernel(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        scale = np.exp(-self.theta[: self.count])[self.groups]
        a, b = a * scale, b * scale
        square = np.maximum((a * a).sum(1)[:, None] + (b * b).sum(1)[None, :] - 2.0 * a @ b.T, 0.0)
        distance = np.sqrt(square)
        out: np.ndarray = np.exp(self.theta[-2]) * (1.0 + SQRT5 * distance + 5.0 / 3.0 * square) * np.exp(-SQRT5 * distance)
        return out


def _factor(k: np.ndarray) -> np.ndarray:
    jitter = JITTER
    while True:
        try:
            return np.asarray(cholesky(k + jitter * np.eye(len(k)), lower=True))
        except np.linalg.LinAlgError:
            jitter *= 10.0
            if jitter > 1.0:
                raise
