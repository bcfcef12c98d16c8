"""A training job's lifecycle. Pure: every race is a unit test.

A job runs one task a host; ``resources.hosts`` says what the document keeps of them. ``states`` names the states,
``attempts`` has the rules of interruptions and retries, ``pool`` those of warm pools.
"""

from __future__ import annotations

from typing import Any

from ...resources.hosts import everywhere as _all
from ...resources.hosts import keyed, moved, of_its_own, submitted
from ...resources.jobs import REASON, exit_failure
from ...runtime.lifecycle import Event, Instruction, Lifecycle, Move, ignore
from . import attempts, pool
from .states import (
    BETWEEN,
    CLEAN,
    COMPLETED,
    DOWNLOADING,
    ENDING,
    FAILED,
    FINAL,
    HALT_ALL,
    MERGE,
    OVERTIME,
    PREPARING,
    RUNNING,
    SAVING,
    STARTING,
    STOPPED,
    STOPPING,
    TIMING_OUT,
    TRAINING,
    UPLOADING,
    WAITED,
    entered,
    status,
)

# -- rules


def submitting(doc: dict[str, Any], event: Event, now: float) -> Move | None:
    """A launch that runs again after a crash finds its tasks written down; one of an attempt that is over comes late."""
    if event.data.get("Attempt", attempts.attempt(doc)) != attempts.attempt(doc):
        return None
    if "_tasks" in doc:
        return Move(doc["_state"], keyed(doc, event))
    began = "_delayed" in doc or attempts.attempt(doc)
    changes = {"_tasks": submitted(event), **keyed(doc, event)}
    return Move(STARTING, changes, () if began else attempts.patience(doc, now))


def preparing(doc: dict[str, Any], event: Event, now: float) -> Move:
    return Move(doc["_state"], {"_message": PREPARING})


def staging(doc: dict[str, Any], event: Event, now: float) -> Move:
    return Move(DOWNLOADING, {"_tasks": moved(doc, event, "Staging"), "_message": None})


def started(doc: dict[str, Any], event: Event, now: float) -> Move:
    tasks = moved(doc, event, "Running")
    everywhere = _all(tasks, "Running", "Exited", "Ended")
    if not everywhere:
        return Move(doc["_state"], {"_tasks": tasks})
    return Move(TRAINING, {"_tasks": tasks}, tuple(attempts.timers(doc)))


def metric(doc: dict[str, Any], event: Event, now: float) -> Move:
    """The last value of each name; Describe shows them while the job runs."""
    latest = {m["MetricName"]: m for m in doc.get("FinalMetricDataList", ())}
    latest |= {m["MetricName"]: {k: m[k] for k in ("MetricName", "Value", "Timestamp")} for m in event.data["Metrics"]}
    return Move(doc["_state"], {"FinalMetricDataList": list(latest.values())[:40]})


def exited(doc: dict[str, Any], event: Event, now: float) -> Move:
    """One host's process has ended. The first failing host decides; the others are stopped."""
    data, state = event.data, doc["_state"]
    tasks = moved(doc, event, "Exited", **{"Unstarted": True} if data.get("Unstarted") else {})
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
        return Move(SAVING if _began(tasks) else STOPPING, changes)
    overtime = changes.get("_overtime") or doc.get("_overtime")
    if overtime and "_failure" not in doc and "_failure" not in changes:
        return Move(TIMING_OUT, changes)
    return Move(UPLOADING, changes)


def finished(doc: dict[str, Any], event: Event, now: float) -> Move:
    tasks = moved(doc, event, "Ended", Stored=True)
    if not _all(tasks, "Ended"):
        return Move(doc["_state"], {"_tasks": tasks})
    if len(tasks) > 1:
        return Move(doc["_state"], {"_tasks": tasks}, (Instruction(MERGE),))
    return _end(doc, tasks, now)


def joined(doc: dict[str, Any], event: Event, now: float) -> Move:
    """The whole archives are there; the hosts' own may go."""
    return Move(doc["_state"], {"_joined": True})


def merged(doc: dict[str, Any], event: Event, now: float) -> Move:
    """The hosts' archives are one."""
    return _end(doc, doc["_tasks"], now)


def failed(doc: dict[str, Any], event: Event, now: float) -> Move:
    """The platform or the input failed on one host: no process of it runs any more. What the others have stored is joined."""
    tasks = moved(doc, event, "Ended")
    if doc["_state"] in (*RUNNING, UPLOADING) and (again := attempts.retried(doc, event.data["Reason"][:REASON], tasks)):
        return again
    changes: dict[str, Any] = {"_tasks": tasks}
    if "_failure" not in doc:
        changes["_failure"] = event.data["Reason"][:REASON]
    ending = UPLOADING if doc["_state"] in RUNNING else doc["_state"]
    if not _all(tasks, "Ended"):
        over = _all(tasks, "Exited", "Ended")
        return Move(ending if over else doc["_state"], changes, () if over else (HALT_ALL,))
    if any(task.get("Stored") for task in tasks.values()):
        return Move(ending, changes, (Instruction(MERGE),))
    return _end({**doc, **changes}, tasks, now)


