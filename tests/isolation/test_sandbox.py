"""What hostile code in a job tries, and must not get."""

from __future__ import annotations

import gzip
import json
import os
import socket
import subprocess
import textwrap
import time
from pathlib import Path
from typing import Any

import pytest

from sagewright.stores.compute import Input, Limits, Output, Report, Task
from sagewright.testing.compute import Bench, task

ids = iter(range(10_000))


def script(code: str, **more: Any) -> Task:
    """A job that runs Python code from its own files."""
    name = f"job-{next(ids)}"
    files = {"/opt/ml/code/main.py": textwrap.dedent(code), **more.pop("files", {})}
    return task(name, ["python3", "/opt/ml/code/main.py"], files=files, **more)


async def answers(bench: Bench, code: str, **more: Any) -> dict[str, Any]:
    """Run code that prints one JSON object, and return it."""
    job = script(code, **more)
    reports = await bench.run(job)
    lines = bench.log(job)
    assert exit_of(reports)["ExitCode"] == 0, (lines, reports)
    found: dict[str, Any] = json.loads(lines[-1])
    return found


def exit_of(reports: list[Report]) -> dict[str, Any]:
    return next((r.data for r in reports if r.name == "Exited"), {"ExitCode": None, "reports": reports})


ATTEMPTS = """
    import json, os
    found = {}
    def attempt(name, action):
        try:
            found[name] = repr(action())[:200]
        except BaseException as error:
            found[name] = "refused: " + type(error).__name__
"""


async def test_the_file_system_holds_nothing_of_the_machine(bench: Bench, place: Path) -> None:
    secret = bench.config.data / "root-keys.json"
    secret.write_text("secret")
    secret.chmod(0o644)
    other = await bench.run(script("open('/opt/ml/model/weights', 'w').write('mine')"))
    assert exit_of(other)["ExitCode"] == 0
    neighbour = bench.config.data / "jobs"
    found = await answers(bench, ATTEMPTS + f"""
    attempt("keys", lambda: open({str(secret)!r}).read())
    attempt("jobs", lambda: os.listdir({str(neighbour)!r}))
    attempt("shadow", lambda: open("/etc/shadow").read())
    attempt("home", lambda: os.listdir("/root"))
    attempt("proc-root", lambda: os.listdir("/proc/1/root/root"))
    attempt("write-usr", lambda: open("/usr/x", "w"))
    attempt("write-root", lambda: open("/x", "w"))
    attempt("write-image", lambda: open("/opt/sagewright/image/x", "w"))
    attempt("write-lib", lambda: open("/opt/sagewright/lib/sagewright_container/x", "w"))
    attempt("mknod", lambda: os.mknod("/tmp/disk", 0o60600, os.makedev(254, 0)))
    found["top"] = sorted(os.listdir("/"))
    found["dev"] = sorted(name for name in os.listdir("/dev") if not name.startswith("nvidia"))
    found["ml"] = sorted(os.listdir("/opt/ml"))
    print(json.dumps(found))
    """)
    for name in ("keys", "jobs", "shadow", "proc-root", "write-usr", "write-root", "write-image", "write-lib", "mknod"):
        assert found[name].startswith("refused"), (name, found[name])
    assert not {"root", "work", "mnt", "srv", "boot"} & set(found["top"]) or found["home"].startswith(("refused", "['.pyenv"))
    assert found["dev"] == ["fd", "full", "null", "random", "shm", "stderr", "stdin", "stdout", "urandom", "zero"]
    assert found["ml"] == ["code", "input", "model", "output"]


async def test_no_privilege_and_no_way_to_one(bench: Bench) -> None:
    found = await answers(bench, ATTEMPTS + """
    import ctypes
    libc = ctypes.CDLL(None, use_errno=True)
    def call(*args):
        if libc.syscall(*args) < 0:
            raise OSError(ctypes.get_errno(), "")
    status = dict(line.split(":", 1) for line in open("/proc/self/status").read().splitlines())
    for name in ("CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs", "Seccomp"):
        found[name] = int(status[name].strip(), 16)
    found["uid"] = os.getuid()
    found["groups"] = os.getgroups()
    machine = os.uname().machine
    unshare = 272 if machine == "x86_64" else 97
    attempt("setuid", lambda: os.setuid(0))
    attempt("userns", lambda: call(unshare, 0x10000000))
    attempt("clone3", lambda: call(435, 0, 0))
    attempt("keyring", lambda: call(250 if machine == "x86_64" else 219, 0, -3, 1))
    attempt("mount", lambda: call(165 if machine == "x86_64" else 40, b"none", b"/tmp", b"tmpfs", 0, 0))
    attempt("chroot", lambda: os.chroot("/tmp"))
    attempt("trace-init", lambda: open("/proc/1/mem", "rb").read(1))
    attempt("init-env", lambda: open("/proc/1/environ", "rb").read())
    attempt("init-fds", lambda: os.listdir("/proc/1/fd"))
    print(json.dumps(found))
    """)
    assert found["CapPrm"] == found["CapEff"] == found["CapBnd"] == found["CapAmb"] == 0
    assert found["NoNewPrivs"] == 1
    assert found["Seccomp"] == 2
    assert found["uid"] != 0
    for name in ("setuid", "userns", "clone3", "keyring", "mount", "chroot", "trace-init", "init-env", "init-fds"):
        assert found[name].startswith("refused"), (name, found[name])


