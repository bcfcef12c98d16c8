"""One compilation: convert, optimise, quantize, compare with the original, archive.

The archive holds ``model.onnx``, ``manifest.json`` (what it is, its inputs and outputs, how far it is from the original) and
``golden.npz``: inputs with what the compiled model answers, by which a device proves that it predicts the same.
"""

import importlib
import io
import json
import os
import tempfile
from typing import Any, Dict, List

import numpy as np

from . import files, runtime
from .refusal import Refusal

MODEL, CONFIG, ARTIFACT = "/opt/ml/model", "/opt/ml/config/compilation.json", "/opt/ml/output/artifact"
MESSAGE = "/opt/ml/output/message"
CONVERTERS = {"XGBOOST": "xgboost_trees", "SKLEARN": "scikit", "PYTORCH": "torch_script", "ONNX": "onnx_model"}
GOLDEN = 16
"""Rows that go along to the device."""


def compile_model() -> None:
    """From /opt/ml/model to the archive and the message that the server reads. Raises Refusal."""
    with open(CONFIG, encoding="utf-8") as file:
        config = json.load(file)
    members, told = build(MODEL, config)
    os.makedirs(ARTIFACT, exist_ok=True)
    path = os.path.join(ARTIFACT, config["Artifact"])
    files.pack(path, members)
    told["Digest"] = files.digest(path, "sha256")
    with open(MESSAGE, "w", encoding="utf-8") as file:
        json.dump(told, file)
    print("%s: %d bytes, sha256:%s" % (config["Artifact"], os.path.getsize(path), told["Digest"]))


def build(folder: str, config: Dict[str, Any]) -> Any:
    """(members of the archive, what the server is told). Raises Refusal."""
    import onnx

    converter = importlib.import_module("." + CONVERTERS[config["Framework"]], __package__)
    source = converter.convert(folder, config["Inputs"])
    with tempfile.TemporaryDirectory() as work:
        raw, slim, small = (os.path.join(work, name) for name in ("raw.onnx", "slim.onnx", "small.onnx"))
        onnx.save(source.model, raw)
        runtime.optimize(raw, slim)
        expected = [np.asarray(a) for a in source.reference(source.samples)]
        final, session = slim, runtime.session(slim)
        found = runtime.run(session, source.samples)
        worst, labels = runtime.check(expected, found)
        print("compared on %d rows: numbers within %.3g, %.2f %% of labels differ" % (len(source.samples[0]), worst, 100 * labels))
        if config["Quantization"] == "int8":
            runtime.quantize(slim, small)
            final, session = small, runtime.session(small)
            found = runtime.run(session, source.samples)
            worst, labels = runtime.check_quantized(expected, found)
            print("int8: %d → %d bytes, numbers within %.3g" % (os.path.getsize(slim), os.path.getsize(small), worst))
        with open(final, "rb") as file:
            body = file.read()
    manifest = {
        "Format": 1, "Framework": config["Framework"], "FrameworkVersion": config.get("FrameworkVersion", ""),
        "Target": config["Target"], "Quantization": config["Quantization"] or "none",
        "Inputs": [about(i) for i in session.get_inputs()], "Outputs": [about(o) for o in session.get_outputs()],
        "Compared": {"Rows": len(source.samples[0]), "WorstDifference": worst, "LabelsThatDiffer": labels},
        "Tolerance": {"Relative": runtime.RTOL, "Absolute": max(runtime.ATOL, 4 * worst if config["Quantization"] else 0.0)},
    }
    golden = golden_rows(session, source.samples, found)
    members = {"model.onnx": body, "manifest.json": json.dumps(manifest, indent=1).encode(), "golden.npz": golden}
    return members, {"Derived": json.dumps(source.derived)}


def about(value: Any) -> Dict[str, Any]:
    """An input or output as the manifest has it; a free dimension is -1."""
    if value.type not in runtime.TYPES:
        raise Refusal("the output %s is a %s; only tensors can be compiled" % (value.name, value.type))
    return {"Name": value.name, "Type": runtime.TYPES[value.type], "Shape": [d if isinstance(d, int) else -1 for d in value.shape]}


def golden_rows(session: Any, samples: List[np.ndarray], found: List[np.ndarray]) -> bytes:
    """The first rows, if rows are free; all that there is otherwise."""
    free = all(i.shape and not isinstance(i.shape[0], int) for i in session.get_inputs())
    if free and len(samples[0]) > GOLDEN:
        samples = [sample[:GOLDEN] for sample in samples]
        found = runtime.run(session, samples)
    arrays = {"in_%d" % n: a for n, a in enumerate(samples)}
    arrays.update({"out_%d" % n: a.astype(str) if a.dtype == object else a for n, a in enumerate(found)})
    made = io.BytesIO()
    np.savez_compressed(made, **arrays)
    return made.getvalue()
