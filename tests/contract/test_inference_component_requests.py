"""Requests to inference components: answered, streamed, measured, scaled by."""

from __future__ import annotations

import time
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sagewright.testing.components import Composed, code
from sagewright.testing.names import unique
from sagewright.testing.server import TestServer


def test_without_copies_it_fails_at_once_and_that_is_counted(composed: Composed) -> None:
    endpoint = composed.endpoint(managed={"MinInstanceCount": 0, "MaxInstanceCount": 1})
    name = composed.component(endpoint)
    assert composed.instances(endpoint) == (1, 1)
    composed.scale(name, 0)
    composed.until(lambda: composed.instances(endpoint) == (0, 0))
    began = time.monotonic()
    with pytest.raises(ClientError) as raised:
        composed.ask(endpoint, name)
    assert time.monotonic() - began < 5
    assert "no capacity to process this request" in code(raised)
    where = [{"Name": "InferenceComponentName", "Value": name}]

    def counted() -> Any:
        now = time.time()
        return composed.metrics.get_metric_statistics(
            Namespace="AWS/SageMaker", MetricName="NoCapacityInvocationFailures", Dimensions=where, StartTime=now - 600, EndTime=now + 60,
            Period=60, Statistics=["Sum"])["Datapoints"]

    assert composed.until(counted)[0]["Sum"] == 1.0
    composed.scale(name, 1)
    assert composed.settled(name)["InferenceComponentStatus"] == "InService"
    assert composed.ask(endpoint, name).startswith("one ")
    assert composed.instances(endpoint) == (1, 1)


def test_a_copy_that_dies_is_replaced_and_its_errors_are_the_models(composed: Composed) -> None:
    endpoint = composed.endpoint()
    name = composed.component(endpoint)
    first = composed.ask(endpoint, name).split()[1]
    with pytest.raises(ClientError) as raised:
        composed.ask(endpoint, name, "fail")
    assert code(raised).startswith("ModelError")
    assert f"group=/aws/sagemaker/InferenceComponents/{name} " in code(raised)
    with pytest.raises(ClientError):
        composed.ask(endpoint, name, "die")

    def answers() -> str:
        try:
            return composed.ask(endpoint, name).split()[1]
        except ClientError:
            return ""

    assert composed.until(answers) != first


def test_streams_come_from_components_too(composed: Composed) -> None:
    endpoint = composed.endpoint()
    streaming = composed.models.model("""
        def model_fn(d):
            return None

        def transform_fn(model, body, kind, accept):
            return (part for part in (b"a", b"b")), "text/plain"
    """)
    name = composed.component(endpoint, ModelName=streaming)
    answer = composed.runtime.invoke_endpoint_with_response_stream(EndpointName=endpoint, InferenceComponentName=name, Body=b"x")
    assert b"".join(event["PayloadPart"]["Bytes"] for event in answer["Body"]) == b"ab"


def test_requests_are_measured_for_each_copy_and_for_the_variant(composed: Composed) -> None:
    endpoint = composed.endpoint()
    name = composed.component(endpoint, copies=2)
    for _ in range(4):
        composed.ask(endpoint, name)
    part, variant = {"InferenceComponentName": name}, {"EndpointName": endpoint, "VariantName": "AllTraffic"}

    def total(metric: str, where: dict[str, str]) -> float:
        now = time.time()
        found = composed.metrics.get_metric_statistics(
            Namespace="AWS/SageMaker", MetricName=metric, Dimensions=[{"Name": k, "Value": v} for k, v in where.items()],
            StartTime=now - 600, EndTime=now + 60, Period=60, Statistics=["Sum"])
        return float(sum(point["Sum"] for point in found["Datapoints"]))

    composed.until(lambda: total("Invocations", part) == 4 and total("Invocations", variant) == 4)
    assert total("InvocationsPerCopy", part) == pytest.approx(2.0)
    assert total("ConcurrentRequestsPerCopy", part) >= 2.0
    assert total("InvocationsPerInstance", variant) == pytest.approx(4.0)
    assert total("ModelLatency", variant) == pytest.approx(total("ModelLatency", part))


def test_copies_are_scaled_by_application_autoscaling(composed: Composed, server: TestServer) -> None:
    endpoint = composed.endpoint()
    name = composed.component(endpoint)
    scaling = server.client("application-autoscaling")
    what = {"ServiceNamespace": "sagemaker", "ResourceId": f"inference-component/{name}", "ScalableDimension": "sagemaker:inference-component:DesiredCopyCount"}
    scaling.register_scalable_target(**what, MinCapacity=0, MaxCapacity=2)
    target = {"TargetValue": 5.0, "PredefinedMetricSpecification": {"PredefinedMetricType": "SageMakerInferenceComponentInvocationsPerCopy"}}
    put = scaling.put_scaling_policy(**what, PolicyName="track", PolicyType="TargetTrackingScaling", TargetTrackingScalingPolicyConfiguration=target)
    assert len(put["Alarms"]) == 2
    step = scaling.put_scaling_policy(**what, PolicyName="wake", PolicyType="StepScaling", StepScalingPolicyConfiguration={
        "AdjustmentType": "ExactCapacity", "StepAdjustments": [{"MetricIntervalLowerBound": 0, "ScalingAdjustment": 2}]})
    alarm = unique("alarm")
    composed.metrics.put_metric_alarm(
        AlarmName=alarm, Namespace="AWS/SageMaker", MetricName="NoCapacityInvocationFailures", Statistic="Maximum", Period=3600,
        EvaluationPeriods=1, Threshold=1, ComparisonOperator="GreaterThanOrEqualToThreshold", AlarmActions=[step["PolicyARN"]],
        Dimensions=[{"Name": "InferenceComponentName", "Value": name}],
    )

    def woken() -> bool:
        """The alarm, which has no datapoints, may be evaluated before its action is looked at: then it says nothing any more."""
        for state in ("OK", "ALARM"):
            composed.metrics.set_alarm_state(AlarmName=alarm, StateValue=state, StateReason="tried", StateReasonData='{"recentDatapoints": [1.0]}')
        return composed.counts(name) == (2, 2)

    composed.until(woken)
    scaling.register_scalable_target(**what, MinCapacity=0, MaxCapacity=1)
    composed.until(lambda: composed.counts(name) == (1, 1))
    scaling.deregister_scalable_target(**what)
