"""Scaling policies: the verbs, and the alarms that belong to a target tracking policy."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Mapping
from typing import Any

from ...resources.arn import arn
from ...resources.platform import Platform
from ...runtime.lifecycle import Instruction
from ...runtime.reconciler import Job
from ...stores.records import Conflict, Delete, Put, Query, Record
from ...wire.errors import Invalid, NotImplementedHere, ServiceError
from ...wire.types import Call
from . import targets
from .decisions import HIGH, LOW, STEP, TRACKING
from .dimensions import Dimensions, Scalable
from .pages import page, wanted
from .scaler import POLICY
from .tracking import alarms, metric

ENSURE = "EnsureAlarms"
CONFIGS = {STEP: "StepScalingPolicyConfiguration", TRACKING: "TargetTrackingScalingPolicyConfiguration"}
MOST_STEPS = 20
LARGEST = 2.0**360


class Policies:
    """The verbs of one platform."""

    def __init__(self, platform: Platform, dimensions: Dimensions) -> None:
        self.platform, self.dimensions = platform, dimensions

    def install(self) -> None:
        bind = self.platform.operations.bind
        for name, verb in (
            ("PutScalingPolicy", self.put), ("DeleteScalingPolicy", self.delete), ("DescribeScalingPolicies", self.describe),
        ):
            bind("application-autoscaling", name, verb)
        self.platform.reconciler.executor(POLICY, ENSURE, self.ensure)

    async def put(self, call: Call) -> dict[str, Any]:
        """Make a policy, or give it another configuration; its ARN and its alarms' names stay."""
        target = await targets.find(self.platform, call)
        key = f"{target.key}|{call.params['PolicyName']}"
        while True:
            old = await self.platform.records.get(POLICY, call.scope, key)
            doc = self._document(call, target, old.doc if old else None)
            put = Put(POLICY, call.scope, key, doc, old.version if old else 0, name=doc["PolicyName"], parent=target.key)
            # queued with the policy, so that its alarms come to be even if this server does not live to make them now
            work = self.platform.reconciler.work(POLICY, call.scope, key, Instruction(ENSURE))
            try:
                await self.platform.records.commit(put, *([work] if doc["PolicyType"] == TRACKING else []))
            except Conflict:
                continue
            break
        await self._ensure(call.scope, doc)
        self.platform.reconciler.changed(POLICY, call.scope, key)
        return {"PolicyARN": doc["PolicyARN"], "Alarms": self._own_alarms(call.region, call.account, doc)}

    def _document(self, call: Call, target: Record, old: Mapping[str, Any] | None) -> dict[str, Any]:
        p = call.params
        kind = p.get("PolicyType", old["PolicyType"] if old else STEP)
        if kind not in CONFIGS:
            raise NotImplementedHere(f"PutScalingPolicy with PolicyType {kind} is not implemented.")
        if old and old["PolicyType"] != kind:
            raise Invalid(f"Policy {p['PolicyName']} is of type {old['PolicyType']}, which cannot be changed. Delete it first.")
        for other in {*CONFIGS.values(), "PredictiveScalingPolicyConfiguration"} - {CONFIGS[kind]}:
            if other in p:
                raise Invalid(f"{other} cannot be given for a policy of type {kind}.")
        config = p.get(CONFIGS[kind], (old or {}).get(CONFIGS[kind]))
        if config is None:
            raise Invalid(f"{CONFIGS[kind]} is required for a policy of type {kind}.")
        what = Scalable.of(p)
        doc = {
            **{m: target.doc[m] for m in ("ServiceNamespace", "ResourceId", "ScalableDimension")},
            "PolicyName": p["PolicyName"], "PolicyType": kind, CONFIGS[kind]: config,
            "CreationTime": old["CreationTime"] if old else self.platform.clock(),
        }
        if kind == TRACKING:
            _check_tracking(what, config)
        else:
            config = doc[CONFIGS[kind]] = _steps(config)
        made = uuid.uuid4()
        resource = f"scalingPolicy:{made}:resource/sagemaker/{what.resource}:policyName/{p['PolicyName']}"
        doc["PolicyARN"] = old["PolicyARN"] if old else arn("autoscaling", call.region, call.account, resource)
        if kind == TRACKING:
            doc["_names"] = _names(what, config, (old or {}).get("_names", {}))
            doc["_unused"] = [n for side, n in (old or {}).get("_names", {}).items() if side not in doc["_names"]]
        return doc

    async def ensure(self, job: Job) -> None:
        """Make a policy's alarms what it says."""
        await self._ensure(job.work.scope, job.doc)
        if await self.platform.records.get(POLICY, job.work.scope, job.work.key) is None:
            await self._remove_alarms(job.work.scope, job.doc)  # deleted meanwhile

    async def _ensure(self, scope: str, doc: Mapping[str, Any]) -> None:
        if doc["PolicyType"] != TRACKING:
            return
        for params in alarms(Scalable.of(doc), doc[CONFIGS[TRACKING]], doc["_names"], doc["PolicyARN"]):
            await self.dimensions.call(scope, "cloudwatch", "PutMetricAlarm", params)
        if doc["_unused"]:
            await self.dimensions.call(scope, "cloudwatch", "DeleteAlarms", {"AlarmNames": doc["_unused"]})

    async def _remove_alarms(self, scope: str, doc: Mapping[str, Any]) -> None:
        if names := list(doc.get("_names", {}).values()):
            await self.dimensions.call(scope, "cloudwatch", "DeleteAlarms", {"AlarmNames": names})

    async def delete(self, call: Call) -> dict[str, Any]:
        target = await targets.find(self.platform, call)
        record = await self.platform.records.get(POLICY, call.scope, f"{target.key}|{call.params['PolicyName']}")
        if record is None:
            raise ServiceError("ObjectNotFoundException", f"No scaling policy found for name {call.params['PolicyName']}.")
        await self.remove(record)
        return {}

    async def remove(self, record: Record) -> None:
        """Take away a policy and its alarms."""
        await self._remove_alarms(record.scope, record.doc)
        await self.platform.records.commit(Delete(POLICY, record.scope, record.key))

    async def describe(self, call: Call) -> dict[str, Any]:
        p = call.params
        records = await self.platform.records.find(POLICY, call.scope, Query(sort_by="name", descending=False, limit=1_000_000))
        names = p.get("PolicyNames")
        found = [r for r in records if wanted(r.doc, p) and (names is None or {r.doc["PolicyName"], r.doc["PolicyARN"]} & set(names))]
        answer = page(p, found, "ScalingPolicies", lambda r: {k: v for k, v in r.doc.items() if k[0] != "_"})
        for policy in answer["ScalingPolicies"]:
            some = {"ActionPrefix": policy["PolicyARN"], "MaxRecords": 100}
            described = await self.dimensions.call(call.scope, "cloudwatch", "DescribeAlarms", some)
            policy["Alarms"] = [{"AlarmName": a["AlarmName"], "AlarmARN": a["AlarmArn"]} for a in described["MetricAlarms"]]
        return answer

    def _own_alarms(self, region: str, account: str, doc: Mapping[str, Any]) -> list[dict[str, str]]:
        names = doc.get("_names", {}).values()
        return [{"AlarmName": n, "AlarmARN": arn("cloudwatch", region, account, f"alarm:{n}")} for n in names]


