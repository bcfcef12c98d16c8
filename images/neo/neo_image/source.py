"""What a converter hands on: a graph, the original model to compare it with, and rows to compare them on."""

from dataclasses import dataclass
from typing import Any, Callable, Dict, List, Sequence

import numpy as np

SEED = 20240607
ROWS = 64
"""Rows that original and compiled model are compared on, where the model takes any number."""


@dataclass
class Source:
    """One model, converted."""

    model: Any
    """An ``onnx.ModelProto``."""
    reference: Callable[[Sequence[np.ndarray]], List[np.ndarray]]
    """The original's predictions, in the order of the graph's outputs; a shorter list checks the first ones."""
    samples: List[np.ndarray]
    """One array an input of the graph."""
    derived: Dict[str, List[int]]
    """Input → shape, as the model itself tells."""


def rows(shape: Sequence[int], count: int = ROWS) -> np.ndarray:
    """Rows of several magnitudes: what a scaler divides and what a threshold meets is not all near 0."""
    draw = np.random.default_rng(SEED)
    values = draw.standard_normal((count, *shape))
    scale = 10.0 ** draw.integers(-1, 3, size=(count,) + (1,) * len(shape))
    return (values * scale).astype(np.float32)
