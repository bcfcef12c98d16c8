"""Tasks in images with a root file system of their own: what they see, who they are, and what a hostile image gets."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
import tarfile
from pathlib import Path
from typing import Any

from sagewright.agent.oci import sources
from sagewright.agent.oci.blobs import Blobs
from sagewright.agent.oci.reference import parse
from sagewright.stores.compute import Task
from sagewright.testing import containers
from sagewright.testing.compute import Bench, task
from sagewright.testing.containers import Container, special, tar

from .test_sandbox import exit_of, ids

BASE: dict[str, bytes] = {}


def base(place: Path) -> bytes:
    """A layer with a shell and a few tools of this machine; made once for all tests."""
    if "tar" not in BASE:
        users = "root:x:0:0:root:/root:/bin/sh\napp:x:1000:1001::/home/app:/bin/sh\n"
        groups = "root:x:0:\napp:x:1001:\nextra:x:2002:\n"
        BASE["tar"] = containers.tar_of(containers.root(place / "base", files={"etc/passwd": users, "etc/group": groups}))
    return BASE["tar"]


def give(bench: Bench, place: Path, name: str, *layers: bytes, **config: Any) -> str:
    """An image of the base and more layers, in the bench's store."""
    path = Container([base(place), *layers], config, compress=False).layout(place / f"image-{next(ids)}")
    store = Blobs(Path(bench.settings["data"]) / "oci")
    sources.import_path(store, parse(name), path, {})
    return name


def job(image: str, argv: list[str], own: bool = False, **more: Any) -> Task:
    made = task(f"rooted-{next(ids)}", argv, **more)
    made.image, made.own_entry = image, own
    return made


async def said(bench: Bench, one: Task, code: int = 0) -> list[str]:
    """The log of a task that ends with ``code``."""
    reports = await bench.run(one)
    assert exit_of(reports)["ExitCode"] == code, (reports, bench.log(one))
    return bench.log(one)


async def test_the_image_is_all_there_is(bench: Bench, place: Path) -> None:
    image = give(bench, place, "a:1", Env=["COLOUR=blue", "PATH=/bin"], WorkingDir="/srv/deep/down")
    script = "cat /proc/mounts; ls -a /; ls /dev; id -u; id -g; ls -n /bin/sh; readlink /proc/self/cwd; env; cat /etc/hosts /etc/hostname; uname -n"
    lines = await said(bench, job(image, ["sh", "-c", script], env={"SIZE": "9"}))
    text = "\n".join(lines)
    seen = {line.split()[1] for line in lines if line.count(" ") >= 5 and line.split()[1].startswith("/")}
    assert seen == {"/", "/proc", "/sys", "/sys/devices/system", "/dev", "/dev/shm", "/opt/ml", "/etc/hosts", "/etc/hostname",
                    "/etc/resolv.conf"} | {s for s in seen if s.startswith("/dev/")}
    assert "null" in lines
    assert "console" not in lines
    assert "/srv/deep/down" in lines, "the WORKDIR is made if it is missing"
    assert {"COLOUR=blue", "SIZE=9", "PATH=/bin", "HOME=/root"} <= set(lines)
    assert "127.0.0.1 localhost algo-1" in lines
    assert lines[-1] == "algo-1"
    assert "PYTHONPATH" not in text
    numbers = [line for line in lines if line.isdigit()]
    assert numbers == ["0", "0"]


    lines = await said(bench, job(image, ["sh", "-c", "cat /proc/self/status; cat /proc/self/uid_map"]))
    status = dict(line.split(":\t", 1) for line in lines if ":\t" in line)
    assert {status[f"Cap{kind}"] for kind in ("Inh", "Prm", "Eff", "Bnd", "Amb")} == {"0" * 16}
    assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")
    inside, outside, count = lines[-1].split()
    assert (inside, count) == ("0", "1")
    assert outside != "0", "no process of the image is root of the machine"


USERS = (
    ("", 0, 0, "/root"), ("app", 1000, 1001, "/home/app"), ("1000", 1000, 1001, "/home/app"), ("app:extra", 1000, 2002, "/home/app"),
    ("4711:12", 4711, 12, "/"), ("4711", 4711, 0, "/"),
)


