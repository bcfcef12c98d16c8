"""Serves an ONNX model over HTTP: CSV, JSON, JSON Lines, npy and RecordIO-protobuf in; all but the last out.

Requests that are queued together share one run of the model.
"""

import json
from functools import partial
from typing import Any, List, Sequence, Union

import numpy as np

from sagewright_container import content, paths
from sagewright_container.errors import HttpError
from sagewright_container.http import Request, Response
from sagewright_container.serve import Handler, error_response, guarded

from .model import Model, find

FORMATS = (content.JSON, content.CSV, content.JSONLINES, content.NPY)


class Onnx(Handler):
    """One model. One output is the answer; of several, JSON has all by name, other formats the last."""

    together = True

    def load(self) -> None:
        self.model = Model(find(paths.model()))

    def invoke(self, request: Request) -> Response:
        accept = content.negotiate(request.headers.get("accept", ""), FORMATS)
        return self._response(self.model.run(self._arrays(request)), accept)

    def invoke_many(self, requests: Sequence[Request]) -> List[Response]:
        if len(requests) == 1:
            return [guarded(self.invoke, requests[0])]
        ready: List[Union[Response, List[np.ndarray]]] = [self._ready(request) for request in requests]
        fit = [arrays for arrays in ready if not isinstance(arrays, Response)]
        try:
            found = self.model.run_together(fit) if fit else []
        except HttpError:
            found = None  # whose fault it is shows one by one
        if found is None:
            return [guarded(self.invoke, request) for request in requests]
        outputs = iter(found)
        answers = []
        for request, one in zip(requests, ready, strict=True):
            answers.append(one if isinstance(one, Response) else guarded(partial(self._answer, next(outputs)), request))
        return answers

    def _ready(self, request: Request) -> Union[Response, List[np.ndarray]]:
        try:
            content.negotiate(request.headers.get("accept", ""), FORMATS)
            return self._arrays(request)
        except Exception as error:
            return error_response(error)

    def _arrays(self, request: Request) -> List[np.ndarray]:
        return self.model.arrays(content.decode(request.body, request.content_type))

    def _answer(self, found: List[Any], request: Request) -> Response:
        return self._response(found, content.negotiate(request.headers.get("accept", ""), FORMATS))

    def _response(self, found: List[Any], accept: str) -> Response:
        if len(found) == 1 or accept != content.JSON:
            return Response(content.encode(_table(found[-1]), accept), accept)
        named = {name: _listed(value) for name, value in zip(self.model.outputs, found, strict=True)}
        return Response(json.dumps(named).encode(), accept)


def _table(value: Any) -> Any:
    """A sequence of maps, as converters of classifiers make of probabilities, as rows in the order of the keys."""
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return [[row[key] for key in sorted(row)] for row in value]
    return value


def _listed(value: Any) -> Any:
    if isinstance(value, list):
        return [{str(key): cell for key, cell in row.items()} if isinstance(row, dict) else row for row in value]
    return value.tolist()
