"""Enter a sandbox whose root file system is an image's own: nothing of the machine is in it, and nothing of it is trusted.

The same protection as ``sandbox``. Everything that this code runs is loaded before the image's files become the root, so
that an image needs no Python and cannot lend us one. What is mounted is opened first and put in place after the root has
changed: whatever links an image has, they are resolved inside it.

The image's program sees itself as the user that the image names, root by default, and every file of the image as that
user's: it is one user of this machine under another number, without any capability, in a user namespace of its own.
"""

from __future__ import annotations

import ctypes
import gc
import os
import platform
import signal
import socket
import sys
from typing import Any, Dict, List, Optional, Sequence, Tuple

if __name__ == "__main__":
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from sagewright_container import network, sandbox
from sagewright_container.init import supervise
from sagewright_container.kernel import (
    CLONE_NEWIPC,
    CLONE_NEWNS,
    CLONE_NEWPID,
    CLONE_NEWUSER,
    CLONE_NEWUTS,
    Forbidden,
    check,
    libc,
)
from sagewright_container.mounts import (
    AT_FDCWD,
    AT_RECURSIVE,
    MS_NODEV,
    MS_NOEXEC,
    MS_NOSUID,
    MS_PRIVATE,
    MS_REC,
    SYS_MOVE_MOUNT,
    SYS_OPEN_TREE,
    bind,
    bind_below,
    clone,
    mount,
    mount_lazy,
    overlay,
)
from sagewright_container.sandbox import MNT_DETACH, SYS_PIVOT_ROOT, send, told
from sagewright_container.syscalls import filter_calls

NAMESPACES = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS
DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
Tree = Tuple[str, int, bool]
"""Where it belongs, a descriptor of the detached mount, whether it is a folder."""


def main() -> None:
    """``rootfs.py FD``: one request, on the socket of that descriptor. ``rootfs.py PATH PARENT``: see ``attend``."""
    conn = attend(sys.argv[1], int(sys.argv[2])) if len(sys.argv) > 2 else socket.socket(fileno=int(sys.argv[1]))
    conn.set_inheritable(False)
    run(conn)


def attend(path: str, parent: int) -> socket.socket:
    """Listen on the Unix socket of that path, whose folder only the server's user can enter, and fork for each request,
    so that a job does not wait for an interpreter. Returns only in a fork, with its connection. Ends with its parent."""
    libc.prctl(1, signal.SIGKILL, 0, 0, 0)  # PR_SET_PDEATHSIG
    if os.getppid() != parent:
        os._exit(0)  # it died before we asked to be told
    libc.prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER: the sandboxes' inits are reaped here
    gc.freeze()
    signal.signal(signal.SIGCHLD, _reap)
    os.umask(0o077)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(path + ".new")
    listener.listen(128)
    os.rename(path + ".new", path)
    while True:
        conn, _ = listener.accept()
        if os.fork() == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            listener.close()
            return conn
        conn.close()


def _reap(*_: object) -> None:
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def run(conn: socket.socket) -> None:
    """Carry out the request that arrives on ``conn``.

    Descriptors with it: the output, the user namespace for id-mapped mounts (as root, where the kernel has them), and with
    ``door`` the socket over which the agent asks for connections into the sandbox.
    """
    try:
        spec, fds = sandbox.receive(conn)
    except (EOFError, OSError):
        os._exit(0)
    os.umask(0o022)
    door = socket.socket(fileno=fds.pop()) if spec.get("door") else None
    rootless = spec["uid"] is None
    inner = None
    try:
        if not rootless and len(fds) > 1:
            # the namespace that maps root's files to the task's user also shows that user as root, as most images want
            inner = os.dup(fds[1]) if spec["identity"] == [0, 0] else user_namespace(spec["identity"], spec["uid"])
        leave(rootless, spec["identity"])
    except BaseException as refused:
        _refuse(conn, refused)
    if os.fork():
        os._exit(0)
    try:
        enter(conn, spec, fds[1] if len(fds) > 1 else None, rootless)
        if not rootless:
            os.fchown(fds[0], spec["uid"], spec["uid"])  # programs open /dev/stdout anew
        become(inner, spec, rootless)
        filter_calls()
        libc.prctl(sandbox.PR_SET_DUMPABLE, 0, 0, 0, 0)  # the image's program must not trace its init
        if spec.get("network"):
            network.wait(conn)
    except BaseException as refused:
        _refuse(conn, refused)
    supervise(conn, door)
    conn.detach()  # become_main closes the descriptors itself
    if door is not None:
        door.detach()
    sandbox.become_main(spec, fds[0])
    sandbox.execute(spec)


def _refuse(conn: socket.socket, error: BaseException) -> None:
    try:
        send(conn, error=told(error))
    finally:
        os._exit(70)


