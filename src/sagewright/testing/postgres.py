"""A PostgreSQL of the tests' own: a fresh cluster on a Unix socket, gone afterwards. Nothing is installed here."""

from __future__ import annotations

import collections
import contextlib
import os
import pwd
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PLACES = ("/usr/lib/postgresql/*/bin", "/usr/local/pgsql/bin", "/opt/homebrew/opt/postgresql*/bin")


def binaries() -> Path:
    """The directory of PostgreSQL's programs.

    Raises:
        RuntimeError: it is not installed.
    """
    found = [p for place in PLACES for p in Path("/").glob(place.lstrip("/")) if (p / "initdb").exists()]
    if found:
        return max(found)
    if (initdb := shutil.which("initdb")) is None:
        raise RuntimeError("PostgreSQL is not installed (no initdb on PATH): apt-get install postgresql, or brew install postgresql.")
    return Path(initdb).resolve().parent


class Postgres:
    """A running cluster with an empty database."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.url = f"postgresql://tests@/postgres?host={folder}"
        self.said: collections.deque[str] = collections.deque(maxlen=50)
        """Its last log lines."""
        self._bin = binaries()
        self._user = _unprivileged()
        if self._user:
            os.chown(folder, self._user.pw_uid, self._user.pw_gid)

    def initialize(self) -> None:
        command = [str(self._bin / "initdb"), "-D", str(self.folder / "data"), "-U", "tests", "-A", "trust", "-E", "UTF8", "--locale=C", "-N"]
        done = subprocess.run(command, **self._as_user(), capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"initdb failed: {done.stderr or done.stdout}")

    def start(self) -> None:
        """Returns when it accepts connections."""
        options = {"listen_addresses": "", "unix_socket_directories": str(self.folder), "fsync": "off", "max_connections": "60"}
        command = [str(self._bin / "postgres"), "-D", str(self.folder / "data")]
        for name, value in options.items():
            command += ["-c", f"{name}={value}"]
        self._process = subprocess.Popen(command, **self._as_user(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        ready = threading.Event()
        self._reader = threading.Thread(target=self._listen, args=(ready,), daemon=True)
        self._reader.start()
        ready.wait(60)
        if self._process.poll() is not None:
            raise RuntimeError("PostgreSQL did not start:\n" + "".join(self.said))

    def stop(self) -> None:
        """At once, as a crash: nothing here is to be kept."""
        self._process.send_signal(3)  # SIGQUIT: immediate shutdown, its children too
        self._process.wait(30)
        self._reader.join(10)

    def _listen(self, ready: threading.Event) -> None:
        assert self._process.stderr is not None
        with self._process.stderr as lines:
            for line in lines:
                self.said.append(line)
                if "ready to accept connections" in line:
                    ready.set()
        ready.set()

    def _as_user(self) -> dict[str, Any]:
        return {"user": self._user.pw_uid, "group": self._user.pw_gid, "cwd": "/"} if self._user else {"cwd": "/"}


def _unprivileged() -> pwd.struct_passwd | None:
    """PostgreSQL refuses to run as root; None means ourselves."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    raise RuntimeError("PostgreSQL does not run as root and there is neither a user postgres nor nobody.")


@contextlib.contextmanager
def running() -> Iterator[Postgres]:
    """``with running() as postgres: connect(postgres.url)``."""
    folder = Path(tempfile.mkdtemp(prefix="sw-pg-", dir="/tmp"))  # a socket's path must be short
    try:
        postgres = Postgres(folder)
        postgres.initialize()
        postgres.start()
        try:
            yield postgres
        finally:
            postgres.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
