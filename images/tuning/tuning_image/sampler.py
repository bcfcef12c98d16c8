"""The next points to try: expected improvement over a Gaussian process of what has been seen.

Log expected improvement in the form of Ament et al., Unexpected Improvements to Expected Improvement, 2023 (it keeps a
gradient of sense where the improvement underflows); points under way are believed to come out at the mean (Ginsbourger
et al., Kriging is well-suited to parallelize optimization, 2010).
"""

from typing import Any, Dict, List, Optional, Sequence

import numpy as np
from scipy.special import erfcx, log1p, log_ndtr
from scipy.stats import yeojohnson

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
        y = normalise(np.array([worst if v is None or not np.isfinite(v) else v for v in values], dtype=float))
        kept = subset(y, rng)
        x = self.space.encode(seen[kept])
        # with many observations the parameters hardly move any more
        tune = len(points) < 60 or len(points) >= 1.05 * self._tuned
        if tune:
            self._tuned = len(points)
        self.process.fit(x, y[kept], tune)
        busy = np.asarray(pending, dtype=float).reshape(-1, len(self.space.dimensions))
        if len(busy):
            self.process.believe(self.space.encode(busy))
        chosen: List[List[float]] = []
        taken = {tuple(p) for p in np.vstack([seen, busy])}
        order = np.argsort(y)
        for _ in range(count):
            point = self._best(seen[order[:5]], taken, rng)
            taken.add(tuple(point))
            chosen.append([float(v) for v in point])
            if len(chosen) < count:
                self.process.believe(self.space.encode(point[None]))
        return chosen

    def _best(self, elite: np.ndarray, taken: Any, rng: np.random.Generator) -> np.ndarray:
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

    def _rank(self, pool: np.ndarray, target: float, taken: Any) -> np.ndarray:
        """Candidates by falling expected improvement; what was tried comes last: it would say nothing new."""
        mean, deviation = self.process.predict(self.space.encode(pool))
        score = log_improvement((target - mean) / deviation) + np.log(deviation)
        score[[tuple(p) in taken for p in pool]] = -np.inf
        return np.asarray(pool[np.argsort(-score, kind="stable")])


def log_improvement(z: np.ndarray) -> np.ndarray:
    """log(φ(z) + z Φ(z)), also where it would underflow."""
    out = np.empty_like(z)
    high = z > -1.0
    density = np.exp(-0.5 * z[high] ** 2) / np.sqrt(2 * np.pi)
    out[high] = np.log(density + z[high] * np.exp(log_ndtr(z[high])))
    low = z[~high]
    ratio = np.sqrt(np.pi / 2) * erfcx(-low / np.sqrt(2)) * np.abs(low)
    with np.errstate(divide="ignore", invalid="ignore"):
        tail = np.where(low > -1e6, log1p(-np.minimum(ratio, 1 - 1e-16)), -2 * np.log(np.abs(low)))
    out[~high] = -0.5 * low**2 - 0.5 * np.log(2 * np.pi) + tail
    return out


def normalise(y: np.ndarray) -> np.ndarray:
    """Values with mean 0 and variance 1. All that is worse than the median counts as the median.

    Where the bad ones lie is worth knowing, how bad they are is not: a few diverged trials, or a plateau of a useless
    category, would flatten what tells the good ones apart.
    """
    y = np.minimum(y, np.median(y))
    if float(y.std()) < 1e-12 * max(1.0, float(np.abs(y).max())):
        return np.zeros_like(y)
    z = (y - y.mean()) / max(float(y.std()), 1e-300)
    try:
        warped, _ = yeojohnson(z)
    except (ValueError, FloatingPointError):
        return np.asarray(z)
    if not np.all(np.isfinite(warped)) or warped.std() < 1e-9:
        return np.asarray(z)
    return np.asarray((warped - warped.mean()) / warped.std())


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
