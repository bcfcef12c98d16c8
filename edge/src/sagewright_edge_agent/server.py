"""What applications talk to: HTTP and JSON on a Unix socket, one operation a path: ``POST /Predict``."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import socketserver
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

from .agent import Agent
from .errors import STATUS, AgentError

LONGEST = 256 << 20
"""Bytes of a request."""
CAPTURED = ("inference_timestamp", "input_tensors", "output_tensors", "inputs", "outputs")


def answer(agent: Agent, operation: str, given: dict[str, Any]) -> dict[str, Any]:
    """Carry out one operation. Raises AgentError."""

    def member(name: str) -> str:
        if not isinstance(given.get(name), str) or not given[name]:
            raise AgentError("INVALID_ARGUMENT", f"{operation} needs {name}")
        return str(given[name])

    if operation == "LoadModel":
        return agent.LoadModel(member("name"), member("url"))
    if operation == "UnLoadModel":
        return agent.UnLoadModel(member("name"))
    if operation == "ListModels":
        return agent.ListModels()
    if operation == "DescribeModel":
        return agent.DescribeModel(member("name"))
    if operation == "Predict":
        if not isinstance(given.get("tensors"), list):
            raise AgentError("INVALID_ARGUMENT", "Predict needs tensors")
        return agent.Predict(member("name"), given["tensors"])
    if operation == "CaptureData":
        return agent.CaptureData(member("model_name"), member("capture_id"), {k: given[k] for k in CAPTURED if k in given})
    if operation == "GetCaptureDataStatus":
        return agent.GetCaptureDataStatus(member("model_name"), member("capture_id"))
    raise AgentError("NOT_FOUND", f"there is no operation {operation}")


class Handler(BaseHTTPRequestHandler):
    """One connection of an application."""

    protocol_version = "HTTP/1.1"
    server: Server

    def do_POST(self) -> None:
        length = self.headers.get("content-length", "")
        if not length.isdigit() or int(length) > LONGEST:
            self.close_connection = True
            self._send(400, {"code": "OUT_OF_RANGE", "message": f"a request has a content-length of at most {LONGEST}"})
            return
        try:
            given = json.loads(self.rfile.read(int(length)) or b"{}")
            if not isinstance(given, dict):
                raise AgentError("INVALID_ARGUMENT", "the body must be a JSON object")
            self._send(200, answer(self.server.agent, self.path.strip("/"), given))
        except AgentError as error:
            self._send(STATUS[error.code], {"code": error.code, "message": error.message})
        except ValueError as error:
            self._send(400, {"code": "INVALID_ARGUMENT", "message": f"the body is not JSON: {error}"})
        except Exception as error:
            self._send(500, {"code": "INTERNAL", "message": f"{type(error).__name__}: {error}"})

    def _send(self, status: int, body: dict[str, Any]) -> None:
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: a line for each prediction would wear a device's flash."""

    def address_string(self) -> str:
        return "application"


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """Raises OSError when another agent has the socket."""

    daemon_threads = True

    def __init__(self, path: str, agent: Agent) -> None:
        self.agent = agent
        with contextlib.suppress(FileNotFoundError), socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(path)
            except ConnectionRefusedError:
                Path(path).unlink()  # of an agent that was killed
            else:
                raise OSError(f"another agent listens on {path}")
        before = os.umask(0o177)
        try:
            super().__init__(path, Handler)
        finally:
            os.umask(before)
