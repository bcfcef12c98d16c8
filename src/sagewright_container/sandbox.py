"""Enter a sandbox: Linux namespaces, a private view of the files, an unprivileged user.

Called in a freshly forked, single-threaded process. Works as root (real mounts, then a per-job uid) and as an
ordinary user (a user namespace in which only that user exists).

What it protects: a job sees /usr, its interpreter, its environment, its image and its own /opt/ml, /tmp and home,
and nothing else of the file system; it sees and signals only its own processes; it has its own IPC, host name and,
when isolated, a network with nothing but loopback, or but the other hosts of its job; it holds no capability and cannot gain one; it cannot make new user
namespaces, and rarely needed kernel interfaces are closed by a system call filter.

What it does not protect: the kernel is shared, so a kernel exploit escapes; a job of one host that is not isolated
reaches the machine's network, loopback included; disk space is not limited; and as an ordinary user all jobs run as that same
user, separated by their namespaces alone.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import platform
import resource
import signal
import socket
import struct
import sys
from typing import Any, Dict, List, Optional, Sequence

CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC = 0x00020000, 0x04000000, 0x08000000
CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET = 0x10000000, 0x20000000, 0x40000000
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT = 1, 2, 4, 8, 32
MS_BIND, MS_REC, MS_PRIVATE = 4096, 16384, 1 << 18
MNT_DETACH = 2
PR_SET_DUMPABLE, PR_SET_SECCOMP, PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS, PR_CAP_AMBIENT = 4, 22, 24, 38, 47
AT_FDCWD, AT_EMPTY_PATH, AT_RECURSIVE = -100, 0x1000, 0x8000
SYS_OPEN_TREE, SYS_MOVE_MOUNT, SYS_MOUNT_SETATTR = 428, 429, 442
SYS_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}
ATTR_RDONLY, ATTR_NOSUID, ATTR_NODEV, ATTR_IDMAP = 1, 2, 4, 0x100000

libc = ctypes.CDLL(None, use_errno=True)


class Forbidden(Exception):
    """The kernel, or a container around us, refuses something that the sandbox needs; the message says what."""


def check(result: int, what: str) -> int:
    """``result``, or Forbidden with the C library's error when it is negative."""
    if result < 0:
        code = ctypes.get_errno()
        raise Forbidden("%s: %s" % (what, os.strerror(code)))
    return result


def mount(source: str, target: str, kind: str, flags: int = 0, data: str = "") -> None:
    check(
        libc.mount(source.encode(), target.encode(), kind.encode(), ctypes.c_ulong(flags), data.encode() or None),
        "mount %s on %s" % (kind or source, target),
    )


class _MountAttr(ctypes.Structure):
    _fields_ = [("set", ctypes.c_uint64), ("clear", ctypes.c_uint64), ("propagation", ctypes.c_uint64),
                ("userns", ctypes.c_uint64)]


def bind(source: str, target: str, writable: bool = False, userns: Optional[int] = None, devices: bool = False) -> None:
    """Show ``source`` at ``target``, without set-user-id and device files.

    ``userns``: a user namespace whose map gives the files' owners inside the view (an id-mapped mount).
    """
    flags = ATTR_NOSUID | (0 if devices else ATTR_NODEV) | (0 if writable else ATTR_RDONLY)
    recursive = AT_RECURSIVE if userns is None else 0
    tree = libc.syscall(SYS_OPEN_TREE, AT_FDCWD, source.encode(), 1 | os.O_CLOEXEC | recursive)
    if tree < 0 and ctypes.get_errno() == errno.ENOSYS and userns is None:
        _old_bind(source, target, writable, devices)
        return
    check(tree, "bind %s" % source)
    try:
        attr = _MountAttr(flags | (ATTR_IDMAP if userns is not None else 0), 0, 0, userns or 0)
        check(
            libc.syscall(SYS_MOUNT_SETATTR, tree, b"", AT_EMPTY_PATH | recursive, ctypes.byref(attr), ctypes.sizeof(attr)),
            "bind %s read-only" % source,
        )
        check(libc.syscall(SYS_MOVE_MOUNT, tree, b"", AT_FDCWD, target.encode(), 4), "bind %s on %s" % (source, target))
    finally:
        os.close(tree)


def _old_bind(source: str, target: str, writable: bool, devices: bool) -> None:
    """For kernels before 5.12."""
    mount(source, target, "", MS_BIND | MS_REC)
    flags = MS_NOSUID | (0 if devices else MS_NODEV) | (0 if writable else MS_RDONLY)
    mount("none", target, "", MS_BIND | MS_REMOUNT | flags)


