"""A driver that dies, or is stopped, at every single call and commit: nothing is made twice, nothing never, nothing hangs."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sagewright.runtime.lifecycle import Event, ImpossibleTransition
from sagewright.runtime.reconciler import Job
from sagewright.slices.pipelines.executor import PipelineExecutor
from sagewright.slices.pipelines.kinds import KINDS, Made
from sagewright.slices.pipelines.lifecycle import ABANDON, STOPPED
from sagewright.slices.pipelines.records import CALLBACK, EXECUTION
from sagewright.stores.records import Delete, Query, Work

from .definitions import choice, fail, get, text, train
from .world import ARN, KEY, SCOPE, Killed, World

ENDPOINT = {"EndpointName": "theirs", "EndpointConfigName": "new"}
WHOLE = text(
    train("A"),
    train("B", Arguments={"HyperParameters": {"a": get("Steps.A.TrainingJobName")}}),
    choice("C", [
        {"Name": "Register", "Type": "RegisterModel", "Arguments": {"ModelPackageGroupName": "g"}},
        {"Name": "Model", "Type": "Model", "Arguments": {}},
    ], [fail("F")], left=get("Steps.B.TrainingJobStatus"), right="Completed"),
    {"Name": "Ask", "Type": "Callback", "SqsQueueUrl": "q", "Arguments": {}},
    {"Name": "Deploy", "Type": "Endpoint", "Arguments": ENDPOINT, "DependsOn": ["Model"]},
)
STEPS = {"A", "B", "C", "Register", "Model", "Ask", "Deploy"}
Happening = Callable[[World], Awaitable[None]]


async def kill(world: World) -> None:
    raise Killed


async def lose(world: World) -> None:
    raise OSError("lost")


async def stop(world: World) -> None:
    with contextlib.suppress(ImpossibleTransition):  # it has ended
        await world.quiet.send(EXECUTION, SCOPE, KEY, Event("Stop"))


async def rename(world: World) -> None:
    await world.quiet.send(EXECUTION, SCOPE, KEY, Event("Update", {"Changes": {"PipelineExecutionDisplayName": "renamed"}}))


async def carried_out(path: Path, at: dict[int, Happening], definition: str = WHOLE, **more: Any) -> World:
    world = World(path, definition, at, **more)
    await world.begin()
    await world.put("Endpoint", "theirs", EndpointConfigName="old", EndpointStatus="InService", LastModifiedTime=1.0)
    await world.run()
    return world


async def check_success(world: World) -> None:
    steps = await world.steps()
    assert {name: doc["StepStatus"] for name, doc in steps.items()} == dict.fromkeys(STEPS, "Succeeded")
    assert (await world.execution())["PipelineExecutionStatus"] == "Succeeded"
    assert len(world.made) == len(set(world.made)) == 3, "two jobs and a model"
    assert len(world.packages) == 1
    assert world.updates == ["new"], "once"
    assert len({token for token, _ in world.messages}) == len(await world.real.find(CALLBACK, SCOPE, Query())) == 1
    assert set((await world.jobs()).values()) == {"Completed"}


async def calls(path: Path) -> int:
    world = await carried_out(path, {})
    await check_success(world)
    await world.real.close()
    return world.count


async def test_killed_at_every_call_and_commit(tmp_path: Path) -> None:
    number = await calls(tmp_path / "first")
    assert number > 30
    for moment in range(number):
        world = await carried_out(tmp_path / str(moment), {moment: kill})
        try:
            await check_success(world)
        except AssertionError as error:
            raise AssertionError(f"killed before {moment}") from error
        await world.real.close()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(0, 80), min_size=2, max_size=12, unique=True), st.data())
async def test_killed_again_and_again_and_renamed_meanwhile(tmp_path_factory: pytest.TempPathFactory, moments: list[int], data: st.DataObject) -> None:
    at: dict[int, Happening] = {moment: data.draw(st.sampled_from([kill, kill, rename])) for moment in moments}
    world = await carried_out(tmp_path_factory.mktemp("world") / "r", at)
    await check_success(world)
    await world.real.close()


@pytest.mark.parametrize("besides", [None, kill])
async def test_stopped_at_every_call_and_commit(tmp_path: Path, besides: Happening | None) -> None:
    """And, the second time, killed a moment later."""
    number = await calls(tmp_path / "first")
    for moment in range(number):
        at: dict[int, Happening] = {moment: stop}
        if besides:
            at[moment + 2] = besides
        world = await carried_out(tmp_path / str(moment), at)
        execution, steps = await world.execution(), await world.steps()
        assert execution["PipelineExecutionStatus"] == "Stopped" or set(steps) == STEPS, moment
        assert not {name for name, doc in steps.items() if doc["StepStatus"] not in ("Succeeded", "Stopped", "Failed")}, moment
        assert set((await world.jobs()).values()) <= {"Completed", "Stopped"}, f"nothing runs on: {moment}"
        assert len(world.made) == len(set(world.made))
        await world.real.close()


async def test_a_failure_of_the_service_is_tried_again_under_another_name_whenever_the_server_dies(tmp_path: Path) -> None:
    policy = {"ExceptionType": ["SageMaker.JOB_INTERNAL_ERROR"], "MaxAttempts": 2, "IntervalSeconds": 60}
    definition = text(train("A", RetryPolicies=[policy]))
    first = await carried_out(tmp_path / "first", {}, definition, ends={"A": "Failed"})
    for moment in (None, *range(first.count)):
        world = await carried_out(tmp_path / str(moment), {} if moment is None else {moment: kill}, definition, ends={"A": "Failed"})
        step = (await world.steps())["A"]
        assert (step["StepStatus"], step["AttemptCount"]) == ("Failed", 3)
        assert step["FailureReason"] == "ClientError: InternalServerError: lost"
        assert len(world.made) == len(set(world.made)) == 3
        assert world.now > 1000 + 60 + 120, "it waited, and longer the second time"
        await world.real.close()
    await first.real.close()


async def test_a_stop_ends_a_step_that_waits_for_its_next_attempt(tmp_path: Path) -> None:
    policy = {"ExceptionType": ["SageMaker.JOB_INTERNAL_ERROR"], "MaxAttempts": 3, "IntervalSeconds": 60}
    definition = text(train("A", RetryPolicies=[policy]))
    first = await carried_out(tmp_path / "first", {}, definition, ends={"A": "Failed"})
    for moment in range(first.count):
        world = await carried_out(tmp_path / str(moment), {moment: stop}, definition, ends={"A": "Failed"})
        assert (await world.execution())["PipelineExecutionStatus"] in ("Stopped", "Failed")
        assert "_again" not in (await world.steps()).get("A", {})
        await world.real.close()
    await first.real.close()


async def test_an_execution_that_cannot_be_driven_leaves_nothing_running(tmp_path: Path) -> None:
    """Its driver has failed too often: a retry must not run a step's job beside the one of before."""
    world = World(tmp_path / "r", text(train("A"), train("B", "A")), {3: lose})
    await world.begin()
    with pytest.raises(OSError, match="lost"):
        await world.run()
    assert list((await world.jobs()).values()) == ["InProgress"]
    failed = await world.quiet.send(EXECUTION, SCOPE, KEY, Event("Fault", {"Reason": "InternalServerError: Run failed 5 times: lost"}))
    assert failed is not None
    (work,) = [work for work in await world.real.due(world.now + 1) if work.instruction == ABANDON]
    for _ in range(2):  # and once more, after a crash
        await PipelineExecutor(world.platform()).abandon(Job(work, failed, world.quiet))
    assert list((await world.jobs()).values()) == ["Stopping"]
    steps = await world.steps()
    assert {name: (doc["StepStatus"], doc["FailureReason"]) for name, doc in steps.items()} == {
        "A": ("Failed", "InternalServerError: Run failed 5 times: lost")}
    await world.real.close()


