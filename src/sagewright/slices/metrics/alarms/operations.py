"""PutMetricAlarm and the other verbs that change alarms."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ....resources.arn import arn
from ....resources.platform import Platform
from ....runtime.lifecycle import Event, Instruction
from ....stores.records import Conflict, Put
from ....wire.errors import NotImplementedHere, ServiceError
from ....wire.types import Call
from ..data import Answer, check_period
from ..statistics import known
from .lifecycle import EVALUATE, note_of
from .rules import OPERATORS, TREATMENTS, period_of
from .source import queries, series
from .watch import KIND, Watch

DAY, WEEK = 86400, 7 * 86400
ACTION_MEMBERS = ("OKActions", "AlarmActions", "InsufficientDataActions")
LATER = ("ThresholdMetricId", "EvaluationWindow", "WarmUpConfiguration", "EvaluationCriteria", "EvaluationInterval", "ActionConfiguration")
SINGLE = ("MetricName", "Namespace", "Statistic", "ExtendedStatistic", "Dimensions", "Period", "Unit")


def invalid(message: str) -> ServiceError:
    return ServiceError("ValidationError", message)


def clash(message: str) -> ServiceError:
    return ServiceError("InvalidParameterCombination", message)


def alarm_arn(call: Call, name: str) -> str:
    return arn("cloudwatch", call.region, call.account, f"alarm:{name}")


def missing(name: str) -> ServiceError:
    return ServiceError("ResourceNotFound", f"Alarm {name} does not exist.", 404)


class AlarmOperations:
    """The verbs of one platform."""

    def __init__(self, platform: Platform, watch: Watch) -> None:
        self.platform, self.watch = platform, watch

    def install(self) -> None:
        bind = self.platform.operations.bind
        for name, verb in (("PutMetricAlarm", self.put), ("SetAlarmState", self.set_state)):
            bind("cloudwatch", name, verb, resources=lambda call: [alarm_arn(call, call.params["AlarmName"])])
        for name, verb in (
            ("DeleteAlarms", self.delete), ("EnableAlarmActions", self.enable), ("DisableAlarmActions", self.disable),
        ):
            bind("cloudwatch", name, verb, resources=lambda call: [alarm_arn(call, n) for n in call.params["AlarmNames"]])

    async def put(self, call: Call) -> None:
        """Make an alarm, or give it another configuration; its state stays then."""
        alarm = configuration(call.params)
        name, now = alarm["AlarmName"], self.platform.clock()
        alarm |= {"AlarmArn": alarm_arn(call, name), "AlarmConfigurationUpdatedTimestamp": now}
        while True:
            found = await self.platform.records.get(KIND, call.scope, name)
            if found is None:
                note = note_of("ConfigurationUpdate", f'Alarm "{name}" created', {"type": "Create", "version": "1.0"}, now)
                first = {**alarm, "_serial": 1}
                try:
                    record = await self.platform.reconciler.create(
                        Put(KIND, call.scope, name, first, 0), Instruction(EVALUATE, {"Serial": 1}), note
                    )
                except Conflict:
                    continue
                break
            sent = await self.platform.reconciler.send(KIND, call.scope, name, Event("Configured", {"Alarm": alarm}))
            if sent is not None:
                record = sent
                break
        self.watch.watch(call.scope, record.doc)

    async def delete(self, call: Call) -> None:
        """Those that do not exist are no fault: the others go."""
        for name in call.params["AlarmNames"]:
            await self.platform.reconciler.send(KIND, call.scope, name, Event("Delete"))
            self.watch.forget(call.scope, name)

    async def set_state(self, call: Call) -> None:
        params = call.params
        data = params.get("StateReasonData", "")
        if data:
            try:
                json.loads(data)
            except ValueError:
                raise ServiceError("InvalidFormat", "StateReasonData is not valid JSON.") from None
        event = Event("SetState", {"State": params["StateValue"], "Reason": params["StateReason"], "Data": data})
        if await self.platform.reconciler.send(KIND, call.scope, params["AlarmName"], event) is None:
            raise missing(params["AlarmName"])

    async def enable(self, call: Call) -> None:
        await self._enabled(call, True)

    async def disable(self, call: Call) -> None:
        await self._enabled(call, False)

    async def _enabled(self, call: Call, enabled: bool) -> None:
        for name in call.params["AlarmNames"]:
            await self.platform.reconciler.send(KIND, call.scope, name, Event("Enabled", {"Enabled": enabled}))


def configuration(params: Mapping[str, Any]) -> dict[str, Any]:
    """The document of a PutMetricAlarm call. Raises ServiceError or NotImplementedHere."""
    for member in LATER:
        if member in params:
            raise NotImplementedHere(f"PutMetricAlarm with {member} is not implemented.")
    alarm = {**params, "ActionsEnabled": params.get("ActionsEnabled", True)}
    for member in ("EvaluationPeriods", "ComparisonOperator", "Threshold"):
        if member not in alarm:
            raise ServiceError("MissingParameter", f"The parameter {member} is required.")
    if alarm["ComparisonOperator"] not in OPERATORS:
        raise NotImplementedHere(f"PutMetricAlarm with {alarm['ComparisonOperator']} (anomaly detection) is not implemented.")
    if alarm.get("TreatMissingData", "missing") not in TREATMENTS:
        raise invalid(f"The value {alarm['TreatMissingData']} for parameter TreatMissingData must be one of {', '.join(TREATMENTS)}.")
    if alarm.get("DatapointsToAlarm", 1) > alarm["EvaluationPeriods"]:
        raise invalid("The parameter DatapointsToAlarm must not be greater than EvaluationPeriods.")
    if alarm.get("EvaluateLowSampleCountPercentile", "evaluate") != "evaluate":
        raise NotImplementedHere("PutMetricAlarm with EvaluateLowSampleCountPercentile other than evaluate is not implemented.")
    for member in ACTION_MEMBERS:
        alarm[member] = list(params.get(member, ()))
    if "Metrics" in alarm:
        _check_metrics(alarm)
    else:
        _check_single(alarm)
        alarm.setdefault("Dimensions", [])
    _check_time(alarm)
    series(alarm)
    return alarm


def _check_single(alarm: Mapping[str, Any]) -> None:
    for member in ("MetricName", "Namespace", "Period"):
        if member not in alarm:
            raise ServiceError("MissingParameter", f"The parameter {member} is required.")
    if ("Statistic" in alarm) == ("ExtendedStatistic" in alarm):
        raise clash("Specify exactly one of Statistic and ExtendedStatistic.")
    known(alarm.get("Statistic") or alarm["ExtendedStatistic"])
    check_period(alarm["Period"])


def _check_metrics(alarm: Mapping[str, Any]) -> None:
    for member in SINGLE:
        if member in alarm:
            raise clash(f"Metrics and {member} cannot both be given.")
    returned = [q for q in alarm["Metrics"] if q.get("ReturnData", True)]
    if len(returned) != 1:
        raise invalid("Exactly one element of Metrics must return data; set ReturnData of the others to false.")
    if not any("MetricStat" in q for q in alarm["Metrics"]):
        raise NotImplementedHere("PutMetricAlarm with an expression over no metric is not implemented.")
    for query in alarm["Metrics"]:
        if "AccountId" in query:
            raise NotImplementedHere("PutMetricAlarm with metrics of another account is not implemented.")


def _check_time(alarm: Mapping[str, Any]) -> None:
    period, count = period_of(alarm), alarm["EvaluationPeriods"]
    longest = WEEK if period >= 3600 else DAY
    if period * count > longest:
        raise invalid(f"Metrics cannot be checked across more than {longest // DAY} day(s) (EvaluationPeriods * Period must be <= {longest}).")
    # asks every query once over nothing: names, statistics, periods and the expressions' grammar
    Answer({"StartTime": 0, "EndTime": period, "MetricDataQueries": queries(alarm)}, lambda series, start, end: []).results()
