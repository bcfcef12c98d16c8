"""A whole compute backend for tests: objects in a folder, an image around this interpreter, logs and metrics as plain files."""

from __future__ import annotations

import asyncio
import builtins
import contextlib
import io
import json
import sys
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, BinaryIO, cast

from ..adapters.process import ProcessCompute
from ..agent.journal import LAST
from ..agent.oci.blobs import Blobs
from ..agent.oci.images import AllImages
from ..agent.ports import AgentConfig, AgentPorts
from ..stores.compute import Report, Task
from ..stores.images import Image, Images, UnknownImage
from ..stores.logs import LogEvent, Logs, LogStream
from ..stores.metrics import Dimensions, Metrics, Sample, Series
from ..stores.objects import NewObject, NoSuchBucket, NoSuchKey, ObjectInfo, Objects, Page

FACTORY = "sagewright.testing.compute:ports"


class FolderObjects:
    """As much of the Objects port as an agent uses, over a folder: <bucket>/<key>."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def put(self, bucket: str, key: str, content: bytes) -> Path:
        path = self.folder / bucket / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path

    def get(self, bucket: str, key: str) -> bytes:
        return (self.folder / bucket / key).read_bytes()

    def keys(self, bucket: str) -> list[str]:
        root = self.folder / bucket
        return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())

    def head(self, bucket: str, key: str) -> ObjectInfo:
        if not (self.folder / bucket).is_dir():
            raise NoSuchBucket(bucket)
        path = self.folder / bucket / key
        if not path.is_file():
            raise NoSuchKey(key)
        return ObjectInfo(bucket, key, path.stat().st_size, "", path.stat().st_mtime)

    def open(self, bucket: str, key: str) -> tuple[ObjectInfo, BinaryIO]:
        return self.head(bucket, key), (self.folder / bucket / key).open("rb")

    def local_path(self, bucket: str, key: str) -> Path | None:
        self.head(bucket, key)
        return self.folder / bucket / key

    def local_tree(self, bucket: str, prefix: str) -> Path | None:
        return self.folder / bucket / prefix

    def read(self, info: ObjectInfo, start: int, size: int) -> bytes:
        with self.open(info.bucket, info.key)[1] as file:
            file.seek(start)
            return file.read(size)

    def list(self, bucket: str, prefix: str = "", after: str = "", delimiter: str = "", limit: int = 1000) -> Page:
        if not (self.folder / bucket).is_dir():
            raise NoSuchBucket(bucket)
        keys = [key for key in self.keys(bucket) if key.startswith(prefix) and key > after]
        page = [self.head(bucket, key) for key in keys[:limit]]
        return Page(page, [], keys[limit - 1] if len(keys) > limit else None)

    def writer(self, bucket: str, key: str, new: NewObject = NewObject()) -> FolderWriter:
        return FolderWriter(self, bucket, key)

    def delete(self, bucket: str, keys: Iterable[str]) -> builtins.list[str]:
        for key in keys:
            (self.folder / bucket / key).unlink(missing_ok=True)
        return list(keys)


class DistantObjects(FolderObjects):
    """The same, as if it were far away: no file of it can be reached but by reading, and each read is written down."""

    def head(self, bucket: str, key: str) -> ObjectInfo:
        stamp = super().head(bucket, key)
        return replace(stamp, etag=str((self.folder / bucket / key).stat().st_mtime_ns))

    def open(self, bucket: str, key: str) -> tuple[ObjectInfo, BinaryIO]:
        info = self.head(bucket, key)
        self._note(info, 0, info.size)
        return info, io.BytesIO(self.get(bucket, key))

    def local_path(self, bucket: str, key: str) -> Path | None:
        self.head(bucket, key)
        return None

    def local_tree(self, bucket: str, prefix: str) -> Path | None:
        return None

    def read(self, info: ObjectInfo, start: int, size: int) -> bytes:
        if self.head(info.bucket, info.key).etag != info.etag:
            raise NoSuchKey(info.key)
        self._note(info, start, size)
        hold = self.folder.parent / "hold"
        if hold.exists():
            hold.read_bytes()  # a FIFO: a store that does not answer
        with (self.folder / info.bucket / info.key).open("rb") as file:
            file.seek(start)
            return file.read(size)

    def _note(self, info: ObjectInfo, start: int, size: int) -> None:
        with (self.folder.parent / "reads.jsonl").open("a") as file:
            file.write(json.dumps([info.key, start, size]) + "\n")

    def reads(self) -> builtins.list[tuple[str, int, int]]:
        """Key, start and size of every read so far."""
        path = self.folder.parent / "reads.jsonl"
        lines = path.read_text().splitlines() if path.exists() else []
        return [(key, start, size) for key, start, size in map(json.loads, lines)]


class FolderWriter:
    """One object being written: nothing is seen before ``commit``."""

    def __init__(self, objects: FolderObjects, bucket: str, key: str) -> None:
        self._objects, self._bucket, self._key = objects, bucket, key
        self._content = bytearray()

    def write(self, data: bytes | memoryview) -> None:
        self._content += data

    def commit(self) -> ObjectInfo:
        self._objects.put(self._bucket, self._key, bytes(self._content))
        return self._objects.head(self._bucket, self._key)

    def abort(self) -> None:
        self._content.clear()


class FileLogs:
    """Logs as one JSON-lines file a stream: enough for an agent, readable by a test."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def _path(self, group: str, stream: str) -> Path:
        return self._folder / group.strip("/").replace("/", "%") / (stream.replace("/", "%") + ".jsonl")

    def create_group(self, group: str) -> bool:
        return True

    def groups(self, prefix: str = "") -> list[str]:
        return []

    def delete_group(self, group: str) -> bool:
        return True

    def create_stream(self, group: str, stream: str) -> bool:
        path = self._path(group, stream)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        return True

    def streams(self, group: str, prefix: str = "") -> list[LogStream]:
        return []

    def delete_stream(self, group: str, stream: str) -> bool:
        return True

    def append(self, group: str, stream: str, events: Iterable[LogEvent]) -> None:
        self.create_stream(group, stream)
        with self._path(group, stream).open("a") as file:
            file.write("".join(json.dumps([event.timestamp, event.message]) + "\n" for event in events))

    def read(
        self, group: str, stream: str, position: int | None = None, *, backward: bool = False,
        start: int | None = None, end: int | None = None, limit: int = 10_000,
    ) -> tuple[list[LogEvent], int, int]:
        path = self._path(group, stream)
        lines = path.read_text().splitlines() if path.exists() else []
        return [LogEvent(*json.loads(line)) for line in lines], 0, len(lines)


