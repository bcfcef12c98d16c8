"""The first process of a sandbox: starts the job's main process, passes signals on, reaps, and tells how it ended."""

from __future__ import annotations

import array
import json
import os
import select
import signal
import socket
import struct
from typing import Optional


def supervise(conn: socket.socket, door: Optional[socket.socket] = None) -> None:
    """Fork; return in the child, which becomes the job. The parent stays behind as PID 1 and never returns.

    Commands on ``conn``, one JSON object a line: {"signal": number} goes to every process of the namespace, because a
    shell in front of the user's program does not pass signals on. When the agent closes the connection (it was killed),
    everything ends at once: no job outlives the one who answers for it.

    ``door``: over it the agent asks for connections to TCP ports of the sandbox's own network; see ``_open``.
    """
    reader, writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    child = os.fork()
    if child == 0:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        return
    try:
        os.closerange(0, 3)
        conn.sendall(b'{"started": true}\n')
        code = _watch(conn, reader, child, door)
        _kill_all()
        conn.sendall(json.dumps({"exit": code}).encode() + b"\n")
    except OSError:
        pass  # the agent is gone; so are we
    finally:
        os._exit(0)


def _watch(conn: socket.socket, reader: int, child: int, door: Optional[socket.socket]) -> int:
    """The exit code of ``child``, 128 + n for signal n, when it has ended.

    Once everyone was asked to stop, the others may finish too, for a shell in front ends before the program that saves
    its model; the agent sends SIGKILL when their time is over.
    """
    poll = select.poll()
    poll.register(conn, select.POLLIN | select.POLLHUP)
    poll.register(reader, select.POLLIN)
    knocks = -1 if door is None else door.fileno()
    if door is not None:
        poll.register(door, select.POLLIN)
    pending = b""
    asked = False
    code = None
    while True:
        ended, anyone = _reap(child)
        code = ended if code is None else code
        if code is not None and not (asked and anyone):
            return code
        for fd, _ in poll.poll():
            if fd == reader:
                _drain(reader)
                continue
            if fd == knocks and door is not None:
                if not _open(door):
                    poll.unregister(door)
                continue
            data = conn.recv(4096)
            if not data:
                _kill_all()
                os._exit(0)
            pending += data
            *lines, pending = pending.split(b"\n")
            for line in lines:
                asked = True
                _signal_all(int(json.loads(line.decode())["signal"]))


def _open(door: socket.socket) -> bool:
    """Answer one wish for a connection, a port in two bytes: b"+" with the socket, which may still be connecting, or b"-".

    False when nobody will ask any more.
    """
    wish = door.recv(2)
    if len(wish) < 2:
        return False
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as sock:
        try:
            sock.connect(("127.0.0.1", struct.unpack("!H", wish)[0]))
        except BlockingIOError:
            pass
        except OSError:
            door.sendall(b"-")
            return True
        door.sendmsg([b"+"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [sock.fileno()]))])
    return True


def _drain(reader: int) -> None:
    try:
        while os.read(reader, 512):
            pass
    except BlockingIOError:
        pass


def _reap(child: int) -> "tuple[int | None, bool]":
    """Collect every ended process: the main one's exit code if it is among them, and whether any is left."""
    code = None
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return code, False
        if pid == 0:
            return code, True
        if pid == child:
            code = 128 + os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)


def _signal_all(number: int) -> None:
    try:
        os.kill(-1, number)
    except ProcessLookupError:
        pass


def _kill_all() -> None:
    """SIGKILL everyone else and wait until nobody is left, so that their output is complete."""
    _signal_all(signal.SIGKILL)
    while True:
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return
