"""A job's attempts: spot interruptions, retries after a platform's fault, and how one attempt gives way to the next. Pure.

An attempt that ends early keeps its checkpoints and nothing else. The next begins when no process and no key of it is
left. What ran counts: MaxRuntimeInSeconds and what is billed span all attempts, MaxWaitTimeInSeconds the waits as well.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ...resources.hosts import everywhere, moved
from ...runtime.lifecycle import Event, Instruction, Move
from .states import EVICT, FORGET, HALT_ALL, INTERRUPT, INTERRUPTED, LAUNCH, RESTARTING, STARTING, STOPPING, WAIT

NOW = "sagewright:interrupt"
"""A tag that interrupts a spot job whenever it is set."""
SCHEDULE = "sagewright:spot-interruptions"
"""A tag of a spot job: "5 12" interrupts its first attempt 5 s after its program has begun, its second after 12 s."""
DELAYS = "sagewright:spot-waits"
"""A tag of a spot job: seconds that each attempt waits for capacity before it begins."""


def attempt(doc: Mapping[str, Any]) -> int:
    """0 for the first."""
    return int(doc.get("_attempt", 0))


def planned(doc: Mapping[str, Any], tag: str) -> float | None:
    """What a tag's list of seconds says of this attempt."""
    if not doc.get("EnableManagedSpotTraining"):
        return None
    words = next((t["Value"] for t in doc.get("Tags", ()) if t["Key"] == tag), "").split()
    try:
        return float(words[attempt(doc)])
    except (IndexError, ValueError):
        return None


def timers(doc: Mapping[str, Any]) -> Iterator[Instruction]:
    """What is due once the program of an attempt runs."""
    if (seconds := planned(doc, SCHEDULE)) is not None:
        yield Instruction(INTERRUPT, {"Attempt": attempt(doc)}, delay=seconds)


def patience(doc: Mapping[str, Any], now: float) -> tuple[Instruction, ...]:
    """The timer of MaxWaitTimeInSeconds, which starts with the job."""
    wait = doc.get("StoppingCondition", {}).get("MaxWaitTimeInSeconds")
    return () if wait is None else (Instruction(WAIT, delay=max(0.0, doc["CreationTime"] + wait - now)),)


# -- rules


def wait(doc: dict[str, Any], event: Event, now: float) -> Move | None:
    """No capacity yet: the launch is tried again later."""
    if "_tasks" in doc or doc.get("_delayed") == attempt(doc):
        return None
    first = patience(doc, now) if "_delayed" not in doc and not attempt(doc) else ()
    later = Instruction(LAUNCH, delay=event.data["Seconds"])
    message = "Insufficient capacity error from EC2 while launching instances, retrying!"
    return Move(STARTING, {"_delayed": attempt(doc), "_message": message}, (later, *first))


def interrupt(doc: dict[str, Any], event: Event, now: float) -> Move | None:
    """Spot capacity is reclaimed: the hosts have the grace of a stop to write their last checkpoint."""
    if not doc.get("EnableManagedSpotTraining") or event.data.get("Attempt", attempt(doc)) != attempt(doc):
        return None
    return Move(INTERRUPTED, {"_message": None}, (Instruction(EVICT, {"Tasks": sorted(doc["_tasks"])}),))


def tagged(doc: dict[str, Any], event: Event, now: float) -> Move | None:
    return interrupt(doc, Event("Interrupt"), now) if NOW in event.data["Keys"] else None


def retried(doc: dict[str, Any], reason: str, tasks: dict[str, Any]) -> Move | None:
    """The move to another attempt if the fault is the platform's and the job's RetryStrategy has one left."""
    most = doc.get("RetryStrategy", {}).get("MaximumRetryAttempts", 0)
    if not reason.startswith("InternalServerError") or doc.get("_retries", 0) >= most or "_failure" in doc:
        return None
    changes = {"_tasks": tasks, "_retries": doc.get("_retries", 0) + 1, "_message": f"Restarting the training job. {reason}"}
    if everywhere(tasks, "Ended"):
        return Move(RESTARTING, changes, (_forget(doc, tasks),))
    return Move(RESTARTING, changes, (Instruction(EVICT, {"Tasks": sorted(tasks)}),))


def ebbing(doc: dict[str, Any], event: Event, now: float) -> Move:
    """A host of the attempt that is over reports."""
    if event.name == "Exited":
        clean = event.data["ExitCode"] == 0 and not event.data.get("Stopped")
        return Move(doc["_state"], {"_tasks": moved(doc, event, "Exited", Clean=clean)})
    # done is a host that could also store what it has made
    tasks = moved(doc, event, "Ended", **{"Clean": False} if event.name == "Failed" else {})
    if not everywhere(tasks, "Ended"):
        return Move(doc["_state"], {"_tasks": tasks})
    return Move(doc["_state"], {"_tasks": tasks}, (_forget(doc, tasks),))


def complete(tasks: Mapping[str, Any]) -> bool:
    """Whether every host had done its work before it heard that its time was up."""
    return all(task.get("Clean") and task["Phase"] == "Ended" for task in tasks.values())


def cleared(doc: dict[str, Any], event: Event, now: float) -> Move | None:
    """Nothing is left of the last attempt."""
    if event.data["Attempt"] != attempt(doc):
        return None
    begin = {"_tasks": None, "_access_keys": None, "_overtime": None, "_message": None, "_attempt": attempt(doc) + 1}
    return Move(STARTING, begin, (Instruction(LAUNCH),))


def overdue(doc: dict[str, Any], event: Event, now: float) -> Move:
    """MaxWaitTimeInSeconds is over before the job is done."""
    return Move(STOPPING, {"_late": True}, (HALT_ALL,))


def _forget(doc: Mapping[str, Any], tasks: Mapping[str, Any]) -> Instruction:
    return Instruction(FORGET, {"Tasks": sorted(tasks), "AccessKeys": doc.get("_access_keys", []), "Attempt": attempt(doc)})


