"""Captured requests and answers: which are kept, the line that each becomes, and the files that the lines come to.

A request leaves a note in memory and goes on. A thread makes lines of the notes, a moment later, and writes them to files in a
folder, the spool; what stands there survives the end of every process. The server uploads the files that are complete
(``slices/hosting/uploads``). Each file begins with a line that says where it goes; its object has the lines behind that one.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import fcntl
import logging
import random
import shutil
import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import orjson

from ..resources.arn import s3_uri
from .answer import Answer

if TYPE_CHECKING:
    from ..settings import Settings

log = logging.getLogger(__name__)

DRAIN = 0.2
"""Seconds that a note may stay in memory: the most that a kill costs."""
HELD = 32 << 20
"""Bytes of notes in memory; requests beyond are answered and not captured."""
FIRST = 1.0
"""Seconds until the first file after a pause is complete; each next one takes twice as long, up to what the settings say."""
REPORT = 10.0
"""Seconds between two words about captures that were lost."""
NEW, OPEN, READY = ".new", ".open", ".ready"
"""Names of files: without its first line, being written (its writer holds a lock), complete."""


@dataclass(slots=True)
class Capture:
    """What the requests of one variant leave behind. Plain data, which travels to the gateway process."""

    prefix: str
    """``s3://bucket/path/endpoint/variant``, and the inference component's name where there is one."""
    percent: float
    """Of the requests."""
    input: bool
    output: bool
    role: str
    """Whose rights the upload needs."""
    csv: list[str] = field(default_factory=list)
    """Content types that are captured as CSV; those below as JSON, all others in base64."""
    json: list[str] = field(default_factory=list)
    kms: str = ""

    def wanted(self) -> bool:
        """Whether this request is one of the share."""
        return self.percent >= 100 or random.random() * 100 < self.percent


def enabled(config: Mapping[str, Any] | None) -> bool:
    """Whether a DataCaptureConfig, if there is one, wants anything to be captured."""
    return config is not None and bool(config.get("EnableCapture", True))


def plan(variant: Mapping[str, Any], endpoint: str, component: str = "") -> Capture | None:
    """What the requests of a deployment's variant leave behind, or of an inference component on it; None if nothing."""
    config = variant.get("Capture")
    if config is None or not enabled(config) or not variant.get("Role"):
        return None
    modes = {option["CaptureMode"] for option in config["CaptureOptions"]}
    header = config.get("CaptureContentTypeHeader", {})
    where = "/".join(filter(None, (endpoint, variant["Name"], component)))
    return Capture(
        prefix=f"{s3_uri(config['DestinationS3Uri']).rstrip('/')}/{where}",
        percent=float(config["InitialSamplingPercentage"]),
        input=bool(modes & {"Input", "InputAndOutput"}),
        output=bool(modes & {"Output", "InputAndOutput"}),
        role=variant["Role"],
        csv=_plain(header.get("CsvContentTypes", ())),
        json=_plain(header.get("JsonContentTypes", ())),
        kms=config.get("KmsKeyId", ""),
    )


def _plain(types: Iterable[str]) -> list[str]:
    return [kind.split(";", 1)[0].strip().lower() for kind in types]


def spool(settings: Settings) -> dict[str, Any]:
    """What ``Recorder`` has to be told, as plain data."""
    size, full = settings.capture_bytes, settings.capture_disk
    return {"folder": str(settings.data / "capture"), "seconds": settings.capture_seconds, "size": size, "full": full}


@dataclass(slots=True)
class Note:
    """One request that a model answered."""

    capture: Capture
    event: str
    at: float
    """Seconds since 1970, of the invocation."""
    headers: Mapping[str, str]
    """The caller's, lower-cased names."""
    body: bytes
    answer: Answer

    @property
    def size(self) -> int:
        return len(self.body) + len(self.answer.body)


def line(note: Note) -> bytes:
    """The note as one JSON object, without a line break."""
    capture, data = note.capture, {}
    if capture.input:
        data["endpointInput"] = _side(capture, note.headers.get("content-type", ""), "INPUT", note.body)
    if capture.output:
        data["endpointOutput"] = _side(capture, note.answer.headers.get("content-type", ""), "OUTPUT", note.answer.body)
    about: dict[str, Any] = {"eventId": note.event}
    if inference := note.headers.get("x-amzn-sagemaker-inference-id"):
        about["inferenceId"] = inference
    if attributes := note.headers.get("x-amzn-sagemaker-custom-attributes"):
        about["customAttributes"] = [attributes]
    about["inferenceTime"] = _second(int(note.at))
    return orjson.dumps({"captureData": data, "eventMetadata": about, "eventVersion": "0"})


