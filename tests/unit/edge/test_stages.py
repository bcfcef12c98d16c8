"""What a stage decides."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sagewright.slices.edge import stages
from sagewright.wire.errors import Invalid

NAMES = st.lists(st.from_regex(r"[a-z][a-z0-9]{0,8}", fullmatch=True), min_size=1, max_size=30, unique=True)


def stage(**more: Any) -> dict[str, Any]:
    return stages.new({"StageName": "s", "DeviceSelectionConfig": {"DeviceSubsetType": "PERCENTAGE", "Percentage": 100}, **more})


@given(NAMES, st.integers(1, 100), st.integers(1, 100))
def test_a_larger_percentage_contains_the_smaller_one(names: list[str], one: int, two: int) -> None:
    small, large = (set(stages.chosen({"DeviceSubsetType": "PERCENTAGE", "Percentage": p}, names)) for p in sorted((one, two)))
    assert small <= large
    assert len(large) * 100 >= max(one, two) * len(names)
    assert (len(large) - 1) * 100 < max(one, two) * len(names)


def test_other_selections() -> None:
    assert stages.chosen({"DeviceSubsetType": "NAMECONTAINS", "DeviceNameContains": "ar"}, ["bar", "foo", "car"]) == ["bar", "car"]
    assert stages.chosen({"DeviceSubsetType": "SELECTION", "DeviceNames": ["b", "a", "b"]}, ["a", "b", "c"]) == ["a", "b"]
    with pytest.raises(Invalid, match="Devices x are not registered"):
        stages.chosen({"DeviceSubsetType": "SELECTION", "DeviceNames": ["x"]}, ["a"])


@pytest.mark.parametrize("selection", [
    {"DeviceSubsetType": "PERCENTAGE"}, {"DeviceSubsetType": "SELECTION", "Percentage": 5},
    {"DeviceSubsetType": "NAMECONTAINS", "DeviceNameContains": "a", "Percentage": 5},
])  # fmt: skip
def test_a_selection_says_one_thing(selection: dict[str, Any]) -> None:
    with pytest.raises(Invalid, match=r"needs .* and nothing else"):
        stage(DeviceSelectionConfig=selection)


@given(st.lists(st.sampled_from([stages.DEPLOYED, stages.FAILED]), min_size=1, max_size=20))
def test_a_stage_ends_with_its_last_device_and_fails_with_any(results: list[str]) -> None:
    running = stages.started(stage(), len(results), 0, "d", 1.0)
    for number, result in enumerate(results):
        assert running["DeploymentStatus"]["StageStatus"] == stages.RUNNING, number
        running = stages.counted(running, stages.RUNNING, result)
    status = running["DeploymentStatus"]
    assert status["StageStatus"] == (stages.FAILED if stages.FAILED in results else stages.DEPLOYED)
    assert (status["EdgeDeploymentSuccessInStage"], status["EdgeDeploymentFailedInStage"]) == (results.count(stages.DEPLOYED), results.count(stages.FAILED))
    assert stages.totals([running, stage()])["EdgeDeploymentPending"] == 0


def test_a_stage_whose_devices_are_all_done_is_deployed_at_once() -> None:
    assert stages.started(stage(), 0, 3, "d", 1.0)["DeploymentStatus"]["StageStatus"] == stages.DEPLOYED


def test_what_runs_is_not_started_and_what_is_done_not_stopped() -> None:
    running = stages.started(stage(), 1, 0, "d", 1.0)
    with pytest.raises(Invalid, match="INPROGRESS and cannot be started"):
        stages.started(running, 1, 0, "d", 1.0)
    stopped = stages.stopped(running)
    assert stopped["DeploymentStatus"]["EdgeDeploymentPendingInStage"] == 0
    with pytest.raises(Invalid, match="STOPPED and cannot be stopped"):
        stages.stopped(stopped)
    # a result that was on its way when the stage was stopped is counted, and the stage stays stopped
    late = stages.counted(stopped, stages.STOPPED, stages.DEPLOYED)["DeploymentStatus"]
    assert (late["StageStatus"], late["EdgeDeploymentSuccessInStage"], late["EdgeDeploymentPendingInStage"]) == (stages.STOPPED, 1, 0)


def test_names_of_deployments_do_not_meet() -> None:
    names = {stages.deployment_name(*about) for about in (("a-b", "c", 1.0), ("a", "b-c", 1.0), ("a", "b-c", 2.0))}
    assert len(names) == 3


@pytest.mark.parametrize(("told", "found"), [
    ({"DeploymentStatus": "SUCCESS"}, (stages.DEPLOYED, "")),
    ({"DeploymentStatus": "FAIL", "DeploymentStatusMessage": "no room"}, (stages.FAILED, "no room")),
    ({"DeploymentStatus": "INPROGRESS"}, (stages.RUNNING, "")),
    ({}, (stages.RUNNING, "")),
    ({"DeploymentStatus": "SUCCESS", "DeploymentModels": [{"ModelHandle": "m", "Status": "FAIL", "StatusReason": "bad"}]}, (stages.FAILED, "m: bad")),
])  # fmt: skip
def test_what_a_device_tells(told: dict[str, Any], found: tuple[str, str]) -> None:
    assert stages.result(told) == found
