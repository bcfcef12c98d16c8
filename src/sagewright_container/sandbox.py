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

if __name__ == "__main__":
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from sagewright_container import network
from sagewright_container.init import supervise
from sagewright_container.kernel import (
    CLONE_NEWIPC,
    CLONE_NEWNET,
    CLONE_NEWNS,
    CLONE_NEWPID,
    CLONE_NEWUSER,
    CLONE_NEWUTS,
    Forbidden,
    check,
    libc,
)
from sagewright_container.mounts import (
    MS_BIND,
    MS_NODEV,
    MS_NOEXEC,
    MS_NOSUID,
    MS_RDONLY,
    MS_REMOUNT,
    build_base,
    build_view,
    mount,
)
from sagewright_container.syscalls import filter_calls

MNT_DETACH = 2
PR_SET_DUMPABLE, PR_SET_SECCOMP, PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS, PR_CAP_AMBIENT = 4, 22, 24, 38, 47
SYS_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}


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
        network.loopback_up()


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
    main()
