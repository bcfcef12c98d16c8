"""Jobs that a killed server did not get to are found by the next one, each once, and what was deleted stays away."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from sagewright.adapters.runs import SqliteRuns
from sagewright.adapters.sqlite import SqliteRecords
from sagewright.adapters.sqlite.metrics import SqliteMetrics
from sagewright.resources.platform import Platform
from sagewright.runtime.lifecycle import Event
from sagewright.runtime.reconciler import Reconciler
from sagewright.settings import Settings
from sagewright.slices.experiments.capture import CURSOR, Capture
from sagewright.slices.experiments.operations import TOMBSTONE
from sagewright.slices.experiments.resources import EXPERIMENT_MEMBER, TRIAL_MEMBER, component, experiment, trial
from sagewright.slices.experiments.series import Series
from sagewright.stores.metrics import Sample
from sagewright.stores.records import Delete, Put, Query, Record

SCOPE = "123456789012/us-east-1"
ARN = "arn:aws:sagemaker:us-east-1:123456789012:training-job/job-a"


def document(status: str = "Completed", **more: Any) -> dict[str, Any]:
    return {
        "TrainingJobName": "Job-A", "TrainingJobArn": ARN, "TrainingJobStatus": status, "SecondaryStatus": status,
        "AlgorithmSpecification": {"TrainingImage": "i", "MetricDefinitions": [{"Name": "acc", "Regex": "x"}]}, **more,
    }  # fmt: skip


class House:
    """A platform with the stores that capture uses, and nothing else."""

    def __init__(self, folder: Path) -> None:
        nothing: Any = None
        self.records = SqliteRecords(folder / "records.sqlite")
        self.platform = Platform(
            settings=Settings(data=folder), records=self.records, objects=nothing, logs=nothing, images=nothing, compute=nothing,
            metrics=SqliteMetrics(folder / "metrics.sqlite"), runs=SqliteRuns(folder / "runs"), operations=nothing,
            reconciler=Reconciler(self.records, time.time), tasks=nothing, api=nothing, shapes=nothing,
        )  # fmt: skip

    def capture(self) -> Capture:
        """As a new server has it."""
        desks = [noun.install(self.platform) for noun in (experiment, trial, component)]
        return Capture(*desks, Series(self.platform))

    async def job(self, doc: dict[str, Any]) -> Record:
        await self.records.commit(Put("TrainingJob", SCOPE, "job-a", doc, None, name="Job-A"))
        found = await self.records.get("TrainingJob", SCOPE, "job-a")
        assert found is not None
        return found

    async def components(self) -> list[Record]:
        return await self.records.find("TrialComponent", SCOPE, Query())

    async def started(self) -> Capture:
        capture = self.capture()
        await capture.catch_up()
        await capture.flush()
        return capture


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    house = House(tmp_path)
    yield house
    await house.platform.runs.close()
    await house.records.close()


async def test_the_next_server_finds_what_is_missing(house: House) -> None:
    await house.job(document())
    house.platform.metrics.put([Sample("/aws/sagemaker/TrainingJobs", "acc", (("TrainingJobName", "Job-A"),), time.time() + n, n / 4) for n in range(3)])
    for _ in range(3):  # again and again: the same
        await house.started()
        (found,) = await house.components()
        assert (found.key, found.parent) == ("job-a-aws-training-job", ARN)
        assert (found.doc["Status"]["PrimaryStatus"], found.doc["_live"]) == ("Completed", False)
        kept = await house.platform.runs.summaries([f"{SCOPE}/{found.key}#job"])
        assert [(s.name, s.count, s.last) for some in kept.values() for s in some] == [("acc", 3, 0.5)]
    assert await house.records.get(CURSOR, "", "jobs") is not None


async def test_a_component_left_in_progress_is_brought_up_to_date(house: House) -> None:
    await house.job(document("InProgress"))
    await house.started()
    assert (await house.components())[0].doc["_live"]
    await house.job(document("Failed", FailureReason="AlgorithmError: why"))  # and the server was killed before it looked
    await house.started()
    (found,) = await house.components()
    assert found.doc["Status"]["PrimaryStatus"] == "Failed"
    assert "AlgorithmError: why" in found.doc["Status"]["Message"]


async def test_what_somebody_deleted_is_not_made_again(house: House) -> None:
    job = await house.job(document())
    await house.started()
    (found,) = await house.components()
    await house.records.commit(Delete("TrialComponent", SCOPE, found.key), Put(TOMBSTONE, SCOPE, found.key, {"Created": job.created}))
    await house.started()
    assert await house.components() == []
    # another job of the same name is another job
    await house.records.commit(Delete("TrainingJob", SCOPE, "job-a"))
    await house.job(document())
    await house.started()
    assert len(await house.components()) == 1


async def test_a_gone_trial_leaves_a_component_without_one(house: House) -> None:
    await house.job(document(ExperimentConfig={"ExperimentName": "e", "TrialName": "gone"}))
    await house.started()
    (found,) = await house.components()
    assert "_trials" not in found.doc


async def test_a_named_trial_gets_the_component_in_the_same_write(house: House) -> None:
    arn = "arn:aws:sagemaker:us-east-1:123456789012:experiment-trial/t"
    await house.records.commit(Put("Trial", SCOPE, "t", {"TrialName": "T", "TrialArn": arn, "ExperimentName": "E"}, 0, name="T", parent="e"))
    await house.job(document(ExperimentConfig={"TrialName": "T", "ExperimentName": "E"}))
    await house.started()
    (found,) = await house.components()
    assert found.doc["_trials"] == [{"TrialName": "T", "ExperimentName": "E"}]
    for kind, parent in ((TRIAL_MEMBER, "t"), (EXPERIMENT_MEMBER, "e")):
        assert [m.name for m in await house.records.find(kind, SCOPE, Query(parent=parent))] == [found.name]


async def test_many_changes_are_one_write(house: House) -> None:
    capture = house.capture()
    job = await house.job(document("InProgress"))
    for _ in range(20):
        await capture.heard(job, Event("Staging"))
    await capture.heard(job, Event("Metric"))
    await capture.flush()
    (found,) = await house.components()
    assert found.version == 1 + ("StartTime" in found.doc)
    await capture.close()
