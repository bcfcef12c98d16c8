"""Predictions of dense rows through XGBoost's C interface: what ``Booster.inplace_predict`` calls, without its preparations.

The Python method checks and describes its arguments anew each time, which takes twice as long as a hundred trees take for a
row. Here what does not change is described once.
"""

import ctypes
import functools
import json
from typing import Any

import numpy as np
import xgboost as xgb

LIBRARY = getattr(xgb.core, "_LIB", None)
ROWS = b'{"data":[%d,true],"shape":[%d,%d],"typestr":"<f4","version":3}'


class Dense:
    """Predicts for float32 matrices of as many columns as the model has features; one thread at a time.

    Source: ``XGBoosterPredictFromDense`` in XGBoost's c_api.h, which is there since 1.4.
    """

    def __init__(self, booster: "xgb.Booster") -> None:
        best = booster.attr("best_iteration")
        last = min(int(best) + 1, booster.num_boosted_rounds()) if best is not None else 0
        self._handle = booster.handle
        self._options = json.dumps({
            "type": 0, "training": False, "iteration_begin": 0, "iteration_end": last, "missing": float("nan"), "strict_shape": False, "cache_id": 0,
        }).encode()  # fmt: skip
        self._shape = ctypes.POINTER(ctypes.c_uint64)()
        self._dimensions = ctypes.c_uint64()
        self._found = ctypes.POINTER(ctypes.c_float)()
        self._out = tuple(ctypes.byref(one) for one in (self._shape, self._dimensions, self._found))

    def __call__(self, rows: Any) -> Any:
        """An array of one prediction a row, or of one row of predictions. Raises XGBoostError."""
        rows = np.ascontiguousarray(rows, np.float32)
        about = ROWS % (rows.__array_interface__["data"][0], *rows.shape)
        failed = LIBRARY.XGBoosterPredictFromDense(self._handle, about, self._options, None, *self._out)
        if failed:
            raise xgb.core.XGBoostError(LIBRARY.XGBGetLastError().decode(errors="replace"))
        shape = self._shape[: self._dimensions.value]
        size = 4 * functools.reduce(int.__mul__, shape, 1)
        # the library's memory is used again by the next call
        return np.frombuffer(ctypes.string_at(self._found, size), np.float32).reshape(shape)


def available(booster: "xgb.Booster") -> bool:
    """Whether this release has the interface and this booster is made of trees: linear ones predict from a DMatrix only."""
    return hasattr(LIBRARY, "XGBoosterPredictFromDense") and '"gblinear"' not in booster.save_config()
