"""One sandboxed process as its agent holds it: started from a warm interpreter or cold, signalled, waited for."""

from __future__ import annotations

import array
import contextlib
import json
import os
import select
import signal
import socket
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any, Protocol

import sagewright_container

SOCKETS = socket.CMSG_SPACE(16 * 4)
"""Room for the descriptors of one message."""


class SandboxError(Exception):
    """The sandbox could not be set up; the message says what the kernel refused."""


class Helper(Protocol):
    """Something that works beside a sandbox for as long as it runs."""

    def close(self) -> None: ...


class Workload:
    """A running sandbox. ``conn`` becomes readable when there is news; ``read`` takes it in.

    The sandbox's init ends everything when this connection closes, so no process outlives its agent.
    """

    def __init__(self, conn: socket.socket, launcher: subprocess.Popen[bytes] | None) -> None:
        self.conn = conn
        self._launcher = launcher
        self._pending = b""
        self.pid: int | None = None
        """Of the sandbox's init, as this machine counts."""
        self.started = False
        self.code: int | None = None
        """Exit code of the main process; 137 when the sandbox was killed from outside."""
        self.error = ""
        self.sockets: list[int] = []
        """Descriptors that the sandbox sent: sockets in its network."""
        self.lazy: list[tuple[str, int, tuple[int, int]]] = []
        """File systems that it has mounted for us to serve: where, the kernel's end, and uid and gid of what is in it."""
        self.helpers: list[Helper] = []
        """Closed when the sandbox has ended."""

    def read(self) -> None:
        """Take in what the sandbox says; blocks if there is nothing."""
        try:
            data, ancillary, _, _ = self.conn.recvmsg(4096, SOCKETS, socket.MSG_CMSG_CLOEXEC)
        except OSError:
            data, ancillary = b"", []
        for level, kind, sent in ancillary:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                self.sockets += array.array("i", sent[: len(sent) // 4 * 4])
        self._pending += data
        *lines, self._pending = self._pending.split(b"\n")
        for line in lines:
            self._note(json.loads(line))
        if not data and self.code is None:
            self.code = 137
        if self.code is not None:
            self._end()

    def _note(self, message: dict[str, Any]) -> None:
        if "init" in message:
            self.pid = message["init"]
            if self._launcher is not None:
                self._launcher.wait()
        if "lazy" in message:
            uid, gid = message["owner"]
            self.lazy.append((message["lazy"], self.sockets.pop(), (uid, gid)))
        if "started" in message:
            self.started = True
        if "exit" in message:
            self.code = message["exit"]
        if "error" in message:
            self.error, self.code = message["error"], 70

    def wait_started(self) -> None:
        """Raises SandboxError."""
        while not self.started and self.code is None:
            self.read()
        if self.error:
            raise SandboxError(self.error)

    def wait_network(self) -> list[int]:
        """The sockets of the sandbox's network, once it is made. Raises SandboxError."""
        while not self.sockets and self.code is None:
            self.read()
        if not self.sockets:
            raise SandboxError(self.error or "it ended before its network was made")
        return self.sockets

    def go(self) -> None:
        """Let a sandbox with a network of its job's own start its program."""
        with contextlib.suppress(OSError):
            self.conn.sendall(b'{"go": true}\n')

    def watch(self, poll: select.poll) -> bool:
        """Have ``poll`` tell of news; False if there will be none, for a short job may end before anyone looks."""
        if self.code is not None:
            return False
        poll.register(self.conn, select.POLLIN)
        return True

    def signal(self, number: int) -> None:
        """Send a signal to every process of the sandbox."""
        with contextlib.suppress(OSError):
            self.conn.sendall(json.dumps({"signal": int(number)}).encode() + b"\n")

    def kill(self) -> None:
        self.signal(signal.SIGKILL)

    def _end(self) -> None:
        self.conn.close()
        while self.helpers:
            self.helpers.pop().close()
        if self._launcher is not None:
            self._launcher.wait()
        if self.pid is not None:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(self.pid, 0)


def send_request(conn: socket.socket, spec: dict[str, Any], fds: list[int]) -> None:
    body = json.dumps(spec).encode()
    head = struct.pack("!I", len(body))
    conn.sendmsg([head], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else [])
    conn.sendall(body)


def start_cold(spec: dict[str, Any], fds: list[int], way_in: str = "sandbox.py") -> Workload:
    """Enter the sandbox from a small interpreter of its own, then exec the program. ``way_in``: the toolkit's script."""
    ours, theirs = socket.socketpair()
    script = str(Path(sagewright_container.__file__).with_name(way_in))
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", script, str(theirs.fileno())],
            pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, env={}, cwd="/",
        )
    send_request(ours, spec, fds)
    return Workload(ours, process)


def reserve(path: Path, cgroups: list[str]) -> socket.socket | None:
    """Take the sandbox that a warm interpreter keeps ready, and have it enter the groups; None if there is none.

    It waits for ``start_warm``, and ends when the connection closes.
    """
    conn = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        conn.connect(str(path))
        send_request(conn, {"cgroups": cgroups}, [])
    except OSError:
        conn.close()
        return None
    return conn


def start_warm(conn: socket.socket, spec: dict[str, Any], fds: list[int]) -> Workload | None:
    """Have a reserved sandbox run the job; None if it is gone."""
    try:
        send_request(conn, {**spec, "cgroups": []}, fds)
    except OSError:
        conn.close()
        return None
    return Workload(conn, None)
