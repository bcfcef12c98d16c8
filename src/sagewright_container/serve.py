"""The model server: GET /ping, POST /invocations, GET /execution-parameters.

Listens on the Unix socket SAGEWRIGHT_SOCKET, else on the TCP port SAGEMAKER_BIND_TO_PORT (8080). Each connection has
its own thread, so that a long prediction never holds up a health check; a model predicts for one thread at a time.
A request joins a queue, and whoever gets hold of the model answers all that is queued: a handler that can predict
several requests together gets them together, and nobody ever waits for a batch to fill.
"""

import os
import signal
import socket
import sys
import threading
import traceback
from typing import Any, Dict, List, Optional, Sequence, Tuple

from . import frames, http, threads
from .errors import HttpError
from .http import Request, Response

MB = 1024 * 1024
BODY_LIMIT = 1024 * MB
"""Bytes of the largest request that the platform brings: an asynchronous one's input."""


class Handler:
    """A model behind the server. Override ``load`` and ``invoke``."""

    together = False
    """Whether requests gain from being answered together by ``invoke_many``; known once the model is loaded."""

    def load(self) -> None:
        """Called once, before the server listens."""

    def invoke(self, request: Request) -> Response:
        """Answer one request. An HttpError becomes its status, another exception a 500."""
        raise NotImplementedError

    def invoke_many(self, requests: Sequence[Request]) -> List[Response]:
        """Answer what was queued together."""
        return [guarded(self.invoke, request) for request in requests]

    def execution_parameters(self) -> Optional[Dict[str, Any]]:
        """For batch transform; None answers 404."""
        return None


def guarded(invoke: Any, request: Request) -> Response:
    """``invoke`` with its errors as responses."""
    try:
        response: Response = invoke(request)
        return response
    except Exception as e:
        return error_response(e)


def error_response(error: Exception) -> Response:
    """A client's mistake with its message, the model's own failure with its traceback in the log and its name here."""
    status = getattr(error, "status", None) or getattr(error, "status_code", None)
    if isinstance(status, int) and 400 <= status < 600:
        message = str(getattr(error, "message", "") or error)
        sys.stderr.write("%d: %s\n" % (status, message))
        return Response(message.encode(), "text/plain; charset=utf-8", status)
    traceback.print_exception(type(error), error, error.__traceback__)
    return Response(("%s: %s" % (type(error).__name__, error)).encode(), "text/plain; charset=utf-8", 500)


class _Turn:
    """One request waiting for the model."""

    __slots__ = ("request", "response")

    def __init__(self, request: Request) -> None:
        self.request = request
        self.response: Optional[Response] = None


class Server:
    """Serves one handler."""

    def __init__(self, handler: Handler, limit: int = BODY_LIMIT) -> None:
        self._handler = handler
        self._limit = limit
        self._model = threading.Lock()
        self._queue: List[_Turn] = []
        self._queueing = threading.Lock()

    def run(self, listener: socket.socket) -> None:
        """Accept until the listener is closed."""
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        threads.settle()
        if connection.family != socket.AF_UNIX:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with connection, connection.makefile("rb", buffering=65536) as stream:
            try:
                while self._exchange(connection, stream):
                    pass
            except OSError:
                pass  # the peer went away

    def _exchange(self, connection: socket.socket, stream: Any) -> bool:
        try:
            request = http.read_request(stream, connection, self._limit)
        except HttpError as e:
            http.send(connection, error_response(e), keep_alive=False)
            return False
        if request is None:
            return False
        if request.headers.get("upgrade", "") == frames.NAME:
            connection.sendall(frames.SWITCH)
            together = self._invoke_all if self._handler.together else None
            frames.Session(connection, self._answer, together, error_response, self._limit).run()
            return False
        try:
            http.send(connection, self._answer(request), request.keep_alive, request.method == "HEAD")
        except OSError:
            raise
        except Exception:
            traceback.print_exc()  # a stream that broke after its head was sent: closing tells the peer
            return False
        return request.keep_alive

    def _answer(self, request: Request) -> Response:
        if request.path == "/ping" and request.method in ("GET", "HEAD"):
            return Response()
        if request.path == "/invocations" and request.method == "POST":
            return self._invoke(request)
        if request.path == "/execution-parameters" and request.method == "GET":
            found = self._handler.execution_parameters()
            if found is not None:
                import json

                return Response(json.dumps(found).encode(), "application/json")
        if request.path in ("/ping", "/invocations"):
            return Response(b"method not allowed", "text/plain", 405)
        return Response(b"not found", "text/plain", 404)

    def _invoke(self, request: Request) -> Response:
        turn = _Turn(request)
        with self._queueing:
            self._queue.append(turn)
        with self._model:
            if turn.response is None:
                self._work()
        assert turn.response is not None
        return turn.response

    def _invoke_all(self, requests: Sequence[Request]) -> List[Response]:
        """Requests that came together on one connection."""
        if any(request.path != "/invocations" or request.method != "POST" for request in requests):
            return [self._answer(request) for request in requests]
        with self._model:
            try:
                return list(self._handler.invoke_many(requests))
            except Exception as e:
                return [error_response(e)] * len(requests)

    def _work(self) -> None:
        with self._queueing:
            turns, self._queue = self._queue, []
        try:
            responses = self._handler.invoke_many([turn.request for turn in turns])
        except Exception as e:
            responses = [error_response(e)] * len(turns)
        for turn, response in zip(turns, responses):  # noqa: B905  (Python 3.8)
            turn.response = response


def main(handler: Handler) -> int:
    """Load, listen, serve until SIGTERM. Returns the exit code."""
    try:
        handler.load()
    except Exception:
        traceback.print_exc()
        return 1
    return listen(Server(handler, body_limit()))


def listen(server: Server) -> int:
    """Serve until SIGTERM. Returns the exit code."""
    listener, path = bind()
    # a signal handler may not wait for the accept loop: closing and leaving is all there is to do
    signal.signal(signal.SIGTERM, lambda *_: _leave(path))
    try:
        server.run(listener)
    except KeyboardInterrupt:
        pass
    return 0


def body_limit() -> int:
    """Bytes that a request may hold, by the variables that the framework containers know; 0 is no limit of their own."""
    for name, unit in (("MAX_CONTENT_LENGTH", 1), ("SAGEMAKER_MAX_PAYLOAD_IN_MB", MB)):
        said = os.environ.get(name, "")
        if said.isdigit() and int(said):
            return int(said) * unit
    return BODY_LIMIT


def bind() -> Tuple[socket.socket, str]:
    """The listening socket, and its path when it is a Unix one."""
    path = os.environ.get("SAGEWRIGHT_SOCKET", "")
    if path:
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        if os.path.exists(path):
            os.unlink(path)
        listener.bind(path)
    else:
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        port = int(os.environ.get("SAGEMAKER_BIND_TO_PORT") or 8080)
        listener.bind((os.environ.get("SAGEMAKER_BIND_TO_HOST", "0.0.0.0"), port))
    listener.listen(1024)
    return listener, path


def _leave(path: str) -> None:
    if path:
        try:
            os.unlink(path)
        except OSError:
            pass
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)