def overlay(lower: str, upper: str, work: str, target: str, rootless: bool) -> None:
    """``lower`` at ``target``; what is written there goes into ``upper``."""
    data = "lowerdir=%s,upperdir=%s,workdir=%s" % (lower, upper, work)
    mount("overlay", target, "overlay", MS_NOSUID | MS_NODEV, data + (",userxattr" if rootless else ""))


def parents(root: str, path: str) -> str:
    """``path`` under ``root``, its parent made."""
    target = root + path
    os.makedirs(os.path.dirname(target), 0o755, exist_ok=True)
    return target


def place(root: str, path: str, source: str) -> str:
    """A mount point for ``source``: a folder or an empty file."""
    target = parents(root, path)
    if os.path.isdir(source):
        os.makedirs(target, 0o755, exist_ok=True)
    elif not os.path.lexists(target):
        os.close(os.open(target, os.O_CREAT | os.O_WRONLY, 0o644))
    return target


def build_base(root: str) -> None:
    """Mount what every job sees at ``root``, which stays as it is outside of this process's new mount namespace."""
    mount("none", "/", "", MS_REC | MS_PRIVATE)
    mount("tmpfs", root, "tmpfs", MS_NOSUID | MS_NODEV, "mode=755,size=16m")
    _system(root)
    os.makedirs(root + "/proc", exist_ok=True)


def build_view(conn: socket.socket, root: str, spec: Dict[str, Any], userns: Optional[int], rootless: bool) -> None:
    """Add what this job sees."""
    _etc(root, ("resolv.conf",))
    _devices(root, spec.get("devices", ()))
    for item in spec["binds"]:
        if item.get("lazy"):
            mount_lazy(conn, place(root, item["target"], item["source"]), item["target"], spec["uid"])
        else:
            _place_bind(root, item, userns, rootless)
    for path, text in spec.get("files", {}).items():
        target = parents(root, path)
        with open(target, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(target, 0o644)


def _place_bind(root: str, item: Dict[str, Any], userns: Optional[int], rootless: bool) -> None:
    source, path = item["source"], item["target"]
    if item.get("optional") and not os.path.exists(source):
        return
    target = place(root, path, source)
    owner = userns if item.get("owned") else None
    if item.get("upper"):
        if owner is not None:
            bind(source, target, userns=owner)
        overlay(target if owner is not None else source, item["upper"], item["work"], target, rootless)
    elif "below" in item:
        bind_below(item, target, owner)
    else:
        bind(source, target, bool(item.get("writable")), owner)


def mount_lazy(conn: socket.socket, place: str, name: str, uid: Optional[int]) -> None:
    """Mount a file system that the agent serves: {"lazy": name, "owner": [uid, gid]} goes to it with the kernel's end.

    Opened here, for the kernel takes only a descriptor that was opened in the mount's own user namespace.
    """
    owner = [os.getuid(), os.getgid()] if uid is None else [uid, uid]
    try:
        fd = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
    except OSError as error:
        raise Forbidden("open /dev/fuse: %s" % os.strerror(error.errno or 0)) from None
    try:
        data = "fd=%d,rootmode=40000,user_id=%d,group_id=%d,default_permissions" % (fd, owner[0], owner[1])
        mount("sagewright", place, "fuse", MS_RDONLY | MS_NOSUID | MS_NODEV, data)
        line = json.dumps({"lazy": name, "owner": owner}).encode() + b"\n"
        conn.sendmsg([line], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, struct.pack("i", fd))])
    finally:
        os.close(fd)


