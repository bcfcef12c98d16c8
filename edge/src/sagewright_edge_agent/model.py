"""A model on this device: its folder is verified, loaded, and made to prove that it predicts what it did when it was compiled."""

from __future__ import annotations

import hashlib
import json
import os
import tarfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort

from .errors import AgentError
from .tensors import KINDS, metadata

MEMBERS = ("model.onnx", "manifest.json", "golden.npz", "signature.json")
UNPACKED = 4 << 30
"""Bytes of the longest member."""


def unpack(archive: Path, folder: Path) -> None:
    """Take the known members of a package, each a plain file, and make them last. Raises ValueError."""
    try:
        with tarfile.open(archive, "r:gz") as packed:
            for member in packed:
                if member.name not in MEMBERS or not member.isreg() or member.size > UNPACKED:
                    raise ValueError(f"the package holds {member.name!r}, which no package does")
                source = packed.extractfile(member)
                assert source is not None
                with (folder / member.name).open("wb") as target:
                    while block := source.read(1 << 20):
                        target.write(block)
                    target.flush()
                    os.fsync(target.fileno())
    except (tarfile.TarError, EOFError, OSError) as error:
        raise ValueError(f"the package cannot be read: {error}") from error


def verify(folder: Path) -> None:
    """Every file has the digest of the signature. Raises ValueError."""
    try:
        files = json.loads((folder / "signature.json").read_text(encoding="utf-8"))["Files"]
    except (OSError, ValueError, KeyError) as error:
        raise ValueError(f"the package has no signature: {error}") from error
    for name in ("model.onnx", "manifest.json", "golden.npz"):
        path = folder / name
        if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != files.get(name):
            raise ValueError(f"{name} is not what the package's signature says")


class Model:
    """One loaded model. ``predict`` may be called by several threads at once.

    Raises:
        ValueError: the folder holds no compiled model, or it predicts something else here.
    """

    def __init__(self, name: str, folder: Path, threads: int = 1) -> None:
        self.name, self.folder = name, folder
        try:
            self.manifest: dict[str, Any] = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
            options = ort.SessionOptions()
            options.intra_op_num_threads, options.log_severity_level = threads, 3
            self.session = ort.InferenceSession(str(folder / "model.onnx"), options, providers=["CPUExecutionProvider"])
        except Exception as error:
            raise ValueError(f"the model cannot be loaded: {error}") from error
        self.inputs = {i["Name"]: i for i in self.manifest["Inputs"]}
        self.outputs = [o["Name"] for o in self.manifest["Outputs"]]
        self.latest_inference = self.latest_sample = 0.0
        self.prove()

    @property
    def model_name(self) -> str:
        return str(self.manifest.get("ModelName", self.name))

    @property
    def version(self) -> str:
        return str(self.manifest.get("ModelVersion", "1"))

    def prove(self) -> None:
        """The golden rows give the golden answers. Raises ValueError."""
        tolerance = self.manifest["Tolerance"]
        with np.load(self.folder / "golden.npz", allow_pickle=False) as golden:
            given = {name: golden[f"in_{n}"] for n, name in enumerate(self.inputs)}
            found = self.session.run(None, given)
            for n, value in enumerate(found):
                expected = golden[f"out_{n}"]
                if expected.dtype.kind == "f":
                    same = np.isclose(value, expected, rtol=tolerance["Relative"], atol=tolerance["Absolute"], equal_nan=True)
                else:
                    same = np.asarray(value).astype(str) == expected.astype(str)
                if not np.all(same):
                    raise ValueError(f"the model predicts something else on this device: {int(np.sum(~same))} of {same.size} golden answers differ")

    def predict(self, tensors: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Raises AgentError INVALID_ARGUMENT for other names, types or shapes than the model's."""
        if set(tensors) != set(self.inputs):
            raise AgentError("INVALID_ARGUMENT", f"{self.name} takes the tensors {', '.join(self.inputs)}")
        for name, array in tensors.items():
            about = self.inputs[name]
            shape = about["Shape"]
            if array.dtype != KINDS[about["Type"]]:
                raise AgentError("INVALID_ARGUMENT", f"{name} must be {about['Type']}")
            if array.ndim != len(shape) or any(s not in (-1, have) for s, have in zip(shape, array.shape, strict=True)):
                raise AgentError("INVALID_ARGUMENT", f"{name} has the shape {list(array.shape)}; the model takes {shape}")
        try:
            found = self.session.run(None, tensors)
        except Exception as error:
            raise AgentError("INVALID_ARGUMENT", f"the model does not take this: {' '.join(str(error).split())}") from error
        self.latest_inference = time.time()
        return dict(zip(self.outputs, (np.asarray(value) for value in found), strict=True))

    def about(self) -> dict[str, Any]:
        """As DescribeModel answers."""
        return {
            "name": self.name, "url": str(self.folder), "model_name": self.model_name, "model_version": self.version,
            "input_tensor_metadatas": [metadata(i) for i in self.inputs.values()],
            "output_tensor_metadatas": [metadata(o) for o in self.manifest["Outputs"]],
        }  # fmt: skip
