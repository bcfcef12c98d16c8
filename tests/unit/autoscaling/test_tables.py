"""Lifecycles of alarms, scalable targets and activities, event by event, races among them; and what timers and alarms are made."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from sagewright.runtime.lifecycle import Event, Lifecycle
from sagewright.slices.autoscaling.activities import LIFECYCLE as ACTIVITY
from sagewright.slices.autoscaling.dimensions import INSTANCES, Scalable
from sagewright.slices.autoscaling.scaler import counts
from sagewright.slices.autoscaling.schedule import next_due
from sagewright.slices.autoscaling.targets import LIFECYCLE as TARGET
from sagewright.slices.autoscaling.tracking import alarms, latest_query, metric
from sagewright.wire.errors import Invalid, NotImplementedHere


def run(lifecycle: Lifecycle, doc: dict[str, Any], *events: tuple[str, dict[str, Any]]) -> tuple[dict[str, Any], list[str]]:
    """The document after the events, and the instructions they gave."""
    given: list[str] = []
    for at, (name, data) in enumerate(events, 1):
        stepped = lifecycle.step("k", doc, Event(name, data), float(at))
        if stepped is not None:
            doc, move = stepped
            given += [i.name for i in move.instructions]
    return doc, given


@pytest.fixture
def target() -> dict[str, Any]:
    free = dict.fromkeys(("DynamicScalingInSuspended", "DynamicScalingOutSuspended", "ScheduledScalingSuspended"), False)
    return TARGET.begin({"MinCapacity": 1, "MaxCapacity": 4, "SuspendedState": free}, 0.0)


def signal(name: str, at: float) -> tuple[str, dict[str, Any]]:
    return "Signalled", {"AlarmName": name, "At": at}


def decided(activity: str = "", **seen: float) -> tuple[str, dict[str, Any]]:
    return "Decided", {"Seen": seen, "Activity": activity, "Told": []}


def ended(activity: str, past: dict[str, Any] | None = None) -> tuple[str, dict[str, Any]]:
    return "Ended", {"Activity": activity, "Past": past}


def test_a_signal_that_comes_during_a_decision_stays(target: dict[str, Any]) -> None:
    doc, given = run(TARGET, target, signal("a", 1.0), signal("b", 2.0), signal("a", 3.0), decided(a=1.0, b=2.0))
    assert list(doc["_signals"]) == ["a"]
    assert given == ["Scale"] * 3


@pytest.mark.parametrize(("state", "after", "busy", "expected"), [
    ("ALARM", 1.0, False, True), ("ALARM", 900.0, True, True),
    ("INSUFFICIENT_DATA", 5.0, False, True),  # the next evaluation came before the decision
    ("OK", 61.0, False, False), ("OK", 5.0, True, False),
])  # fmt: skip
def test_an_alarm_is_taken_at_its_word(target: dict[str, Any], state: str, after: float, busy: bool, expected: bool) -> None:
    """A signal lasts, although its alarm may not, unless it is of a capacity or a time that is past."""
    said = {"AlarmName": "a", "State": "ALARM", "At": 100.0}
    doc, _ = run(TARGET, target, *([decided("x")] if busy else []), ("Signalled", said))
    assert counts(doc["_signals"]["a"], state, 100.0 + after) is expected


def test_one_activity_at_a_time_and_its_end_looks_again(target: dict[str, Any]) -> None:
    past = {"at": 3.0, "before": 1, "after": 2, "cooldown": 300.0}
    doc, given = run(TARGET, target, signal("a", 1.0), decided("x", a=1.0))
    assert doc["_busy"] == "x"
    doc, given = run(TARGET, doc, ended("another", past))
    assert (doc["_busy"], given, doc.get("_past")) == ("x", [], None)
    doc, given = run(TARGET, doc, ended("x", past), ended("x", past))  # said twice, counted once
    assert (doc.get("_busy"), given, doc["_past"]) == (None, ["Scale"], [past])


def test_a_failed_activity_leaves_no_cooldown(target: dict[str, Any]) -> None:
    doc, given = run(TARGET, target, decided("x"), ended("x"))
    assert (doc.get("_past"), given) == (None, ["Scale"])


@pytest.mark.parametrize(("action", "bounds"), [
    ({"MinCapacity": 2}, (2, 4)), ({"MaxCapacity": 3}, (1, 3)), ({"MinCapacity": 6}, (6, 6)), ({"MaxCapacity": 0}, (0, 0)),
    ({"MinCapacity": 2, "MaxCapacity": 8}, (2, 8)),
])  # fmt: skip
def test_a_schedule_sets_bounds_that_never_cross(target: dict[str, Any], action: dict[str, int], bounds: tuple[int, int]) -> None:
    doc, given = run(TARGET, target, ("Scheduled", {"Name": "n", "Action": action}))
    assert ((doc["MinCapacity"], doc["MaxCapacity"]), given) == (bounds, ["Scale"])
    target["SuspendedState"]["ScheduledScalingSuspended"] = True
    assert run(TARGET, target, ("Scheduled", {"Name": "n", "Action": action})) == (target, [])


def test_new_bounds_are_looked_at_and_nothing_else_is(target: dict[str, Any]) -> None:
    assert run(TARGET, target, ("Registered", {"Changes": {"MaxCapacity": 5}}))[1] == ["Scale"]
    assert run(TARGET, target, ("Registered", {"Changes": {"MaxCapacity": 4}}))[1] == []


def test_an_activity_from_begin_to_end() -> None:
    doc = ACTIVITY.begin({"ScalableDimension": INSTANCES, "_to": 3}, 0.0)
    assert doc["StatusCode"] == "Pending"
    doc, _ = run(ACTIVITY, doc, ("Began", {}))
    assert (doc["StatusCode"], "EndTime" in doc) == ("InProgress", False)
    done, _ = run(ACTIVITY, doc, ("Fulfilled", {}))
    assert (done["StatusCode"], done["EndTime"]) == ("Successful", 1.0)
    lost, _ = run(ACTIVITY, doc, ("Failed", {"Reason": "no room"}))
    assert (lost["StatusCode"], lost["StatusMessage"]) == ("Failed", "Failed to set desired instance count to 3. Reason: no room")
    faulty, _ = run(ACTIVITY, doc, ("Fault", {"Reason": "x" * 2000}))
    assert (faulty["StatusCode"], len(faulty["StatusMessage"])) == ("Failed", 1024)


# -- names, alarms, timers


def params(resource: str, dimension: str = INSTANCES, namespace: str = "sagemaker") -> dict[str, str]:
    return {"ServiceNamespace": namespace, "ResourceId": resource, "ScalableDimension": dimension}


def test_what_can_be_scaled() -> None:
    variant = Scalable.of(params("endpoint/E/variant/v"))
    assert (variant.endpoint, variant.variant, variant.record) == ("E", "v", ("Endpoint", "e"))
    component = Scalable.of(params("inference-component/C", "sagemaker:inference-component:DesiredCopyCount"))
    assert (component.component, component.record) == ("C", ("InferenceComponent", "c"))
    for wrong in (params("endpoint/e"), params("inference-component/c"), params("endpoint/e/variant/v", "ecs:service:DesiredCount")):
        with pytest.raises(Invalid):
            Scalable.of(wrong)
    with pytest.raises(NotImplementedHere, match="ecs"):
        Scalable.of(params("service/a/b", "ecs:service:DesiredCount", "ecs"))


@pytest.mark.parametrize(("kind", "resource", "dimension", "expected"), [
    ("SageMakerVariantInvocationsPerInstance", "endpoint/e/variant/v", INSTANCES, ("InvocationsPerInstance", "Sum", 60)),
    ("SageMakerVariantConcurrentRequestsPerModelHighResolution", "endpoint/e/variant/v", INSTANCES, ("ConcurrentRequestsPerModel", "Maximum", 10)),
    ("SageMakerVariantProvisionedConcurrencyUtilization", "endpoint/e/variant/v", "sagemaker:variant:DesiredProvisionedConcurrency",
     ("ServerlessProvisionedConcurrencyUtilization", "Maximum", 60)),
    ("SageMakerInferenceComponentInvocationsPerCopy", "inference-component/c", "sagemaker:inference-component:DesiredCopyCount",
     ("InvocationsPerCopy", "Sum", 60)),
])  # fmt: skip
def test_predefined_metrics(kind: str, resource: str, dimension: str, expected: tuple[str, str, int]) -> None:
    found = metric(Scalable.of(params(resource, dimension)), {"PredefinedMetricSpecification": {"PredefinedMetricType": kind}})
    assert (found["MetricName"], found["Statistic"], found["Period"]) == expected
    names = [d["Name"] for d in found["Dimensions"]]
    assert names == (["InferenceComponentName"] if "component" in resource else ["EndpointName", "VariantName"])


def test_alarms_and_the_latest_value_of_an_expression() -> None:
    what = Scalable.of(params("endpoint/e/variant/v"))
    stat = {"Metric": {"Namespace": "N", "MetricName": "M"}, "Stat": "Sum"}
    config = {"TargetValue": 10.0, "CustomizedMetricSpecification": {"Metrics": [
        {"Id": "m", "MetricStat": stat, "ReturnData": False}, {"Id": "e", "Expression": "m / 2"},
    ]}}
    high, low = alarms(what, config, {"High": "h", "Low": "l"}, "arn:p")
    assert (high["Threshold"], high["EvaluationPeriods"], low["Threshold"], low["EvaluationPeriods"]) == (10.0, 3, 9.0, 15)
    assert high["Metrics"][0]["MetricStat"]["Period"] == 60
    query = latest_query(metric(what, config), 1000.0)
    assert (query["StartTime"], query["EndTime"], query["MetricDataQueries"]) == (780.0, 960.0, high["Metrics"])


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


@pytest.mark.parametrize(("doc", "due"), [
    ({"Schedule": "rate(1 hour)"}, "2026-01-01T13:00:00"),
    ({"Schedule": "rate(1 hour)", "StartTime": at("2026-01-01T12:30:00")}, "2026-01-01T12:30:00"),
    ({"Schedule": "rate(1 hour)", "StartTime": at("2026-01-01T10:20:00")}, "2026-01-01T12:20:00"),
    ({"Schedule": "cron(0 10 * * ? *)", "StartTime": at("2026-01-05T10:00:00")}, "2026-01-05T10:00:00"),
    ({"Schedule": "cron(0 10 * * ? *)", "EndTime": at("2026-01-02T09:00:00")}, None),
    ({"Schedule": "at(2026-01-01T12:00:00)"}, None),
    ({"Schedule": "at(2026-01-02T12:00:00)", "Timezone": "Asia/Tokyo"}, "2026-01-02T03:00:00"),
])  # fmt: skip
def test_when_an_action_is_due(doc: dict[str, Any], due: str | None) -> None:
    now = at("2026-01-01T12:00:00")
    assert next_due({**doc, "_anchor": now}, now) == (at(due) if due else None)