async def test_the_user_is_the_images(bench: Bench, place: Path) -> None:
    script = "id -u; id -g; env; stat -c '%u:%g' /bin/sh /opt/ml/model; touch /opt/ml/model/made /at-the-root; stat -c %u /at-the-root"
    for user, uid, gid, home in USERS:
        image = give(bench, place, "a:1", User=user)
        lines = await said(bench, job(image, ["sh", "-c", script]))
        assert lines[:2] == [str(uid), str(gid)]
        assert f"HOME={home}" in lines
        assert lines[-3:] == [f"{uid}:{gid}", f"{uid}:{gid}", str(uid)], "everything is the user's own"
    reports = await bench.run(job(give(bench, place, "a:1", User="nobody-here"), ["id"]))
    assert reports[-1].name == "Failed"
    assert "'nobody-here' is not in its /etc/passwd" in reports[-1].data["Reason"]


ENTRIES = (
    (["train"], True, "E1 E2 train"),  # train takes the place of CMD
    (["--epochs", "3"], True, "E1 E2 --epochs 3"),  # ContainerArguments alone
    (["process"], True, "E1 E2 C1"),  # processing without anything: the image as it is
    (["process", "a"], True, "E1 E2 a"),
    (["/bin/say", "mine"], False, "mine"),  # ContainerEntrypoint replaces both
)


async def test_entry_points(bench: Bench, place: Path) -> None:
    say = tar([("bin/say", '#!/bin/sh\necho "$@"\n')])
    image = give(bench, place, "a:1", say, Entrypoint=["/bin/say", "E1", "E2"], Cmd=["C1"])
    for argv, own, expected in ENTRIES:
        assert await said(bench, job(image, argv, own)) == [expected]
    image = give(bench, place, "a:1", tar([("bin/train", "#!/bin/sh\necho training with $#\n")]), Cmd=["ignored"])
    assert await said(bench, job(image, ["train"], own=True)) == ["training with 0"]
    nothing = give(bench, place, "b:1")
    reports = await bench.run(job(nothing, ["process"], own=True))
    assert "neither ENTRYPOINT nor CMD" in reports[-1].data["Reason"]
    lines = await said(bench, job(nothing, ["train"], own=True), code=127)
    assert "train" in lines[-1]


async def test_what_a_job_writes_is_its_own(bench: Bench, place: Path) -> None:
    image = give(bench, place, "a:1", tar([("srv/given", "given\n")]))
    spoil = "echo spoilt > /srv/given; rm -f /bin/uname; echo new > /new; mkdir -p /var/lib/x; echo ok > /opt/ml/model/out; echo hello > /dev/stdout"
    lines = await said(bench, job(image, ["sh", "-c", spoil]))
    if bench.compute.can["overlay"]:
        assert lines == ["hello"]
    given, *listed, system = await said(bench, job(image, ["sh", "-c", "cat /srv/given; ls /; uname -s"]))
    assert (given, system) == ("given", "Linux")
    assert "new" not in listed


