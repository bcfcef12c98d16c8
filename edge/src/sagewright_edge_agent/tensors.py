"""Tensors as they travel: name, type, shape, and the bytes in base64, little-endian, in row order. Strings are a list."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np

from .errors import AgentError

KINDS: dict[str, Any] = {
    name: np.dtype(kind) for name, kind in (
        ("UINT8", "u1"), ("INT8", "i1"), ("INT16", "<i2"), ("INT32", "<i4"), ("INT64", "<i8"), ("FLOAT16", "<f2"), ("FLOAT32", "<f4"),
        ("FLOAT64", "<f8"), ("BOOL", "?"),
    )
}  # fmt: skip


def metadata(about: dict[str, Any]) -> dict[str, Any]:
    """An input or output of a manifest."""
    return {"name": about["Name"], "data_type": about["Type"], "shape": about["Shape"]}


def read(tensor: Any) -> tuple[str, np.ndarray]:
    """(name, array). Raises AgentError INVALID_ARGUMENT."""
    try:
        about = tensor["tensor_metadata"]
        name, kind, shape = str(about["name"]), KINDS[about["data_type"]], [int(d) for d in about["shape"]]
        return name, np.frombuffer(base64.b64decode(tensor["byte_data"], validate=True), kind).reshape(shape)
    except (KeyError, TypeError, ValueError) as error:
        raise AgentError("INVALID_ARGUMENT", f"not a tensor: {type(error).__name__}: {error}") from error


def write(name: str, array: np.ndarray) -> dict[str, Any]:
    """A tensor for the answer."""
    if array.dtype.kind in "OU":
        return {"tensor_metadata": {"name": name, "data_type": "STRING", "shape": list(array.shape)}, "string_data": [str(v) for v in array.reshape(-1)]}
    kind = next((k for k, dtype in KINDS.items() if dtype == array.dtype), None)
    if kind is None:
        raise AgentError("INTERNAL", f"the output {name} has the type {array.dtype}, which cannot travel")
    body = base64.b64encode(np.ascontiguousarray(array, KINDS[kind]).tobytes()).decode()
    return {"tensor_metadata": {"name": name, "data_type": kind, "shape": list(array.shape)}, "byte_data": body}