def _names(what: Scalable, config: Mapping[str, Any], old: Mapping[str, str]) -> dict[str, str]:
    sides = (HIGH,) if config.get("DisableScaleIn") else (HIGH, LOW)
    return {side: old.get(side) or f"TargetTracking-{what.resource}-Alarm{side}-{uuid.uuid4()}" for side in sides}


def _check_tracking(what: Scalable, config: Mapping[str, Any]) -> None:
    metric(what, config)
    value = config["TargetValue"]
    if not 0 < value <= LARGEST:
        raise Invalid("TargetValue must be greater than 0 and at most 2^360.")
    for member in ("ScaleInCooldown", "ScaleOutCooldown"):
        if config.get(member, 0) < 0:
            raise Invalid(f"{member} must not be negative.")


def _steps(config: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration with its steps in order. Raises Invalid for gaps and overlaps."""
    steps, kind = config.get("StepAdjustments", ()), config.get("AdjustmentType")
    if not kind:
        raise Invalid("AdjustmentType is required.")
    if not 1 <= len(steps) <= MOST_STEPS:
        raise Invalid(f"Between 1 and {MOST_STEPS} StepAdjustments are required.")
    if config.get("Cooldown", 0) < 0:
        raise Invalid("Cooldown must not be negative.")
    if "MinAdjustmentMagnitude" in config and (kind != "PercentChangeInCapacity" or config["MinAdjustmentMagnitude"] < 1):
        raise Invalid("MinAdjustmentMagnitude must be positive and goes with PercentChangeInCapacity only.")
    low, high = "MetricIntervalLowerBound", "MetricIntervalUpperBound"
    ordered = sorted(steps, key=lambda s: s.get(low, float("-inf")))
    for step in ordered:
        if low not in step and high not in step:
            raise Invalid("A step adjustment needs a lower or an upper bound, or both.")
        if low in step and high in step and step[low] >= step[high]:
            raise Invalid("The lower bound of a step adjustment must be less than its upper bound.")
        if kind == "ExactCapacity" and step["ScalingAdjustment"] < 0:
            raise Invalid("ScalingAdjustment of ExactCapacity must not be negative.")
    for one, following in itertools.pairwise(ordered):
        if high not in one or low not in following or one[high] != following[low]:
            raise Invalid("Step adjustment intervals must not overlap and must not leave a gap between them.")
    return {**config, "StepAdjustments": ordered}
