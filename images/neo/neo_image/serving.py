"""Serves a compiled model over HTTP: CSV, JSON, JSON Lines and npy in and out."""

import json
import os
from typing import Any, List, Sequence

import numpy as np

from sagewright_container import content, paths
from sagewright_container.errors import HttpError
from sagewright_container.http import Request, Response
from sagewright_container.serve import Handler

from . import runtime

KINDS = {"FLOAT32": np.float32, "FLOAT64": np.float64, "FLOAT16": np.float16, "INT64": np.int64, "INT32": np.int32,
         "INT16": np.int16, "UINT8": np.uint8, "INT8": np.int8, "BOOL": np.bool_}  # fmt: skip


class Compiled(Handler):
    """One compiled model. One input takes rows as they are; several take a JSON object with an array for each."""

    def load(self) -> None:
        self.session = runtime.session(os.path.join(paths.model(), "model.onnx"))
        self.inputs = [(i.name, runtime.TYPES[i.type], i.shape) for i in self.session.get_inputs()]
        self.outputs = [o.name for o in self.session.get_outputs()]

    def invoke(self, request: Request) -> Response:
        accept = content.negotiate(request.headers.get("accept", ""), (content.JSON, content.CSV, content.JSONLINES, content.NPY))
        given = content.decode(request.body, request.content_type)
        return Response(self._encode(self._run(self._arrays(given)), accept), accept)

    def _arrays(self, given: Any) -> List[np.ndarray]:
        if isinstance(given, dict) and set(given) == {"instances"}:
            given = given["instances"]
        named = given if isinstance(given, dict) else {self.inputs[0][0]: given}
        if set(named) != {name for name, _, _ in self.inputs}:
            raise HttpError(400, "give the inputs %s" % ", ".join(name for name, _, _ in self.inputs))
        arrays = []
        for name, kind, shape in self.inputs:
            try:
                array = np.asarray(named[name], KINDS[kind])
            except (ValueError, TypeError) as error:
                raise HttpError(400, "%s: %s" % (name, error)) from error
            if array.ndim == len(shape) - 1:
                array = array[np.newaxis]
            if array.ndim != len(shape) or any(isinstance(want, int) and want != have for want, have in zip(shape, array.shape, strict=True)):
                raise HttpError(400, "%s has the shape %s; the model takes %s" % (name, list(array.shape), [s if isinstance(s, int) else -1 for s in shape]))
            arrays.append(array)
        return arrays

    def _run(self, arrays: Sequence[np.ndarray]) -> List[np.ndarray]:
        try:
            return runtime.run(self.session, arrays)
        except Exception as error:
            raise HttpError(400, "the model does not take this: %s" % " ".join(str(error).split())) from error

    def _encode(self, found: List[np.ndarray], accept: str) -> bytes:
        if len(found) == 1:
            return content.encode(found[0], accept)
        if accept == content.JSON:
            return json.dumps({name: value.tolist() for name, value in zip(self.outputs, found, strict=True)}).encode()
        return content.encode(found[-1], accept)
