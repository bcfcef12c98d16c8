"""Runs in the Python of an SDK: imports it once, and forks a child for each script, which then starts at once.

``python sdk_parent.py SOCKET MODULE...``. Each connection to the socket brings one line of JSON: ``argv``, ``env``, ``out``,
``err`` (paths). A child runs ``argv[0]`` as ``python argv[0] ...`` would; its exit code is sent back.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import runpy
import socket
import sys
import traceback
from pathlib import Path


def main() -> None:
    path, *modules = sys.argv[1:]
    for module in modules:
        importlib.import_module(module)
    gc.freeze()
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen()
    listener.settimeout(5.0)
    tests = os.getppid()
    while os.getppid() == tests:
        with contextlib.suppress(TimeoutError):
            connection, _ = listener.accept()
            if os.fork() == 0:
                listener.close()
                serve(connection)
            connection.close()
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass


def serve(connection: socket.socket) -> None:
    """In a child of its own: run the script in another child, wait for it, say how it ended."""
    with connection.makefile("r") as lines:
        line = lines.readline()
    if not line:
        os._exit(0)
    asked = json.loads(line)
    pid = os.fork()
    if pid == 0:
        connection.close()
        os._exit(run(asked))
    # whoever asked hangs up when his time is over
    connection.settimeout(0.02)
    while True:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            with contextlib.suppress(OSError):
                connection.sendall(b"%d\n" % os.waitstatus_to_exitcode(status))
            os._exit(0)
        with contextlib.suppress(TimeoutError):
            if not connection.recv(1):
                os.kill(pid, 9)
                os._exit(0)


def run(asked: dict) -> int:  # type: ignore[type-arg]  # the SDK's Python has no types of ours
    """The script's exit code."""
    for number, name in ((1, "out"), (2, "err")):
        descriptor = os.open(asked[name], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(descriptor, number)
    os.environ.clear()
    os.environ.update(asked["env"])
    sys.argv = asked["argv"]
    sys.path[0] = str(Path(asked["argv"][0]).parent)
    code = 0
    try:
        runpy.run_path(asked["argv"][0], run_name="__main__")
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else 0 if error.code is None else 1
    except BaseException:
        traceback.print_exc()
        code = 1
    import threading

    for thread in threading.enumerate():
        if thread is not threading.current_thread() and not thread.daemon:
            thread.join()
    sys.stdout.flush()
    sys.stderr.flush()
    return code


if __name__ == "__main__":
    main()
