"""Pipe mode: a FIFO an epoch, written while the task reads.

The FIFO of an epoch is there before its reader can want it: that of epoch 0 before the task starts, each other one as
soon as the one before it is opened. Nothing is fetched before a reader comes, and what it does not read is never fetched.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import gzip
import io
import os
import stat
import struct
import tempfile
import threading
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from sagewright_container.recordio import MAGIC

from ..stores.compute import Input
from ..stores.objects import NoSuchBucket, NoSuchKey, Objects
from .archive import room
from .selection import Found, StagingError, epochs, failed

CAPACITY = 2**20
"""Bytes that a pipe holds, where the kernel allows it: fewer switches between reader and writer."""
PIECE = 2**20
SPOOL = 32 * 2**20
"""Bytes of an unpacked object kept in memory while its length is not known yet."""
LONGEST = 2**32 - 1
PATIENCE = 10.0


class Pipe(threading.Thread):
    """Feeds one channel, epoch after epoch, until closed.

    The task may do as it likes in the folder of the FIFOs, so a FIFO is opened only by the descriptor kept from its
    making, never again by its name.

    Args:
        folder: where the FIFOs appear, before anything of the task runs.
        owner: uid that they are given to; None leaves them ours.
        broken: called when the input turns out bad. The reader is kept waiting until ``close``, for an early end of the
            epoch would look like the end of good data.

    Raises:
        StagingError: nothing there, or a bad manifest.
    """

    def __init__(self, objects: Objects, item: Input, folder: Path, owner: int | None, broken: Callable[[], None]) -> None:
        super().__init__(name=f"pipe-{item.label}", daemon=True)
        self._objects, self._item, self._owner, self._broken = objects, item, owner, broken
        try:
            self._pieces = epochs(objects, item)
        except NoSuchBucket:
            raise failed(f"The bucket of {item.uri} does not exist") from None
        self._stem = Path(item.path).name
        self._folder = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        self._guard = threading.Lock()
        self._over = threading.Event()
        self._next = self._make(0)
        self.error = ""
        """Why the input is bad, as a FailureReason."""

    def run(self) -> None:
        epoch = 0
        while (out := self._reader()) is not None:
            try:
                self._advance(epoch)
                self._feed(out, epoch)
            except BrokenPipeError:
                pass  # the reader has seen enough of this epoch
            except Exception as error:
                self.error = _reason(self._item, error)
                self._broken()
                self._over.wait()
            finally:
                self._remove(epoch)  # before the end can be seen
                os.close(out)
            epoch += 1

    def close(self) -> None:
        """End, whatever the thread is doing. Called when no process of the task is left."""
        self._over.set()
        end = time.monotonic() + PATIENCE  # a store that does not answer holds nobody up: the thread dies with us
        while self.is_alive() and time.monotonic() < end:
            with self._guard, contextlib.suppress(OSError):
                # a writer that waits for a reader is woken by one that comes and goes
                os.close(os.open(f"/proc/self/fd/{self._next}", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC))
            self.join(0.02)
        for fd in (self._next, self._folder):
            if fd >= 0:
                os.close(fd)
        self._next = self._folder = -1

    # FIFOs

    def _title(self, epoch: int) -> str:
        return f"{self._stem}_{epoch}"

    def _make(self, epoch: int) -> int:
        """A FIFO; a descriptor that names it without opening it."""
        name = self._title(epoch)
        try:
            os.mkfifo(name, 0o644, dir_fd=self._folder)
            fd = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=self._folder)
        except OSError as error:
            raise failed(f"The pipe {self._item.path}_{epoch} could not be made: {error.strerror}") from None
        if not stat.S_ISFIFO(os.fstat(fd).st_mode):
            os.close(fd)
            raise failed(f"The pipe {self._item.path}_{epoch} was replaced")
        if self._owner is not None:
            os.chown(f"/proc/self/fd/{fd}", self._owner, self._owner)
        return fd

    def _reader(self) -> int | None:
        """The write end of the next epoch, once a reader has come; None at the end."""
        if self._over.is_set():
            return None
        out = os.open(f"/proc/self/fd/{self._next}", os.O_WRONLY | os.O_CLOEXEC)
        if self._over.is_set():
            os.close(out)
            return None
        with contextlib.suppress(OSError):
            fcntl.fcntl(out, fcntl.F_SETPIPE_SZ, CAPACITY)
        return out

    def _advance(self, epoch: int) -> None:
        made = self._make(epoch + 1)
        with self._guard:
            done, self._next = self._next, made
        os.close(done)

    def _remove(self, epoch: int) -> None:
        """A pipe is read once: who opens it again is told so, instead of waiting for ever."""
        with contextlib.suppress(OSError):
            os.unlink(self._title(epoch), dir_fd=self._folder)

    # bytes

    def _feed(self, out: int, epoch: int) -> None:
        for piece in self._pieces(epoch):
            if isinstance(piece, bytes):
                self._frame(out, len(piece), io.BytesIO(piece), "a value")
            else:
                self._object(out, piece)

    def _object(self, out: int, one: Found) -> None:
        info, file = self._objects.open(one.bucket, one.key)
        with file:
            if self._item.compression != "Gzip":
                self._frame(out, info.size, file, one.uri)
                return
            with gzip.open(file) as text:
                if self._item.wrapper == "None":
                    copy(text, out)  # type: ignore[arg-type]
                    return
                with tempfile.SpooledTemporaryFile(SPOOL) as whole:  # a frame begins with its length
                    left = room(info.size, Path(tempfile.gettempdir()))
                    while data := text.read(PIECE):
                        left -= len(data)
                        if left < 0:
                            raise failed(f"{one.uri} unpacks to more than it may")
                        whole.write(data)
                    size = whole.tell()
                    whole.seek(0)
                    self._frame(out, size, whole, one.uri)  # type: ignore[arg-type]

    def _frame(self, out: int, size: int, file: BinaryIO, name: str) -> None:
        if self._item.wrapper == "None":
            copy(file, out)
            return
        if size > LONGEST:
            raise failed(f"{name} is too large for one RecordIO record")
        write(out, struct.pack("<II", MAGIC, size))
        copy(file, out)
        write(out, b"\0" * (-size % 4))


def copy(file: BinaryIO, out: int) -> None:
    """A file, from its beginning, into a pipe; inside the kernel where it is a file of this machine."""
    if isinstance(file, io.BufferedReader):
        try:
            while os.splice(file.fileno(), out, PIECE):
                pass
            return
        except BrokenPipeError:
            raise
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.ENOSYS):  # a file system that cannot: nothing has been moved
                raise
    while data := file.read(PIECE):
        write(out, data)


def write(out: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(out, view):]


def _reason(item: Input, error: Exception) -> str:
    if isinstance(error, StagingError):
        return str(error)
    if isinstance(error, (NoSuchKey, NoSuchBucket)):
        return str(failed(f"Unable to download object of {item.uri} (it does not exist: {error})"))
    if isinstance(error, (gzip.BadGzipFile, EOFError, zlib.error)):
        return str(failed(f"{item.uri} has an object that is not Gzip data ({error})"))
    return f"InternalServerError: Data download failed:{item.uri}: {type(error).__name__}: {error}"
