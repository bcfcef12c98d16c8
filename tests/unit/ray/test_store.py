"""A node's way to the server's objects, while the server is being started again."""

from __future__ import annotations

import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from botocore.exceptions import EndpointConnectionError

from sagewright.adapters.ray import ports


class Answers(BaseHTTPRequestHandler):
    """Takes whatever is put."""

    def do_PUT(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Nowhere."""


@pytest.fixture
def port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def store(port: int) -> ports.Store:
    made = ports.Store(f"http://127.0.0.1:{port}", "us-east-1")
    made.use("AKIA", "secret", "")
    return made


def test_what_is_put_while_the_server_is_away_arrives_when_it_is_back(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Later than botocore's own tries would last, were they as quick."""
    refused = 0
    back = threading.Event()
    asleep = time.sleep

    def sleep(seconds: float) -> None:
        nonlocal refused
        assert seconds <= ports.LONGEST
        refused += 1
        if refused == 20:
            threading.Thread(target=serve, daemon=True).start()
            assert back.wait(30)
        asleep(0.0)

    def serve() -> None:
        with HTTPServer(("127.0.0.1", port), Answers) as server:
            back.set()
            server.handle_request()

    monkeypatch.setattr("botocore.endpoint.time.sleep", sleep)
    store(port).client.put_object(Bucket="b", Key="k", Body=b"made")
    assert refused >= 20


def test_a_server_that_never_comes_back_is_given_up(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "AWAY", -1.0)
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda seconds: None)
    with pytest.raises(EndpointConnectionError):
        store(port).client.put_object(Bucket="b", Key="k", Body=b"lost")