async def test_processes_outside_are_neither_seen_nor_signalled(bench: Bench) -> None:
    victim = subprocess.Popen(["sleep", "60"])  # noqa: ASYNC220
    try:
        found = await answers(bench, ATTEMPTS + f"""
        attempt("kill", lambda: os.kill({victim.pid}, 9))
        found["pids"] = sorted(int(name) for name in os.listdir("/proc") if name.isdigit())
        found["me"] = os.getpid()
        attempt("init", lambda: os.kill(1, 9))
        import signal, time
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        attempt("all", lambda: os.kill(-1, 15))
        print(json.dumps(found))
        """.replace("\n        ", "\n    "))
        assert found["kill"].startswith("refused")
        assert found["pids"] == [1, found["me"]]
        assert victim.poll() is None
    finally:
        victim.kill()
        victim.wait()


async def test_isolated_means_no_socket_beyond_loopback(bench: Bench) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    abstract = socket.socket(socket.AF_UNIX)
    name = f"\0sagewright-test-{os.getpid()}"
    abstract.bind(name)
    abstract.listen()
    code = ATTEMPTS + f"""
    import socket
    def connect(family, address):
        with socket.socket(family) as s:
            s.settimeout(2)
            s.connect(address)
            return "connected"
    attempt("server", lambda: connect(socket.AF_INET, ("127.0.0.1", {listener.getsockname()[1]})))
    attempt("abstract", lambda: connect(socket.AF_UNIX, {name!r}))
    attempt("outside", lambda: connect(socket.AF_INET, ("192.0.2.1", 80)))
    attempt("udp", lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("192.0.2.1", 53)))
    attempt("raw", lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1))
    attempt("packet", lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW))
    found["interfaces"] = [n for _, n in socket.if_nameindex() if n == "lo" or not n.startswith(("tunl", "sit", "ip6tnl", "gre", "erspan", "ip_vti", "ip6_vti", "ip6gre", "dummy", "bond", "teql", "ifb"))]
    own = socket.create_server(("127.0.0.1", 0))
    attempt("own", lambda: connect(socket.AF_INET, own.getsockname()))
    attempt("host", lambda: socket.gethostbyname("algo-1"))
    print(json.dumps(found))
    """
    with listener, abstract:
        found = await answers(bench, code, isolated=True)
        for attempt in ("server", "abstract", "outside", "udp", "raw", "packet"):
            assert found[attempt].startswith("refused"), (attempt, found[attempt])
        assert found["interfaces"] == ["lo"]
        assert found["own"] == "'connected'"
        assert found["host"] == "'127.0.0.1'"
        open_job = await answers(bench, code)
        assert open_job["server"] == "'connected'", "a job that is not isolated reaches the server"


async def test_writing_to_inputs_never_reaches_the_store(bench: Bench) -> None:
    objects = bench.ports.objects
    stored = objects.put("bucket", "train/data.csv", b"1,2,3\n")  # type: ignore[attr-defined]
    stored.chmod(0o600)
    found = await answers(bench, ATTEMPTS + """
    path = "/opt/ml/input/data/train/data.csv"
    attempt("read", lambda: open(path).read())
    attempt("append", lambda: open(path, "a").write("changed"))
    attempt("chmod", lambda: os.chmod(path, 0o755))
    attempt("link", lambda: os.link(path, "/opt/ml/model/data.csv"))
    attempt("truncate", lambda: os.truncate(path, 0))
    attempt("remove", lambda: os.remove(path))
    print(json.dumps(found))
    """, inputs=[Input("/opt/ml/input/data/train", "s3://bucket/train/")])
    assert found["read"] == repr("1,2,3\n")
    assert stored.read_bytes() == b"1,2,3\n"
    assert stored.stat().st_mode & 0o777 == 0o600
    assert stored.stat().st_uid == os.getuid()


