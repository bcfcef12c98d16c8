"""A job from a warm interpreter sees what a job from a fresh one sees, and as well protected."""

from __future__ import annotations

import asyncio
import json

import pytest

from sagewright.agent.layout import socket_folder
from sagewright.testing.compute import Bench, task

from .test_sandbox import exit_of, ids

LOOK = """
import json, os, random, signal, sys, threading
import sagewright_container
status = dict(line.split(":", 1) for line in open("/proc/self/status").read().splitlines())
print(json.dumps({
    "environ": dict(os.environ), "argv": sys.argv, "path": sys.path, "cwd": os.getcwd(), "name": __name__, "file": __file__,
    "fds": [n for n in os.listdir("/proc/self/fd") if os.path.lexists("/proc/self/fd/" + n) and int(n) > 2 and "/fd" not in os.readlink("/proc/self/fd/" + n)],
    "signals": [str(signal.getsignal(n)) for n in (signal.SIGTERM, signal.SIGCHLD, signal.SIGHUP)],
    "ignored": status["SigIgn"].strip(), "blocked": status["SigBlk"].strip(), "caps": status["CapEff"].strip(), "seccomp": status["Seccomp"].strip(),
    "privs": status["NoNewPrivs"].strip(), "uid": os.getuid() != 0, "threads": threading.active_count(), "unbuffered": sys.stdout.write_through,
    "umask": os.umask(0o022), "container": sagewright_container.__file__, "prefix": sys.prefix, "stdin": sys.stdin.read(),
    "encoding": sys.stdout.encoding,
}))
print(random.random())
sys.exit(7)
"""


async def warmed(bench: Bench) -> None:
    """Use the image once and wait until its warm interpreter listens."""
    await bench.run(task(f"use-{next(ids)}", ["python3", "-m", "this"]))
    folder = socket_folder(bench.config.data)
    async with asyncio.timeout(30):
        while not list(folder.glob("warm-*.sock")):  # noqa: ASYNC110  (it tells nobody)
            await asyncio.sleep(0.02)


async def test_a_warm_job_looks_like_a_cold_one(bench: Bench) -> None:
    files = {"/opt/ml/code/look.py": LOOK}
    env = {"ONLY": "mine", "MULTI": "line one\nline two", "PYTHONPATH": "/opt/ml/code/extra"}
    cold = task("cold", ["/bin/bash", "-c", "exec python3 /opt/ml/code/look.py --a 'b c'"], files=files, env=env)
    assert exit_of(await bench.run(cold))["ExitCode"] == 7, bench.log(cold)
    await warmed(bench)
    seen = []
    for name in ("warm-1", "warm-2"):
        job = task(name, ["python3", "/opt/ml/code/look.py", "--a", "b c"], files=files, env=env)
        assert exit_of(await bench.run(job))["ExitCode"] == 7, bench.log(job)
        seen.append(bench.log(job))
    first = json.loads(seen[0][0])
    expected = json.loads(bench.log(cold)[0])
    for shell in ("PWD", "SHLVL", "_", "OLDPWD"):
        expected["environ"].pop(shell, None)
    assert {key: value for key, value in first.items() if key != "path"} == {k: v for k, v in expected.items() if k != "path"}
    assert first["path"][:2] == expected["path"][:2]
    assert set(first["path"]) == set(expected["path"])
    assert seen[0][1] != seen[1][1], "each job has its own random numbers"


@pytest.mark.parametrize(("code", "exit_code", "line"), [
    ("raise ValueError('boom')", 1, "ValueError: boom"),
    ("import os; os.kill(os.getpid(), 9)", 137, ""),
    ("import sys; sys.exit('a message')", 1, "a message"),
    ("import atexit; atexit.register(print, 'at exit')", 0, "at exit"),
    ("import threading, time; threading.Thread(target=lambda: (time.sleep(0.1), print('thread'))).start()", 0, "thread"),
    ("f = open('/opt/ml/model/left-open', 'w'); f.write('x'); print('ok')", 0, "ok"),
    ("def broken(:", 1, "SyntaxError"),
])
async def test_endings(bench: Bench, code: str, exit_code: int, line: str) -> None:
    await warmed(bench)
    job = task(f"end-{next(ids)}", ["python3", "/opt/ml/code/m.py"], files={"/opt/ml/code/m.py": code})
    exited = exit_of(await bench.run(job))
    assert exited["ExitCode"] == exit_code
    assert line in "\n".join(bench.log(job))
    assert "warm.py" not in "\n".join(bench.log(job))
    if "left-open" in code:
        assert (bench.config.data / "jobs" / job.id / "ml/model/left-open").read_text() == "x"
