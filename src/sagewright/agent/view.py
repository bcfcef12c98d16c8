"""What a task's sandbox looks like: the request that ``sagewright_container.sandbox`` carries out."""

from __future__ import annotations

import ctypes
import fcntl
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sagewright_container

from ..stores.compute import Task
from ..stores.images import Image
from .layout import Layout

if TYPE_CHECKING:
    from .network import Network

IMAGE = "/opt/sagewright/image"
LIBRARY = "/opt/sagewright/lib"
HOME = "/home/sagewright"
FIRST_UID, UIDS = 200_000, 60_000


class NoEntry(Exception):
    """The image has no program for the verb."""


@dataclass(slots=True)
class User:
    """Whom the task runs as: an own uid under a root server, else the server's user."""

    uid: int | None = None
    lock: int = -1
    """Descriptor that keeps the uid ours."""
    userns: int | None = None
    """User namespace that maps root's files to the uid, for id-mapped mounts."""

    @property
    def owner(self) -> int:
        return os.getuid() if self.uid is None else self.uid

    def give(self, path: Path) -> None:
        """Hand a file or folder of the task over to its user."""
        if self.uid is not None:
            os.chown(path, self.uid, self.uid, follow_symlinks=False)


def choose_user(seed: str) -> User:
    """A uid that no other running task of this machine has. Call before any thread is started: it forks.

    ``seed``: anything; where the search begins.
    """
    if os.getuid() != 0:
        return User()
    folder = Path("/run/sagewright/uids")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    start = hash(seed) % UIDS
    for step in range(UIDS):
        uid = FIRST_UID + (start + step) % UIDS
        fd = os.open(folder / str(uid), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            continue
        return User(uid, fd, map_owner(uid))
    raise RuntimeError("every job uid is in use")


def map_owner(uid: int) -> int | None:
    """A user namespace in which root's files belong to ``uid``; None where the kernel has no id-mapped mounts."""
    ready_r, ready_w = os.pipe()
    done_r, done_w = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(done_w)
        ok = ctypes.CDLL(None).unshare(0x10000000) == 0
        os.write(ready_w, b"y" if ok else b"n")
        os.read(done_r, 1)
        os._exit(0)
    os.close(ready_w)
    os.close(done_r)
    try:
        if os.read(ready_r, 1) != b"y":
            return None
        for name in ("uid_map", "gid_map"):
            Path(f"/proc/{pid}/{name}").write_text(f"0 {uid} 1")
        return os.open(f"/proc/{pid}/ns/user", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    finally:
        os.close(ready_r)
        os.close(done_w)
        os.waitpid(pid, 0)


@dataclass(slots=True)
class Mount:
    source: Path
    target: str
    writable: bool = False
    owned: bool = False
    upper: Path | None = None
    lazy: bool = False
    """A file system that the agent serves, instead of ``source``."""
    below: str | None = None
    """Of a directory of the operator's, perhaps on a file system that cannot map owners: the part that is shown."""

    def spec(self) -> dict[str, Any]:
        item: dict[str, Any] = {"source": str(self.source), "target": self.target, "writable": self.writable, "owned": self.owned}
        if self.lazy:
            item["lazy"] = True
        if self.below is not None:
            item["below"] = self.below
        if self.upper is not None:
            item["upper"], item["work"] = str(self.upper / "upper"), str(self.upper / "work")
        return item


@dataclass(slots=True)
class Command:
    """What runs: ``argv`` for a cold start; ``python`` and its own argv when a warm interpreter can run it."""

    argv: list[str]
    python: dict[str, str] | None = None
    python_argv: list[str] = field(default_factory=list)


def command(task: Task, image: Image) -> Command:
    """Raises NoEntry."""
    python = str(image.python)
    verb, *rest = task.argv
    if verb in ("train", "serve", *image.entries):
        if verb not in image.entries:
            raise NoEntry(
                f"the image {image.repository}:{image.tag} has no program for {verb!r}; "
                "give a ContainerEntrypoint, or declare the entry in its image.toml"
            )
        script = f"{IMAGE}/{image.entries[verb]}"
        return Command([python, script, *rest], {"script": script}, [script, *rest])
    if re.fullmatch(r"python(3(\.\d+)?)?", verb) or verb == python:
        flags = rest[:1] == ["-u"]
        rest_ = rest[1:] if flags else rest
        if rest_ and not rest_[0].startswith("-"):
            return Command([python, *rest], {"script": rest_[0]}, rest_)
        if len(rest_) >= 2 and rest_[0] == "-m":
            return Command([python, *rest], {"module": rest_[1]}, ["-m", *rest_[2:]])
    return Command(list(task.argv))


def environment(task: Task, image: Image, overlaid: bool) -> dict[str, str]:
    env = {
        "PATH": f"{image.environment}/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        # in Amazon's containers a program is root; what goes by the name must not look for sudo to get at its own files
        "HOME": HOME, "USER": "root", "LANG": "C.UTF-8", "PYTHONUNBUFFERED": "1", "PYTHONPATH": LIBRARY, "TMPDIR": "/tmp",
        "HOSTNAME": task.hostname, "OMP_WAIT_POLICY": "PASSIVE", "VIRTUAL_ENV": str(image.environment), **image.env, **task.env,
    }
    if env["PYTHONPATH"] != LIBRARY:
        env["PYTHONPATH"] += f":{LIBRARY}"
    if not overlaid:
        env.setdefault("PIP_TARGET", f"{HOME}/site")
        env["PYTHONPATH"] += f":{HOME}/site"
    return env


def interpreter_prefixes(image: Image) -> list[tuple[Path, str]]:
    """(real folder, where it must appear) of the Python that the environment was made with, links kept."""
    config = image.environment / "pyvenv.cfg"
    homes = {image.python.resolve().parent}
    if config.exists():
        for line in config.read_text().splitlines():
            name, _, value = line.partition("=")
            if name.strip() == "home":
                homes.add(Path(value.strip()))
    link = image.python
    while link.is_symlink():
        link = Path(os.path.normpath(link.parent / link.readlink()))
        homes.add(link.parent)
    prefixes = {str(home.parent): home.parent.resolve() for home in homes}
    return [
        (real, shown) for shown, real in sorted(prefixes.items())
        if shown not in ("/", "/usr") and not shown.startswith("/usr/") and real != image.environment.resolve()
    ]


def hosts(task: Task) -> str:
    """The text of /etc/hosts of a task that has no network of its job's own."""
    local = "127.0.0.1 localhost\n::1 localhost ip6-localhost\n"
    if task.addresses:
        return local + "".join(f"{address} {name}\n" for name, address in task.addresses.items())
    return local.replace("localhost\n", "localhost " + " ".join(dict.fromkeys((task.hostname, "algo-1"))) + "\n", 1)


def system_files(task: Task, user: User, network: Network | None) -> dict[str, str]:
    uid = user.owner
    gid = os.getgid() if user.uid is None else uid
    return {
        "/etc/passwd": f"root:x:0:0:root:/root:/bin/sh\nsagewright:x:{uid}:{gid}::{HOME}:/bin/bash\n"
        "nobody:x:65534:65534:nobody:/nonexistent:/bin/false\n",
        "/etc/group": f"root:x:0:\nsagewright:x:{gid}:\nnogroup:x:65534:\n",
        "/etc/hosts": network.plan.hosts if network else hosts(task),
        "/etc/hostname": task.hostname + "\n",
    }


def request(
    layout: Layout, task: Task, image: Image, user: User, what: Command, inputs: list[Mount], *, idmap: bool,
    over: Path | None, sockets: bool = False, cgroups: list[str] | None = None, cpus: list[int] | None = None,
    network: Network | None = None,
) -> dict[str, Any]:
    """The sandbox's request for one process.

    ``idmap``: shared files are shown as the task user's own. ``over``: the folder that takes changes to the environment;
    None leaves it read-only, and pip installs beside it.
    """
    package = Path(sagewright_container.__file__).parent
    mounts = [
        Mount(image.environment, str(image.environment), owned=idmap, upper=over),
        *(Mount(real, shown) for real, shown in interpreter_prefixes(image)),
        Mount(image.folder, IMAGE, owned=idmap),
        Mount(package, f"{LIBRARY}/sagewright_container", owned=idmap),
        Mount(package / "clientshim.py", f"{LIBRARY}/sitecustomize.py"),
        Mount(layout.folder / "tmp", "/tmp", writable=True),
        Mount(layout.folder / "home", HOME, writable=True),
        Mount(layout.ml, "/opt/ml", writable=True),
        *inputs,
    ]
    if sockets:
        mounts.append(Mount(layout.sockets, "/opt/ml/run", writable=True))
    mounts.sort(key=lambda mount: mount.target.count("/"))
    return {
        "root": str(layout.folder / "root"), "binds": [mount.spec() for mount in mounts], "files": system_files(task, user, network),
        "uid": user.uid, "isolated": task.isolated, "hostname": task.hostname, "cwd": "/opt/ml",
        "limits": {"processes": task.limits.processes}, "cgroups": cgroups or [], "cpus": cpus,
        "network": network.request() if network else None, "argv": what.argv, "python": None,
        "env": {**environment(task, image, over is not None), **(network.plan.env if network else {})},
    }
