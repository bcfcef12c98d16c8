"""Warm pools of training jobs, without a process."""

import contextlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sagewright.adapters.sqlite import SqliteRecords
from sagewright.runtime.reconciler import Job, Reconciler
from sagewright.slices.training.lifecycle import LIFECYCLE
from sagewright.slices.training.pool import LONGEST, key
from sagewright.slices.training.states import CLEAN, CLOSE_POOL, OPEN_POOL
from sagewright.slices.training.warm_pools import KIND, WarmPools
from sagewright.stores.records import Put, Query, Work
from sagewright.testing.training import Story, ended
from sagewright.wire.errors import Invalid

RESOURCES = {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1, "KeepAlivePeriodInSeconds": 60}


def completed(**more: Any) -> Story:
    pool = {"Status": "InUse", "ResourceRetainedBillableTimeInSeconds": 0}
    story = Story(ResourceConfig=RESOURCES, WarmPoolStatus=pool, RoleArn="r", CreationTime=1000.0, **more).run()
    return story.tell("Exited", Task="algo-1", **ended()).tell("Finished", Task="algo-1")


def pool(story: Story) -> dict[str, Any]:
    found: dict[str, Any] = story.doc["WarmPoolStatus"]
    return found


def test_a_pool_waits_and_ends() -> None:
    story = completed()
    assert story.instructions == [CLEAN, OPEN_POOL, CLOSE_POOL]
    assert pool(story)["Status"] == "Available"
    until = story.doc["_pool_until"]
    assert until == story.now + 60
    story.now += 59
    story.tell("PoolExpired", Until=until)
    assert pool(story) == {"Status": "Terminated", "ResourceRetainedBillableTimeInSeconds": 60}


def test_a_pool_is_reused_once() -> None:
    story = completed()
    story.now += 9
    story.tell("Reuse", Job="next").tell("Reuse", Job="late").tell("PoolExpired", Until=story.doc["_pool_until"])
    assert pool(story) == {"Status": "Reused", "ReusedByJob": "next", "ResourceRetainedBillableTimeInSeconds": 10}


def test_a_pool_survives_the_jobs_faults_and_not_the_platforms() -> None:
    story = Story(ResourceConfig=RESOURCES, WarmPoolStatus={"Status": "InUse"}).run()
    story.tell("Exited", Task="algo-1", **ended(1)).tell("Finished", Task="algo-1")
    assert pool(story)["Status"] == "Available"
    story = Story(ResourceConfig=RESOURCES, WarmPoolStatus={"Status": "InUse"}).run()
    assert pool(story.tell("Failed", Task="algo-1", Reason="InternalServerError: x"))["Status"] == "Terminated"
    story = Story(ResourceConfig=RESOURCES, WarmPoolStatus={"Status": "InUse"}).tell("Refused", Reason="ClientError: x")
    assert pool(story)["Status"] == "Terminated"


def test_update_ends_or_prolongs_a_pool() -> None:
    story = completed()
    first = story.doc["_pool_until"]
    story.tell("Update", Changes={"ResourceConfig": {"KeepAlivePeriodInSeconds": 300}})
    assert story.doc["ResourceConfig"]["InstanceType"] == "ml.m5.large"
    story.tell("PoolExpired", Until=first)
    assert pool(story)["Status"] == "Available", "the first timer is void"
    story.tell("Update", Changes={"ResourceConfig": {"KeepAlivePeriodInSeconds": 0}})
    assert pool(story)["Status"] == "Terminated"
    with pytest.raises(Invalid, match="Available"):
        story.tell("Update", Changes={"ResourceConfig": {"KeepAlivePeriodInSeconds": 60}})
    with pytest.raises(Invalid, match="Completed"):
        story.tell("Update", Changes={"ProfilerConfig": {}})


def test_a_job_with_a_waiting_pool_stays() -> None:
    with pytest.raises(Invalid, match="warm pool is Available"):
        completed().tell("Delete")