def ebbing(doc: dict[str, Any], event: Event, now: float) -> Move:
    """A host of an attempt that is over reports. All of them may have been done before they heard of it."""
    move = attempts.ebbing(doc, event, now)
    tasks = move.changes["_tasks"]
    if not attempts.complete(tasks):
        return move
    if len(tasks) > 1:
        return Move(UPLOADING, {"_tasks": tasks}, (Instruction(MERGE),))
    return _end(doc, tasks, now)


def annotated(doc: dict[str, Any], event: Event, now: float) -> Move:
    """Members that another capability adds to the description, such as MlflowDetails."""
    return Move(doc["_state"], event.data["Members"])


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
    """Stopped while no task existed, or none was left."""
    return Move(WAITED if doc.get("_late") else STOPPED, {}, (Instruction(CLEAN),))


def _began(tasks: dict[str, Any]) -> bool:
    """Whether any host's program has run: else there is nothing to store."""
    return not all(task.get("Unstarted") for task in tasks.values())


def _end(doc: dict[str, Any], tasks: dict[str, Any], now: float) -> Move:
    reason = doc.get("_failure", "")
    ends = {STOPPING: STOPPED, SAVING: STOPPED, TIMING_OUT: OVERTIME}
    state = FAILED if reason else WAITED if doc.get("_late") else ends.get(doc["_state"], COMPLETED)
    changes = {"FailureReason": reason} if reason else {"ModelArtifacts": doc["_artifacts"]} if _began(tasks) else {}
    kept, instructions = pool.ended(doc, state, reason, now)
    return Move(state, {"_tasks": tasks, "_failure": None, **changes, **kept}, (Instruction(CLEAN), *instructions))


ACTIVE = (*RUNNING, *ENDING, *BETWEEN)

LIFECYCLE = Lifecycle(
    "TrainingJob",
    start=STARTING,
    final=FINAL,
    status=status,
    entered=entered,
    table={
        ((STARTING, DOWNLOADING), "Submitting"): submitting,
        ((STARTING, DOWNLOADING, *BETWEEN), "Refused"): refused,
        (STARTING, "Preparing"): preparing,
        ((STARTING, DOWNLOADING), "Staging"): of_its_own(staging),
        ((STARTING, DOWNLOADING), "Started"): of_its_own(started),
        (ENDING, "Preparing"): ignore,
        (ENDING, "Staging"): ignore,
        (ENDING, "Started"): ignore,
        (ENDING, "Refused"): withdrawn,
        (ENDING, "Submitting"): ignore,
        (ACTIVE, "Metric"): metric,
        (FINAL, "Metric"): metric,
        ((*RUNNING, STOPPING), "Exited"): of_its_own(exited),
        ((*RUNNING, *ENDING), "Finished"): of_its_own(finished),
        ((*RUNNING, *ENDING), "Failed"): of_its_own(failed),
        (ACTIVE, "Fault"): fault,
        (RUNNING, "Stop"): stop,
        (UPLOADING, "Stop"): stop_saving,
        ((STOPPING, SAVING, TIMING_OUT), "Stop"): ignore,
        (STOPPING, "Withdrawn"): withdrawn,
        (STARTING, "Wait"): attempts.wait,
        ((DOWNLOADING, TRAINING), "Interrupt"): attempts.interrupt,
        ((STARTING, *ENDING, *BETWEEN, *FINAL), "Interrupt"): ignore,
        ((DOWNLOADING, TRAINING), "Tagged"): attempts.tagged,
        (BETWEEN, "Exited"): of_its_own(ebbing),
        (BETWEEN, "Finished"): of_its_own(ebbing),
        (BETWEEN, "Failed"): of_its_own(ebbing),
        (BETWEEN, "Preparing"): ignore,
        (BETWEEN, "Staging"): ignore,
        (BETWEEN, "Started"): ignore,
        (BETWEEN, "Submitting"): ignore,
        (BETWEEN, "Cleared"): attempts.cleared,
        ((*RUNNING, *ENDING, *FINAL), "Cleared"): ignore,
        (BETWEEN, "Stop"): stop,
        ((*RUNNING, *BETWEEN), "WaitOver"): attempts.overdue,
        ((*ENDING, *FINAL), "WaitOver"): ignore,
        (FINAL, "Delete"): pool.delete,
        (FINAL, "Reuse"): pool.reuse,
        (FINAL, "PoolExpired"): pool.expire,
        ((*ACTIVE, *FINAL), "Update"): pool.update,
        ((*ACTIVE, *FINAL), "Annotated"): annotated,
        (ENDING, "Joined"): joined,
        (ENDING, "Merged"): merged,
        (FINAL, "Merged"): ignore,
    },
)
