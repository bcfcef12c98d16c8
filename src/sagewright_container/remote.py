"""Starts programs on the other hosts of a job: what mpirun asks ssh for, without its daemon, keys and users.

Each host runs an ``Agent``; the leader holds a connection to every one of them for as long as the job lasts, and
``python -m sagewright_container.remote HOST COMMAND...`` runs a shell command there, as ``ssh HOST COMMAND`` would.

A caller proves that it knows the job's token without sending it: the agent opens with 32 random bytes, and each
request carries the HMAC of them and of itself. The hosts of a job have a network of their own besides.
"""

import hashlib
import hmac
import json
import os
import queue
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from typing import Any, BinaryIO, Dict, List, Mapping, Tuple

from . import ports

PATIENCE = 1200.0
"""Seconds that a host may take to be there: its inputs may be large."""
FIRST, LONGEST = 0.05, 1.0
"""Seconds between attempts to reach a host that is still starting; they grow."""
HANG_UP = 5.0
"""Seconds that a caller may take to hang up once it has been told how its command ended."""
LIMIT = 1 << 20
"""Bytes of a request."""


class RemoteError(Exception):
    """A host could not be reached, or it refused."""


def token(environ: Mapping[str, str]) -> bytes:
    """What the hosts of a job know and others do not: SAGEWRIGHT_CLUSTER_TOKEN, else the job's keys, else its name.

    Only an isolated job has no keys, and its network holds nobody but its hosts.
    """
    secret = environ.get("SAGEWRIGHT_CLUSTER_TOKEN") or environ.get("AWS_SECRET_ACCESS_KEY", "")
    text = "\n".join((secret, environ.get("TRAINING_JOB_ARN") or environ.get("TRAINING_JOB_NAME", "")))
    return hashlib.sha256(b"sagewright-remote\n" + text.encode()).digest()


def _mac(key: bytes, nonce: bytes, body: str) -> str:
    return hmac.new(key, nonce + body.encode(), hashlib.sha256).hexdigest()


class Agent:
    """Runs what authenticated callers ask for, in ``folder``, with this process's environment."""

    def __init__(self, key: bytes, address: str, folder: str, number: int = ports.REMOTE) -> None:
        self._key, self._folder = key, folder
        self.idle = threading.Condition()
        """Notified whenever a command has ended and its caller knows."""
        self.running = 0
        """Commands of which that is not so."""
        self._ended: "queue.Queue[bool]" = queue.Queue()
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self._listener = socket.socket(family, socket.SOCK_STREAM)
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.bind((address, number))
        self._listener.listen(64)
        threading.Thread(target=self._accept, daemon=True).start()

    def wait(self) -> bool:
        """Until the leader says that all is done; False when it went away without a word."""
        return self._ended.get()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as stream:
            try:
                request = self._authenticate(connection, stream)
                if request is None:
                    return
                if "command" in request:
                    with self.idle:
                        self.running += 1
                    try:
                        self._run(connection, str(request["command"]))
                    finally:
                        with self.idle:
                            self.running -= 1
                            self.idle.notify_all()
                elif request.get("hold"):
                    connection.sendall(b"held\n")
                    self._ended.put(stream.readline() == b"done\n")
            except (OSError, ValueError):
                pass  # the caller went away, or speaks something else

    def _authenticate(self, connection: socket.socket, stream: BinaryIO) -> "Dict[str, Any] | None":
        nonce = os.urandom(32)
        connection.settimeout(30)
        connection.sendall(nonce)
        proof, _, body = stream.readline(LIMIT).decode().rstrip("\n").partition(" ")
        if not hmac.compare_digest(proof, _mac(self._key, nonce, body)):
            return None
        connection.settimeout(None)
        found = json.loads(body)
        return found if isinstance(found, dict) else None

    def _run(self, connection: socket.socket, command: str) -> None:
        process = subprocess.Popen(
            ["/bin/sh", "-c", command], cwd=self._folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, start_new_session=True,
        )  # fmt: skip
        lock = threading.Lock()
        pumps = [
            threading.Thread(target=_pump, args=(pipe, connection, kind, lock), daemon=True)
            for pipe, kind in ((process.stdout, b"o"), (process.stderr, b"e"))
        ]
        watch = threading.Thread(target=_watch, args=(connection, process), daemon=True)
        for thread in (*pumps, watch):
            thread.start()
        code = process.wait()
        for pump in pumps:
            pump.join(1)  # a program that went into the background may keep the pipe open; nobody waits for it
        with lock:
            connection.sendall(_frame(b"x", struct.pack("!i", 128 - code if code < 0 else code)))
        watch.join(HANG_UP)