@pytest.mark.parametrize(
    "other",
    [
        {"RoleArn": "s"}, {"EnableNetworkIsolation": True}, {"EnableInterContainerTrafficEncryption": True},
        {"ResourceConfig": {**RESOURCES, "InstanceCount": 2}}, {"ResourceConfig": {**RESOURCES, "VolumeSizeInGB": 9}},
        {"ResourceConfig": {**RESOURCES, "VolumeKmsKeyId": "k"}}, {"VpcConfig": {"Subnets": ["a"], "SecurityGroupIds": ["b"]}},
    ],
)  # fmt: skip
def test_what_jobs_of_one_pool_have_in_common(other: dict[str, Any]) -> None:
    base = {"RoleArn": "r", "ResourceConfig": RESOURCES}
    assert key({**base, **other}) != key(base)
    assert key({**base, "ResourceConfig": {**RESOURCES, "KeepAlivePeriodInSeconds": 0}}) == key(base)


def test_a_chain_of_jobs_keeps_its_pool_for_seven_days_at_most() -> None:
    assert pool(completed(_pool_since=1000.0 - LONGEST + 60.0))["Status"] == "Available"
    story = completed(_pool_since=1000.0 - LONGEST)
    assert (pool(story)["Status"], story.instructions) == ("Terminated", [CLEAN])


class Killed(Exception):
    """The server was."""


class Taking:
    """Two pools that wait, and a job that begins and may take one of them; the server dies after so many writes."""

    def __init__(self, records: SqliteRecords) -> None:
        self.records, self.left = records, 99
        self.reconciler = Reconciler(self, lambda: 2000.0)  # type: ignore[arg-type]
        self.reconciler.lifecycle("TrainingJob", LIFECYCLE)
        self.get, self.find = records.get, records.find

    async def commit(self, *changes: Any) -> None:
        if not self.left:
            raise Killed
        self.left -= 1
        await self.records.commit(*changes)

    async def begin(self) -> None:
        docs = {name: completed(_pool_since=500.0, TrainingJobName=name).doc for name in ("first", "other")}
        docs["next"] = Story(ResourceConfig=RESOURCES, RoleArn="r", TrainingJobName="next").doc
        for name, doc in docs.items():
            await self.records.commit(Put("TrainingJob", "s", name, doc))
            if name != "next":
                await self.records.commit(Put(KIND, "s", name, {}, parent=key(doc)))

    async def doc(self, name: str) -> dict[str, Any]:
        record = await self.records.get("TrainingJob", "s", name)
        assert record is not None
        return record.doc

    async def take(self, writes: int = 99) -> None:
        self.left = writes
        record = await self.records.get("TrainingJob", "s", "next")
        assert record is not None
        platform: Any = SimpleNamespace(records=self, reconciler=self.reconciler)
        await WarmPools(platform).take(Job(Work("1", "TrainingJob", "s", "next", "Launch", {}, 0.0), record, self.reconciler))


async def test_a_job_that_takes_a_pool_over_continues_its_chain(tmp_path: Path) -> None:
    records = await SqliteRecords.open(tmp_path / "records.sqlite")
    taking = Taking(records)
    await taking.begin()
    await taking.take()
    assert (await taking.doc("next"))["_pool_since"] == 500.0
    await records.close()


@pytest.mark.parametrize("writes", range(4))
async def test_a_launch_that_is_carried_out_again_takes_no_second_pool(tmp_path: Path, writes: int) -> None:
    records = await SqliteRecords.open(tmp_path / "records.sqlite")
    taking = Taking(records)
    await taking.begin()
    with contextlib.suppress(Killed):
        await taking.take(writes)
    await taking.take()
    assert [(await taking.doc(name))["WarmPoolStatus"]["Status"] for name in ("first", "other")] == ["Reused", "Available"]
    assert (await taking.doc("next"))["_pool_since"] == 500.0
    assert "other" in [pool.key for pool in await records.find(KIND, "s", Query())]
    await records.close()