async def test_what_is_retried_meanwhile_is_not_abandoned(tmp_path: Path) -> None:
    world = World(tmp_path / "r", text(train("A")), {3: lose})
    await world.begin()
    with pytest.raises(OSError, match="lost"):
        await world.run()
    failed = await world.quiet.send(EXECUTION, SCOPE, KEY, Event("Fault", {"Reason": "lost"}))
    assert failed is not None
    await world.quiet.send(EXECUTION, SCOPE, KEY, Event("Retry", {"Changes": {}}))
    await PipelineExecutor(world.platform()).abandon(Job(Work("w", EXECUTION, SCOPE, KEY, ABANDON, {"Round": 1}), failed, world.quiet))
    assert list((await world.jobs()).values()) == ["InProgress"]
    assert await world.run() == "Succeeded"
    await world.real.close()


async def test_a_Fail_step_stops_what_runs(tmp_path: Path) -> None:
    definition = text(train("Long"), train("Short"), fail("F", "Short"))
    number = (await carried_out(tmp_path / "first", {}, definition)).count
    for moment in range(number):
        world = await carried_out(tmp_path / str(moment), {moment: kill}, definition)
        execution = await world.execution()
        assert (execution["PipelineExecutionStatus"], execution["FailureReason"]) == ("Failed", "no")
        assert "InProgress" not in (await world.jobs()).values()
        await world.real.close()


async def test_a_job_that_is_somebody_elses_is_not_adopted_after_a_crash_either(tmp_path: Path) -> None:
    """Theirs is made between the step's record and the step's job."""
    kind = KINDS["Training"]
    assert isinstance(kind, Made)
    name = kind.job_name(ARN, "A", "1/1")

    async def theirs(world: World) -> None:
        await world.put("TrainingJob", name, TrainingJobStatus="Completed")
        raise Killed

    world = await carried_out(tmp_path / "r", {1: theirs}, text(train("A")))
    step = (await world.steps())["A"]
    assert step["StepStatus"] == "Failed"
    assert "already exists" in step["FailureReason"]
    await world.real.close()


async def test_a_job_whose_record_is_gone_fails_its_step(tmp_path: Path) -> None:
    async def gone(world: World) -> None:
        for made in world.made:
            await world.real.commit(Delete("TrainingJob", SCOPE, made.lower()))
        raise Killed

    first = await carried_out(tmp_path / "first", {}, text(train("A")))
    world = await carried_out(tmp_path / "r", {4: gone}, text(train("A")))
    step = (await world.steps())["A"]
    assert (step["StepStatus"], step["FailureReason"]) == ("Failed", f"ClientError: {first.made[0]} was deleted.")
    assert STOPPED not in step.values()
    await first.real.close()
    await world.real.close()
