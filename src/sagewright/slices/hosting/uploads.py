"""Brings captured data to S3: whole files of the spool, each to the place that its first line says, as often as it takes.

A file's place is decided when it is begun, so that uploading it twice changes nothing. What the processes of an earlier server
have left behind is uploaded by the next.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import logging
import time
from collections.abc import Iterator
from pathlib import Path

import orjson

from ...gateway.capture import NEW, OPEN, READY
from ...resources.arn import s3_location
from ...resources.platform import Platform
from ...stores.objects import NewObject, NoSuchBucket
from ...wire.errors import DomainError

log = logging.getLogger(__name__)

AGAIN = 15.0
"""Seconds until what could not be uploaded is tried once more."""
GIVE_UP = 86_400.0
"""Seconds after which a file is dropped that never could be."""
PIECE = 1 << 20


class Uploads:
    """The uploads of one platform."""

    def __init__(self, platform: Platform, folder: str) -> None:
        self.platform, self.folder = platform, Path(folder)
        self._woken = asyncio.Event()
        self._running: asyncio.Task[None] | None = None
        self._told: set[str] = set()
        """Troubles that the log knows of."""

    def install(self) -> None:
        self.platform.starters.append(self.start)
        self.platform.closers.append(self.close)

    def start(self) -> None:
        self._running = asyncio.get_running_loop().create_task(self._run(), name="uploads of captured data")
        self._woken.set()

    def wake(self) -> None:
        """There may be something to do."""
        self._woken.set()

    async def close(self) -> None:
        """Upload what is there, once; the next server does the rest."""
        if self._running is not None:
            self._running.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._running
            await self._sweep()

    async def _run(self) -> None:
        while True:
            self._woken.clear()
            try:
                left = await self._sweep()
            except Exception as error:
                log.warning("captured data could not be looked through: %s", error)
                left = True
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(AGAIN if left else None):
                    await self._woken.wait()

    async def _sweep(self) -> bool:
        """Upload every complete file; whether some are left."""
        left = False
        for path in await asyncio.to_thread(self._complete):
            left |= not await self._upload(path)
        return left

    def _complete(self) -> list[Path]:
        """Complete files, and those whose writers have gone, oldest first. Blocking."""
        if not self.folder.is_dir():
            return []
        for path in self.folder.glob(f"*{OPEN}"):
            with contextlib.suppress(OSError), path.open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                path.rename(path.with_suffix(READY))
        for path in self.folder.glob(f"*{NEW}"):
            with contextlib.suppress(OSError):
                if time.time() - path.stat().st_mtime > AGAIN:
                    path.unlink()  # its writer was killed before it wrote anything
        found: list[tuple[float, Path]] = []
        for path in self.folder.glob(f"*{READY}"):
            with contextlib.suppress(FileNotFoundError):
                found.append((path.stat().st_mtime, path))
        return [path for _, path in sorted(found)]

    async def _upload(self, path: Path) -> bool:
        """Whether the file is done with."""
        trouble = ""
        try:
            head = orjson.loads(await asyncio.to_thread(_first_line, path))
            bucket, key = s3_location(head["Uri"])
        except (ValueError, KeyError, DomainError):
            path.unlink(missing_ok=True)  # killed in its first line: nothing follows
            return True
        except FileNotFoundError:
            return True
        if self.platform.identity is not None:
            try:
                trouble = await self.platform.identity.allowed(head["Role"], "s3:PutObject", f"arn:aws:s3:::{bucket}/{key}")
            except DomainError as error:
                trouble = error.message
        if not trouble:
            try:
                await asyncio.to_thread(self._put, path, bucket, key)
            except NoSuchBucket:
                trouble = f"The bucket {bucket} does not exist."
            except Exception as error:  # every store has failures of its own kind
                trouble = str(error) or type(error).__name__
        if trouble:
            return self._later(path, f"s3://{bucket}/{key.rsplit('/', 5)[0]}", trouble)
        path.unlink(missing_ok=True)
        return True

    def _put(self, path: Path, bucket: str, key: str) -> None:
        writer = self.platform.objects.writer(bucket, key, NewObject(content_type="application/x-jsonlines"))
        try:
            for piece in _lines(path):
                writer.write(piece)
        except BaseException:
            writer.abort()
            raise
        writer.commit()

    def _later(self, path: Path, where: str, trouble: str) -> bool:
        if f"{where} {trouble}" not in self._told:
            self._told.add(f"{where} {trouble}")
            log.warning("captured data could not be uploaded to %s, tried again every %.0f s: %s", where, AGAIN, trouble)
        with contextlib.suppress(FileNotFoundError):
            if time.time() - path.stat().st_mtime > GIVE_UP:
                log.warning("captured data for %s were dropped: %s", where, trouble)
                path.unlink()
                return True
        return False


def _first_line(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.readline()


def _lines(path: Path) -> Iterator[bytes]:
    """The file behind its first line, without a last line that a kill has cut off."""
    with path.open("rb") as file:
        file.readline()
        rest = b""
        while piece := file.read(PIECE):
            whole, end, cut = (rest + piece).rpartition(b"\n")
            yield whole + end
            rest = cut
