"""An alarm's states. Pure: every race is a unit test.

``_serial`` counts the configurations: timers and evaluations of an older one mean nothing any more.
"""

from __future__ import annotations

from typing import Any

from ....runtime.lifecycle import Event, Instruction, Lifecycle, Move, ignore
from .rules import ALARM, INSUFFICIENT_DATA, OK, STATES

EVALUATE, ACT, NOTE = "Evaluate", "Act", "Note"

ACTIONS = {OK: "OKActions", ALARM: "AlarmActions", INSUFFICIENT_DATA: "InsufficientDataActions"}
KEPT = ("AlarmArn", "StateValue", "StateReason", "StateReasonData", "StateUpdatedTimestamp", "StateTransitionedTimestamp", "Tags")
"""What a new configuration of an alarm leaves as it is."""
FIRST_REASON = "Unchecked: Initial alarm creation"


def entered(doc: dict[str, Any], before: str, move: Move, now: float) -> dict[str, Any]:
    if before == move.state:
        return {}
    first = {"StateReason": FIRST_REASON} if not before else {}
    return {"StateValue": move.state, "StateUpdatedTimestamp": now, "StateTransitionedTimestamp": now, **first}


def evaluated(doc: dict[str, Any], event: Event, now: float) -> Move | None:
    """What the datapoints call for; nothing where that is the state already."""
    data = event.data
    if data["Serial"] != doc["_serial"] or data["State"] == doc["_state"]:
        return None
    return _enter(doc, data["State"], data["Reason"], data["Data"])


def set_state(doc: dict[str, Any], event: Event, now: float) -> Move:
    """Somebody says which state it is, until the next evaluation."""
    data = event.data
    if data["State"] == doc["_state"]:
        changes = {"StateReason": data["Reason"], "StateReasonData": data["Data"] or None, "StateUpdatedTimestamp": now}
        return Move(doc["_state"], changes)
    return _enter(doc, data["State"], data["Reason"], data["Data"])


def configured(doc: dict[str, Any], event: Event, now: float) -> Move:
    """Another configuration under the same name; the state stays."""
    new: dict[str, Any] = event.data["Alarm"]
    gone = {m: None for m in doc if m not in new and m not in KEPT and not m.startswith("_")}
    serial = doc["_serial"] + 1
    changes = {**gone, **{k: v for k, v in new.items() if k not in KEPT}, "_serial": serial}
    note = note_of("ConfigurationUpdate", f'Alarm "{doc["AlarmName"]}" updated', {"type": "Update", "version": "1.0"}, now)
    return Move(doc["_state"], changes, (Instruction(EVALUATE, {"Serial": serial}), note))


def enabled(doc: dict[str, Any], event: Event, now: float) -> Move | None:
    if doc["ActionsEnabled"] == event.data["Enabled"]:
        return None
    return Move(doc["_state"], {"ActionsEnabled": event.data["Enabled"]})


def _enter(doc: dict[str, Any], state: str, reason: str, data: str) -> Move:
    was = doc["_state"]
    story = {
        "version": "1.0",
        "oldState": {"stateValue": was, "stateReason": doc.get("StateReason", "")},
        "newState": {"stateValue": state, "stateReason": reason},
    }
    note = Instruction(NOTE, {"Type": "StateUpdate", "Summary": f"Alarm updated from {was} to {state}", "Data": story})
    acts = act_on(doc, state, was, reason, data)
    return Move(state, {"StateReason": reason, "StateReasonData": data or None}, (note, *acts))


def act_on(doc: dict[str, Any], state: str, was: str, reason: str, data: str) -> tuple[Instruction, ...]:
    """The actions of a state, if they are enabled."""
    if not doc["ActionsEnabled"]:
        return ()
    args = {"State": state, "Was": was, "Reason": reason, "Data": data}
    return tuple(Instruction(ACT, {"Action": action, **args}) for action in doc.get(ACTIONS[state], ()))


def note_of(kind: str, summary: str, data: dict[str, Any], now: float) -> Instruction:
    return Instruction(NOTE, {"Type": kind, "Summary": summary, "Data": data, "At": now})


LIFECYCLE = Lifecycle(
    "MetricAlarm",
    start=INSUFFICIENT_DATA,
    final=STATES,
    entered=entered,
    table={
        (STATES, "Evaluated"): evaluated,
        (STATES, "SetState"): set_state,
        (STATES, "Configured"): configured,
        (STATES, "Enabled"): enabled,
        (STATES, "Delete"): lambda doc, event, now: Move(doc["_state"], remove=True),
        (STATES, "Fault"): ignore,
    },
)
