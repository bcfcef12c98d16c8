"""Points as the sampler gets them, and the matrix that the Gaussian process sees.

A point has one number a dimension: a position in [0, 1] on the dimension's own scale, or the index of a category.
A dimension is ``{"levels": [positions]}`` (integers), ``{"categories": k}`` or ``{}`` (continuous).
"""

from typing import Any, Dict, List, Sequence

import numpy as np

Point = Sequence[float]


class Space:
    """The dimensions of one study."""

    def __init__(self, dimensions: Sequence[Dict[str, Any]]) -> None:
        self.dimensions = list(dimensions)
        self.columns: List[slice] = []
        """The columns of the matrix that each dimension has: one, or one a category."""
        groups: List[int] = []
        at = 0
        for index, dimension in enumerate(self.dimensions):
            width = int(dimension.get("categories", 1)) if "categories" in dimension else 1
            self.columns.append(slice(at, at + width))
            groups += [index] * width
            at += width
        self.width = at
        self.groups = np.array(groups, dtype=int)
        """Column → dimension: the categories of one dimension share a length scale."""
        self.levels = [np.asarray(d["levels"], dtype=float) if "levels" in d else None for d in self.dimensions]
        self.numeric = [i for i, d in enumerate(self.dimensions) if "categories" not in d]
        self.categorical = [i for i, d in enumerate(self.dimensions) if "categories" in d]

    def encode(self, points: np.ndarray) -> np.ndarray:
        """(n, dimensions) → (n, columns): a category becomes one hot, so that two of them are 1 apart."""
        out = np.zeros((len(points), self.width))
        for index, where in enumerate(self.columns):
            if "categories" in self.dimensions[index]:
                out[np.arange(len(points)), where.start + points[:, index].astype(int)] = np.sqrt(0.5)
            else:
                out[:, where.start] = points[:, index]
        return out

    def snap(self, points: np.ndarray) -> np.ndarray:
        """The nearest points that exist: inside of the cube, integers on their levels."""
        out = points.copy()
        for index in self.numeric:
            out[:, index] = np.clip(out[:, index], 0.0, 1.0)
            levels = self.levels[index]
            if levels is not None:
                right = np.clip(np.searchsorted(levels, out[:, index]), 1, max(len(levels) - 1, 1)) if len(levels) > 1 else None
                if right is None:
                    out[:, index] = levels[0]
                else:
                    below, above = levels[right - 1], levels[right]
                    out[:, index] = np.where(out[:, index] - below <= above - out[:, index], below, above)
        return out

    def uniform(self, count: int, rng: np.random.Generator) -> np.ndarray:
        """Points spread over the whole space."""
        out = rng.random((count, len(self.dimensions)))
        for index in self.categorical:
            out[:, index] = rng.integers(0, int(self.dimensions[index]["categories"]), count)
        return self.snap(out)

    def near(self, centres: np.ndarray, count: int, scale: float, rng: np.random.Generator) -> np.ndarray:
        """Points around given ones: some dimensions moved by about ``scale``, a category sometimes exchanged."""
        size = len(self.dimensions)
        out = centres[rng.integers(0, len(centres), count)].copy()
        moved = rng.random((count, size)) < max(2.0 / size, 0.3)
        moved[np.arange(count), rng.integers(0, size, count)] = True
        step = rng.normal(0.0, scale, (count, size))
        for index in self.numeric:
            levels = self.levels[index]
            shift = step[:, index]
            if levels is not None and len(levels) > 1:
                # a step shorter than a level would never leave it
                shift = np.sign(shift) * np.maximum(np.abs(shift), 0.6 * float(np.median(np.diff(levels))))
            value = out[:, index] + np.where(moved[:, index], shift, 0.0)
            out[:, index] = np.where(value < 0, -value, np.where(value > 1, 2 - value, value))
        for index in self.categorical:
            other = rng.integers(0, int(self.dimensions[index]["categories"]), count)
            out[:, index] = np.where(moved[:, index], other, out[:, index])
        return self.snap(out)
