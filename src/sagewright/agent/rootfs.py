"""How a task runs in an image with a root file system of its own: its program, its user and its view of the files."""

from __future__ import annotations

import fcntl
import json
import os
import socket
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..stores.compute import Task
from ..stores.images import Image, Root
from .layout import Layout, nudge
from .network.plan import LOOPBACK, Plan, plan
from .oci.layers import read_inside
from .pump import Pump
from .view import Command, Mount, NoEntry, User, hosts
from .warmth import ATTENDANT
from .workload import Workload, send_request, start_cold

if TYPE_CHECKING:
    from .run import Run

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True, slots=True)
class Who:
    """The user that the image's program sees itself as."""

    uid: int
    gid: int
    home: str


def command(task: Task, image: Image) -> Command:
    """What runs, by the rules that AWS documents for each kind of container.

    The image's own entry point gets the task's arguments in place of its CMD: ``train``, ``serve``, or those of the
    request. A processing container without arguments keeps its CMD. An entry point of the request replaces both.

    Raises:
        NoEntry: nothing to run.
    """
    root = image.root
    assert root is not None
    argv = list(task.argv)
    if task.own_entry or task.kind == "serve":
        verb, *rest = argv or [""]
        if verb == "process":
            argv = rest or list(root.cmd)
        argv = [*root.entrypoint, *argv]
    if not argv:
        raise NoEntry(f"the image {image.repository}:{image.tag} has neither ENTRYPOINT nor CMD; give a ContainerEntrypoint")
    return Command(argv)


def who(root: Root) -> Who:
    """The image's USER as its own /etc/passwd and /etc/group know it, as `docker run` reads it.

    Raises:
        NoEntry: a name that the image does not know.
    """
    user, _, group = root.user.partition(":")
    people = _entries(root.path, "etc/passwd")
    found = next((p for p in people if len(p) > 5 and user in ((p[0], p[2]) if user else ("root",)) and p[2].isdigit()), None)
    if not user:
        found = next((p for p in people if len(p) > 5 and p[2] == "0"), None)
    if found is None and user and not user.isdigit():
        raise NoEntry(f"the image's USER {root.user!r} is not in its /etc/passwd")
    uid = int(found[2]) if found else int(user or 0)
    gid = int(found[3]) if found and found[3].isdigit() else 0
    if group:
        named = next((g for g in _entries(root.path, "etc/group") if len(g) > 2 and group in (g[0], g[2]) and g[2].isdigit()), None)
        if named is None and not group.isdigit():
            raise NoEntry(f"the image's USER {root.user!r} names a group that is not in its /etc/group")
        gid = int(named[2]) if named else int(group)
    if max(uid, gid) >= 2**32 - 1:
        raise NoEntry(f"the image's USER {root.user!r} is beyond what Linux can number")
    return Who(uid, gid, found[5] if found and found[5].startswith("/") else "/root" if uid == 0 else "/")


def _entries(root: Path, file: str) -> list[list[str]]:
    raw = read_inside(root, file) or b""
    return [line.split(":") for line in raw.decode("utf-8", "replace").splitlines()]


def environment(task: Task, image: Image, home: str, network: Plan | None) -> dict[str, str]:
    """The image's variables, the task's, then the network's."""
    ways = network.env if network else {}
    return {"PATH": PATH, "HOME": home, "HOSTNAME": task.hostname, **image.env, **task.env, **ways}


