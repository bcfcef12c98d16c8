"""Runs scripts of SageMaker SDK users: the real SDKs, unmodified, in environments of their own (``make clients``)."""

from __future__ import annotations

import atexit
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from . import sdk_parent
from .server import TestServer

CLIENTS = Path(__file__).parents[3] / ".cache" / "clients"
"""``v2`` and ``v3`` cannot share an environment."""


IMPORTED = {
    "v2": ("sagemaker", "sagemaker.estimator", "sagemaker.sklearn", "sagemaker.tuner", "sagemaker.experiments"),
    "v3": ("sagemaker.core.resources", "sagemaker.core.helper.session_helper", "sagemaker.train"),
}
"""What is imported once for all scripts of an SDK: several seconds of work for each of them otherwise."""
READY = 180.0
"""Seconds until that is done."""


class Parent:
    """A process that has imported an SDK and forks a child for each script."""

    def __init__(self, sdk: str, environ: dict[str, str]) -> None:
        python = CLIENTS / sdk / "bin" / "python"
        assert python.exists(), f"{python} is missing: run `make clients`"
        self._folder = Path(tempfile.mkdtemp(prefix="sdk-"))
        self._path = str(self._folder / "parent")
        with (self._folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [str(python), sdk_parent.__file__, self._path, *IMPORTED[sdk]], env=environ, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )
        atexit.register(self._end)

    def run(self, argv: list[str], environ: dict[str, str], timeout: float) -> tuple[int, str, str]:
        """(exit code, stdout, stderr) of a script. Raises TimeoutError."""
        with tempfile.TemporaryDirectory(dir=self._folder) as place:
            out, err = Path(place, "out"), Path(place, "err")
            with self._connect() as connection:
                connection.settimeout(timeout)
                asked = {"argv": argv, "env": environ, "out": str(out), "err": str(err)}
                connection.sendall(json.dumps(asked).encode() + b"\n")
                try:
                    code = connection.makefile().readline()
                except TimeoutError:
                    raise TimeoutError(f"{argv} took more than {timeout} s: {out.read_text()[-4000:]}{err.read_text()[-4000:]}") from None
            return int(code or -1), out.read_text(), err.read_text()

    def _connect(self) -> socket.socket:
        end = time.monotonic() + READY
        while True:
            connection = socket.socket(socket.AF_UNIX)
            try:
                connection.connect(self._path)
            except OSError:
                connection.close()
                assert self._process.poll() is None, (self._folder / "log").read_text()
                assert time.monotonic() < end, "the SDK is not imported yet"
                time.sleep(0.05)  # another program: there is nothing to wait on but its socket
            else:
                return connection

    def _end(self) -> None:
        self._process.kill()
        self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)


_parents: dict[str, Parent] = {}
_starting = threading.Lock()


def run(server: TestServer, sdk: str, script: Path, *argv: str, timeout: float = 280, **environ: str) -> dict[str, Any]:
    """Run a script as ``sagewright env`` sets a user up; what it printed after ``RESULT``, as JSON.

    Raises:
        AssertionError: it failed; with what it and the server said.
    """
    given = {**server.environment(), **environ}
    with _starting:
        if sdk not in _parents:
            _parents[sdk] = Parent(sdk, {**os.environ, **given})
    code, out, err = _parents[sdk].run([str(script), *argv], given, timeout)
    assert code == 0, f"{out[-4000:]}\n{err[-4000:]}\n{server.log()}"
    sys.stdout.write(out[-3000:])
    found: dict[str, Any] = json.loads(next(line for line in out.splitlines() if line.startswith("RESULT "))[7:])
    return found
