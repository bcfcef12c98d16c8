"""What a sandbox sees of the machine's files: the mounts that make it, each in a mount namespace of the sandbox's own.

Called in a freshly forked, single-threaded process, as root or as the one user of a user namespace.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import socket
import stat
import struct
from typing import Any, Dict, List, Optional, Sequence

from sagewright_container.kernel import Forbidden, check, libc

MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT = 1, 2, 4, 8, 32
MS_BIND, MS_REC, MS_PRIVATE = 4096, 16384, 1 << 18
AT_FDCWD, AT_EMPTY_PATH, AT_RECURSIVE = -100, 0x1000, 0x8000
SYS_OPEN_TREE, SYS_MOVE_MOUNT, SYS_MOUNT_SETATTR = 428, 429, 442
ATTR_RDONLY, ATTR_NOSUID, ATTR_NODEV, ATTR_IDMAP = 1, 2, 4, 0x100000

def mount(source: str, target: str, kind: str, flags: int = 0, data: str = "") -> None:
    check(
        libc.mount(source.encode(), target.encode(), kind.encode(), ctypes.c_ulong(flags), data.encode() or None),
        "mount %s on %s" % (kind or source, target),
    )


class _MountAttr(ctypes.Structure):
    _fields_ = [("set", ctypes.c_uint64), ("clear", ctypes.c_uint64), ("propagation", ctypes.c_uint64),
                ("userns", ctypes.c_uint64)]


def clone(source: str, writable: bool = False, userns: Optional[int] = None, devices: bool = False) -> int:
    """A descriptor of a detached view of a folder or file, without set-user-id and device files.

    ``userns``: a user namespace whose map gives the files' owners inside the view (an id-mapped mount).
    """
    flags = ATTR_NOSUID | (0 if devices else ATTR_NODEV) | (0 if writable else ATTR_RDONLY)
    recursive = AT_RECURSIVE if userns is None else 0
    tree = libc.syscall(SYS_OPEN_TREE, AT_FDCWD, source.encode(), 1 | os.O_CLOEXEC | recursive)
    check(tree, "open %s for mounting (a kernel of 5.12 or later can)" % source)
    attr = _MountAttr(flags | (ATTR_IDMAP if userns is not None else 0), 0, 0, userns or 0)
    try:
        done = libc.syscall(SYS_MOUNT_SETATTR, tree, b"", AT_EMPTY_PATH | recursive, ctypes.byref(attr), ctypes.sizeof(attr))
        check(done, "restrict the mount of %s" % source)
    except Forbidden:
        os.close(tree)
        raise
    return int(tree)


def bind(source: str, target: str, writable: bool = False, userns: Optional[int] = None, devices: bool = False) -> None:
    """Show a ``clone`` of ``source`` at ``target``."""
    try:
        tree = clone(source, writable, userns, devices)
    except Forbidden:
        if ctypes.get_errno() != errno.ENOSYS or userns is not None:
            raise
        _old_bind(source, target, writable, devices)
        return
    try:
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


class Points:
    """Mount points below ``root``, made where they are missing.

    No link on the way to one is followed. What runs in the job's folders before this process, or beside it, may leave links
    there, and this process could still make files outside of them.
    """

    def __init__(self, root: str) -> None:
        self._root = root
        self._folders: List[int] = []

    def __enter__(self) -> Points:
        return self

    def __exit__(self, *_: object) -> None:
        while self._folders:
            os.close(self._folders.pop())

    def place(self, path: str, source: str) -> str:
        """Where to mount ``source`` so that it appears at ``path``: a folder or an empty file. Good until the exit."""
        *folders, name = filter(None, path.split("/"))
        fd = os.open(self._root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            for folder in folders:
                outer, fd = fd, _folder(fd, folder)
                os.close(outer)
            os.close(_folder(fd, name) if os.path.isdir(source) else _file(fd, name))
        except OSError as error:
            os.close(fd)
            raise Forbidden("no place for %s: %s" % (path, os.strerror(error.errno or 0))) from None
        self._folders.append(fd)
        return "/proc/self/fd/%d/%s" % (fd, name)


def _folder(outer: int, name: str) -> int:
    """A descriptor of a folder, made if it is missing."""
    try:
        os.mkdir(name, 0o755, dir_fd=outer)
    except FileExistsError:
        pass
    return os.open(name, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=outer)


def _file(outer: int, name: str) -> int:
    """A descriptor of a file, made if it is missing; of anything else that is there, except a link."""
    try:
        return os.open(name, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o644, dir_fd=outer)
    except FileExistsError:
        if stat.S_ISLNK(os.stat(name, dir_fd=outer, follow_symlinks=False).st_mode):
            raise OSError(errno.ELOOP, "a link", name) from None
        return os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=outer)


def build_base(root: str) -> None:
    """Mount what every job sees at ``root``, which stays as it is outside of this process's new mount namespace."""
    mount("none", "/", "", MS_REC | MS_PRIVATE)
    mount("tmpfs", root, "tmpfs", MS_NOSUID | MS_NODEV, "mode=755,size=16m")
    with Points(root) as points:
        _system(root, points)
    os.makedirs(root + "/proc", exist_ok=True)


