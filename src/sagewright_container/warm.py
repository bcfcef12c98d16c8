"""A warm interpreter: imports an image's heavy libraries once, then forks jobs.

It keeps one fork ahead: a process that already is the init of a sandbox and waits for its job, so that a job's start
pays for its own mounts and a single fork, whatever the size of the libraries.

``python -m sagewright_container.warm SOCKET PARENT MODULE...``: once the modules are imported, listens on the Unix socket of that
path, whose folder only the server's user can enter; dies with the process that started it. A connection is one job: {"cgroups": folders},
which takes the kernel long and so comes while the inputs are being staged, then the request of ``sandbox.receive``, with ``python`` = {"script": path} or {"module": name} and ``argv``, ``env``, ``cwd``.
"""

from __future__ import annotations

import builtins
import ctypes
import gc
import importlib
import importlib.machinery
import os
import random
import runpy
import select
import signal
import socket
import sys
import traceback
import types
from typing import Any, Dict, List

from sagewright_container import init, network, sandbox, syscalls  # noqa: F401  (imported before the fork, not after each)

BASE_PATH: List[str] = []
TOOLKIT = (
    "clientshim", "errors", "paths", "job", "s3", "sources", "remote", "distribution", "train",
    "threads", "http", "frames", "content", "isolation", "models", "context", "serve", "handlers",
)
"""Modules of the contract toolkit that script mode and model servers need; a job finds them imported."""
OURS = ("init", "kernel", "mounts", "network", "sandbox", "syscalls", "warm")
"""Modules of this package that a job does not find imported."""
FAILURES = 5
"""Spares that may die one after another before anything took them; then something is wrong with this interpreter."""


def main() -> Dict[str, Any]:
    """Serve until the parent dies. Returns only in a job's process, with the job's request."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)  # PR_SET_PDEATHSIG
    if os.getppid() != int(sys.argv[2]):
        os._exit(0)  # it died before we asked to be told
    ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER: the sandboxes' inits are reaped here
    package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    BASE_PATH.extend(entry for entry in sys.path if entry and os.path.abspath(entry) not in (package, os.getcwd()))
    for name in sys.argv[3:]:
        try:
            importlib.import_module(name)
        except Exception:
            traceback.print_exc()
    for name in TOOLKIT:
        importlib.import_module("sagewright_container." + name)
    sys.modules["sagewright_container.threads"].find()  # type: ignore[attr-defined, unused-ignore]
    gc.collect()
    gc.freeze()
    signal.signal(signal.SIGCHLD, _reap)
    os.umask(0o077)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    listener.bind(sys.argv[1] + ".new")
    listener.listen(128)
    root = sys.argv[1] + ".root"
    os.makedirs(root, exist_ok=True)
    os.rename(sys.argv[1] + ".new", sys.argv[1])
    failures = 0
    while failures < FAILURES:
        ours, theirs = socket.socketpair()
        if os.fork() == 0:
            ours.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            return _spare(listener, theirs, root)
        theirs.close()
        with ours:
            failures = 0 if ours.recv(1) else failures + 1
    os._exit(1)


def _spare(listener: socket.socket, parent: socket.socket, root: str) -> Dict[str, Any]:
    """A sandbox made ahead of its job: waits for one, and returns in the job's main process.

    Its parent makes the next one when this one says that it is taken, or is gone. It ends with its parent.
    """
    error = sandbox.prepare(root, os.getuid() != 0)
    random.seed()
    if "numpy.random" in sys.modules:  # imported lazily: asking numpy for it would import it
        sys.modules["numpy.random"].seed()
    poll = select.poll()
    poll.register(listener, select.POLLIN)
    poll.register(parent, select.POLLIN)
    while True:
        if any(fd == parent.fileno() for fd, _ in poll.poll()):
            os._exit(0)
        try:
            conn, _ = listener.accept()
            break
        except BlockingIOError:
            continue
    conn.setblocking(True)
    parent.send(b"t")
    parent.close()
    listener.close()
    try:
        groups, _ = sandbox.receive(conn)
        try:
            sandbox.join(groups["cgroups"])
        except OSError as refused:
            error = error or sandbox.told(refused)
        spec, fds = sandbox.receive(conn)
    except (EOFError, OSError):
        os._exit(0)
    sandbox.finish(conn, spec, fds, root, error)
    return spec


def _reap(*_: object) -> None:
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def clean(spec: Dict[str, Any]) -> None:
    """Make this interpreter look freshly started for the job."""
    os.environ.clear()
    os.environ.update(spec["env"])
    extra = [entry for entry in spec["env"].get("PYTHONPATH", "").split(":") if entry]
    shim, threads = (sys.modules["sagewright_container." + name] for name in ("clientshim", "threads"))
    move_toolkit(extra)
    importlib.invalidate_caches()
    sys.path_importer_cache.clear()
    python = spec["python"]
    first = os.path.dirname(os.path.abspath(python["script"])) if "script" in python else os.getcwd()
    sys.path[:] = [first, *extra, *BASE_PATH]
    sys.argv[:] = spec["argv"]
    if spec["env"].get("AWS_ENDPOINT_URL"):  # a new interpreter runs it as sitecustomize
        shim.start()  # type: ignore[attr-defined, unused-ignore]
    threads.settle()  # type: ignore[attr-defined, unused-ignore]


def move_toolkit(path: List[str]) -> None:
    """Let the package and the toolkit's modules say that they come from where the job would find them."""
    package = sys.modules["sagewright_container"]
    for name in OURS:
        sys.modules.pop("sagewright_container." + name, None)
        package.__dict__.pop(name, None)
    home = next((entry for entry in path if os.path.isdir(entry + "/sagewright_container")), None)
    if home is None:
        for name in TOOLKIT:
            del sys.modules["sagewright_container." + name]
        del sys.modules["sagewright_container"]
        return
    package.__path__ = [home + "/sagewright_container"]
    for module in (package, *(sys.modules["sagewright_container." + name] for name in TOOLKIT)):
        module.__file__ = "%s/%s" % (package.__path__[0], os.path.basename(module.__file__ or ""))
        if module.__spec__ is not None:
            module.__spec__.origin = module.__file__
            if module is package:
                module.__spec__.submodule_search_locations = package.__path__


def run(spec: Dict[str, Any]) -> None:
    """Run the job's Python as ``__main__``, with the traceback and exit code of a plain interpreter."""
    clean(spec)
    python = spec["python"]
    if "module" in python:
        runpy.run_module(python["module"], run_name="__main__", alter_sys=True)
        return
    path = python["script"]
    module = types.ModuleType("__main__")
    module.__dict__.update(
        __file__=path, __builtins__=builtins, __loader__=importlib.machinery.SourceFileLoader("__main__", path),
        __cached__=None,
    )
    sys.modules["__main__"] = module
    try:
        with open(path, "rb") as file:
            source = file.read()
    except OSError as error:
        print("%s: can't open file %r: [Errno %s] %s" % (sys.executable, path, error.errno, error.strerror), file=sys.stderr)
        sys.exit(2)
    try:
        exec(compile(source, path, "exec"), module.__dict__)
    except SystemExit:
        raise
    except BaseException as error:
        trace = error.__traceback__
        while trace is not None and trace.tb_frame.f_code.co_filename == __file__:
            trace = trace.tb_next
        sys.excepthook(type(error), error.with_traceback(trace), trace)
        sys.exit(130 if isinstance(error, KeyboardInterrupt) else 1)


if __name__ == "__main__":
    import sagewright_container.warm as this

    this.run(this.main())
