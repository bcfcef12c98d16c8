"""From an alarm that speaks to a decision: hears alarms, gathers what the decision depends on, writes down what follows."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from typing import Any

from ...resources.platform import Platform
from ...runtime.lifecycle import Event
from ...runtime.reconciler import Job
from ...stores.records import Change, Query, Record
from ...wire.errors import DomainError, NotFound
from .activities import Activities
from .decisions import HIGH, STEP, Alarm, Decision, Inputs, Past, Policy, Target, decide
from .dimensions import Capacity, Dimensions, Scalable
from .targets import KIND, SCALE
from .tracking import latest_query, metric

log = logging.getLogger(__name__)

POLICY = "ScalingPolicy"
READ = 100
"""Alarms described at once."""
FRESH = 60.0
"""Seconds for which a signal needs nobody to confirm it: an alarm's usual period."""
Place = tuple[str, str]


class Scaler:
    """One per platform."""

    def __init__(self, platform: Platform, dimensions: Dimensions, activities: Activities) -> None:
        self.platform, self.dimensions, self.activities = platform, dimensions, activities
        self._busy: dict[Place, bool] = {}
        """Targets that are being looked at, and whether to look once more. In memory: what is to be done is in the records."""

    def install(self) -> None:
        self.platform.alarm_actions["autoscaling"] = self.hear
        self.platform.reconciler.executor(KIND, SCALE, self.scale)

    async def hear(self, action: str, scope: str, alarm: Mapping[str, Any], change: Mapping[str, Any]) -> None:
        """An alarm whose action is one of our policies. Raises NotFound."""
        found = await self.platform.records.find(POLICY, scope, Query(where=(("PolicyARN", action),), limit=1))
        if not found:
            raise NotFound(f"There is no scaling policy {action}.")
        policy = found[0]
        signal = {
            "AlarmName": alarm["AlarmName"], "Policy": policy.doc["PolicyName"], "State": change["State"], "Values": values_in(change["Data"]),
            "Threshold": alarm.get("Threshold", 0.0), "Above": str(alarm.get("ComparisonOperator", "")).startswith("Greater"),
            "At": self.platform.clock(),
        }
        await self.platform.reconciler.send(KIND, scope, policy.parent, Event("Signalled", signal))

    async def scale(self, job: Job) -> None:
        """Decide until there is nothing left to decide on. One at a time for each target."""
        place = job.work.scope, job.work.key
        if place in self._busy:
            self._busy[place] = True
            return
        try:
            while True:
                self._busy[place] = False
                await self._once(*place)
                if not self._busy[place]:
                    return
        finally:
            self._busy.pop(place, None)

    async def _once(self, scope: str, key: str) -> None:
        record = await self.platform.records.get(KIND, scope, key)
        if record is None or record.doc.get("_busy"):
            return  # the end of the activity under way comes back here
        what = Scalable.of(record.doc)
        try:
            capacity = await self.activities.rest(scope, what)
        except DomainError as error:
            log.info("%s cannot be scaled: %s", key, error.message)
            await self._decided(record, Decision(), [], "")
            return
        record = await self.platform.records.get(KIND, scope, key)  # the rest may have been long in coming
        if record is None:
            return
        inputs = await self._inputs(record, capacity)
        decision = decide(inputs.target, inputs.policies, inputs.alarms, inputs.history, inputs.now)
        await self._follow(record, inputs, decision)

    async def _inputs(self, record: Record, capacity: Capacity) -> Inputs:
        doc, scope = record.doc, record.scope
        policies = await self.platform.records.find(POLICY, scope, Query(parent=record.key, sort_by="name", descending=False, limit=1000))
        suspended = doc["SuspendedState"]
        target = Target(
            doc["MinCapacity"], doc["MaxCapacity"], capacity.desired,
            suspended["DynamicScalingOutSuspended"], suspended["DynamicScalingInSuspended"],
        )
        return Inputs(
            target, tuple(_policy(p) for p in policies), tuple(await self._alarms(scope, doc.get("_signals", {}), policies)),
            tuple(Past(**past) for past in doc.get("_past", ())), self.platform.clock(),
        )

    async def _alarms(self, scope: str, signals: Mapping[str, Any], policies: list[Record]) -> list[Alarm]:
        """Those that spoke and count, in the state that they spoke of, and the states of all target tracking alarms."""
        sides = {p.doc["_names"][side]: (p.doc["PolicyName"], side) for p in policies for side in p.doc.get("_names", {})}
        states = await self._states(scope, [*{*signals, *sides}])
        silent = [p for p in policies if "_names" in p.doc and not signals.keys() & set(p.doc["_names"].values())]
        latest = await self._latest(scope, silent) if signals else {}
        found = []
        for name, state in sorted(states.items()):
            signal = signals.get(name)
            policy, side = sides.get(name, (signal["Policy"] if signal else "", ""))
            if signal is None:
                found.append(Alarm(name, policy, state, False, 0.0, side, latest.get(policy, ()), side == HIGH))
            else:
                values, spoke = tuple(signal["Values"]), counts(signal, state, self.platform.clock())
                found.append(Alarm(name, policy, signal["State"] if spoke else state, spoke, signal["Threshold"], side, values, signal["Above"]))
        return found

    async def _latest(self, scope: str, policies: list[Record]) -> dict[str, tuple[float, ...]]:
        """The newest datapoint of each target tracking policy's metric, if it has a recent one."""
        found: dict[str, tuple[float, ...]] = {}
        for policy in policies:
            measured = metric(Scalable.of(policy.doc), policy.doc["TargetTrackingScalingPolicyConfiguration"])
            asked = latest_query(measured, self.platform.clock())
            answer = await self.dimensions.call(scope, "cloudwatch", "GetMetricData", asked)
            for result in answer["MetricDataResults"]:
                found[policy.doc["PolicyName"]] = tuple(result["Values"][:1])
        return found

    async def _states(self, scope: str, names: list[str]) -> dict[str, str]:
        found: dict[str, str] = {}
        for at in range(0, len(names), READ):
            some = {"AlarmNames": names[at : at + READ], "MaxRecords": READ}
            answer = await self.dimensions.call(scope, "cloudwatch", "DescribeAlarms", some)
            found |= {a["AlarmName"]: a["StateValue"] for a in answer["MetricAlarms"]}
        return found

    async def _follow(self, record: Record, inputs: Inputs, decision: Decision) -> None:
        cause = _cause(record, inputs, decision)
        if decision.capacity is not None:
            activity, changes = await self.activities.start(record, inputs, decision, cause)
            await self._decided(record, decision, changes, activity)
        elif decision.reasons and record.doc.get("_told") != list(decision.reasons):
            await self._decided(record, decision, self.activities.refuse(record, inputs, decision, cause), "")
        else:
            await self._decided(record, decision, [], "")

    async def _decided(self, record: Record, decision: Decision, changes: list[Change], activity: str) -> None:
        seen = {name: s["At"] for name, s in record.doc.get("_signals", {}).items()}
        if not seen and not changes:
            return
        event = Event("Decided", {"Seen": seen, "Activity": activity, "Told": list(decision.reasons)})
        await self.platform.reconciler.send(KIND, record.scope, record.key, event, also=tuple(changes))