class FileMetrics:
    """Metrics as one JSON-lines file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def put(self, samples: Iterable[Sample]) -> None:
        with self._path.open("a") as file:
            file.write("".join(json.dumps(asdict(sample)) + "\n" for sample in samples))

    def series(
        self, namespace: str | None = None, name: str | None = None, dimensions: Dimensions = (), limit: int = 500,
        offset: int = 0,
    ) -> list[Series]:
        return []

    def samples(self, series: Series, start: float, end: float) -> list[Sample]:
        return [sample for sample in self.all() if sample.name == series.name and sample.namespace == series.namespace]

    def all(self) -> list[Sample]:
        if not self._path.exists():
            return []
        samples = []
        for line in self._path.read_text().splitlines():
            raw = json.loads(line)
            raw["dimensions"] = tuple((name, value) for name, value in raw["dimensions"])
            samples.append(Sample(**raw))
        return samples


class OneImage:
    """Images with one ready image: an environment given by its prefix, and a folder of entry points."""

    def __init__(self, environment: Path, folder: Path, preload: tuple[str, ...]) -> None:
        names = [name for name in ("train", "serve") if (folder / f"{name}.py").exists()]
        self.image = Image(
            "test", "test", "1", folder, environment, "0123456789abcdef" * 4, {name: f"{name}.py" for name in names}, preload,
        )

    def resolve(self, uri: str) -> Image:
        if not uri.startswith("test"):
            raise UnknownImage(f"no image is declared for {uri}")
        return self.image

    def all(self) -> list[Image]:
        return [self.image]

    def ready(self, image: Image) -> bool:
        return True

    def ensure(self, image: Image, progress: Callable[[str], None] = lambda line: None) -> None:
        return None


class Ports:
    """The agents' ``Factory``."""

    def __call__(self, settings: dict[str, Any], images: Images) -> AgentPorts:
        data = Path(settings["data"])
        (data / "objects").mkdir(parents=True, exist_ok=True)
        return AgentPorts(
            cast(Objects, (DistantObjects if settings.get("distant") else FolderObjects)(data / "objects")), cast(Logs, FileLogs(data / "logs")),
            cast(Metrics, FileMetrics(data / "metrics.jsonl")), images,
        )

    def images(self, settings: dict[str, Any]) -> AllImages:
        """The one declared image, and whatever the test puts into the store below ``data``."""
        declared = OneImage(Path(settings["environment"]), Path(settings["image"]), tuple(settings["preload"]))
        return AllImages(Blobs(Path(settings["data"]) / "oci"), declared, lambda uri: None)


