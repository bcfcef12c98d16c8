"""A training job's states. Pure: every race is a unit test.

A job runs one task a host; ``resources.hosts`` says what the document keeps of them.
"""

from __future__ import annotations

from typing import Any

from ...resources.hosts import everywhere as _all
from ...resources.hosts import moved, submitted
from ...resources.jobs import REASON, exit_failure
from ...runtime.lifecycle import Event, Instruction, Lifecycle, Move, ignore

LAUNCH, HALT, MERGE, CLEAN = "Launch", "Halt", "Merge", "Clean"

STARTING, DOWNLOADING, TRAINING, UPLOADING = "Starting", "Downloading", "Training", "Uploading"
STOPPING, SAVING, TIMING_OUT = "Stopping", "StoppingUploading", "TimingOut"
COMPLETED, FAILED, STOPPED, OVERTIME = "Completed", "Failed", "Stopped", "MaxRuntimeExceeded"

PRIMARY = {STOPPING: "Stopping", SAVING: "Stopping", TIMING_OUT: "Stopping", COMPLETED: "Completed", FAILED: "Failed",
           STOPPED: "Stopped", OVERTIME: "Stopped"}
SECONDARY = {SAVING: UPLOADING, TIMING_OUT: UPLOADING}
FINAL = (COMPLETED, FAILED, STOPPED, OVERTIME)
RUNNING = (STARTING, DOWNLOADING, TRAINING)
ENDING = (STOPPING, SAVING, TIMING_OUT, UPLOADING)

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
    if before == STARTING and state != STARTING and state not in FINAL:
        changes["TrainingStartTime"] = now
    if state in FINAL and "TrainingStartTime" in doc:
        seconds = max(1, round(now - doc["TrainingStartTime"]))
        changes |= {"TrainingEndTime": now, "TrainingTimeInSeconds": seconds, "BillableTimeInSeconds": seconds}
    return changes


# -- rules


def submitting(doc: dict[str, Any], event: Event, now: float) -> Move | None:
    """A launch that runs again after a crash finds its tasks written down."""
    if "_tasks" in doc:
        return None
    return Move(STARTING, {"_tasks": submitted(event), "_access_key": event.data.get("AccessKey")})


def preparing(doc: dict[str, Any], event: Event, now: float) -> Move:
    return Move(doc["_state"], {"_message": PREPARING})


def staging(doc: dict[str, Any], event: Event, now: float) -> Move:
    return Move(DOWNLOADING, {"_tasks": moved(doc, event, "Staging"), "_message": None})


def started(doc: dict[str, Any], event: Event, now: float) -> Move:
    tasks = moved(doc, event, "Running")
    everywhere = _all(tasks, "Running", "Exited", "Ended")
    return Move(TRAINING if everywhere else doc["_state"], {"_tasks": tasks})


def metric(doc: dict[str, Any], event: Event, now: float) -> Move:
    """The last value of each name; Describe shows them while the job runs."""
    latest = {m["MetricName"]: m for m in doc.get("FinalMetricDataList", ())}
    latest |= {m["MetricName"]: {k: m[k] for k in ("MetricName", "Value", "Timestamp")} for m in event.data["Metrics"]}
    return Move(doc["_state"], {"FinalMetricDataList": list(latest.values())[:40]})


def exited(doc: dict[str, Any], event: Event, now: float) -> Move:
    """One host's process has ended. The first failing host decides; the others are stopped."""
    data, state = event.data, doc["_state"]
    tasks = moved(doc, event, "Exited")
    changes: dict[str, Any] = {"_tasks": tasks}
    failed = data["ExitCode"] != 0 and not data.get("Stopped") and not data.get("TimedOut") and state in RUNNING
    if failed and "_failure" not in doc:
        changes["_failure"] = exit_failure(data)
    if data.get("TimedOut"):
        changes["_overtime"] = True
    everywhere = _all(tasks, "Exited", "Ended")
    halt = () if everywhere or not (failed or data.get("TimedOut")) else (HALT_ALL,)
    if not everywhere:
        return Move(state, changes, halt)
    if state == STOPPING:
        return Move(SAVING, changes)
    overtime = changes.get("_overtime") or doc.get("_overtime")
    if overtime and "_failure" not in doc and "_failure" not in changes:
        return Move(TIMING_OUT, changes)
    return Move(UPLOADING, changes)


