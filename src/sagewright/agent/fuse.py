"""A read-only file system in user space, as the kernel speaks it over /dev/fuse: no library, one thread.

The tree is fixed when the task starts and its files are versions that never change, so the kernel may keep whatever it
has been told: it asks once for a name and once for a page.
"""

from __future__ import annotations

import errno
import os
import select
import struct
import threading
from collections.abc import Callable, Iterable, Iterator

from .lazy import LazyFile, Reader
from .selection import Found, failed

MINOR = 31
"""Of the protocol, version 7: what we speak at most."""
LOOKUP, FORGET, GETATTR, OPEN, READ, STATFS, RELEASE, INIT = 1, 2, 3, 14, 15, 17, 18, 26
OPENDIR, READDIR, RELEASEDIR, ACCESS, INTERRUPT, DESTROY, BATCH_FORGET, READDIRPLUS = 27, 28, 29, 34, 36, 38, 42, 44
ASYNC_READ, DO_READDIRPLUS, READDIRPLUS_AUTO, NO_OPEN, PARALLEL_DIROPS = 1, 1 << 13, 1 << 14, 1 << 17, 1 << 18
MAX_PAGES, NO_OPENDIR = 1 << 22, 1 << 24
WANTED = ASYNC_READ | DO_READDIRPLUS | READDIRPLUS_AUTO | NO_OPEN | PARALLEL_DIROPS | MAX_PAGES | NO_OPENDIR
PAGES = 256
BUFFER = 2**16
"""Bytes of the longest request: we take no writes."""
FOR_EVER = 365 * 86400
HEAD = struct.Struct("<IIQQIIIHH")
REPLY = struct.Struct("<IiQ")
ATTRIBUTES = struct.Struct("<6Q3I7I")
ENTRY = struct.Struct("<4Q2I")
DIRECTORY, FILE = 0o040555, 0o100444


class Node:
    """A folder, or a file with its object."""

    __slots__ = ("children", "file", "listing", "name", "number")

    def __init__(self, number: int, name: bytes, file: LazyFile | None) -> None:
        self.number, self.name, self.file = number, name, file
        self.children: dict[bytes, Node] | None = None if file else {}
        self.listing: list[tuple[bytes, Node | None]] | None = None
        """What a reading of the folder gives, once one was asked for."""


class Tree:
    """The folders and files of a channel.

    Raises:
        StagingError: a key that cannot be a path, or one that needs a folder where another is a file.
    """

    def __init__(self, objects: Iterable[Found]) -> None:
        self.nodes = [Node(0, b"", None), Node(1, b"", None)]
        """By number; the root is 1."""
        for one in objects:
            self._add(one)

    @property
    def root(self) -> Node:
        return self.nodes[1]

    def _add(self, one: Found) -> None:
        parts = [part.encode() for part in one.path.split("/") if part not in ("", ".")]
        if not parts or b".." in parts or any(len(part) > 255 or b"\0" in part for part in parts):
            raise failed(f"the key {one.key!r} cannot be a file name")
        node = self.root
        for part in parts[:-1]:
            node = self._child(node, part, None, one)
        assert one.info is not None
        self._child(node, parts[-1], LazyFile(one.info), one)

    def _child(self, folder: Node, name: bytes, file: LazyFile | None, one: Found) -> Node:
        there = folder.children.get(name) if folder.children is not None else None
        if folder.children is None or (there is not None and (file is not None or there.file is not None)):
            raise failed(f"{one.uri} needs a folder where another key is a file")
        if there is None:
            there = folder.children[name] = Node(len(self.nodes), name, file)
            self.nodes.append(there)
        return there


