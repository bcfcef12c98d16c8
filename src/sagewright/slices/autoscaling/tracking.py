"""The two alarms of a target tracking policy, as PutMetricAlarm takes them. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...wire.errors import Invalid
from .decisions import HIGH, LOW
from .dimensions import COPIES, INSTANCES, PROVISIONED, Scalable

MINUTE = 60
FINE = 10
"""Seconds: the period of high-resolution metrics."""
OUT_PERIODS, IN_PERIODS = 3, 15
"""How long the metric must be beyond the target: in quickly, out with patience."""
SLACK = 0.9
"""The low alarm's threshold, as a share of the target."""
NAMESPACE = "AWS/SageMaker"

PREDEFINED: Mapping[str, tuple[str, str, str, int]] = {
    "SageMakerVariantInvocationsPerInstance": (INSTANCES, "InvocationsPerInstance", "Sum", MINUTE),
    "SageMakerVariantConcurrentRequestsPerModelHighResolution": (INSTANCES, "ConcurrentRequestsPerModel", "Maximum", FINE),
    "SageMakerVariantProvisionedConcurrencyUtilization": (PROVISIONED, "ServerlessProvisionedConcurrencyUtilization", "Maximum", MINUTE),
    "SageMakerInferenceComponentInvocationsPerCopy": (COPIES, "InvocationsPerCopy", "Sum", MINUTE),
    "SageMakerInferenceComponentConcurrentRequestsPerCopyHighResolution": (COPIES, "ConcurrentRequestsPerCopy", "Maximum", FINE),
}
"""Metric type → (dimension that it scales, metric, statistic, period in seconds)."""


def metric(what: Scalable, config: Mapping[str, Any]) -> dict[str, Any]:
    """The members of PutMetricAlarm that say what is measured. Raises Invalid."""
    predefined, customized = config.get("PredefinedMetricSpecification"), config.get("CustomizedMetricSpecification")
    if (predefined is None) == (customized is None):
        raise Invalid("Specify exactly one of PredefinedMetricSpecification and CustomizedMetricSpecification.")
    if predefined is not None:
        return _predefined(what, predefined)
    assert customized is not None
    if "Metrics" in customized:
        if len(customized) > 1:
            raise Invalid("CustomizedMetricSpecification: Metrics cannot be given together with a single metric.")
        return {"Metrics": [_query(q) for q in customized["Metrics"]]}
    for member in ("MetricName", "Namespace", "Statistic"):
        if member not in customized:
            raise Invalid(f"CustomizedMetricSpecification: {member} is required.")
    return {**customized, "Period": MINUTE}


def _predefined(what: Scalable, given: Mapping[str, Any]) -> dict[str, Any]:
    kind = given["PredefinedMetricType"]
    if kind not in PREDEFINED or PREDEFINED[kind][0] != what.dimension:
        raise Invalid(f"Predefined metric type {kind} is not valid for scalable dimension {what.dimension}.")
    if "ResourceLabel" in given:
        raise Invalid(f"ResourceLabel cannot be specified with {kind}.")
    _, name, statistic, period = PREDEFINED[kind]
    if what.component:
        dimensions = [{"Name": "InferenceComponentName", "Value": what.component}]
    else:
        dimensions = [{"Name": "EndpointName", "Value": what.endpoint}, {"Name": "VariantName", "Value": what.variant}]
    return {"Namespace": NAMESPACE, "MetricName": name, "Dimensions": dimensions, "Statistic": statistic, "Period": period}


def _query(given: Mapping[str, Any]) -> dict[str, Any]:
    query = dict(given)
    if "MetricStat" in query:
        query["MetricStat"] = {**query["MetricStat"], "Period": MINUTE}
    return query


def latest_query(measured: Mapping[str, Any], now: float) -> dict[str, Any]:
    """GetMetricData's parameters for the newest datapoints of what ``metric`` gave: its last complete periods, newest first."""
    if "Metrics" in measured:
        queries, period = measured["Metrics"], MINUTE
    else:
        period = measured["Period"]
        about = {m: measured[m] for m in ("Namespace", "MetricName", "Dimensions") if m in measured}
        unit = {"Unit": measured["Unit"]} if "Unit" in measured else {}
        queries = [{"Id": "m1", "MetricStat": {"Metric": about, "Period": period, "Stat": measured["Statistic"], **unit}}]
    end = now // period * period
    return {"StartTime": end - OUT_PERIODS * period, "EndTime": end, "ScanBy": "TimestampDescending", "MetricDataQueries": queries}


def alarms(what: Scalable, config: Mapping[str, Any], names: Mapping[str, str], policy_arn: str) -> list[dict[str, Any]]:
    """PutMetricAlarm calls for the sides that ``names`` has a name for."""
    measured, target = metric(what, config), config["TargetValue"]
    sides = {
        HIGH: {"ComparisonOperator": "GreaterThanThreshold", "Threshold": target, "EvaluationPeriods": OUT_PERIODS},
        LOW: {"ComparisonOperator": "LessThanThreshold", "Threshold": target * SLACK, "EvaluationPeriods": IN_PERIODS},
    }
    return [
        {
            **measured, **sides[side], "AlarmName": name, "AlarmActions": [policy_arn],
            "AlarmDescription": f"DO NOT EDIT OR DELETE. For TargetTrackingScaling policy {policy_arn}.",
        }
        for side, name in names.items()
    ]