def leave(rootless: bool, identity: List[int]) -> None:
    """Leave the machine's namespaces; as an ordinary user by way of a user namespace with only that user in it."""
    uid, gid = os.getuid(), os.getgid()
    if libc.unshare(NAMESPACES | (CLONE_NEWUSER if rootless else 0)) < 0:
        raise Forbidden(
            "the kernel does not let %s make namespaces (%s); see `sagewright doctor`"
            % ("an ordinary user" if rootless else "this process", os.strerror(ctypes.get_errno()))
        )
    if rootless:
        _write_map("self", identity, uid, gid, deny=True)


def user_namespace(identity: List[int], uid: int) -> int:
    """A user namespace in which this machine's user and group ``uid`` are those of ``identity``. As root, before leaving."""
    ready, done = os.pipe(), os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(done[1])
        os.write(ready[1], b"y" if libc.unshare(CLONE_NEWUSER) == 0 else b"n")
        os.read(done[0], 1)
        os._exit(0)
    try:
        if os.read(ready[0], 1) != b"y":
            raise Forbidden("the kernel makes no user namespace; see /proc/sys/user/max_user_namespaces")
        _write_map(str(pid), identity, uid, uid, deny=False)
        return os.open("/proc/%d/ns/user" % pid, os.O_RDONLY | os.O_CLOEXEC)
    finally:
        for fd in (*ready, *done):
            os.close(fd)
        os.waitpid(pid, 0)


def _write_map(pid: str, identity: List[int], uid: int, gid: int, deny: bool) -> None:
    texts = [("setgroups", "deny")] if deny else []
    texts += [("uid_map", "%d %d 1" % (identity[0], uid)), ("gid_map", "%d %d 1" % (identity[1], gid))]
    for name, text in texts:
        with open("/proc/%s/%s" % (pid, name), "w") as file:
            file.write(text)


def enter(conn: socket.socket, spec: Dict[str, Any], userns: Optional[int], rootless: bool) -> None:
    """From the new process 1 to the image's root file system."""
    send(conn, init=int(os.readlink("/proc/self")))  # the old root's /proc counts as the machine does
    sandbox.join(spec.get("cgroups", []))
    if spec.get("cpus"):
        os.sched_setaffinity(0, spec["cpus"])
    if spec.get("network"):
        network.enter(spec["network"], conn)
    elif spec.get("isolated"):
        network.isolate()
    name = spec.get("hostname", "algo-1").encode()
    check(libc.sethostname(name, len(name)), "sethostname")
    mount("none", "/", "", MS_REC | MS_PRIVATE)
    root = spec["root"]
    trees = collect(conn, root, spec, userns, rootless)
    _overlay(root, spec["image"], userns, rootless)
    sys.path[:] = []  # from here on an import would find the image's modules
    sys.path_importer_cache.clear()
    os.chdir(root)
    check(libc.syscall(SYS_PIVOT_ROOT[platform.machine()], b".", b"."), "pivot_root")
    check(libc.umount2(b".", MNT_DETACH), "unmount the old root")
    os.chdir("/")
    for target, tree, folder in trees:
        attach(tree, target, folder, spec["uid"])
    try:
        _make(os.path.realpath(spec["cwd"]), spec["uid"])
    except OSError as error:
        raise Forbidden("the image has no place for its WORKDIR %s: %s" % (spec["cwd"], os.strerror(error.errno or 0))) from None


