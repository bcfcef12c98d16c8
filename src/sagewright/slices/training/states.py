"""The states of a training job: what each is called, what it says, and the times that follow. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...runtime.lifecycle import Instruction, Move

LAUNCH, HALT, MERGE, CLEAN = "Launch", "Halt", "Merge", "Clean"
EVICT, FORGET, INTERRUPT, WAIT = "Evict", "Forget", "Interrupt", "Wait"
OPEN_POOL, CLOSE_POOL = "OpenPool", "ClosePool"

STARTING, DOWNLOADING, TRAINING, UPLOADING = "Starting", "Downloading", "Training", "Uploading"
STOPPING, SAVING, TIMING_OUT = "Stopping", "StoppingUploading", "TimingOut"
INTERRUPTED, RESTARTING = "Interrupted", "Restarting"
COMPLETED, FAILED, STOPPED = "Completed", "Failed", "Stopped"
OVERTIME, WAITED = "MaxRuntimeExceeded", "MaxWaitTimeExceeded"

PRIMARY = {STOPPING: "Stopping", SAVING: "Stopping", TIMING_OUT: "Stopping", COMPLETED: "Completed", FAILED: "Failed",
           STOPPED: "Stopped", OVERTIME: "Stopped", WAITED: "Stopped"}
SECONDARY = {SAVING: UPLOADING, TIMING_OUT: UPLOADING}
FINAL = (COMPLETED, FAILED, STOPPED, OVERTIME, WAITED)
RUNNING = (STARTING, DOWNLOADING, TRAINING)
ENDING = (STOPPING, SAVING, TIMING_OUT, UPLOADING)
BETWEEN = (INTERRUPTED, RESTARTING)
"""One attempt is over and the next has not begun."""

MESSAGES = {
    STARTING: "Starting the training job",
    DOWNLOADING: "Downloading input data",
    TRAINING: "Training image download completed. Training in progress.",
    UPLOADING: "Uploading generated training model",
    STOPPING: "Stopping the training job",
    COMPLETED: "Training job completed",
    FAILED: "Training job failed",
    STOPPED: "Training job stopped",
    OVERTIME: "Training job runtime exceeded MaxRuntimeInSeconds provided",
    WAITED: "Training job wait time exceeded MaxWaitTimeInSeconds provided",
    INTERRUPTED: "Training job interrupted: its spot capacity was reclaimed",
    RESTARTING: "Restarting the training job",
}
PREPARING = "Preparing the instances for training"

HALT_ALL = Instruction(HALT)


def status(state: str) -> str:
    """The primary status of a state."""
    return PRIMARY.get(state, "InProgress")


def entered(doc: dict[str, Any], before: str, move: Move, now: float) -> dict[str, Any]:
    """Statuses, transitions and times that follow from the state."""
    state = doc["_state"]
    secondary = SECONDARY.get(state, state)
    changes: dict[str, Any] = {"LastModifiedTime": now, "TrainingJobStatus": status(state), "SecondaryStatus": secondary}
    transitions = [dict(t) for t in doc.get("SecondaryStatusTransitions", ())]
    message = doc.get("FailureReason", "") if state == FAILED else move.changes.get("_message") or MESSAGES[secondary]
    shown = SECONDARY.get(before, before)
    # a runtime limit passes through Stopping at once: the process has exited by the time anybody hears of it
    through = [(STOPPING, MESSAGES[STOPPING])] if state == TIMING_OUT and before in RUNNING else []
    if shown != secondary:
        for name, text in [*through, (secondary, message)]:
            if transitions:
                transitions[-1].setdefault("EndTime", now)
            transitions.append({"Status": name, "StartTime": now, "StatusMessage": text})
        if state in FINAL:
            transitions[-1]["EndTime"] = now
    elif transitions and "_message" in move.changes:
        transitions[-1]["StatusMessage"] = message
    changes["SecondaryStatusTransitions"] = transitions
    if state in FINAL and doc.get("WarmPoolStatus", {}).get("Status") == "InUse":
        changes["WarmPoolStatus"] = {"Status": "Terminated", "ResourceRetainedBillableTimeInSeconds": 0}
    return changes | _times(doc, before, now)


def used(doc: Mapping[str, Any], now: float) -> float:
    """Seconds that the job's attempts have run, the present one included: what is billed, and what MaxRuntime limits."""
    running = now - doc["_since"] if "_since" in doc else 0.0
    return float(doc.get("_used", 0.0)) + running


def _times(doc: dict[str, Any], before: str, now: float) -> dict[str, Any]:
    state = doc["_state"]
    if before == STARTING and state in (DOWNLOADING, TRAINING, UPLOADING, TIMING_OUT):
        return {"TrainingStartTime": doc.get("TrainingStartTime", now), "_since": now}
    if before in (*RUNNING, UPLOADING) and state in BETWEEN:
        return {"_used": used(doc, now), "_since": None}
    if state in FINAL and before not in FINAL and "TrainingStartTime" in doc:
        return {
            "TrainingEndTime": now,
            "TrainingTimeInSeconds": max(1, round(now - doc["TrainingStartTime"])),
            "BillableTimeInSeconds": max(1, round(used(doc, now))),
        }
    return {}
