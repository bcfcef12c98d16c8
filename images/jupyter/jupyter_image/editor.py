"""Runs a code editor of this machine in JupyterLab's place, behind a front that answers what the platform asks.

SAGEWRIGHT_EDITOR is JSON: {"kind": "code-server" or "openvscode-server", "path"}. The editor listens on a Unix socket of its own;
the front, on the platform's, passes on what is below the base path, one request a connection, bytes as they come.
"""

import asyncio
import contextlib
import json
import os
import signal
import sys
import time

from jupyter_image.keys import CREDENTIALS, FORM, write

HEAD, BODY = 1 << 16, 1 << 16
INNER = "/tmp/editor.sock"


def arguments(editor, environ):
    """The editor's command line."""
    home = environ["SAGEWRIGHT_ROOT"]
    if editor["kind"] == "code-server":
        return [editor["path"], "--auth", "none", "--socket", INNER, "--disable-telemetry", "--disable-update-check", home]
    return [
        editor["path"], "--socket-path", INNER, "--without-connection-token", "--accept-server-license-terms", "--telemetry-level", "off",
        "--server-base-path", environ["SAGEWRIGHT_BASE"], "--default-folder", home,
    ]


class Front:
    """What answers on the platform's socket."""

    def __init__(self, base, strip, inner=INNER):
        self.base, self.strip, self.inner = base, strip, inner
        self.last = time.time()

    async def serve(self, path):
        """The listening server; the socket is its owner's alone."""
        before = os.umask(0o177)
        try:
            return await asyncio.start_unix_server(self.take, path, limit=HEAD)
        finally:
            os.umask(before)

    async def take(self, reader, writer):
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError):
            await self.answer(reader, writer, await reader.readuntil(b"\r\n\r\n"))
        writer.close()

    async def answer(self, reader, writer, head):
        first, *lines = head.decode("latin-1").split("\r\n")
        method, target, _ = first.split(" ", 2)
        path = target.partition("?")[0]
        if path == "/ping":
            await said(writer, 200 if await self.up() else 503)
        elif path == "/sagewright/use":
            await said(writer, 200, json.dumps({"last": self.last}).encode())
        elif path == "/sagewright/credentials" and method == "PUT":
            length = next(int(line.split(":")[1]) for line in lines if line.lower().startswith("content-length:"))
            given = json.loads(await reader.readexactly(min(length, BODY)))
            write(CREDENTIALS, json.dumps({name: given[name] for name in FORM}))
            await said(writer, 204)
        elif path.startswith(self.base):
            await self.carry(reader, writer, f"{method} {self.inside(target)} HTTP/1.1", [line for line in lines if line])
        else:
            await said(writer, 404)

    def inside(self, target):
        """The editor's own name for what is asked for."""
        return "/" + target[len(self.base) :] if self.strip else target

    async def up(self):
        try:
            _, writer = await asyncio.open_unix_connection(self.inner)
        except OSError:
            return False
        writer.close()
        return True

    async def carry(self, reader, writer, first, lines):
        """One request, or one WebSocket, until the editor ends it."""
        try:
            there, back = await asyncio.open_unix_connection(self.inner)
        except OSError:
            await said(writer, 503)
            return
        socket = any(line.lower().replace(" ", "") == "upgrade:websocket" for line in lines)
        if not socket:
            lines = [line for line in lines if not line.lower().startswith(("connection:", "keep-alive:"))] + ["Connection: close"]
        back.write(("\r\n".join([first, *lines]) + "\r\n\r\n").encode("latin-1"))
        self.last = time.time()
        ways = {asyncio.ensure_future(self.pump(reader, back)), asyncio.ensure_future(self.pump(there, writer))}
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)  # a side that has gone is the end, not a fault
            back.close()

    async def pump(self, source, sink):
        """Bytes from one side to the other, held back by the slower; they are use."""
        while data := await source.read(BODY):
            self.last = time.time()
            sink.write(data)
            await sink.drain()


async def said(writer, status, body=b""):
    """A whole answer of the front's own."""
    head = f"HTTP/1.1 {status} -\r\nContent-Length: {len(body)}\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n"
    writer.write((head if status != 204 else "HTTP/1.1 204 -\r\nConnection: close\r\n\r\n").encode() + body)
    await writer.drain()


async def run(environ):
    """Serve until SIGTERM or until the editor ends. Returns the exit code."""
    editor = json.loads(environ["SAGEWRIGHT_EDITOR"])
    with contextlib.suppress(FileNotFoundError):
        os.unlink(INNER)
    front = Front(environ["SAGEWRIGHT_BASE"], editor["kind"] == "code-server")
    server = await front.serve(environ["SAGEWRIGHT_SOCKET"])
    process = await asyncio.create_subprocess_exec(*arguments(editor, environ), cwd=environ["SAGEWRIGHT_ROOT"], stdin=asyncio.subprocess.DEVNULL)
    told = []
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, lambda: (told.append(True), process.terminate()))
    code = await process.wait()
    server.close()
    if code and not told:
        print(f"{os.path.basename(editor['path'])} ended with code {code}", flush=True)
    return 0 if told else code


def main(environ=os.environ):
    """Serve until SIGTERM. Returns the exit code."""
    environ.setdefault("SHELL", "/bin/bash")
    sys.stdout.flush()
    return asyncio.run(run(environ))