async def test_python_of_the_image_is_never_ours(bench: Bench, place: Path) -> None:
    """Whatever modules an image has, the code that sets up its sandbox runs none of them."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    evil = "import os\nos.write(2, b'EVIL')\nraise SystemExit(99)\n"
    names = ("os", "errno", "ctypes/__init__", "socket", "json/__init__", "encodings/__init__", "encodings/idna", "traceback", "linecache",
             "select", "signal", "resource", "struct", "platform", "re/__init__", "sagewright_container/__init__", "sitecustomize")
    folders = [f"usr/lib/{version}", f"usr/local/lib/{version}", sys.prefix.lstrip("/") + f"/lib/{version}",
               str(Path(os.__file__).parent).lstrip("/"), str(Path(__file__).parents[2] / "src").lstrip("/")]
    layer = tar([(f"{folder}/{name}.py", evil) for folder in dict.fromkeys(folders) for name in names])
    image = give(bench, place, "a:1", layer, Entrypoint=["/bin/sh"], WorkingDir="/" + folders[0])
    assert await said(bench, job(image, ["-c", "echo fine"], own=True)) == ["fine"]
    lines = await said(bench, job(image, ["/no/such/program"]), code=127)
    assert "EVIL" not in "".join(lines)


LEAVING: dict[str, list[Any]] = {
    "etc to a folder of the machine": [special("etc", tarfile.SYMTYPE, "{victim}")],
    "hosts to a file of the machine": [special("etc/hosts", tarfile.SYMTYPE, "{victim}/kept")],
    "resolv.conf to nowhere": [special("etc/resolv.conf", tarfile.SYMTYPE, "/run/systemd/resolve/stub-resolv.conf")],
    "dev to a folder of the machine": [special("dev", tarfile.SYMTYPE, "{victim}")],
    "opt to a folder of the machine": [special("opt", tarfile.SYMTYPE, "{victim}")],
    "opt/ml by many steps up": [special("opt", tarfile.DIRTYPE), special("opt/ml", tarfile.SYMTYPE, "../../../../../../..{victim}")],
    "proc to self": [special("proc", tarfile.SYMTYPE, "/proc/self/root/srv")],
    "sys to etc": [special("sys", tarfile.SYMTYPE, "/etc")],
    "everything through proc": [special("etc/hostname", tarfile.SYMTYPE, "/proc/1/root{victim}/kept")],
    "a file where ml should be": [("opt/ml", "a file")],
    "dev is a file": [("dev", "a file")],
    "a loop where tmp should be": [special("tmp", tarfile.SYMTYPE, "tmp")],
    "a workdir that leads away": [special("srv", tarfile.SYMTYPE, "{victim}")],
}


async def test_links_of_an_image_lead_nowhere_else(bench: Bench, place: Path) -> None:
    """Mounting over an image's links touches nothing of the machine: the job runs, or fails with a reason."""
    victim = place / "victim"
    victim.mkdir()
    (victim / "kept").write_text("kept")
    before = victim.stat().st_mtime_ns, (victim / "kept").stat().st_mtime_ns
    ran = set()
    for name, members in LEAVING.items():
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                member.linkname = member.linkname.replace("{victim}", str(victim))
        image = give(bench, place, "a:1", tar(members), WorkingDir="/srv/x")
        reports = await bench.run(job(image, ["sh", "-c", "echo ran > /opt/ml/model/out; cat /etc/hosts; ls /"]))
        assert reports[-1].name in ("Finished", "Failed"), (name, reports)
        if reports[-1].name == "Failed":
            assert "image" in reports[-1].data["Reason"], (name, reports)
        else:
            ran.add(name)
        assert sorted(p.name for p in victim.iterdir()) == ["kept"], name
        assert (victim / "kept").read_text() == "kept", name
        assert (victim.stat().st_mtime_ns, (victim / "kept").stat().st_mtime_ns) == before, name
    assert {"resolv.conf to nowhere", "etc to a folder of the machine", "opt to a folder of the machine"} <= ran, "they are ordinary"


async def test_isolation_and_stop(bench: Bench, place: Path) -> None:
    image = give(bench, place, "a:1")
    lines = await said(bench, job(image, ["sh", "-c", "cat /proc/net/dev"], isolated=True))
    assert [line.split(":")[0].strip() for line in lines if ":" in line] == ["lo"]
    script = "trap 'echo saving; exit 0' TERM; echo up; while :; do sleep 0.05; done"
    one = job(image, ["sh", "-c", script])
    await bench.compute.submit(one)
    async with asyncio.timeout(20):
        while "up" not in bench.log(one):  # noqa: ASYNC110  (a log has no event)
            await asyncio.sleep(0.02)
    await bench.compute.stop(one.id)
    reports = await bench.until(one.id, seconds=20)
    assert exit_of(reports)["Stopped"] is True
    assert "saving" in bench.log(one)


