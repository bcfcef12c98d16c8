"""ONNX models as they come: they are checked, and compared with themselves after the optimiser."""

from typing import Any, Dict, List

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto

from . import runtime, source
from .files import the_model
from .refusal import Refusal

TYPES = {
    TensorProto.FLOAT: np.float32, TensorProto.DOUBLE: np.float64, TensorProto.INT64: np.int64, TensorProto.INT32: np.int32,
    TensorProto.UINT8: np.uint8, TensorProto.INT8: np.int8, TensorProto.BOOL: np.bool_, TensorProto.FLOAT16: np.float16,
}  # fmt: skip


def convert(folder: str, inputs: List[Dict[str, Any]]) -> source.Source:
    """Raises Refusal: no model, a model that ONNX Runtime does not run, shapes that contradict DataInputConfig."""
    path = the_model(folder, (".onnx",), "an ONNX model")
    try:
        made = onnx.load(path)
        session = runtime.session(path, ort.GraphOptimizationLevel.ORT_DISABLE_ALL)
    except Exception as error:
        raise Refusal("InputConfiguration: the ONNX model cannot be read: %s" % " ".join(str(error).split())) from error
    own = {value.name for value in made.graph.initializer}
    values = [value for value in made.graph.input if value.name not in own]
    given = {item["Name"]: item["Shape"] for item in inputs}
    if given and set(given) != {value.name for value in values}:
        raise Refusal("InputConfiguration: DataInputConfig names %s; the model's inputs are %s" % (
            ", ".join(sorted(given)), ", ".join(sorted(value.name for value in values))))
    shapes = {value.name: _shape(value, given.get(value.name)) for value in values}
    samples = [_sample(value, shapes[value.name]) for value in values]
    names = [value.name for value in values]
    return source.Source(made, lambda arrays: session.run(None, dict(zip(names, arrays, strict=True))), samples, shapes)


def _shape(value: Any, given: Any) -> List[int]:
    dims = [d.dim_value if d.HasField("dim_value") else 0 for d in value.type.tensor_type.shape.dim]
    if given is None:
        return [d or 1 for d in dims]
    if len(given) != len(dims) or any(d and d != g for d, g in zip(dims, given, strict=True)):
        raise Refusal("InputConfiguration: DataInputConfig gives %s the shape %s; the model's is %s" % (
            value.name, given, [d or "?" for d in dims]))
    return list(given)


def _sample(value: Any, shape: List[int]) -> np.ndarray:
    kind = TYPES.get(value.type.tensor_type.elem_type)
    if kind is None:
        raise Refusal("inputs of the type %s cannot be compiled" % TensorProto.DataType.Name(value.type.tensor_type.elem_type))
    if np.issubdtype(kind, np.floating):
        return (source.rows(shape[1:], shape[0]) if shape else np.float32(1.0)).astype(kind)
    # small whole numbers are within most vocabularies and masks
    return np.random.default_rng(source.SEED).integers(0, 2, size=shape).astype(kind)
