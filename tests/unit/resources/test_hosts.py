"""Launching the hosts of a job while something else happens to it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from sagewright.resources.hosts import HostTasks, names, task_ids
from sagewright.stores.compute import Task

HOSTS = names(3)
TASKS = task_ids("train", "Job", 1.5, HOSTS)


class Platform:
    """What HostTasks asks of a platform; the job's document becomes ``later`` once the tasks are submitted."""

    def __init__(self, later: dict[str, Any] | None, state: str = "Starting") -> None:
        self._state = state
        self.submitted: list[Task] = []
        self.stopped: list[str] = []
        self.forgotten: list[str] = []
        self.revoked: list[str] = []
        self._later = later
        self.settings = SimpleNamespace(stop_grace=1.0)
        self.records = self.tasks = self.reconciler = self.identity = self

    async def get(self, *_: str) -> Any:
        base = {"_tasks": {task: {} for task in TASKS.values()}, "_state": self._state, "_access_keys": ["ASIA1"]}
        if not self.submitted:
            return SimpleNamespace(doc=base)
        return None if self._later is None else SimpleNamespace(doc={**base, **self._later})

    async def submit(self, owner: object, task: Task, keys: object = ()) -> None:
        self.submitted.append(task)

    async def stop(self, task: str, grace: float, discard: bool = False) -> None:
        self.stopped.append(task)

    async def forget(self, task: str) -> None:
        self.forgotten.append(task)

    async def revoke(self, access_key: str) -> None:
        self.revoked.append(access_key)

    def settled(self, record: Any) -> bool:
        return bool(record.doc["_state"] == "Failed")


async def launch(later: dict[str, Any] | None, key: str = "", state: str = "Starting") -> Platform:
    platform, sent = Platform(later, state), []

    async def send(name: str, **data: Any) -> None:
        sent.append((name, data))

    job: Any = SimpleNamespace(send=send, record=SimpleNamespace(kind="TrainingJob", scope="s", key="Job"))
    made = HostTasks(platform)  # type: ignore[arg-type]
    await made.launch(
        job, TASKS, lambda host, task: Task(task, "run", "i", ["train"], hostname=host), stopping="Stopping", access_key=key
    )
    assert sent == [("Submitting", {"Tasks": TASKS, "AccessKey": key or None})]
    return platform


async def test_hosts_are_peers_that_meet_at_one_place() -> None:
    platform = await launch({})
    assert [task.peers for task in platform.submitted] == [HOSTS] * 3
    assert {task.meeting for task in platform.submitted} == {TASKS["algo-1"]}
    assert (platform.stopped, platform.forgotten) == ([], [])


@pytest.mark.parametrize("later", [
    {"_state": "Stopping"},
    {"_state": "Downloading", "_failure": "ClientError: Data download failed"},
])
async def test_a_job_that_was_halted_meanwhile_leaves_no_host_waiting(later: dict[str, Any]) -> None:
    """A host that was not yet submitted has not heard of the halt, and would wait for its peers for ever."""
    assert (await launch(later)).stopped == list(TASKS.values())


@pytest.mark.parametrize("later", [None, {"_state": "Failed"}])
async def test_a_job_that_ended_meanwhile_keeps_nothing(later: dict[str, Any] | None) -> None:
    assert (await launch(later)).forgotten == list(TASKS.values())


async def test_a_key_that_nobody_has_written_down_ends_at_once() -> None:
    """The job was stopped before it heard of its tasks: Clean would not know of the key, and it would be good for weeks."""
    assert (await launch({}, "ASIA1")).revoked == []
    assert (await launch({}, "ASIA2")).revoked == ["ASIA2"]


async def test_a_launch_that_is_carried_out_again_once_the_job_has_ended_runs_nothing() -> None:
    assert (await launch({}, state="Failed")).submitted == []