async def test_an_image_that_is_removed_stays_for_its_jobs(bench: Bench, place: Path) -> None:
    image = give(bench, place, "a:1", tar([("srv/late", "still here")]))
    one = job(image, ["sh", "-c", "echo up; while [ ! -e /opt/ml/model/go ]; do sleep 0.05; done; cat /srv/late"])
    await bench.compute.submit(one)
    async with asyncio.timeout(20):
        while "up" not in bench.log(one):  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    store = Blobs(Path(bench.settings["data"]) / "oci")
    store.untag("a", "1")
    assert bench.ports.images.remove_unused() == []  # type: ignore[attr-defined]
    (bench.config.data / "jobs" / one.id / "ml" / "model" / "go").touch()
    reports = await bench.until(one.id, seconds=20)
    assert exit_of(reports)["ExitCode"] == 0
    assert bench.log(one)[-1] == "still here"
    async with asyncio.timeout(20):
        while not bench.ports.images.remove_unused():  # type: ignore[attr-defined]  # noqa: ASYNC110  (its agent is ending)
            await asyncio.sleep(0.02)
    reports = await bench.run(job(image, ["true"]))
    assert "is not known" in reports[-1].data["Reason"] or "no image is declared" in reports[-1].data["Reason"]


SERVER = """
import os, socket, threading
def serve(conn):
    data = b""
    while b"\\r\\n\\r\\n" not in data:
        data += conn.recv(65536)
    head, _, body = data.partition(b"\\r\\n\\r\\n")
    length = int(head.lower().partition(b"content-length:")[2].split(b"\\r\\n")[0] or 0)
    while len(body) < length:
        body += conn.recv(65536)
    answer = body[::-1] if head.startswith(b"POST") else (os.environ["WHO"] + " " + socket.gethostname()).encode()
    conn.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: %d\\r\\n\\r\\n" % len(answer) + answer)
    conn.close()
with socket.create_server(("0.0.0.0", 8080)) as server:
    while True:
        threading.Thread(target=serve, args=(server.accept()[0],), daemon=True).start()
"""


def http(path: str, method: str = "GET", page: str = "/ping", body: bytes = b"") -> bytes:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(20)
        sock.connect(path)
        head = f"{method} {page} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        sock.sendall(head.encode() + body)
        return sock.makefile("rb").read().partition(b"\r\n\r\n")[2]


async def test_two_servers_listen_on_the_same_port(bench: Bench, place: Path) -> None:
    """Each has a network of its own; connections to its Unix socket are carried to its port 8080."""
    words = containers.python(place / "python")
    layers = containers.tar_of(place / "python"), tar([("srv/serve.py", SERVER)])
    image = give(bench, place, "py:1", *layers, Entrypoint=[*words, "/srv/serve.py"], Env=[containers.PYTHON_ENV, "PATH=/bin"])
    tasks = [job(image, ["serve"], kind="serve", env={"WHO": f"server-{n}"}, workers=4, isolated=bool(n), hostname=f"c-{n}") for n in (0, 1)]
    for one in tasks:
        await bench.compute.submit(one)
    paths = []
    for one in tasks:
        reports = await bench.until(one.id, "Ready", seconds=60)
        assert reports[-1].name == "Ready", (reports, bench.log(one))
        assert len(reports[-1].data["Sockets"]) == 1, "the image starts its own workers"
        paths += reports[-1].data["Sockets"]
    assert [http(path) for path in paths] == [b"server-0 c-0", b"server-1 c-1"]
    big = os.urandom(3_000_000)
    answers = await asyncio.gather(*(asyncio.to_thread(http, path, "POST", "/invocations", big) for path in paths * 3))
    assert all(answer == big[::-1] for answer in answers)
    for one in tasks:
        await bench.compute.stop(one.id)
        reports = await bench.until(one.id, seconds=30)
        assert exit_of(reports)["Stopped"] is True, (reports, bench.log(one))


async def test_a_server_that_never_listens(bench: Bench, place: Path) -> None:
    image = give(bench, place, "a:1", Entrypoint=["sh", "-c", "echo thinking; sleep 60"])
    reports = await bench.run(job(image, ["serve"], kind="serve", startup_seconds=1.0), seconds=30)
    assert reports[-1].name == "Failed"
    assert "/ping" in reports[-1].data["Reason"]
    assert "SAGEWRIGHT_SOCKET" not in reports[-1].data["Reason"]
    assert "thinking" in reports[-1].data["Reason"]