def _frame(kind: bytes, data: bytes) -> bytes:
    return kind + struct.pack("!I", len(data)) + data


def _pump(pipe: Any, connection: socket.socket, kind: bytes, lock: threading.Lock) -> None:
    try:
        while True:
            data = os.read(pipe.fileno(), 65536)
            if not data:
                return
            with lock:
                connection.sendall(_frame(kind, data))
    except OSError:
        pass  # the caller went away


def _watch(connection: socket.socket, process: "subprocess.Popen[bytes]") -> None:
    """A caller says nothing more; when its connection ends, so does what it started."""
    try:
        connection.recv(1)
    except OSError:
        pass
    if process.poll() is None:
        try:
            os.killpg(process.pid, signal.SIGTERM)
        except ProcessLookupError:
            pass


def _exactly(stream: BinaryIO, size: int) -> bytes:
    data = stream.read(size)
    if len(data) != size:
        raise RemoteError("the connection ended early")
    return data


def reach(host: str, number: int, patience: float = PATIENCE) -> socket.socket:
    """A connection to a host that may still be starting.

    Raises:
        RemoteError: it was not there in time.
    """
    pause, end = FIRST, time.monotonic() + patience
    while True:
        try:
            return socket.create_connection((host, number), timeout=30)
        except OSError as e:
            if time.monotonic() + pause > end:
                raise RemoteError("%s could not be reached within %d s: %s" % (host, patience, e)) from e
        time.sleep(pause)  # nothing tells when another host is up
        pause = min(pause * 2, LONGEST)


def _ask(host: str, number: int, key: bytes, request: Dict[str, Any], patience: float) -> Tuple[socket.socket, BinaryIO]:
    connection = reach(host, number, patience)
    stream = connection.makefile("rb")
    nonce = _exactly(stream, 32)
    body = json.dumps(request)
    connection.sendall(("%s %s\n" % (_mac(key, nonce, body), body)).encode())
    connection.settimeout(None)
    return connection, stream


def call(host: str, command: str, key: bytes, number: int = ports.REMOTE, patience: float = PATIENCE) -> int:
    """Run a shell command on a host, its output passed on to ours. Returns its exit code.

    Raises:
        RemoteError: the host is not there, refused, or went away.
    """
    connection, stream = _ask(host, number, key, {"command": command}, patience)
    with connection, stream:
        while True:
            head = stream.read(5)
            if len(head) < 5:
                raise RemoteError("%s refused or went away" % host)
            kind, size = head[:1], struct.unpack("!I", head[1:])[0]
            data = _exactly(stream, size)
            if kind == b"x":
                return int(struct.unpack("!i", data)[0])
            out = sys.stdout.buffer if kind == b"o" else sys.stderr.buffer
            out.write(data)
            out.flush()


class Hold:
    """The leader's connections to all other hosts: while they stand, those hosts stay."""

    def __init__(self, hosts: List[str], key: bytes, number: int = ports.REMOTE, patience: float = PATIENCE) -> None:
        """Waits for every host. Raises RemoteError."""
        self._connections: List[socket.socket] = []
        for host in hosts:
            connection, stream = _ask(host, number, key, {"hold": True}, patience)
            if stream.readline() != b"held\n":
                raise RemoteError("%s refused: it belongs to another job" % host)
            self._connections.append(connection)

    def release(self) -> None:
        """Tell them that all is done."""
        for connection in self._connections:
            try:
                connection.sendall(b"done\n")
            except OSError:
                pass  # it is gone already
            connection.close()


def main(words: List[str]) -> int:
    """``HOST COMMAND...``; options that ssh would take before the host are passed over."""
    while words and words[0].startswith("-"):
        words = words[2:] if words[0] in ("-l", "-p", "-o", "-i", "-F") else words[1:]
    if len(words) < 2:
        sys.stderr.write("usage: remote HOST COMMAND...\n")
        return 255
    try:
        return call(words[0], " ".join(words[1:]), token(os.environ), ports.port(ports.REMOTE))
    except (RemoteError, OSError) as e:
        sys.stderr.write("%s: %s\n" % (words[0], e))
        return 255


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
