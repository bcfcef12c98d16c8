"""Evaluates alarms, and carries out what follows from a change of state.

Each alarm has one timer: the end of its next period, kept in the work queue with the records. Datapoints that come in
late through the API, for a period that has ended, cause an evaluation at once.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from ....resources.arn import parse
from ....resources.platform import Platform
from ....runtime.lifecycle import Instruction
from ....runtime.reconciler import Job
from ....stores.metrics import Sample, Series
from ....stores.records import AddWork, Append, DoneWork, Query, Work
from ....wire.errors import DomainError, NotImplementedHere, ServiceError
from ....wire.types import Principal
from .lifecycle import ACT, ACTIONS, EVALUATE, LIFECYCLE, NOTE, act_on
from .rules import Outcome, evaluate, iso, period_of
from .source import points, series

log = logging.getLogger(__name__)

KIND, HISTORY = LIFECYCLE.name, "AlarmHistory"
LAG = 1.0
"""Seconds after a period's end at which it is looked at. What the platform measures is in by then: it is stamped when written."""
REPEATED = "autoscaling"
"""Service of the actions that are carried out again in each period that the state lasts, as CloudWatch does."""
Key = tuple[str, str]
"""(scope, alarm name)."""


class Watch:
    """One per platform."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform
        self._alarms: dict[Key, tuple[int, dict[str, Any]]] = {}
        """Serial and configuration; an index in memory, what it decides is only how soon a late datapoint is looked at."""
        self._looking: dict[Series, set[Key]] = defaultdict(set)

    def install(self) -> None:
        for name, run in ((EVALUATE, self.evaluate), (ACT, self.act), (NOTE, self.note)):
            self.platform.reconciler.executor(KIND, name, run)
        self.platform.starters.append(self._load)

    async def _load(self) -> None:
        for record in await self.platform.records.find(KIND, None, Query(limit=1_000_000)):
            self.watch(record.scope, record.doc)

    # -- late datapoints

    def watch(self, scope: str, alarm: dict[str, Any]) -> None:
        """Look at an alarm's metrics from now on, and no more at those it had before."""
        key = scope, alarm["AlarmName"]
        self.forget(*key)
        self._alarms[key] = alarm["_serial"], alarm
        for one in series(alarm):
            self._looking[one].add(key)

    def forget(self, scope: str, name: str) -> None:
        key = scope, name
        if key in self._alarms:
            for one in series(self._alarms.pop(key)[1]):
                self._looking[one].discard(key)
                if not self._looking[one]:
                    del self._looking[one]

    async def arrived(self, samples: Sequence[Sample]) -> None:
        """Datapoints were put: evaluate the alarms for which one belongs to a period that has ended."""
        now = self.platform.clock()
        late: set[Key] = set()
        for sample in samples:
            for key in self._looking.get(Series(sample.namespace, sample.name, sample.dimensions), ()):
                period = period_of(self._alarms[key][1])
                if sample.timestamp < now // period * period:
                    late.add(key)
        for scope, name in late:
            instruction = Instruction(EVALUATE, {"Serial": self._alarms[scope, name][0], "Late": True})
            await self.platform.records.commit(self.platform.reconciler.work(KIND, scope, name, instruction))
            self.platform.reconciler.changed(KIND, scope, name)

    # -- executors

    async def evaluate(self, job: Job) -> None:
        alarm, serial = job.doc, job.args["Serial"]
        if serial != alarm["_serial"]:
            return  # of an older configuration
        now = self.platform.clock()
        outcome = await self._outcome(alarm, now)
        if outcome.state not in (None, alarm["_state"]):
            await job.send("Evaluated", Serial=serial, State=outcome.state, Reason=outcome.reason, Data=outcome.data)
        if not job.args.get("Late"):
            await self._next(job, outcome, now)

    async def _outcome(self, alarm: Mapping[str, Any], now: float) -> Outcome:
        try:
            return evaluate(alarm, await asyncio.to_thread(points, alarm, self.platform.metrics.samples, now), now)
        except ServiceError as error:
            log.warning("alarm %s cannot be evaluated: %s", alarm["AlarmName"], error.message)
            return Outcome(None)
        except Exception:
            # the timer must go on: the next period may be readable again
            log.exception("alarm %s was not evaluated", alarm["AlarmName"])
            return Outcome(None)

    async def _next(self, job: Job, outcome: Outcome, now: float) -> None:
        """Set the timer of the next period. Its id says which: a timer that is set twice is one."""
        work, period = job.work, period_of(job.doc)
        due = (now // period + 1) * period + LAG
        if due - now > period:  # this evaluation came within the lag of a period that has just ended
            due -= period
        timer = AddWork(Work(
            f"{KIND}/{work.scope}/{work.key}/{work.args['Serial']}/{due:.0f}", work.kind, work.scope, work.key,
            EVALUATE, {"Serial": work.args["Serial"]}, due,
        ))
        await self.platform.records.commit(timer, *self._again(job, outcome))
        self.platform.reconciler.changed(work.kind, work.scope, work.key)

    def _again(self, job: Job, outcome: Outcome) -> list[AddWork]:
        """Scaling actions of a state that lasts."""
        alarm = job.doc
        state = alarm["_state"]
        if outcome.state != state:
            return []
        found = []
        for instruction in act_on(alarm, state, state, outcome.reason, outcome.data):
            action = instruction.args["Action"]
            if service_of(action) == REPEATED:
                work = Work(f"{job.work.id}/{action}", KIND, job.work.scope, job.work.key, ACT, instruction.args, self.platform.clock())
                found.append(AddWork(work))
        return found

    async def act(self, job: Job) -> None:
        """Carry out one action. What nobody here knows is kept in the history and nothing else."""
        action, scope = job.args["Action"], job.work.scope
        try:
            await self._carry_out(action, job)
            summary = f"Successfully executed action {action}"
            error = ""
        except DomainError as failed:
            error = failed.message
            summary = f"Failed to execute action {action}"
            log.warning("alarm %s (%s): action %s failed: %s", job.doc["AlarmName"], scope, action, error)
        data = {"actionState": "Failed" if error else "Succeeded", "notificationResource": action, "error": error or None}
        await self._append(job, "Action", summary, data, self.platform.clock())

    async def _carry_out(self, action: str, job: Job) -> None:
        service = service_of(action)
        if service == "sns":
            await self._publish(action, job)
        elif handler := self.platform.alarm_actions.get(service):
            await handler(action, job.work.scope, job.doc, job.args)
        else:
            raise NotImplementedHere(f"actions such as {action} are not carried out here")

    async def _publish(self, topic: str, job: Job) -> None:
        account, region = job.work.scope.split("/")
        subject = f'{job.args["State"]}: "{job.doc["AlarmName"]}" in {region}'
        who = Principal(
            f"arn:aws:iam::{account}:role/aws-service-role/cloudwatch.amazonaws.com", account, "service", name="cloudwatch.amazonaws.com"
        )
        params = {"TopicArn": topic, "Subject": subject[:100], "Message": json.dumps(message(job.doc, job.args, account, region, self.platform.clock()))}
        await self.platform.api.call("sns", "Publish", params, who, region, source=job.doc["AlarmArn"])

    async def note(self, job: Job) -> None:
        """Write a line of the alarm's history."""
        args = job.args
        await self._append(job, args["Type"], args["Summary"], args["Data"], args.get("At") or job.work.due)

    async def _append(self, job: Job, kind: str, summary: str, data: Mapping[str, Any], at: float) -> None:
        doc = {
            "AlarmName": job.doc["AlarmName"], "AlarmType": "MetricAlarm", "Timestamp": at, "HistoryItemType": kind,
            "HistorySummary": summary[:255], "HistoryData": json.dumps(data)[:4095],
        }
        # together with the end of the work: a history line is written once
        await self.platform.records.commit(Append(HISTORY, job.work.scope, job.work.id, doc, at), DoneWork(job.work.id))


def service_of(action: str) -> str:
    try:
        return parse(action).service
    except DomainError:
        return ""


def message(alarm: Mapping[str, Any], args: Mapping[str, Any], account: str, region: str, now: float) -> dict[str, Any]:
    """The JSON that a topic's subscribers get."""
    dimensions = [{"value": d["Value"], "name": d["Name"]} for d in alarm.get("Dimensions", ())]
    trigger = {
        "MetricName": alarm.get("MetricName"), "Namespace": alarm.get("Namespace"), "StatisticType": "Statistic",
        "Statistic": str(alarm.get("Statistic", alarm.get("ExtendedStatistic", ""))).upper() or None, "Unit": alarm.get("Unit"),
        "Dimensions": dimensions, "Period": period_of(alarm), "EvaluationPeriods": alarm["EvaluationPeriods"],
        "ComparisonOperator": alarm["ComparisonOperator"], "Threshold": alarm["Threshold"],
        "TreatMissingData": alarm.get("TreatMissingData", "missing"), "EvaluateLowSampleCountPercentile": "",
    }
    return {
        "AlarmName": alarm["AlarmName"], "AlarmDescription": alarm.get("AlarmDescription"), "AWSAccountId": account,
        "AlarmConfigurationUpdatedTimestamp": iso(alarm["AlarmConfigurationUpdatedTimestamp"]),
        "NewStateValue": args["State"], "NewStateReason": args["Reason"], "StateChangeTime": iso(alarm.get("StateUpdatedTimestamp", now)),
        "Region": region, "AlarmArn": alarm["AlarmArn"], "OldStateValue": args["Was"], "OKActions": alarm.get(ACTIONS["OK"], []),
        "AlarmActions": alarm.get(ACTIONS["ALARM"], []), "InsufficientDataActions": alarm.get(ACTIONS["INSUFFICIENT_DATA"], []),
        "Trigger": trigger,
    }
