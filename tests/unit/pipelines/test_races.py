"""Verbs of which another comes in between: a deletion beside a retry, two retries."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sagewright.runtime.lifecycle import Event
from sagewright.slices.pipelines.executions import Executions
from sagewright.slices.pipelines.lifecycle import RUN
from sagewright.slices.pipelines.pipelines import Pipelines
from sagewright.slices.pipelines.records import EXECUTION, PIPELINE, STEP
from sagewright.stores.records import Put, Query, Record
from sagewright.wire.errors import ServiceError
from sagewright.wire.types import Call, Principal

from .definitions import text, train
from .world import ACCOUNT, ARN, KEY, REGION, SCOPE, World


class Between:
    """Records that let something happen once, after steps were listed."""

    def __init__(self, world: World, then: Callable[[], Awaitable[Any]]) -> None:
        self._records, self._then = world.real, [then]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._records, name)

    async def find(self, kind: str, scope: str | None, query: Query) -> list[Record]:
        found = await self._records.find(kind, scope, query)
        if kind == STEP and self._then:
            await self._then.pop()()
        return found


def verbs(world: World, then: Callable[[], Awaitable[Any]]) -> tuple[Pipelines, Executions]:
    platform: Any = SimpleNamespace(records=Between(world, then), reconciler=world.quiet, clock=world.clock)
    desk: Any = SimpleNamespace(platform=platform, arn=lambda call, name: name)
    pipelines = Pipelines(desk)
    return pipelines, Executions(desk, pipelines)


def call(operation: str) -> Call:
    principal = Principal(arn="arn:aws:iam::123456789012:root", account=ACCOUNT, kind="root")
    params = {"PipelineName": "p", "PipelineExecutionArn": ARN, "ClientRequestToken": uuid.uuid4().hex}
    return Call(service="sagemaker", operation=operation, params=params, principal=principal, account=ACCOUNT, region=REGION, request_id="r")


async def failed(path: Path) -> World:
    """An execution one of whose two steps has failed."""
    world = World(path, text(train("A"), train("B", "A")), ends={"B": "Failed"})
    await world.begin()
    await world.real.commit(Put(PIPELINE, SCOPE, "p", {"PipelineName": "p", "PipelineArn": "arn:p"}, 0, name="p"))
    assert await world.run() == "Failed"
    return world


async def test_a_pipeline_whose_execution_is_retried_meanwhile_is_not_deleted(tmp_path: Path) -> None:
    world = await failed(tmp_path / "r")

    async def retry() -> None:
        await world.quiet.send(EXECUTION, SCOPE, KEY, Event("Retry", {"Changes": {}}))

    pipelines, _ = verbs(world, retry)
    with pytest.raises(ServiceError, match="running"):
        await pipelines.delete(call("DeletePipeline"))
    assert await world.real.get(PIPELINE, SCOPE, "p") is not None
    assert (await world.execution())["PipelineExecutionStatus"] == "Executing"
    await world.real.close()


async def test_a_retry_that_another_one_has_overtaken_takes_no_success_away(tmp_path: Path) -> None:
    world = await failed(tmp_path / "r")

    async def succeed() -> None:
        """What a whole round in between leaves."""
        await world.real.commit(Put(STEP, SCOPE, f"{KEY}/B", {**(await world.steps())["B"], "StepStatus": "Succeeded"}, None, "Succeeded", "B", KEY))

    _, executions = verbs(world, succeed)
    await executions.retry(call("RetryPipelineExecution"))
    assert (await world.steps())["B"]["StepStatus"] == "Succeeded", "what was listed as failed has been carried out since"
    execution = await world.execution()
    assert (execution["PipelineExecutionStatus"], execution["_round"]) == ("Executing", 2)
    assert [work.instruction for work in await world.real.due(world.now + 1)][-1] == RUN
    await world.real.close()
