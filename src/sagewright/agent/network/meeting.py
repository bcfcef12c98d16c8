"""Where the hosts of a job meet: the agent that comes first joins their networks, and all start when all are there.

Each agent holds the namespace between the hosts open for as long as it lives. Nothing else does, so that the network
goes away with the last of them, however they end.
"""

from __future__ import annotations

import array
import contextlib
import fcntl
import json
import os
import select
import socket
import threading
from pathlib import Path
from typing import Any

from .netlink import Namespace
from .plan import INTERFACE, SUBNET, address

BRIDGE_INDEX, HOST_INDEX, FIRST_PORT = 2, 2, 100
MTU = 65_535
"""Bytes; the most that the kernel takes. A switch of memory gains by large packets."""


class Meeting:
    """One agent's place at the meeting.

    Args:
        folder: of the task where the job's hosts meet; it exists.
        path: for the Unix socket, in a folder of the server's user alone.
        peers: every host, in the order of their numbers.
    """

    def __init__(self, folder: Path, path: Path, peers: list[str]) -> None:
        self.switch: Namespace | None = None
        self._hub: Hub | None = None
        self._conn = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with (folder / "meeting.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # else two could find nobody there and both begin
            try:
                self._conn.connect(str(path))
            except (FileNotFoundError, ConnectionRefusedError):
                path.unlink(missing_ok=True)
                self._hub = Hub(path, peers)
                self._conn.connect(str(path))

    @property
    def first(self) -> bool:
        """Whether this agent joins the networks; then ``arrive`` needs the namespace between the hosts."""
        return self._hub is not None

    def fileno(self) -> int:
        """Readable when there is an answer."""
        return self._conn.fileno()

    def arrive(self, host: str, namespaces: list[int]) -> None:
        """The host is ready to start. ``namespaces``: netlink sockets, its own and, from the first, that of the switch."""
        with contextlib.suppress(OSError):  # nobody is there any more: ``answer`` tells
            _send(self._conn, {"host": host}, namespaces)

    def answer(self) -> bool:
        """Take the answer: whether every host is there and they are joined; False when the agent that does it is gone.

        Raises OSError with the reason when they cannot be joined.
        """
        message, fds = _receive(self._conn)
        if fds:
            self.switch = Namespace.of(fds[0])
        if "error" in message:
            raise OSError(message["error"])
        return bool(message)

    def close(self) -> None:
        self._conn.close()
        if self._hub is not None:
            self._hub.close()
        if self.switch is not None:
            self.switch.close()


class Hub(threading.Thread):
    """Waits for every host, joins their namespaces by a bridge, and tells them. Ends by itself then."""

    def __init__(self, path: Path, peers: list[str]) -> None:
        super().__init__(name="meeting", daemon=True)
        self._path, self._peers = path, peers
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._listener.bind(str(path))
        self._listener.listen(len(peers) + 1)
        self._wake, self._closed = socket.socketpair()
        self._conns: dict[int, socket.socket] = {}
        self._switch: Namespace | None = None
        self._here: dict[str, Namespace] = {}
        self.start()

    def close(self) -> None:
        """Give up; whoever waits hears that the meeting is over."""
        self._wake.close()
        self.join()

    def run(self) -> None:
        poll = select.poll()
        poll.register(self._listener, select.POLLIN)
        poll.register(self._closed, select.POLLIN)
        try:
            while set(self._here) != set(self._peers) or self._switch is None:
                for fd, _ in poll.poll():
                    if fd == self._closed.fileno():
                        return
                    if fd == self._listener.fileno():
                        conn, _ = self._listener.accept()
                        self._conns[conn.fileno()] = conn
                        poll.register(conn, select.POLLIN)
                    elif not self._arrived(self._conns[fd]):
                        poll.unregister(fd)
                        self._conns.pop(fd).close()
            self._tell()
        finally:
            self._listener.close()
            self._path.unlink(missing_ok=True)
            for conn in self._conns.values():
                conn.close()
            for namespace in (self._switch, *self._here.values()):
                if namespace is not None:
                    namespace.close()

    def _arrived(self, conn: socket.socket) -> bool:
        """Note one host; False when its agent is gone, which the server sees too and halts the job."""
        message, fds = _receive(conn)
        if not message:
            return False
        name = message["host"]
        if name in self._here:
            self._here[name].close()
        self._here[name] = Namespace.of(fds[0])
        if len(fds) > 1:
            self._switch = Namespace.of(fds[1])
        return True

    def _tell(self) -> None:
        assert self._switch is not None
        try:
            join(self._switch, [self._here[name] for name in self._peers])
            answer: dict[str, Any] = {"go": True}
        except OSError as error:
            answer = {"error": f"the hosts' networks could not be joined: {error}"}
        for conn in self._conns.values():
            with contextlib.suppress(OSError):
                _send(conn, answer, [self._switch.fileno()])


def join(switch: Namespace, hosts: list[Namespace]) -> None:
    """Connect the hosts by a bridge in ``switch``: each has ``eth0`` with the address of its number. Raises OSError."""
    switch.bridge("hosts", BRIDGE_INDEX, MTU)
    for number, host in enumerate(hosts, 1):
        switch.cable(f"algo-{number}", FIRST_PORT + number, BRIDGE_INDEX, host, INTERFACE, HOST_INDEX, MTU)
        host.address(HOST_INDEX, address(number), SUBNET.prefixlen)
        host.up(HOST_INDEX)


def _send(conn: socket.socket, message: dict[str, Any], fds: list[int]) -> None:
    conn.sendmsg([json.dumps(message).encode()], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))])


def _receive(conn: socket.socket) -> tuple[dict[str, Any], list[int]]:
    """One message and its descriptors; nothing when the other side is gone."""
    try:
        data, ancillary, _, _ = conn.recvmsg(4096, socket.CMSG_SPACE(16), socket.MSG_CMSG_CLOEXEC)
    except OSError:
        return {}, []
    fds: list[int] = []
    for level, kind, sent in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            fds += array.array("i", sent[: len(sent) // 4 * 4])
    if not data:
        for fd in fds:
            os.close(fd)
        return {}, []
    return json.loads(data), fds


