"""A job's launch, broken off between two of its hosts and carried out again."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sagewright.adapters.sqlite import SqliteRecords
from sagewright.resources.hosts import names
from sagewright.runtime.lifecycle import Event
from sagewright.runtime.reconciler import Job, Reconciler
from sagewright.slices.training.executor import TrainingExecutor
from sagewright.slices.training.lifecycle import LIFECYCLE
from sagewright.stores.compute import Task
from sagewright.stores.records import Put, Work

HOSTS = names(3)
DOC = {
    "TrainingJobName": "j", "TrainingJobArn": "arn:aws:sagemaker:us-east-1:1:training-job/j", "CreationTime": 1000.0,
    "AlgorithmSpecification": {"TrainingImage": "i", "TrainingInputMode": "File"}, "RoleArn": "r",
    "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 3, "VolumeSizeInGB": 1},
    "OutputDataConfig": {"S3OutputPath": "s3://b/out", "CompressionType": "GZIP"},
    "StoppingCondition": {"MaxRuntimeInSeconds": 100}, "_token": "known",
}


class Platform:
    """A platform whose compute breaks off after the first of the tasks it is given, once."""

    def __init__(self, records: SqliteRecords) -> None:
        self.records = records
        self.clock = lambda: 1001.0
        self.reconciler = Reconciler(records, self.clock)
        self.reconciler.lifecycle("TrainingJob", LIFECYCLE)
        self.settings = SimpleNamespace(stop_grace=1.0, capacity="shared", ray="")
        self.endpoint, self.variables = "http://127.0.0.1:1", dict[str, Any]()
        self.submitted: dict[str, Task] = {}
        self.stopped: list[str] = []
        self.breaks = True
        self.keys, self.good = 0, 0.0
        self.tasks = self.identity = self.images = self.objects = self

    async def submit(self, owner: object, task: Task, keys: object = ()) -> None:
        if self.breaks and self.submitted:
            raise ConnectionResetError
        self.submitted.setdefault(task.id, task)

    async def stop(self, task: str, grace: float, discard: bool = False) -> None:
        if task in self.submitted:  # as the port: a task that is not known has nothing to hear
            self.stopped.append(task)

    async def forget(self, task: str) -> None:
        self.submitted.pop(task, None)

    async def role_credentials(self, role: str, session: str, seconds: float) -> Any:
        self.keys, self.good = self.keys + 1, seconds
        return SimpleNamespace(access_key=f"ASIA{self.keys}", secret_key=f"secret{self.keys}", session_token="t")

    async def revoke(self, access_key: str) -> None: ...

    async def allowed(self, *_: object) -> str:
        return ""

    def resolve(self, uri: str) -> None: ...

    def bucket(self, name: str) -> bool:
        return True

    async def doc(self) -> dict[str, Any]:
        record = await self.records.get("TrainingJob", "1/us-east-1", "j")
        assert record is not None
        return record.doc

    async def tell(self, name: str, **data: Any) -> None:
        await self.reconciler.send("TrainingJob", "1/us-east-1", "j", Event(name, data))

    async def launch(self) -> None:
        record = await self.records.get("TrainingJob", "1/us-east-1", "j")
        assert record is not None
        work = Work("1", "TrainingJob", "1/us-east-1", "j", "Launch", {}, 0.0)
        platform: Any = self
        await TrainingExecutor(platform).launch(Job(work, record, self.reconciler))


@pytest.fixture
async def broken(tmp_path: Path) -> Any:
    """Of three hosts only the first was submitted when the launch broke off."""
    records = await SqliteRecords.open(tmp_path / "records.sqlite")
    platform = Platform(records)
    doc = LIFECYCLE.begin({**DOC, "_artifacts": {"S3ModelArtifacts": "s3://b/m"}, "RetryStrategy": {"MaximumRetryAttempts": 1}}, 1000.0)
    await records.commit(Put("TrainingJob", "1/us-east-1", "j", doc))
    with pytest.raises(ConnectionResetError):
        await platform.launch()
    assert len(platform.submitted) == 1
    platform.breaks = False
    yield platform
    await records.close()


async def test_the_other_hosts_come_although_the_first_is_staging(broken: Platform) -> None:
    """Nobody else would submit them: the first would wait for its peers for ever."""
    await broken.tell("Staging", Task=next(iter(broken.submitted)))
    await broken.launch()
    assert [task.hostname for task in broken.submitted.values()] == HOSTS
    assert {task.limits.seconds for task in broken.submitted.values()} == {100.0}
    doc = await broken.doc()
    assert (doc["_state"], doc["_access_keys"]) == ("Downloading", ["ASIA1", "ASIA2"])


async def test_a_job_that_is_stopped_then_hears_from_every_host(broken: Platform) -> None:
    """The stop has missed those that were not there yet; a host that nobody submits never says that it has ended."""
    await broken.tell("Stop")
    await broken.launch()
    assert [task.hostname for task in broken.submitted.values()] == HOSTS
    assert broken.stopped == list(broken.submitted)


async def test_an_attempt_that_is_given_up_then_ends_on_every_host(broken: Platform) -> None:
    await broken.tell("Failed", Task=next(iter(broken.submitted)), Reason="InternalServerError: x")
    assert (await broken.doc())["_state"] == "Restarting"
    await broken.launch()
    assert [task.hostname for task in broken.submitted.values()] == HOSTS
    assert broken.stopped == list(broken.submitted)


async def test_a_launch_that_was_carried_out_is_not_carried_out_again(broken: Platform) -> None:
    await broken.launch()
    for task in broken.submitted:
        await broken.tell("Staging", Task=task)
    keys = broken.keys
    broken.submitted.clear()
    await broken.launch()
    assert (broken.submitted, broken.keys) == ({}, keys)


async def test_hosts_of_two_launches_know_each_other(broken: Platform) -> None:
    """Each launch has keys of its own, so what proves that a host is one of the job's is something else."""
    await broken.launch()
    first, *others = broken.submitted.values()
    assert first.env["AWS_SECRET_ACCESS_KEY"] != others[0].env["AWS_SECRET_ACCESS_KEY"]
    assert {task.env["SAGEWRIGHT_CLUSTER_TOKEN"] for task in broken.submitted.values()} == {"known"}


async def test_keys_are_good_for_a_job_that_waits_a_day_for_room_and_then_runs_to_its_limit(broken: Platform) -> None:
    assert broken.good >= DOC["StoppingCondition"]["MaxRuntimeInSeconds"] + 86_400  # type: ignore[index]