ports = Ports()


class Bench:
    """A ProcessCompute over ``data`` and the test's own view of the same ports; ``distant``: its objects are elsewhere."""

    def __init__(
        self, data: Path, image: Path, environment: Path | None = None, preload: tuple[str, ...] = (), distant: bool = False
    ) -> None:
        image.mkdir(parents=True, exist_ok=True)
        data.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.settings = {
            "data": str(data), "image": str(image), "environment": str(environment or sys.prefix), "preload": list(preload),
            "distant": distant,
        }
        self.config = AgentConfig(data, FACTORY, self.settings)
        self.ports = ports(self.settings, ports.images(self.settings))
        self.compute = ProcessCompute(self.config)
        self._news = asyncio.Event()

    async def open(self) -> Bench:
        await self.compute.open()
        self.compute.subscribe(self._heard)
        return self

    async def _heard(self, task_id: str) -> None:
        self._news.set()

    async def until(self, task_id: str, name: str = "", seconds: float = 60.0) -> list[Report]:
        """The task's reports once one is called ``name``, or is its last."""
        async with asyncio.timeout(seconds):
            while True:
                self._news.clear()
                reports = await self.compute.reports(task_id)
                if any(report.name == name or report.name in LAST for report in reports):
                    return reports
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._news.wait(), 1.0)

    async def run(self, task: Task, seconds: float = 60.0) -> list[Report]:
        await self.compute.submit(task)
        return await self.until(task.id, seconds=seconds)

    def log(self, task: Task) -> list[str]:
        return [event.message for event in self.ports.logs.read(task.log_group, task.log_stream)[0]]

    async def close(self) -> None:
        """Forget every task and let the launcher end."""
        folder = self.config.data / "jobs"
        for place in list(folder.iterdir()) if folder.exists() else []:
            if not place.name.startswith("."):
                await self.compute.forget(place.name)
        await self.compute.close()


@contextlib.asynccontextmanager
async def bench(data: Path, image: Path, environment: Path | None = None, preload: tuple[str, ...] = ()) -> AsyncIterator[Bench]:
    running = await Bench(data, image, environment, preload).open()
    try:
        yield running
    finally:
        await running.close()


def task(task_id: str, argv: list[str], **more: Any) -> Task:
    """A run task with a log stream."""
    return Task(**{
        "id": task_id, "kind": "run", "image": "test:1", "argv": argv, "log_group": "/test/jobs", "log_stream": f"{task_id}/algo-1",
        **more,
    })
