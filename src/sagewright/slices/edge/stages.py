"""What a stage of a deployment plan decides. Pure: no I/O, every case is a unit test.

A stage is READYTODEPLOY until it is started. Its devices are chosen then; each is INPROGRESS until its heartbeat tells
the result. The stage is DEPLOYED when all have succeeded, and FAILED when all have told and one has failed.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping
from typing import Any

from ...wire.errors import Invalid

READY, RUNNING, DEPLOYED, FAILED, STOPPED = "READYTODEPLOY", "INPROGRESS", "DEPLOYED", "FAILED", "STOPPED"
SUCCEEDED = ("SUCCESS", "SUCCEEDED", "DEPLOYED", "COMPLETED")
BROKEN = ("FAIL", "FAILED", "FAILURE", "ROLLEDBACK")
ROLL_BACK = "ROLLBACK_ON_FAILURE"
MESSAGE = 1024


def new(stage: Mapping[str, Any]) -> dict[str, Any]:
    """A stage as it is kept. Raises Invalid for a selection that says nothing or too much."""
    selection = stage["DeviceSelectionConfig"]
    wanted = {"PERCENTAGE": "Percentage", "SELECTION": "DeviceNames", "NAMECONTAINS": "DeviceNameContains"}[selection["DeviceSubsetType"]]
    given = [m for m in ("Percentage", "DeviceNames", "DeviceNameContains") if m in selection]
    if given != [wanted]:
        raise Invalid(f"Stage {stage['StageName']}: DeviceSubsetType {selection['DeviceSubsetType']} needs {wanted} and nothing else.")
    return {
        "StageName": stage["StageName"],
        "DeviceSelectionConfig": dict(selection),
        "DeploymentConfig": dict(stage.get("DeploymentConfig", {"FailureHandlingPolicy": "DO_NOTHING"})),
        "DeploymentStatus": {
            "StageStatus": READY, "EdgeDeploymentSuccessInStage": 0, "EdgeDeploymentPendingInStage": 0, "EdgeDeploymentFailedInStage": 0,
        },
    }  # fmt: skip


def chosen(selection: Mapping[str, Any], devices: Iterable[str]) -> list[str]:
    """The devices of a fleet that a selection means.

    A percentage is rounded up and taken in one order that each device has for good, so that a stage of 50 % contains the
    devices of a stage of 10 %. Raises Invalid for a named device that is not registered.
    """
    names = sorted(devices)
    kind = selection["DeviceSubsetType"]
    if kind == "PERCENTAGE":
        count = math.ceil(len(names) * selection["Percentage"] / 100)
        return sorted(sorted(names, key=lambda name: hashlib.sha256(name.encode()).digest())[:count])
    if kind == "NAMECONTAINS":
        return [name for name in names if selection["DeviceNameContains"] in name]
    if missing := sorted(set(selection["DeviceNames"]) - set(names)):
        raise Invalid(f"Devices {', '.join(missing)} are not registered in the fleet.")
    return sorted(set(selection["DeviceNames"]))


def deployment_name(plan: str, stage: str, now: float) -> str:
    """One run of a stage; another run has another name, so that a late result is not taken for it."""
    return f"{plan}-{stage}-{hashlib.sha256(f'{plan}/{stage}/{now}'.encode()).hexdigest()[:8]}"


def result(told: Mapping[str, Any]) -> tuple[str, str]:
    """(status of the device, message) of a heartbeat's DeploymentResult."""
    said = told.get("DeploymentStatus", "").upper()
    broken = [m for m in told.get("DeploymentModels", ()) if m.get("Status") == "FAIL"]
    message = told.get("DeploymentStatusMessage", "")
    if said in BROKEN or broken:
        reasons = [f"{m.get('ModelHandle', '')}: {m[why]}" for m in broken for why in ("StatusReason", "RollbackFailureReason") if m.get(why)]
        return FAILED, (message or "; ".join(reasons) or "The device told no reason.")[:MESSAGE]
    return (DEPLOYED if said in SUCCEEDED else RUNNING), message[:MESSAGE]


def started(stage: Mapping[str, Any], pending: int, already: int, name: str, now: float) -> dict[str, Any]:
    """The stage once it runs. Raises Invalid when it already does, or is done."""
    status = stage["DeploymentStatus"]["StageStatus"]
    if status not in (READY, STOPPED, FAILED):
        raise Invalid(f"Stage {stage['StageName']} is {status} and cannot be started.")
    return settled({
        **stage, "_deployment": name,
        "DeploymentStatus": {
            "StageStatus": RUNNING, "EdgeDeploymentSuccessInStage": already, "EdgeDeploymentPendingInStage": pending,
            "EdgeDeploymentFailedInStage": 0, "EdgeDeploymentStageStartTime": now,
        },
    })  # fmt: skip


def counted(stage: Mapping[str, Any], before: str, after: str) -> dict[str, Any]:
    """The stage after a device went from one status to another."""
    member = {RUNNING: "EdgeDeploymentPendingInStage", DEPLOYED: "EdgeDeploymentSuccessInStage", FAILED: "EdgeDeploymentFailedInStage"}
    status = dict(stage["DeploymentStatus"])
    for which, step in ((before, -1), (after, 1)):
        if which in member:
            status[member[which]] += step
    return settled({**stage, "DeploymentStatus": status})


def settled(stage: Mapping[str, Any]) -> dict[str, Any]:
    """A running stage of which no device is pending has ended."""
    status = dict(stage["DeploymentStatus"])
    if status["StageStatus"] == RUNNING and status["EdgeDeploymentPendingInStage"] == 0:
        failed = status["EdgeDeploymentFailedInStage"]
        status["StageStatus"] = FAILED if failed else DEPLOYED
        if failed:
            status["EdgeDeploymentStatusMessage"] = f"{failed} of the stage's devices failed; ListStageDevices tells why."
    return {**stage, "DeploymentStatus": status}


def stopped(stage: Mapping[str, Any]) -> dict[str, Any]:
    """The stage once it is stopped: what was pending is no longer. Raises Invalid when it does not run."""
    status = dict(stage["DeploymentStatus"])
    if status["StageStatus"] != RUNNING:
        raise Invalid(f"Stage {stage['StageName']} is {status['StageStatus']} and cannot be stopped.")
    return {**stage, "DeploymentStatus": {**status, "StageStatus": STOPPED, "EdgeDeploymentPendingInStage": 0}}


def active(stage: Mapping[str, Any]) -> bool:
    return bool(stage["DeploymentStatus"]["StageStatus"] == RUNNING)


def totals(stages: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """A plan's counts: the sums of its stages'."""
    found = {"EdgeDeploymentSuccess": 0, "EdgeDeploymentPending": 0, "EdgeDeploymentFailed": 0}
    for stage in stages:
        for member in found:
            found[member] += stage["DeploymentStatus"][f"{member}InStage"]
    return found