def hold(root: Root) -> bool:
    """Keep the image's files from being removed for as long as this process lives; False if they are gone."""
    if root.hold is not None:
        fd = os.open(root.hold, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(fd, fcntl.LOCK_SH)
        if not root.path.is_dir():
            os.close(fd)
            return False
    return True


def alone(task: Task) -> Plan:
    """The network of a container that serves: its own, so that its port is free, with the ways out of a job's host."""
    found = plan(replace(task, peers=[task.hostname], meeting=""))
    return replace(found, address=LOOPBACK, hosts=found.hosts.replace(f"{found.address} ", f"{LOOPBACK} "))


def request(
    layout: Layout, task: Task, image: Image, user: User, what: Command, inputs: list[Mount], *, idmap: bool,
    over: Path | None, cgroups: list[str], cpus: list[int] | None, network: Plan | None,
) -> dict[str, Any]:
    """The request that ``sagewright_container.rootfs`` carries out, for one process. Raises NoEntry.

    ``over``: the folder that takes what the task writes over the image; None leaves the image read-only but for /tmp.
    """
    root = image.root
    assert root is not None
    person = who(root)
    etc = layout.folder / "etc"
    mounts = [Mount(layout.ml, "/opt/ml", writable=True), *inputs]
    written = _etc(task, network).items()
    mounts += [Mount(_written(etc, name, text, user), f"/etc/{name}", writable=True) for name, text in written]
    resolver = Path("/etc/resolv.conf")
    if resolver.exists():
        mounts.append(Mount(resolver.resolve(), "/etc/resolv.conf"))
    if over is None:
        mounts += [Mount(layout.folder / "tmp", "/tmp", writable=True), Mount(layout.folder / "tmp", "/var/tmp", writable=True)]
    return {
        "root": str(layout.folder / "root"), "image": Mount(root.path, "/", owned=idmap, upper=over).spec(),
        "binds": [mount.spec() for mount in mounts], "uid": user.uid, "identity": [person.uid, person.gid],
        "isolated": task.isolated, "hostname": task.hostname, "cwd": root.workdir,
        "limits": {"processes": task.limits.processes}, "cgroups": cgroups, "cpus": cpus, "argv": what.argv,
        "env": environment(task, image, person.home, network),
    }


def _etc(task: Task, network: Plan | None) -> dict[str, str]:
    return {"hosts": network.hosts if network else hosts(task), "hostname": task.hostname + "\n"}


def _written(folder: Path, name: str, text: str, user: User) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / name
    if not path.exists():
        path.write_text(text)
        user.give(path)
    return path


def launch(run: Run, image: Image, what: Command, env: dict[str, str]) -> Workload:
    """Start the task's process in a sandbox of its own and pump its output. Raises SandboxError, NoEntry."""
    if run.task.kind == "serve":
        return _launch_server(run, image, what, env)
    network = run.network
    spec = _spec(run, image, what, env, network.plan if network else None)
    if network is not None:
        spec["network"] = network.request()
    workload = _started(run, spec, [])
    if network is not None:
        network.start(workload, run.control)
    workload.wait_started()
    return workload


def _launch_server(run: Run, image: Image, what: Command, env: dict[str, str]) -> Workload:
    """A container that listens on TCP, in a network of its own; connections to the worker's Unix socket are carried to it."""
    from .door import Door
    from .network.forward import Forwarders

    ways = alone(run.task)
    path = run.layout.sockets / env.pop("SAGEWRIGHT_SOCKET").rpartition("/")[2]
    env.pop("SAGEWRIGHT_WORKER", None)
    spec = _spec(run, image, what, env, ways)
    spec |= {"network": ways.request(switch=False), "door": True}
    ours, theirs = socket.socketpair()
    with theirs:
        workload = _started(run, spec, [theirs.fileno()])
    netlink, *sockets = workload.wait_network()
    os.close(netlink)
    if sockets:
        workload.helpers.append(Forwarders(ways, [socket.socket(fileno=fd) for fd in sockets]))
    workload.go()
    workload.helpers.append(Door(path, ours, int(spec["env"].get("SAGEMAKER_BIND_TO_PORT", "8080"))))
    workload.wait_started()
    return workload


def _spec(run: Run, image: Image, what: Command, env: dict[str, str], network: Plan | None) -> dict[str, Any]:
    spec = request(
        run.layout, run.task, image, run.user, what, run.inputs.mounts, idmap=run.idmap, over=run.upper("root"),
        cgroups=run.group.folders, cpus=run._cpus(), network=network,
    )
    spec["env"].update(env)
    run.gpus.show(spec, run.task.env, image_root=True)
    return spec


def _started(run: Run, spec: dict[str, Any], more: list[int]) -> Workload:
    reader, writer = os.pipe()
    fds = [writer] + ([run.user.userns] if run.user.userns is not None else []) + more
    try:
        workload = start(run, spec, fds)
    finally:
        os.close(writer)
    pump = Pump(reader, run.sink)
    pump.start()
    run.pumps.append(pump)
    run.workloads.append(workload)
    return workload


def start(run: Run, spec: dict[str, Any], fds: list[int]) -> Workload:
    """Enter the sandbox from a small interpreter of the machine's, which loads everything before it becomes the image's.

    One that attends such requests is asked if it is up; the launcher starts it when it hears of the first.
    """
    nudge(run.layout.launcher, json.dumps({"warm": run.task.image}))
    conn = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        conn.connect(str(run.layout.launcher.with_name(f"warm-{ATTENDANT}.sock")))
        send_request(conn, spec, fds)
        return Workload(conn, None)
    except OSError:
        conn.close()
    return start_cold(spec, fds, "rootfs.py")