def bind_below(item: Dict[str, Any], target: str, userns: Optional[int]) -> None:
    """A part of a directory that jobs may write to: no link of theirs must lead out of it.

    A file system that cannot map owners is shown with those that it has.
    """
    try:
        fd = os.open(item["source"], os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        for name in filter(None, item["below"].split("/")):
            outer, fd = fd, os.open(name, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=fd)
            os.close(outer)
    except OSError as error:
        raise Forbidden("%s below %s: %s" % (item["below"] or ".", item["source"], os.strerror(error.errno or 0))) from None
    source, writable = "/proc/self/fd/%d" % fd, bool(item.get("writable"))
    try:
        bind(source, target, writable, userns)
    except Forbidden:
        if userns is None:
            raise
        bind(source, target, writable)
    finally:
        os.close(fd)


def _system(root: str) -> None:
    """The parts of the machine that every program needs: /usr, /etc certificates, /dev, /sys cpu facts."""
    bind("/usr", place(root, "/usr", "/usr"))
    for name in ("bin", "sbin", "lib", "lib32", "lib64", "libx32"):
        path = "/" + name
        if os.path.islink(path):
            os.symlink(os.readlink(path), root + path)
        elif os.path.isdir(path):
            bind(path, place(root, path, path))
    _etc(root, ("ssl", "pki", "ca-certificates", "alternatives", "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "localtime",
                "mime.types", "magic", "fonts", "protocols", "services", "nsswitch.conf"))
    os.makedirs(root + "/dev/shm", 0o755, exist_ok=True)
    _devices(root, ("null", "zero", "full", "random", "urandom"))
    mount("tmpfs", root + "/dev/shm", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777")
    for name, to in (("fd", "/proc/self/fd"), ("stdin", "fd/0"), ("stdout", "fd/1"), ("stderr", "fd/2")):
        os.symlink(to, root + "/dev/" + name)
    for path in ("/run", "/var/tmp", "/opt", "/sys"):
        os.makedirs(root + path, 0o755, exist_ok=True)
    if os.path.isdir("/sys/devices/system"):
        bind("/sys/devices/system", place(root, "/sys/devices/system", "/sys/devices/system"))


def _devices(root: str, names: Sequence[str]) -> None:
    """Show those of the devices that this machine has."""
    for name in names:
        if os.path.exists("/dev/" + name):
            bind("/dev/" + name, place(root, "/dev/" + name, "/dev/" + name), writable=True, devices=True)


def _etc(root: str, names: Sequence[str]) -> None:
    for name in names:
        path = "/etc/" + name
        if os.path.exists(path):
            bind(os.path.realpath(path), place(root, path, path))


def enter_namespaces(isolated: bool, rootless: bool) -> None:
    """Leave the machine's namespaces; as an ordinary user by way of a user namespace with only that user in it."""
    uid, gid = os.getuid(), os.getgid()
    flags = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS | (CLONE_NEWNET if isolated else 0)
    if libc.unshare(flags | (CLONE_NEWUSER if rootless else 0)) < 0:
        reason = os.strerror(ctypes.get_errno())
        raise Forbidden(
            "the kernel does not let %s make namespaces (%s); see `sagewright doctor`"
            % ("an ordinary user" if rootless else "this process", reason)
        )
    if rootless:
        for name, text in (("setgroups", "deny"), ("uid_map", "%d %d 1" % (uid, uid)), ("gid_map", "%d %d 1" % (gid, gid))):
            with open("/proc/self/" + name, "w") as file:
                file.write(text)
    if isolated:
        from sagewright_container.network import loopback_up

        loopback_up()


def pivot(root: str) -> None:
    """Make ``root`` the whole file system, read-only at its top."""
    os.chdir(root)
    number = SYS_PIVOT_ROOT.get(platform.machine())
    if number is None:
        raise Forbidden("no sandbox for %s yet" % platform.machine())
    check(libc.syscall(number, b".", b"."), "pivot_root")
    check(libc.umount2(b".", MNT_DETACH), "unmount the old root")
    os.chdir("/")
    mount("none", "/", "", MS_BIND | MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV)


def drop_privileges(uid: Optional[int]) -> None:
    """Become ``uid`` (None: stay who we are), without capabilities, without a way to regain any."""
    check(libc.prctl(PR_CAP_AMBIENT, 4, 0, 0, 0), "clear ambient capabilities")
    for capability in range(64):
        if libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) < 0:
            break
    if uid is not None:
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    check(libc.capset(header, (ctypes.c_uint32 * 6)()), "drop capabilities")
    check(libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs")


def become_main(spec: Dict[str, Any], output: int) -> None:
    """In the job's main process: descriptors, signals, limits and folder as a fresh program has them."""
    os.setsid()
    null = os.open("/dev/null", os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    close_from(3)
    for number in range(1, signal.NSIG):
        if number not in (signal.SIGKILL, signal.SIGSTOP):
            try:
                signal.signal(number, signal.SIG_DFL)
            except (OSError, ValueError):
                continue  # a real-time signal that the C library keeps for itself
    if spec.get("python"):  # as the interpreter sets them when it starts
        signal.signal(signal.SIGPIPE, signal.SIG_IGN)
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    limits = spec.get("limits", {})
    lower(resource.RLIMIT_CORE, 0)
    lower(resource.RLIMIT_NOFILE, 65536, soft_up=True)
    if limits.get("processes"):
        lower(resource.RLIMIT_NPROC, int(limits["processes"]))
    os.umask(0o022)
    os.chdir(spec.get("cwd") or "/")
    libc.prctl(PR_SET_DUMPABLE, 1, 0, 0, 0)  # else the job could not open its own /proc/self


def lower(which: int, value: int, soft_up: bool = False) -> None:
    """Set a limit to ``value`` or to what is already the hard limit, whichever is less."""
    hard = resource.getrlimit(which)[1]
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(which, (value, hard if soft_up else value))


def close_from(first: int) -> None:
    for name in os.listdir("/proc/self/fd"):
        if int(name) >= first:
            try:
                os.close(int(name))
            except OSError:
                continue  # the listing's own descriptor


def send(conn: socket.socket, **message: Any) -> None:
    conn.sendall(json.dumps(message).encode() + b"\n")


def receive(conn: socket.socket) -> "tuple[Dict[str, Any], List[int]]":
    """A request: four bytes of length, JSON, and descriptors with its first byte."""
    size = struct.calcsize("4i")
    head, ancillary, _, _ = conn.recvmsg(4, socket.CMSG_SPACE(size))
    fds: List[int] = []
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            fds.extend(struct.unpack("%di" % (len(data) // 4), data[: len(data) // 4 * 4]))
    for fd in fds:
        os.set_inheritable(fd, False)
    while len(head) < 4:
        head += _some(conn, 4 - len(head))
    left = struct.unpack("!I", head)[0]
    body = b""
    while len(body) < left:
        body += _some(conn, left - len(body))
    return json.loads(body.decode()), fds


def _some(conn: socket.socket, size: int) -> bytes:
    data = conn.recv(size)
    if not data:
        raise EOFError("the agent went away")
    return data


def prepare(root: str, rootless: bool) -> str:
    """From a forked process to the future init of a job that need not be known yet: returns only there.

    The result is what went wrong, for ``finish`` to tell; else empty.
    """
    os.umask(0o022)
    error = ""
    try:
        enter_namespaces(False, rootless)
        build_base(root)
    except BaseException as refused:
        error = told(refused)
    if os.fork():
        os._exit(0)
    if not error:
        try:
            mount("proc", root + "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
        except BaseException as refused:
            error = told(refused)
    return error


def finish(conn: socket.socket, spec: Dict[str, Any], fds: List[int], root: str, error: str) -> None:
    """From the init that ``prepare`` made to the job's main process. Returns only there.

    ``fds``: the job's output, then the user namespace for id-mapped mounts if there is one. Tells the agent on
    ``conn``: {"init": pid} as the machine counts, {"network": n} with descriptors, {"started": true}, {"exit": code} or {"error": text}.
    """
    from sagewright_container import network
    from sagewright_container.init import supervise
    from sagewright_container.syscalls import filter_calls

    try:
        if error:
            raise Forbidden(error)
        send(conn, init=int(os.readlink("/proc/self")))  # the old root's /proc counts as the machine does
        join(spec.get("cgroups", []))
        if spec.get("cpus"):
            os.sched_setaffinity(0, spec["cpus"])
        if spec.get("network"):
            network.enter(spec["network"], conn)
        elif spec.get("isolated"):
            network.isolate()
        name = spec.get("hostname", "algo-1").encode()
        check(libc.sethostname(name, len(name)), "sethostname")
        build_view(conn, root, spec, fds[1] if len(fds) > 1 else None, spec["uid"] is None)
        pivot(root)
        drop_privileges(spec["uid"])
        filter_calls()
        libc.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)  # the job's code must not trace its init
        if spec.get("network"):
            network.wait(conn)
    except BaseException as refused:
        try:
            send(conn, error=told(refused))
        finally:
            os._exit(70)
    supervise(conn)
    conn.detach()  # become_main closes the descriptor itself
    become_main(spec, fds[0])


def join(groups: Sequence[str]) -> None:
    """Enter control groups. A few milliseconds each: the kernel waits until no processor looks at the old ones."""
    for group in groups:
        with open(os.path.join(group, "cgroup.procs"), "w") as file:
            file.write("0")


def told(error: BaseException) -> str:
    """An error as the agent hears it."""
    return "%s" % error if isinstance(error, Forbidden) else "%s: %s" % (type(error).__name__, error)


def execute(spec: Dict[str, Any]) -> None:
    """Replace this process by the job's program; the shell's exit codes when there is none."""
    try:
        os.execvpe(spec["argv"][0], spec["argv"], spec["env"])
    except OSError as error:
        os.write(2, ("%s: %s\n" % (spec["argv"][0], os.strerror(error.errno or 0))).encode())
        os._exit(127 if error.errno == errno.ENOENT else 126)


def main() -> None:
    """Cold start: the request arrives on the socket whose descriptor is the first argument."""
    conn = socket.socket(fileno=int(sys.argv[1]))
    conn.set_inheritable(False)
    spec, fds = receive(conn)
    error = prepare(spec["root"], spec["uid"] is None)
    finish(conn, spec, fds, spec["root"], error)
    execute(spec)


if __name__ == "__main__":
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    from sagewright_container import sandbox

    sandbox.main()
