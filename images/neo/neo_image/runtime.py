"""ONNX Runtime: sessions, the optimiser, int8, and the comparison of what models predict."""

import os
from typing import Any, List, Sequence, Tuple

import numpy as np
import onnxruntime as ort

from .refusal import Refusal

RTOL, ATOL = 1e-3, 1e-5
"""How far a compiled model may be from the original: frameworks sum in another order, some in double."""
LABELS = 0.005
"""Share of rows whose label may differ: those on a threshold."""
QUANTIZED = 0.1
"""Mean distance of an int8 model's outputs from the original's, as a share of their spread, that is still taken."""
TYPES = {
    "tensor(float)": "FLOAT32", "tensor(double)": "FLOAT64", "tensor(float16)": "FLOAT16", "tensor(int64)": "INT64", "tensor(int32)": "INT32",
    "tensor(int16)": "INT16", "tensor(uint8)": "UINT8", "tensor(int8)": "INT8", "tensor(bool)": "BOOL", "tensor(string)": "STRING",
}  # fmt: skip


def session(path: str, level: Any = ort.GraphOptimizationLevel.ORT_ENABLE_ALL, optimized: str = "") -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.graph_optimization_level = level
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    if optimized:
        options.optimized_model_filepath = optimized
    return ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def optimize(path: str, target: str) -> None:
    """Fold and fuse as far as the result still runs on every processor; layouts are chosen where it is loaded."""
    session(path, ort.GraphOptimizationLevel.ORT_ENABLE_BASIC, target)


def quantize(path: str, target: str) -> None:
    """Weights to int8, activations as they come. Raises Refusal where nothing has such weights."""
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    model = onnx.load(path)
    kinds = {node.op_type for node in model.graph.node}
    usable = sorted(kinds & {"MatMul", "Gemm", "Conv", "Attention", "LSTM", "Gather"})
    if not set(usable) & {"MatMul", "Gemm", "Conv", "LSTM"}:
        raise Refusal("OutputConfiguration: CompilerOptions quantization int8: the model has no matrix product or convolution to quantize")
    # ONNX Runtime's integer convolution takes unsigned weights only
    weights = QuantType.QUInt8 if "Conv" in kinds else QuantType.QInt8
    # what exporters note of shapes between nodes may contradict each other; it is inferred anew
    model.graph.ClearField("value_info")
    quantize_dynamic(
        model, target, op_types_to_quantize=usable, weight_type=weights, extra_options={"DefaultTensorType": onnx.TensorProto.FLOAT}
    )
    if os.path.getsize(target) >= os.path.getsize(path):
        raise Refusal("OutputConfiguration: CompilerOptions quantization int8: the model does not get smaller")


def run(model: ort.InferenceSession, samples: Sequence[np.ndarray]) -> List[np.ndarray]:
    return list(model.run(None, {i.name: value for i, value in zip(model.get_inputs(), samples, strict=False)}))


def difference(expected: Sequence[np.ndarray], found: Sequence[np.ndarray]) -> Tuple[float, float]:
    """(largest difference of a number, share of labels that differ). Raises Refusal for another shape."""
    worst, labels = 0.0, 0.0
    for number, (a, b) in enumerate(zip(expected, found, strict=False)):
        if a.size != b.size:
            raise Refusal("output %d of the compiled model has the shape %s, the original's is %s" % (number, list(b.shape), list(a.shape)))
        a, b = a.reshape(-1), b.reshape(-1)
        if a.dtype.kind == "f" or b.dtype.kind == "f":
            worst = max(worst, float(np.nanmax(np.abs(a.astype(np.float64) - b.astype(np.float64)), initial=0.0)))
        else:
            labels = max(labels, float(np.mean(a.astype(str) != b.astype(str))))
    return worst, labels


def check(expected: Sequence[np.ndarray], found: Sequence[np.ndarray]) -> Tuple[float, float]:
    """``difference``, and Refusal where the compiled model predicts something else than the original."""
    worst, labels = difference(expected, found)
    for a, b in zip(expected, found, strict=False):
        if a.dtype.kind == "f" or b.dtype.kind == "f":
            a, b = a.reshape(-1).astype(np.float64), b.reshape(-1).astype(np.float64)
            off = np.mean(~np.isclose(a, b, rtol=RTOL, atol=ATOL, equal_nan=True))
            if off > LABELS:
                raise Refusal("the compiled model does not predict what the original does: %.1f %% of the outputs differ, by up to %g" % (100 * off, worst))
    if labels > LABELS:
        raise Refusal("the compiled model does not predict what the original does: %.1f %% of the labels differ" % (100 * labels))
    return worst, labels


def check_quantized(expected: Sequence[np.ndarray], found: Sequence[np.ndarray]) -> Tuple[float, float]:
    """``difference``, and Refusal where int8 has lost too much."""
    for a, b in zip(expected, found, strict=False):
        if a.dtype.kind == "f":
            a, b = a.reshape(-1).astype(np.float64), b.reshape(-1).astype(np.float64)
            spread = float(np.std(a)) or 1.0
            lost = float(np.mean(np.abs(a - b))) / spread
            if not lost <= QUANTIZED:
                raise Refusal("OutputConfiguration: CompilerOptions quantization int8 changes the predictions too much: by %.0f %% of their spread" % (100 * lost))
    return difference(expected, found)
