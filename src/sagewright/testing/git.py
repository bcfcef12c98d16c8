"""A git server over HTTPS that asks for a name and a password, for tests: real git on both sides, on this machine alone."""

from __future__ import annotations

import base64
import os
import subprocess
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ..cli.certificates import ensure, server_context

LONGEST = 1 << 20


@dataclass
class GitServer:
    """``with GitServer(tmp_path, "ada", "word") as git: git.repository("rain", {"main": {"one.txt": "1"}})``."""

    folder: Path
    user: str
    password: str
    url: str = ""
    authority: Path = Path()
    """The certificate that clients must believe."""
    asked: list[str] = field(default_factory=list)
    """Paths of the requests that were let in."""

    def repository(self, name: str, branches: Mapping[str, Mapping[str, str]]) -> str:
        """Make a repository with one commit on each branch; its URL."""
        bare = self.folder / "repositories" / f"{name}.git"
        _git("init", "--quiet", "--bare", f"--initial-branch={next(iter(branches))}", str(bare))
        for branch, files in branches.items():
            stream = f"commit refs/heads/{branch}\ncommitter Ada <ada@example.com> 1700000000 +0000\ndata 3\none\n"
            stream += "".join(f"M 100644 inline {path}\ndata {len(text.encode())}\n{text}\n" for path, text in files.items())
            _git("-C", str(bare), "fast-import", "--quiet", given=stream)
        return f"{self.url}/{name}.git"

    def __enter__(self) -> GitServer:
        made = ensure(self.folder / "tls", ["localhost", "127.0.0.1"])
        self.authority = made.authority
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.socket = server_context(made.certificate, made.key).wrap_socket(self._server.socket, server_side=True)
        self.url = f"https://localhost:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _git(*arguments: str, given: str = "") -> None:
    subprocess.run(["git", *arguments], input=given.encode(), check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _handler(server: GitServer) -> type[BaseHTTPRequestHandler]:
    wanted = "Basic " + base64.b64encode(f"{server.user}:{server.password}".encode()).decode()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.headers.get("Authorization") != wanted:
                self.send_response(401)
                self.send_header("WWW-Authenticate", 'Basic realm="tests"')
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            server.asked.append(self.path)
            self._backend(self.rfile.read(min(int(self.headers.get("Content-Length", "0")), LONGEST)))

        do_POST = do_GET

        def _backend(self, body: bytes) -> None:
            split = urlsplit(self.path)
            env = {
                "PATH": os.environ["PATH"], "GIT_PROJECT_ROOT": str(server.folder / "repositories"), "GIT_HTTP_EXPORT_ALL": "1",
                "PATH_INFO": split.path, "QUERY_STRING": split.query, "REQUEST_METHOD": self.command, "REMOTE_USER": server.user,
                "CONTENT_TYPE": self.headers.get("Content-Type", ""), "CONTENT_LENGTH": str(len(body)),
                "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""), "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            }
            done = subprocess.run(["git", "http-backend"], input=body, env=env, stdout=subprocess.PIPE, check=True)
            head, _, content = done.stdout.partition(b"\r\n\r\n")
            headers = [(name, value.strip()) for name, _, value in (line.partition(":") for line in head.decode().split("\r\n"))]
            self.send_response(next((int(value.split()[0]) for name, value in headers if name == "Status"), 200))
            for name, value in headers:
                if name != "Status":
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            pass

    return Handler
