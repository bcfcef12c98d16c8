"""Two backends as one: jobs on the cluster, endpoints beside the server, where the gateway reaches their sockets."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from ...stores.compute import Compute, Report, Task
from ..process import ProcessCompute
from .compute import RayCompute


class SplitCompute:
    """A ``Compute``. A task belongs to the backend that has accepted it."""

    def __init__(self, jobs: RayCompute, endpoints: ProcessCompute) -> None:
        self.jobs, self.endpoints = jobs, endpoints

    def _of(self, task_id: str) -> Compute:
        return self.jobs if self.jobs.has(task_id) else self.endpoints

    async def open(self) -> None:
        await self.endpoints.open()
        await self.jobs.open()

    async def submit(self, task: Task) -> None:
        here = task.kind == "serve" or any(item.type == "Folder" for item in task.inputs)
        await (self.endpoints if here else self.jobs).submit(task)

    async def stop(self, task_id: str, grace: float | None = None, *, discard: bool = False) -> None:
        await self._of(task_id).stop(task_id, grace, discard=discard)

    async def reports(self, task_id: str, after: int = 0) -> list[Report]:
        return await self._of(task_id).reports(task_id, after)

    def subscribe(self, heard: Callable[[str], Awaitable[None]]) -> None:
        self.jobs.subscribe(heard)
        self.endpoints.subscribe(heard)

    async def forget(self, task_id: str) -> None:
        await self._of(task_id).forget(task_id)

    async def erase(self, volume: str) -> None:
        await self.jobs.erase(volume)
        await self.endpoints.erase(volume)

    async def close(self) -> None:
        await self.jobs.close()
        await self.endpoints.close()