def collect(
    conn: socket.socket, root: str, spec: Dict[str, Any], userns: Optional[int], rootless: bool
) -> List[Tree]:
    """Everything that will be mounted over the image, detached; outer places first and /proc, with its magic links, last."""
    if platform.machine() not in SYS_PIVOT_ROOT:
        raise Forbidden("no sandbox for %s yet" % platform.machine())
    trees: List[Tree] = [("/dev", _devices(root, spec.get("devices", [])), True), ("/sys", _facts(root), True)]
    trees += [
        (item["target"], _tree(conn, root, item, spec["uid"], userns, rootless), os.path.isdir(item["source"])) for item in spec["binds"]
    ]
    trees.append(("/dev/shm", _empty(root, "mode=1777"), True))
    mount("proc", root, "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    trees.append(("/proc", detach(root), True))
    return sorted(trees, key=lambda tree: (tree[0] == "/proc", tree[0].count("/")))


def _tree(
    conn: socket.socket, root: str, item: Dict[str, Any], uid: Optional[int], userns: Optional[int], rootless: bool
) -> int:
    """A detached view of the item's source. ``root`` serves to mount what cannot be made without a place."""
    source, owner = item["source"], userns if item.get("owned") else None
    if item.get("upper"):
        _overlay(root, item, userns, rootless)
        return detach(root)
    if item.get("lazy"):
        mount_lazy(conn, root, item["target"], uid)
        return detach(root)
    if "below" in item:
        bind_below(item, root, owner)
        return detach(root)
    return clone(source, bool(item.get("writable")), owner)


def _overlay(root: str, item: Dict[str, Any], userns: Optional[int], rootless: bool) -> None:
    """Mount the item's source at ``root``: writable with an upper folder, else read-only."""
    source, owner = item["source"], userns if item.get("owned") else None
    if not item.get("upper"):
        bind(source, root, False, owner)
        return
    if owner is not None:
        bind(source, root, userns=owner)
    overlay(root if owner is not None else source, item["upper"], item["work"], root, rootless)


def detach(root: str) -> int:
    """A descriptor of what is mounted at ``root``, with everything below it; nothing is mounted there any more."""
    tree = libc.syscall(SYS_OPEN_TREE, AT_FDCWD, root.encode(), 1 | os.O_CLOEXEC | AT_RECURSIVE)
    check(tree, "open the mount on %s (a kernel of 5.2 or later can)" % root)
    while libc.umount2(root.encode(), MNT_DETACH) == 0:
        pass  # one mount stood upon another
    return int(tree)


def _empty(root: str, options: str) -> int:
    mount("tmpfs", root, "tmpfs", MS_NOSUID | MS_NODEV, options)
    return detach(root)


def _devices(root: str, more: Sequence[str]) -> int:
    mount("tmpfs", root, "tmpfs", MS_NOSUID, "mode=755,size=1m")
    for name in (*DEVICES, *more):
        if os.path.exists("/dev/" + name) and not os.path.isdir("/dev/" + name):
            os.close(os.open(root + "/" + name, os.O_CREAT | os.O_WRONLY, 0o644))
            bind("/dev/" + name, root + "/" + name, writable=True, devices=True)
    for name, to in (("fd", "/proc/self/fd"), ("stdin", "fd/0"), ("stdout", "fd/1"), ("stderr", "fd/2")):
        os.symlink(to, root + "/" + name)
    os.mkdir(root + "/shm", 0o755)
    return detach(root)


def _facts(root: str) -> int:
    """/sys with what programs ask for processors and memory nodes."""
    mount("tmpfs", root, "tmpfs", MS_NOSUID | MS_NODEV, "mode=755,size=64k")
    for name in ("devices/system", "fs/cgroup"):
        os.makedirs(root + "/" + name, 0o755)
    if os.path.isdir("/sys/devices/system"):
        bind("/sys/devices/system", root + "/devices/system")
    return detach(root)


def attach(tree: int, target: str, folder: bool, uid: Optional[int]) -> None:
    """Put a detached mount in its place. The root is the image's by now, and so is every link on the way."""
    where = os.path.realpath(target)
    try:
        if folder:
            _make(where, uid)
        elif not os.path.lexists(where):
            _make(os.path.dirname(where), uid)
            os.close(os.open(where, os.O_CREAT | os.O_WRONLY | os.O_NOFOLLOW, 0o644))
    except OSError as error:
        raise Forbidden("the image has no place for %s: %s" % (target, os.strerror(error.errno or 0))) from None
    check(libc.syscall(SYS_MOVE_MOUNT, tree, b"", AT_FDCWD, where.encode(), 4), "mount over the image's %s" % target)
    os.close(tree)


def _make(path: str, uid: Optional[int]) -> None:
    """A folder and those above it, the user's own."""
    missing = []
    while path != "/" and not os.path.isdir(path):
        missing.append(path)
        path = os.path.dirname(path)
    for one in reversed(missing):
        os.mkdir(one, 0o755)
        if uid is not None:
            os.chown(one, uid, uid)


def become(inner: Optional[int], spec: Dict[str, Any], rootless: bool) -> None:
    """Become the image's user, without capabilities, without a way to regain any."""
    check(libc.prctl(sandbox.PR_CAP_AMBIENT, 4, 0, 0, 0), "clear ambient capabilities")
    user, group = spec["identity"] if rootless or inner is not None else (spec["uid"], spec["uid"])
    if not rootless:
        os.setgroups([])
    if inner is not None:
        check(libc.setns(inner, CLONE_NEWUSER), "enter the user namespace")
        os.close(inner)
    for capability in range(64):
        if libc.prctl(sandbox.PR_CAPBSET_DROP, capability, 0, 0, 0) < 0:
            break
    os.setresgid(group, group, group)
    os.setresuid(user, user, user)
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    check(libc.capset(header, (ctypes.c_uint32 * 6)()), "drop capabilities")
    check(libc.prctl(sandbox.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs")


if __name__ == "__main__":
    main()