def counts(signal: Mapping[str, Any], state: str, now: float) -> bool:
    """Whether what an alarm asked for is still to be done, now that it is in ``state``.

    An action is carried out because a state was entered, also if the next evaluation, which may come at once, has ended that
    state. But a signal that had to wait for another change was about the capacity before that, and one that waited longer than
    a period about another time: those count as long as the alarm says the same.
    """
    return bool(signal["State"] == state or (not signal.get("Held") and now - signal["At"] < FRESH))


def values_in(data: str) -> list[float]:
    """The datapoints that StateReasonData tells of, which is also what a policy is tried out with (SetAlarmState)."""
    try:
        found = json.loads(data)["recentDatapoints"]
        return [float(v) for v in found if isinstance(v, int | float)]
    except (ValueError, KeyError, TypeError):
        return []


def _policy(record: Record) -> Policy:
    doc = record.doc
    member = "StepScalingPolicyConfiguration" if doc["PolicyType"] == STEP else "TargetTrackingScalingPolicyConfiguration"
    return Policy(doc["PolicyName"], doc["PolicyType"], doc[member])


def _cause(record: Record, inputs: Inputs, decision: Decision) -> str:
    if decision.alarm:
        state = next(a.state for a in inputs.alarms if a.name == decision.alarm)
        return f"monitor alarm {decision.alarm} in state {state} triggered policy {decision.policy}"
    low = decision.capacity is not None and decision.capacity > inputs.target.current
    bound = f"minimum capacity was set to {inputs.target.minimum}" if low else f"maximum capacity was set to {inputs.target.maximum}"
    by = record.doc.get("_scheduled")
    return f"{bound} by scheduled action {by}" if by else bound
