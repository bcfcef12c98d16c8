"""Two backends as one: the cluster, and this machine for what must be beside the server."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from ...stores.compute import Compute, Report, Task
from ..process import ProcessCompute
from .compute import RayCompute


def stays(task: Task) -> bool:
    """Whether a task has to run on the server's machine: it uses its folders, or is a part of the server."""
    if any(item.type == "Folder" for one in (task, *task.containers) for item in one.inputs):
        return True
    return task.kind == "serve" and bool(task.beside or task.volumes)


class SplitCompute:
    """A ``Compute``. A task belongs to the backend that has accepted it."""

    def __init__(self, cluster: RayCompute, here: ProcessCompute) -> None:
        self.cluster, self.here = cluster, here

    def _of(self, task_id: str) -> Compute:
        return self.cluster if self.cluster.has(task_id) else self.here

    async def open(self) -> None:
        await self.here.open()
        await self.cluster.open()

    async def submit(self, task: Task) -> None:
        await (self.here if stays(task) else self.cluster).submit(task)

    async def stop(self, task_id: str, grace: float | None = None, *, discard: bool = False) -> None:
        await self._of(task_id).stop(task_id, grace, discard=discard)

    async def reports(self, task_id: str, after: int = 0) -> list[Report]:
        return await self._of(task_id).reports(task_id, after)

    def subscribe(self, heard: Callable[[str], Awaitable[None]]) -> None:
        self.cluster.subscribe(heard)
        self.here.subscribe(heard)

    async def forget(self, task_id: str) -> None:
        await self._of(task_id).forget(task_id)

    async def erase(self, volume: str) -> None:
        await self.cluster.erase(volume)
        await self.here.erase(volume)

    async def close(self) -> None:
        await self.cluster.close()
        await self.here.close()