def build_view(conn: socket.socket, root: str, spec: Dict[str, Any], userns: Optional[int], rootless: bool) -> None:
    """Add what this job sees."""
    with Points(root) as points:
        _etc(points, ("resolv.conf",))
        _devices(points, spec.get("devices", ()))
        for item in spec["binds"]:
            target = points.place(item["target"], item["source"])
            if item.get("lazy"):
                mount_lazy(conn, target, item["target"], spec["uid"])
            else:
                _show(item, target, userns if item.get("owned") else None, rootless)
    for path, text in spec.get("files", {}).items():  # of /etc, which is ours
        with open(root + path, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(root + path, 0o644)


def _show(item: Dict[str, Any], target: str, owner: Optional[int], rootless: bool) -> None:
    source = item["source"]
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


def _system(root: str, points: Points) -> None:
    """The parts of the machine that every program needs: /usr, /etc certificates, /dev, /sys cpu facts."""
    bind("/usr", points.place("/usr", "/usr"))
    for name in ("bin", "sbin", "lib", "lib32", "lib64", "libx32"):
        path = "/" + name
        if os.path.islink(path):
            os.symlink(os.readlink(path), root + path)
        elif os.path.isdir(path):
            bind(path, points.place(path, path))
    _etc(points, ("ssl", "pki", "ca-certificates", "alternatives", "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "localtime",
                "mime.types", "magic", "fonts", "protocols", "services", "nsswitch.conf"))
    os.makedirs(root + "/dev/shm", 0o755, exist_ok=True)
    _devices(points, ("null", "zero", "full", "random", "urandom"))
    mount("tmpfs", root + "/dev/shm", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777")
    for name, to in (("fd", "/proc/self/fd"), ("stdin", "fd/0"), ("stdout", "fd/1"), ("stderr", "fd/2")):
        os.symlink(to, root + "/dev/" + name)
    for path in ("/etc", "/run", "/var/tmp", "/opt", "/sys"):
        os.makedirs(root + path, 0o755, exist_ok=True)
    if os.path.isdir("/sys/devices/system"):
        bind("/sys/devices/system", points.place("/sys/devices/system", "/sys/devices/system"))


def _devices(points: Points, names: Sequence[str]) -> None:
    """Show those of the devices that this machine has."""
    for name in names:
        if os.path.exists("/dev/" + name):
            bind("/dev/" + name, points.place("/dev/" + name, "/dev/" + name), writable=True, devices=True)


def _etc(points: Points, names: Sequence[str]) -> None:
    for name in names:
        path = "/etc/" + name
        if os.path.exists(path):
            bind(os.path.realpath(path), points.place(path, path))