class Server(threading.Thread):
    """Answers the kernel until closed or unmounted.

    Args:
        fd: of /dev/fuse, mounted. Ours from now on.
        owner: uid and gid that everything belongs to.
    """

    def __init__(self, fd: int, tree: Tree, reader: Reader, owner: tuple[int, int]) -> None:
        super().__init__(name="fuse", daemon=True)
        self._fd, self._tree, self._reader, self._owner = fd, tree, reader, owner
        os.set_blocking(fd, False)
        self._wake, self._woken = os.pipe2(os.O_CLOEXEC)
        self._guard = threading.Lock()
        self._closed = False

    def run(self) -> None:
        poll = select.poll()
        for fd in (self._fd, self._wake):
            poll.register(fd, select.POLLIN)
        while not self._closed:
            ready = dict(poll.poll())
            if self._wake in ready or ready.get(self._fd, 0) & (select.POLLERR | select.POLLHUP | select.POLLNVAL):
                return
            try:
                request = os.read(self._fd, BUFFER)
            except OSError as error:
                if error.errno in (errno.EAGAIN, errno.EINTR, errno.ENOENT):
                    continue
                return  # unmounted
            self._handle(request)

    def close(self) -> None:
        """Let go of the mount: whoever still waits for an answer gets an error."""
        with self._guard:
            if self._closed:
                return
            self._closed = True
        os.write(self._woken, b"x")
        if self.is_alive():
            self.join()
        self._reader.close()
        with self._guard:
            for fd in (self._fd, self._wake, self._woken):
                os.close(fd)

    # answers

    def _reply(self, unique: int, *parts: bytes | memoryview, error: int = 0) -> None:
        size = REPLY.size + sum(len(part) for part in parts)
        with self._guard:
            if self._closed:
                return
            try:
                os.writev(self._fd, [REPLY.pack(size, -error, unique), *parts])
            except OSError as problem:
                if problem.errno not in (errno.ENOENT, errno.ENODEV, errno.EPERM):  # nobody waits for it any more
                    raise

    def _handle(self, request: bytes) -> None:
        _, code, unique, number, *_ = HEAD.unpack_from(request)
        body = memoryview(request)[HEAD.size:]
        if code in (FORGET, BATCH_FORGET, INTERRUPT):
            return
        if code == INIT:
            self._init(unique, body)
            return
        node = self._tree.nodes[number] if number < len(self._tree.nodes) else None
        answer = _ANSWERS.get(code)
        if answer is None:
            self._reply(unique, error=errno.ENOSYS)
        elif node is None:
            self._reply(unique, error=errno.ESTALE)
        else:
            answer(self, unique, node, body)

    def _init(self, unique: int, body: memoryview) -> None:
        major, minor, ahead, flags = struct.unpack_from("<4I", body)
        if major != 7 or minor < 23:
            self._reply(unique, error=errno.EPROTO)
            return
        # at most 64 requests in the background, 48 before the kernel holds back; no writes; times to the nanosecond
        self._reply(unique, struct.pack("<4I2H2I2H8I", 7, min(minor, MINOR), ahead, flags & WANTED, 64, 48, 4096, 1, PAGES, 0, *[0] * 8))

    def _lookup(self, unique: int, node: Node, body: memoryview) -> None:
        name = bytes(body).rstrip(b"\0")
        self._reply(unique, self._entry((node.children or {}).get(name)))

    def _getattr(self, unique: int, node: Node, body: memoryview) -> None:
        self._reply(unique, struct.pack("<QII", FOR_EVER, 0, 0), self._attributes(node))

    def _read(self, unique: int, node: Node, body: memoryview) -> None:
        _, offset, size = struct.unpack_from("<QQI", body)
        if node.file is None:
            self._reply(unique, error=errno.EISDIR)
            return

        def answer(pieces: list[memoryview] | None) -> None:
            if pieces is None:
                self._reply(unique, error=errno.EIO)
            else:
                self._reply(unique, *pieces)

        self._reader.read(node.file, offset, size, answer)

    def _readdir(self, unique: int, node: Node, body: memoryview, plus: bool = False) -> None:
        _, offset, size = struct.unpack_from("<QQI", body)
        if node.children is None:
            self._reply(unique, error=errno.ENOTDIR)
            return
        parts: list[bytes] = []
        for one in self._listing(node, offset, plus):
            size -= len(one)
            if size < 0:
                break
            parts.append(one)
        self._reply(unique, b"".join(parts))

    def _readdirplus(self, unique: int, node: Node, body: memoryview) -> None:
        self._readdir(unique, node, body, plus=True)

    def _statfs(self, unique: int, node: Node, body: memoryview) -> None:
        self._reply(unique, struct.pack("<5Q4I6I", 0, 0, 0, len(self._tree.nodes), 0, 4096, 255, 4096, 0, *[0] * 6))

    def _done(self, unique: int, node: Node, body: memoryview) -> None:
        self._reply(unique)

    # parts of answers

    def _attributes(self, node: Node) -> bytes:
        info = node.file.info if node.file else None
        size, seconds = (info.size, int(info.modified)) if info else (0, 0)
        mode, links = (FILE, 1) if info else (DIRECTORY, 2)
        blocks = -(-size // 512)
        return ATTRIBUTES.pack(
            node.number, size, blocks, seconds, seconds, seconds, 0, 0, 0, mode, links, *self._owner, 0, 2**17, 0
        )

    def _entry(self, node: Node | None) -> bytes:
        """A name's entry; that there is none may be remembered too."""
        if node is None:
            return ENTRY.pack(0, 0, FOR_EVER, 0, 0, 0) + bytes(ATTRIBUTES.size)
        return ENTRY.pack(node.number, 0, FOR_EVER, FOR_EVER, 0, 0) + self._attributes(node)

    def _listing(self, node: Node, offset: int, plus: bool) -> Iterator[bytes]:
        """Directory entries from a position on; positions 0 and 1 are the folder and the one above."""
        if node.listing is None:
            node.listing = [(b".", None), (b"..", None), *(node.children or {}).items()]
        for position in range(offset, len(node.listing)):
            name, child = node.listing[position]
            kind = 4 if child is None or child.file is None else 8
            entry = struct.pack("<QQII", child.number if child else 1, position + 1, len(name), kind) + name
            entry += bytes(-len(entry) % 8)
            yield (self._entry(child) if plus else b"") + entry


_ANSWERS: dict[int, Callable[[Server, int, Node, memoryview], None]] = {
    LOOKUP: Server._lookup, GETATTR: Server._getattr, READ: Server._read, READDIR: Server._readdir,
    READDIRPLUS: Server._readdirplus, STATFS: Server._statfs, ACCESS: Server._done, RELEASE: Server._done,
    RELEASEDIR: Server._done, DESTROY: Server._done,
}
"""OPEN and OPENDIR are not among them: that there is no such call tells the kernel never to ask."""
