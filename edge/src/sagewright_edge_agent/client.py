"""For applications on the device: ``Client("/run/edge.sock").predict("model", x=array)``."""

from __future__ import annotations

import http.client
import json
import socket
from typing import Any

import numpy as np

from . import tensors
from .errors import AgentError


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class Client:
    """One connection to the agent of this device; not for several threads at once."""

    def __init__(self, path: str, timeout: float = 60.0) -> None:
        self._connection = _Connection(path, timeout)

    def call(self, operation: str, **given: Any) -> dict[str, Any]:
        """An operation by its name. Raises AgentError with the agent's code; OSError without an agent."""
        self._connection.request("POST", f"/{operation}", json.dumps(given), {"content-type": "application/json"})
        answer = self._connection.getresponse()
        body: dict[str, Any] = json.loads(answer.read())
        if answer.status != 200:
            raise AgentError(body["code"], body["message"])
        return body

    def predict(self, name: str, **inputs: np.ndarray) -> dict[str, np.ndarray]:
        """Output → array. Strings come as lists of strings."""
        given = [tensors.write(key, np.asarray(value)) for key, value in inputs.items()]
        answer = self.call("Predict", name=name, tensors=given)
        return {
            t["tensor_metadata"]["name"]: np.array(t["string_data"]) if "string_data" in t else tensors.read(t)[1] for t in answer["tensors"]
        }  # fmt: skip

    def close(self) -> None:
        self._connection.close()
