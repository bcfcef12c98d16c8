"""The next points to try: expected improvement over a Gaussian process of what has been seen.

Log expected improvement in the form of Ament et al., Unexpected Improvements to Expected Improvement, 2023 (it keeps a
gradient of sense where the improvement underflows); points under way are believed to come out at the mean (Ginsbourger
et al., Kriging is well-suited to parallelize optimization, 2010).
"""

from typing import Any, Dict, List, Optional, Sequence, Set

import numpy as np

from .gp import GaussianProcess
from .space import Space

LARGEST = 200
"""Observations that a fit takes in; beyond it the best, the latest and some of the others stand for all, so that the
cost of a suggestion stays flat."""
SPREAD, AROUND = 800, 600
"""Candidates over the whole space, and around the best ones, in the first round."""
ROUNDS = ((0.1, 200), (0.03, 200), (0.01, 200))
"""(scale, candidates) of the rounds that refine the best candidates."""


class Sampler:
    """Suggests points of one space; lower values are better. The same data and seed give the same suggestions.

    Args:
        dimensions: see ``space``.
        seed: of the candidates.
    """

    def __init__(self, dimensions: Sequence[Dict[str, Any]], seed: int) -> None:
        self.space = Space(dimensions)
        self.seed = seed
        self.process = GaussianProcess(self.space.groups)
        self._tuned = 0

    def suggest(
        self, points: Sequence[Sequence[float]], values: Sequence[Optional[float]], pending: Sequence[Sequence[float]] = (),
        count: int = 1,
    ) -> List[List[float]]:
        """``count`` new points.

        Args:
            points: those that have ended.
            values: their objectives; None where there is none, which counts as bad as the worst.
            pending: those under way.
        """
        rng = np.random.default_rng([self.seed, len(points), len(pending)])
        seen = np.asarray(points, dtype=float).reshape(-1, len(self.space.dimensions))
        known = [v for v in values if v is not None and np.isfinite(v)]
        if len(known) < 2:
            return [list(map(float, p)) for p in self.space.uniform(count, rng)]
        worst = max(known)
        y = np.array([worst if v is None or not np.isfinite(v) else v for v in values], dtype=float)
        # where the bad ones lie is worth knowing, how bad they are is not: a few diverged trials, or a plateau of a useless
        # category, would flatten what tells the good ones apart
        y = np.minimum(y, np.median(y))
        kept = subset(y, rng)
        x = self.space.encode(seen[kept])
        # with many observations the parameters hardly move any more
        tune = len(points) < 60 or len(points) >= 1.05 * self._tuned
        if tune:
            self._tuned = len(points)
        self.process.fit(x, normalise(y[kept]), tune)
        busy = np.asarray(pending, dtype=float).reshape(-1, len(self.space.dimensions))
        if len(busy):
            self.process.believe(self.space.encode(busy))
        chosen: List[List[float]] = []
        taken = set(keys(np.vstack([seen, busy])))
        order = np.argsort(y)
        for _ in range(count):
            point = self._best(seen[order[:5]], taken, rng)
            taken.update(keys(point[None]))
            chosen.append([float(v) for v in point])
            if len(chosen) < count:
                self.process.believe(self.space.encode(point[None]))
        return chosen

    def _best(self, elite: np.ndarray, taken: Set[bytes], rng: np.random.Generator) -> np.ndarray:
        """The point of the highest expected improvement that a search finds."""
        target = float(self.process.predict(self.process.x)[0].min())
        third = AROUND // 3
        pool = np.vstack([
            self.space.uniform(SPREAD, rng),
            *(self.space.near(elite, third, scale, rng) for scale in (0.2, 0.05, 0.01)),
        ])
        pool = self._rank(pool, target, taken)
        for scale, size in ROUNDS:
            more = self.space.near(pool[:8], size, scale, rng)
            both = np.vstack([pool[:50], more])
            pool = self._rank(both, target, taken)
        return np.asarray(pool[0])

    def _rank(self, pool: np.ndarray, target: float, taken: Set[bytes]) -> np.ndarray:
        """Candidates by falling expected improvement; what was tried comes last: it would say nothing new."""
        mean, deviation = self.process.predict(self.space.encode(pool))
        score = log_improvement((target - mean) / deviation) + np.log(deviation)
        score[[p in taken for p in keys(pool)]] = -np.inf
        return np.asarray(pool[np.argsort(-score, kind="stable")])


def keys(points: np.ndarray) -> List[bytes]:
    """What tells points apart, quickly."""
    rows = np.ascontiguousarray(points + 0.0)
    return list(rows.view(np.dtype((np.void, rows.itemsize * rows.shape[1]))).ravel().tolist())


def log_improvement(z: np.ndarray) -> np.ndarray:
    """log(φ(z) + z Φ(z)), also where it would underflow."""
    density = np.exp(-0.5 * z * z) / np.sqrt(2 * np.pi)
    size = np.abs(z)
    # the upper tail Q of the normal distribution: Abramowitz and Stegun 26.2.17, to 7.5e-8
    t = 1.0 / (1.0 + 0.2316419 * size)
    tail = density * t * (0.319381530 + t * (-0.356563782 + t * (1.781477937 + t * (-1.821255978 + t * 1.330274429))))
    near = density + z * np.where(z > 0, 1.0 - tail, tail)
    # φ(z) - |z| Q(|z|) = φ(z) / z² · (1 - 3/z² + 15/z⁴ - ...), where the difference has lost its digits
    inverse = 1.0 / np.maximum(size, 3.0) ** 2
    far = -0.5 * z * z - 0.5 * np.log(2 * np.pi) + np.log(inverse * (1.0 - inverse * (3.0 - inverse * (15.0 - inverse * 105.0))))
    return np.where(z > -4.0, np.log(np.maximum(near, 1e-300)), far)


def normalise(y: np.ndarray) -> np.ndarray:
    """Values with mean 0 and variance 1, as near to normally distributed as a power makes them."""
    if float(y.std()) < 1e-12 * max(1.0, float(np.abs(y).max())):
        return np.zeros_like(y)
    z = (y - y.mean()) / max(float(y.std()), 1e-300)
    warped = straighten(z)
    return np.asarray((warped - warped.mean()) / warped.std())


def straighten(z: np.ndarray) -> np.ndarray:
    """The power transform of the highest likelihood: Yeo and Johnson, A new family of power transformations, 2000."""
    powers = np.linspace(-1.0, 3.0, 41)
    sides = np.log1p(np.abs(z))
    best, found = -np.inf, z
    for power in powers:
        inner = np.where(z >= 0, power, 2.0 - power)
        curved = np.where(np.abs(inner) < 1e-9, sides, np.expm1(inner * sides) / np.where(np.abs(inner) < 1e-9, 1.0, inner))
        warped = np.sign(z) * curved
        variance = float(warped.var())
        if not np.isfinite(variance) or variance < 1e-18:
            continue
        likelihood = -0.5 * len(z) * np.log(variance) + (power - 1.0) * float((np.sign(z) * sides).sum())
        if likelihood > best:
            best, found = likelihood, warped
    return np.asarray(found)


def subset(y: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Indices of at most ``LARGEST`` observations."""
    n = len(y)
    if n <= LARGEST:
        return np.arange(n)
    part = LARGEST // 2
    best = np.argsort(y, kind="stable")[:part]
    late = np.arange(n - LARGEST // 4, n)
    fixed = np.union1d(best, late)
    rest = np.setdiff1d(np.arange(n), fixed)
    return np.sort(np.concatenate([fixed, rng.choice(rest, LARGEST - len(fixed), replace=False)]))