def finished(doc: dict[str, Any], event: Event, now: float) -> Move:
    tasks = moved(doc, event, "Ended")
    if not _all(tasks, "Ended"):
        return Move(doc["_state"], {"_tasks": tasks})
    if len(tasks) > 1:
        return Move(doc["_state"], {"_tasks": tasks}, (Instruction(MERGE),))
    return _end(doc, tasks)


def merged(doc: dict[str, Any], event: Event, now: float) -> Move:
    """The hosts' archives are one."""
    return _end(doc, doc["_tasks"])


def failed(doc: dict[str, Any], event: Event, now: float) -> Move:
    """The platform or the input failed on one host: no process of it runs any more."""
    tasks = moved(doc, event, "Ended")
    changes: dict[str, Any] = {"_tasks": tasks}
    if "_failure" not in doc:
        changes["_failure"] = event.data["Reason"][:REASON]
    if not _all(tasks, "Ended"):
        return Move(doc["_state"], changes, (HALT_ALL,))
    return _end({**doc, **changes}, tasks)


def refused(doc: dict[str, Any], event: Event, now: float) -> Move:
    """The job cannot begin: FailureReason says why."""
    return Move(FAILED, {"FailureReason": event.data["Reason"][:REASON]}, (Instruction(CLEAN),))


def fault(doc: dict[str, Any], event: Event, now: float) -> Move:
    return Move(FAILED, {"FailureReason": event.data["Reason"][:REASON]}, (Instruction(CLEAN),))


def stop(doc: dict[str, Any], event: Event, now: float) -> Move:
    return Move(STOPPING, {}, (HALT_ALL,))


def stop_saving(doc: dict[str, Any], event: Event, now: float) -> Move:
    return Move(SAVING)


def withdrawn(doc: dict[str, Any], event: Event, now: float) -> Move:
    """Stopped before any task existed."""
    return Move(STOPPED, {}, (Instruction(CLEAN),))


def delete(doc: dict[str, Any], event: Event, now: float) -> Move:
    return Move(doc["_state"], remove=True)


def _end(doc: dict[str, Any], tasks: dict[str, Any]) -> Move:
    clean = (Instruction(CLEAN),)
    changes: dict[str, Any] = {"_tasks": tasks, "_failure": doc.get("_failure")}
    if reason := doc.get("_failure"):
        return Move(FAILED, {**changes, "FailureReason": reason}, clean)
    end = {STOPPING: STOPPED, SAVING: STOPPED, TIMING_OUT: OVERTIME}.get(doc["_state"], COMPLETED)
    return Move(end, {**changes, "ModelArtifacts": doc["_artifacts"]}, clean)


ACTIVE = (*RUNNING, *ENDING)

LIFECYCLE = Lifecycle(
    "TrainingJob",
    start=STARTING,
    final=FINAL,
    status=status,
    entered=entered,
    table={
        (STARTING, "Submitting"): submitting,
        (STARTING, "Refused"): refused,
        (STARTING, "Preparing"): preparing,
        ((STARTING, DOWNLOADING), "Staging"): staging,
        ((STARTING, DOWNLOADING), "Started"): started,
        (ENDING, "Preparing"): ignore,
        (ENDING, "Staging"): ignore,
        (ENDING, "Started"): ignore,
        (ENDING, "Refused"): withdrawn,
        (ENDING, "Submitting"): ignore,
        (ACTIVE, "Metric"): metric,
        (FINAL, "Metric"): metric,
        ((*RUNNING, STOPPING), "Exited"): exited,
        ((*RUNNING, *ENDING), "Finished"): finished,
        ((*RUNNING, *ENDING), "Failed"): failed,
        (ACTIVE, "Fault"): fault,
        (RUNNING, "Stop"): stop,
        (UPLOADING, "Stop"): stop_saving,
        ((STOPPING, SAVING), "Stop"): ignore,
        (STOPPING, "Withdrawn"): withdrawn,
        (FINAL, "Delete"): delete,
        (ENDING, "Merged"): merged,
        (FINAL, "Merged"): ignore,
    },
)
