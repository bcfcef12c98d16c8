"""An ONNX model: what it takes and gives, requests into its arrays, one run for many of them."""

import os
from typing import Any, Dict, List, Optional, Sequence

import numpy as np
import onnxruntime as ort

from sagewright_container.errors import HttpError

KINDS = {
    "tensor(float)": np.float32, "tensor(double)": np.float64, "tensor(float16)": np.float16, "tensor(int64)": np.int64,
    "tensor(int32)": np.int32, "tensor(int16)": np.int16, "tensor(int8)": np.int8, "tensor(uint8)": np.uint8,
    "tensor(uint16)": np.uint16, "tensor(uint32)": np.uint32, "tensor(uint64)": np.uint64, "tensor(bool)": np.bool_,
    "tensor(string)": np.object_,
}  # fmt: skip


def find(folder: str) -> str:
    """The model's file: model.onnx, or the only ``*.onnx`` of the archive outside its code.

    Raises:
        FileNotFoundError: there is none, or nothing says which.
    """
    path = os.path.join(folder, "model.onnx")
    if os.path.isfile(path):
        return path
    found = []
    for root, folders, names in os.walk(folder):
        folders[:] = sorted(f for f in folders if not (root == folder and f == "code"))
        found += [os.path.join(root, name) for name in sorted(names) if name.endswith(".onnx")]
    if len(found) == 1:
        return found[0]
    shown = ", ".join(os.path.relpath(path, folder) for path in found) or "none"
    raise FileNotFoundError("put a model.onnx into the model's archive, or exactly one *.onnx file; found: %s" % shown)


def threads() -> int:
    """For one run: OMP_NUM_THREADS; every core when one process serves the instance; else one, as there is one a core."""
    said = os.environ.get("OMP_NUM_THREADS", "")
    if said.isdigit() and int(said) > 0:
        return int(said)
    return len(os.sched_getaffinity(0)) if os.environ.get("SAGEMAKER_MODEL_SERVER_WORKERS") == "1" else 1


class Model:
    """One loaded model."""

    def __init__(self, path: str) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads()
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self._session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self.inputs = self._session.get_inputs()
        self.outputs = [o.name for o in self._session.get_outputs()]
        unknown = [i.name for i in self.inputs if i.type not in KINDS]
        if unknown:
            raise ValueError("inputs that are no tensors cannot come by HTTP: %s" % ", ".join(unknown))
        self.rows = all(i.shape and not isinstance(i.shape[0], int) for i in self.inputs)
        """Whether the first dimension of every input is free, so that requests can share a run."""

    def arrays(self, given: Any) -> List[np.ndarray]:
        """A decoded request as the inputs' arrays. Raises HttpError."""
        named = self._named(given)
        missing = [i.name for i in self.inputs if i.name not in named]
        if missing or len(named) != len(self.inputs):
            raise HttpError(400, "the model's inputs are %s" % ", ".join(i.name for i in self.inputs))
        return [_array(i.name, KINDS[i.type], i.shape, named[i.name]) for i in self.inputs]

    def _named(self, given: Any) -> Dict[str, Any]:
        names = {i.name for i in self.inputs}
        if isinstance(given, dict) and len(given) == 1 and not set(given) & names:
            given = next((given[key] for key in ("instances", "inputs") if key in given), given)
        if isinstance(given, dict):
            return given
        if isinstance(given, list) and given and all(isinstance(row, dict) for row in given):
            keys = set().union(*given)
            return {key: [row.get(key) for row in given] for key in keys}
        if len(self.inputs) == 1:
            return {self.inputs[0].name: given}
        columns = np.asarray(given)
        if columns.ndim == 2 and columns.shape[1] == len(self.inputs):  # a column each, as converters of tables make them
            return {i.name: columns[:, n] for n, i in enumerate(self.inputs)}
        return {}

    def run(self, arrays: Sequence[np.ndarray]) -> List[Any]:
        """The outputs. Raises HttpError for what the model does not take."""
        try:
            return list(self._session.run(None, {i.name: array for i, array in zip(self.inputs, arrays, strict=True)}))
        except Exception as error:
            raise HttpError(400, "the model does not take this: %s" % " ".join(str(error).split())) from error

    def run_together(self, requests: Sequence[List[np.ndarray]]) -> Optional[List[List[Any]]]:
        """Each request's outputs by one run; None when they cannot share one."""
        shapes = {tuple(array.shape[1:] for array in arrays) for arrays in requests}
        sizes = [{array.shape[0] for array in arrays} for arrays in requests]
        if not self.rows or len(shapes) > 1 or any(len(size) != 1 for size in sizes):
            return None
        counts = [size.pop() for size in sizes]
        joined = [np.concatenate(column) for column in zip(*requests, strict=True)]
        found = self.run(joined)
        if any(len(output) != sum(counts) for output in found):
            return None  # an output that does not belong to rows
        ends = np.cumsum(counts)
        return [[output[end - count : end] for output in found] for end, count in zip(ends, counts, strict=True)]


def _array(name: str, kind: Any, shape: Sequence[Any], given: Any) -> np.ndarray:
    try:
        array = np.asarray(given)
        if kind is np.object_:
            array = array.astype(str).astype(np.object_)
        elif array.dtype.kind in "OU" and kind is not np.bool_:
            array = array.astype(np.float64).astype(kind)  # cells of a table that has text elsewhere
        else:
            array = array.astype(kind)
    except (ValueError, TypeError) as error:
        raise HttpError(400, "%s: %s" % (name, error)) from error
    if array.ndim == len(shape) - 1:
        # rows of a single column, or one row; which, the model's own shape says
        array = array.reshape(-1, 1) if len(shape) == 2 and shape[1] == 1 else array[np.newaxis]
    fits = array.ndim == len(shape) and all(not isinstance(want, int) or want == have for want, have in zip(shape, array.shape, strict=True))
    if not fits:
        wanted = [size if isinstance(size, int) else -1 for size in shape]
        raise HttpError(400, "%s has the shape %s; the model takes %s" % (name, list(array.shape), wanted))
    return array