@lru_cache(maxsize=64)
def _second(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@lru_cache(maxsize=64)
def _hour(number: int) -> str:
    return datetime.fromtimestamp(number * 3600, UTC).strftime("%Y/%m/%d/%H")


def _side(capture: Capture, kind: str, mode: str, body: bytes) -> dict[str, str]:
    plain = kind.split(";", 1)[0].strip().lower()
    encoding = "CSV" if plain in capture.csv else "JSON" if plain in capture.json else "BASE64"
    text = None
    if encoding != "BASE64":
        with contextlib.suppress(UnicodeDecodeError):  # it is not what its type says
            text = body.decode()
    if text is None:
        encoding, text = "BASE64", base64.b64encode(body).decode()
    return {**({"observedContentType": kind} if kind else {}), "mode": mode, "data": text, "encoding": encoding}


def folder_of(at: float) -> str:
    """Where captures of that moment lie below their prefix: ``yyyy/mm/dd/hh``, in UTC."""
    return _hour(int(at // 3600))


def object_name(at: float) -> str:
    """A new object's name for captures from that moment on: ``MM-SS-mmm-<uuid>.jsonl``."""
    when = datetime.fromtimestamp(at, UTC)
    return f"{when:%M-%S}-{when.microsecond // 1000:03d}-{uuid.uuid4()}.jsonl"


@dataclass(slots=True)
class _File:
    path: Path
    out: BinaryIO
    closes: float
    """Of time.monotonic."""
    wait: float
    size: int = 0


class Spool:
    """The files that one process writes. One thread at a time.

    Args:
        folder: shared with other processes.
        seconds: the longest that a file stays incomplete while requests come.
        size: bytes at which a file is complete.
        full: share of the disk that may be in use; beyond it nothing is captured.
    """

    def __init__(self, folder: Path, seconds: float, size: int, full: float) -> None:
        self.folder, self._seconds, self._size, self._full = folder, seconds, size, full
        self._files: dict[tuple[str, str], _File] = {}
        self._paces: dict[str, tuple[float, float]] = {}
        """Prefix → how long its last file stayed open, and until when."""

    def write(self, notes: list[Note]) -> int:
        """Append notes to their files; how many could not be kept."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        disk = shutil.disk_usage(self.folder)
        if disk.used > self._full * disk.total:
            return len(notes)
        lines: dict[tuple[str, str], list[Note]] = {}
        for note in notes:
            lines.setdefault((note.capture.prefix, folder_of(note.at)), []).append(note)
        lost = 0
        for key, group in lines.items():
            try:
                file = self._files.get(key) or self._open(key, group[0])
                file.size += file.out.write(b"".join(line(note) + b"\n" for note in group))
                file.out.flush()
            except OSError as error:
                log.warning("captured data could not be written: %s", error)
                lost += len(group)
        return lost

    def settle(self, *, everything: bool = False) -> bool:
        """Complete the files whose time or size it is; whether there are any."""
        now = time.monotonic()
        done = [k for k, f in self._files.items() if everything or f.closes <= now or f.size >= self._size]
        for key in done:
            file = self._files.pop(key)
            self._paces[key[0]] = file.wait, now
            file.path.rename(file.path.with_suffix(READY))
            file.out.close()
        return bool(done)

    @property
    def due(self) -> float | None:
        """When the next file is complete, of time.monotonic; None without files."""
        return min((f.closes for f in self._files.values()), default=None)

    def _open(self, key: tuple[str, str], first: Note) -> _File:
        now = time.monotonic()
        before, ended = self._paces.get(key[0], (0.0, -self._seconds))
        wait = min(max(before * 2, FIRST) if now - ended < self._seconds else FIRST, self._seconds)
        path = self.folder / f"{uuid.uuid4().hex}{NEW}"
        capture = first.capture
        out = path.open("wb")
        fcntl.flock(out, fcntl.LOCK_EX)
        head = {"Uri": f"{key[0]}/{key[1]}/{object_name(first.at)}", "Role": capture.role, "Kms": capture.kms}
        out.write(orjson.dumps(head) + b"\n")
        out.flush()
        file = self._files[key] = _File(path.rename(path.with_suffix(OPEN)), out, now + wait, wait)
        return file


class Recorder:
    """Takes notes of one process's requests. Belongs to its event loop.

    Args:
        folder, seconds, size, full: as ``Spool`` has them.
        told: called when files have become complete.
    """

    def __init__(self, folder: str | Path, seconds: float, size: int, full: float, told: Callable[[], None]) -> None:
        self._spool, self._told = Spool(Path(folder), seconds, size, full), told
        self._notes: list[Note] = []
        self._held = self._lost = 0
        self._reported = 0.0
        self._running: asyncio.Task[None] | None = None
        self._woken = asyncio.Event()
        self._closing = False
        self._thread = ThreadPoolExecutor(1, "capture")

    def add(self, note: Note) -> None:
        """Keep a note, unless there are too many already."""
        size = note.size
        if self._held + size > HELD:
            self._lost += 1
            return
        self._held += size
        if not self._notes:
            self._woken.set()
            if self._running is None or self._running.done():
                self._running = asyncio.get_running_loop().create_task(self._run(), name="capture")
        self._notes.append(note)

    async def close(self) -> None:
        """Complete every file."""
        self._closing = True
        self._woken.set()
        if self._running is not None:
            await self._running
        if self._notes:
            await self._write()
        loop = asyncio.get_running_loop()
        if await loop.run_in_executor(self._thread, lambda: self._spool.settle(everything=True)):
            self._told()
        self._report(now=True)
        self._thread.shutdown()

    async def _run(self) -> None:
        """Until nothing is in memory and no file is incomplete."""
        while not self._closing and (self._notes or self._spool.due is not None):
            if self._notes:
                await asyncio.sleep(DRAIN)  # more come together
                await self._write()
            self._woken.clear()
            due = self._spool.due
            if due is not None and not self._notes:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(max(0.0, due - time.monotonic())):
                        await self._woken.wait()
            if await asyncio.get_running_loop().run_in_executor(self._thread, self._spool.settle):
                self._told()

    async def _write(self) -> None:
        notes, self._notes = self._notes, []
        try:
            self._lost += await asyncio.get_running_loop().run_in_executor(self._thread, self._spool.write, notes)
        except OSError as error:
            log.warning("captured data could not be written: %s", error)
            self._lost += len(notes)
        finally:
            self._held -= sum(note.size for note in notes)
        self._report()

    def _report(self, *, now: bool = False) -> None:
        if self._lost and (now or time.monotonic() - self._reported > REPORT):
            self._reported = time.monotonic()
            log.warning("%d requests were answered and not captured: there were too many at once, or the disk is full", self._lost)
            self._lost = 0