async def test_installing_into_the_environment_stays_in_the_job(bench: Bench) -> None:
    code = """
    import importlib, json, os, sysconfig
    place = sysconfig.get_paths()["purelib"]
    with open(os.path.join(place, "only_here.py"), "w") as file:
        file.write("x = 1")
    importlib.invalidate_caches()
    import only_here
    print(json.dumps({"x": only_here.x, "place": place}))
    """
    if not bench.compute.can["overlay"]:
        pytest.skip("no overlay file system: the environment is read-only and pip installs beside it")
    found = await answers(bench, code)
    assert found["x"] == 1
    assert not (Path(found["place"]) / "only_here.py").exists()
    second = await answers(bench, "import importlib.util, json; print(json.dumps({'found': importlib.util.find_spec('only_here') is not None}))")
    assert second["found"] is False


async def test_memory_limit(bench: Bench) -> None:
    job = script("""
    import time
    print("eating", flush=True)
    hold = [bytearray(8 * 2**20) for _ in range(100)]
    for piece in hold:
        piece[:] = b"x" * len(piece)
    time.sleep(30)
    """, limits=Limits(memory=200 * 2**20))
    before = time.monotonic()
    exited = exit_of(await bench.run(job))
    assert exited["OutOfMemory"] is True
    assert exited["ExitCode"] == 137
    assert time.monotonic() - before < 20


async def test_memory_limit_counts_children(bench: Bench) -> None:
    job = script("""
    import os, time
    for _ in range(4):
        if os.fork() == 0:
            hold = bytearray(b"x") * (90 * 2**20)
            time.sleep(30)
    time.sleep(30)
    """, limits=Limits(memory=250 * 2**20))
    assert exit_of(await bench.run(job))["OutOfMemory"] is True


async def test_time_limit_then_kill(bench: Bench) -> None:
    job = script("""
    import signal, time
    signal.signal(signal.SIGTERM, lambda *_: print("asked to stop", flush=True))
    print("up", flush=True)
    while True:
        time.sleep(1)
    """, limits=Limits(seconds=1.0, grace=1.0))
    before = time.monotonic()
    exited = exit_of(await bench.run(job))
    assert exited["TimedOut"] is True
    assert exited["ExitCode"] == 137
    assert bench.log(job) == ["up", "asked to stop"]
    assert 1.5 < time.monotonic() - before < 10


async def test_a_fork_bomb_stays_in_its_job(bench: Bench) -> None:
    job = script("""
    import os, time
    count = 0
    try:
        for _ in range(10_000):
            if os.fork() == 0:
                time.sleep(60)
                os._exit(0)
            count += 1
    except BlockingIOError:
        pass
    print(count)
    """, limits=Limits(processes=64))
    exited = exit_of(await bench.run(job))
    assert exited["ExitCode"] == 0
    assert int(bench.log(job)[-1]) < 70


@pytest.mark.parametrize("trick", ["file", "folder", "parent"])
async def test_links_in_outputs_leak_nothing(bench: Bench, place: Path, trick: str) -> None:
    secret = place / "secret"
    secret.mkdir()
    (secret / "key").write_text("TOP-SECRET")
    (secret / "failure").write_text("TOP-SECRET")
    how = {
        "file": f"os.symlink({str(secret / 'key')!r}, '/opt/ml/model/key'); os.symlink({str(secret / 'key')!r}, '/opt/ml/output/failure')",
        "folder": f"os.symlink({str(secret)!r}, '/opt/ml/model/folder'); os.symlink('../../../..', '/opt/ml/model/up')",
        "parent": f"import shutil; shutil.rmtree('/opt/ml/model'); os.symlink({str(secret)!r}, '/opt/ml/model'); "
        f"shutil.rmtree('/opt/ml/output'); os.symlink({str(secret)!r}, '/opt/ml/output')",
    }[trick]
    job = script(f"import os, sys\n{how}\nsys.exit(3)", outputs=[
        Output("/opt/ml/model", "s3://out/model.tar.gz", archive=True, when_empty=True), Output("/opt/ml/model", "s3://out/files/"),
    ])
    reports = await bench.run(job)
    exited = exit_of(reports)
    assert exited["ExitCode"] == 3
    assert exited["Failure"] is None
    assert reports[-1].name == "Finished", reports
    folder = bench.config.data / "objects" / "out"
    for path in folder.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            content += gzip.decompress(content) if path.suffix == ".gz" else b""
            assert b"TOP-SECRET" not in content
            assert b"etc/passwd" not in content


async def test_a_device_or_pipe_as_failure_file_does_not_hang(bench: Bench) -> None:
    job = script("import os, sys\nos.mkfifo('/opt/ml/output/failure')\nos.mkfifo('/opt/ml/model/pipe')\nsys.exit(1)", outputs=[
        Output("/opt/ml/model", "s3://out/fifo.tar.gz", archive=True, when_empty=True)])
    reports = await bench.run(job, seconds=20)
    assert exit_of(reports)["Failure"] is None
    assert reports[-1].name == "Finished", reports
