"""Application Auto Scaling as boto3 users see it: real endpoints, real alarms."""

from __future__ import annotations

import concurrent.futures
import json
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sagewright.slices.autoscaling.decisions import replay
from sagewright.testing.models import Models, workflow
from sagewright.testing.names import unique
from sagewright.testing.server import TestServer
from sagewright.testing.waiting import until

INSTANCES = "sagemaker:variant:DesiredInstanceCount"


class Scaled:
    """One endpoint with one instance, registered to have one to four."""

    def __init__(self, server: TestServer, models: Models, endpoint: str = "") -> None:
        self.models, self.scaling, self.cloudwatch = models, server.client("application-autoscaling"), server.client("cloudwatch")
        self.endpoint = endpoint or models.deploy()
        self.target = {
            "ServiceNamespace": "sagemaker", "ResourceId": f"endpoint/{self.endpoint}/variant/AllTraffic", "ScalableDimension": INSTANCES,
        }
        self.arn = self.scaling.register_scalable_target(**self.target, MinCapacity=1, MaxCapacity=4)["ScalableTargetARN"]

    def count(self) -> int:
        about = self.models.sagemaker.describe_endpoint(EndpointName=self.endpoint)
        return int(about["ProductionVariants"][0]["CurrentInstanceCount"]) if about["EndpointStatus"] == "InService" else -1

    def comes_to(self, count: int) -> None:
        until(lambda: self.count() == count, why=lambda: f"{self.count()} instances: {self.activities(IncludeNotScaledActivities=True)}")

    def activities(self, **more: Any) -> list[dict[str, Any]]:
        return list(self.scaling.describe_scaling_activities(**self.target, **more)["ScalingActivities"])

    def finished(self, count: int) -> list[dict[str, Any]]:
        """The activities, once there are so many and none is under way."""
        def done() -> list[dict[str, Any]] | None:
            found = self.activities()
            return found if len(found) == count and all("EndTime" in a for a in found) else None

        return list(until(done))

    def tracking(self, name: str, target: float = 10.0, **config: Any) -> dict[str, str]:
        """A policy on InvocationsPerInstance; its alarms by side."""
        metric = {"PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"}
        answer = self.scaling.put_scaling_policy(
            **self.target, PolicyName=name, PolicyType="TargetTrackingScaling",
            TargetTrackingScalingPolicyConfiguration={"TargetValue": target, "PredefinedMetricSpecification": metric, **config},
        )
        return {("High" if "-AlarmHigh-" in a["AlarmName"] else "Low"): a["AlarmName"] for a in answer["Alarms"]}

    def stepping(self, name: str, *steps: dict[str, Any], **config: Any) -> str:
        policy = {"AdjustmentType": "ChangeInCapacity", "StepAdjustments": list(steps), "Cooldown": 0, **config}
        return str(self.scaling.put_scaling_policy(**self.target, PolicyName=name, StepScalingPolicyConfiguration=policy)["PolicyARN"])

    def alarm(self, action: str, **more: Any) -> str:
        """An alarm above 50 that nobody gives data to; its name."""
        name = unique("alarm")
        given = {"MetricName": "M", "Namespace": name, "Statistic": "Sum", "Period": 60, "EvaluationPeriods": 1, "TreatMissingData": "ignore"}
        given |= {"Threshold": 50.0, "ComparisonOperator": "GreaterThanThreshold", "AlarmActions": [action]} | more
        self.cloudwatch.put_metric_alarm(AlarmName=name, **given)
        return name

    def says(self, alarm: str, *values: float, state: str = "ALARM") -> None:
        """Let an alarm say that it was evaluated on these datapoints, as AWS has policies tried out."""
        data = json.dumps({"version": "1.0", "recentDatapoints": values})
        self.cloudwatch.set_alarm_state(AlarmName=alarm, StateValue=state, StateReason="a drill", StateReasonData=data)

    def close(self) -> None:
        self.scaling.deregister_scalable_target(**self.target)
        self.models.delete(self.endpoint)


@pytest.fixture
def scaled(server: TestServer, models: Models) -> Iterator[Scaled]:
    found = Scaled(server, models)
    yield found
    found.close()


def refused(caught: pytest.ExceptionInfo[ClientError]) -> str:
    return str(caught.value.response["Error"]["Code"])


def test_the_workflow_of_the_readme(own_server: TestServer) -> None:
    said = workflow(own_server, "autoscaling").splitlines()
    assert said[0].startswith("Successful monitor alarm TargetTracking-endpoint/greeter/variant/all-AlarmHigh-")
    assert said[1] == "3 instances"


def test_target_tracking_out_and_in(scaled: Scaled) -> None:
    alarms = scaled.tracking("track", ScaleInCooldown=0, ScaleOutCooldown=0)
    scaled.says(alarms["High"], 12.0, 25.0)
    scaled.comes_to(3)
    (out,) = scaled.finished(1)
    assert (out["StatusCode"], out["Description"]) == ("Successful", "Setting desired instance count to 3.")
    assert out["Cause"] == f"monitor alarm {alarms['High']} in state ALARM triggered policy track"
    assert out["StatusMessage"] == "Successfully set desired instance count to 3. Change successfully fulfilled by sagemaker."
    scaled.says(alarms["Low"], 3.0)
    scaled.comes_to(1)
    into, out = scaled.finished(2)
    assert into["Description"] == "Setting desired instance count to 1."
    for activity, capacity in ((out, 3), (into, 1)):
        record = json.loads(activity["Details"])
        decision = replay(record)
        assert (decision.capacity, decision.policy, record["target"]["maximum"]) == (capacity, "track", 4)


def test_target_tracking_of_an_expression_over_measurements(scaled: Scaled) -> None:
    """No drill: three minutes of datapoints above the target, then fifteen below."""
    namespace = unique("Load")
    stat = {"Metric": {"Namespace": namespace, "MetricName": "Queue"}, "Stat": "Average"}
    metrics = [{"Id": "queue", "MetricStat": stat, "ReturnData": False}, {"Id": "load", "Expression": "FILL(queue, 20) / 2"}]
    scaled.scaling.put_scaling_policy(
        **scaled.target, PolicyName="load", PolicyType="TargetTrackingScaling", TargetTrackingScalingPolicyConfiguration={
            "TargetValue": 10.0, "CustomizedMetricSpecification": {"Metrics": metrics}, "ScaleInCooldown": 0, "ScaleOutCooldown": 0,
        },
    )  # fmt: skip

    def measured(value: float, minutes: int) -> None:
        end = time.time() // 60 * 60
        data = [{"MetricName": "Queue", "Value": value, "Timestamp": end - 60 * i - 30} for i in range(-2, minutes)]  # and two to come
        scaled.cloudwatch.put_metric_data(Namespace=namespace, MetricData=data)

    measured(45.0, 3)
    scaled.comes_to(3)
    scaled.finished(1)
    measured(-35.0, 17)  # the averages are now 5, and -35 where there was nothing
    until(lambda: scaled.count() < 3)
    into, out = scaled.finished(2)
    assert ("-AlarmHigh-" in out["Cause"], "-AlarmLow-" in into["Cause"]) == (True, True)


def test_the_alarms_of_a_policy(scaled: Scaled) -> None:
    alarms = scaled.tracking("track", 10.0)
    found = {a["AlarmName"]: a for a in scaled.cloudwatch.describe_alarms(AlarmNames=[*alarms.values()])["MetricAlarms"]}
    (policy,) = scaled.scaling.describe_scaling_policies(ServiceNamespace="sagemaker", ResourceId=scaled.target["ResourceId"])["ScalingPolicies"]
    high, low = found[alarms["High"]], found[alarms["Low"]]
    assert alarms["High"].startswith(f"TargetTracking-{scaled.target['ResourceId']}-AlarmHigh-")
    assert (high["ComparisonOperator"], high["Threshold"], high["EvaluationPeriods"], high["Period"]) == ("GreaterThanThreshold", 10.0, 3, 60)
    assert (low["ComparisonOperator"], low["Threshold"], low["EvaluationPeriods"]) == ("LessThanThreshold", 9.0, 15)
    assert (high["Namespace"], high["MetricName"], high["Statistic"]) == ("AWS/SageMaker", "InvocationsPerInstance", "Sum")
    assert {d["Name"]: d["Value"] for d in high["Dimensions"]} == {"EndpointName": scaled.endpoint, "VariantName": "AllTraffic"}
    assert high["AlarmActions"] == low["AlarmActions"] == [policy["PolicyARN"]]
    assert {a["AlarmARN"] for a in policy["Alarms"]} == {high["AlarmArn"], low["AlarmArn"]}
    assert scaled.tracking("track", 20.0, DisableScaleIn=True) == {"High": alarms["High"]}
    (high,) = scaled.cloudwatch.describe_alarms(AlarmNames=[*alarms.values()])["MetricAlarms"]
    assert high["Threshold"] == 20.0
    scaled.scaling.delete_scaling_policy(**scaled.target, PolicyName="track")
    assert scaled.cloudwatch.describe_alarms(AlarmNames=[*alarms.values()])["MetricAlarms"] == []
    with pytest.raises(ClientError) as caught:
        scaled.scaling.delete_scaling_policy(**scaled.target, PolicyName="track")
    assert refused(caught) == "ObjectNotFoundException"


def test_step_scaling_by_an_alarm_of_ones_own(scaled: Scaled) -> None:
    out = scaled.stepping("out", {"MetricIntervalLowerBound": 0, "MetricIntervalUpperBound": 20, "ScalingAdjustment": 1},
                          {"MetricIntervalLowerBound": 20, "ScalingAdjustment": 2})  # fmt: skip
    alarm = scaled.alarm(out)
    (policy,) = scaled.scaling.describe_scaling_policies(ServiceNamespace="sagemaker", PolicyNames=[out])["ScalingPolicies"]
    assert [a["AlarmName"] for a in policy["Alarms"]] == [alarm]
    scaled.says(alarm, 75.0)
    scaled.comes_to(3)
    scaled.finished(1)
    scaled.says(alarm, 0.0, state="OK")
    scaled.says(alarm, 60.0)
    scaled.comes_to(4)
    scaled.finished(2)
    scaled.says(alarm, 0.0, state="OK")
    scaled.says(alarm, 60.0)
    (idle,) = until(lambda: [a for a in scaled.activities(IncludeNotScaledActivities=True) if "NotScaledReasons" in a])
    assert idle["NotScaledReasons"] == [{"Code": "AlreadyAtMaxCapacity", "MaxCapacity": 4}]
    assert idle["Cause"] == f"monitor alarm {alarm} in state ALARM triggered policy out"
    assert len(scaled.activities()) == 2


def test_alarms_at_the_same_time_make_one_decision(scaled: Scaled) -> None:
    small = scaled.alarm(scaled.stepping("small", {"MetricIntervalLowerBound": 0, "ScalingAdjustment": 1}))
    large = scaled.alarm(scaled.stepping("large", {"MetricIntervalLowerBound": 0, "ScalingAdjustment": 3}))
    scaled.says(small, 60.0)
    scaled.says(large, 60.0)
    scaled.comes_to(4)
    assert all("policy large" in a["Cause"] or "policy small" in a["Cause"] for a in scaled.finished(len(scaled.activities())))


def test_a_cooldown_holds_and_a_suspension_too(scaled: Scaled) -> None:
    alarms = scaled.tracking("track")
    scaled.says(alarms["High"], 15.0)
    scaled.comes_to(2)
    scaled.finished(1)
    scaled.says(alarms["Low"], 1.0)  # in the cooldown of 300 s
    scaled.scaling.register_scalable_target(**scaled.target, SuspendedState={"DynamicScalingOutSuspended": True})
    scaled.says(alarms["High"], 15.0, state="OK")
    scaled.says(alarms["High"], 90.0)
    (target,) = scaled.scaling.describe_scalable_targets(ServiceNamespace="sagemaker", ResourceIds=[scaled.target["ResourceId"]])["ScalableTargets"]
    assert target["SuspendedState"] == {"DynamicScalingInSuspended": False, "DynamicScalingOutSuspended": True, "ScheduledScalingSuspended": False}
    # the bounds are no policy's: they hold at once, and show that what came before has been decided on
    scaled.scaling.register_scalable_target(**scaled.target, MinCapacity=3)
    scaled.comes_to(3)
    assert next(a["Cause"] for a in scaled.finished(2)) == "minimum capacity was set to 3"


def test_scheduled_actions(scaled: Scaled) -> None:
    soon = datetime.now(UTC) + timedelta(seconds=2)
    put = scaled.scaling.put_scheduled_action
    put(**scaled.target, ScheduledActionName="up", Schedule=f"at({soon:%Y-%m-%dT%H:%M:%S})", ScalableTargetAction={"MinCapacity": 2})
    put(
        **scaled.target, ScheduledActionName="nights", Schedule="cron(0 22 ? * MON-FRI *)", Timezone="Europe/Berlin",
        ScalableTargetAction={"MinCapacity": 1, "MaxCapacity": 1},
    )
    scaled.comes_to(2)
    (activity,) = scaled.finished(1)
    assert activity["Cause"] == "minimum capacity was set to 2 by scheduled action up"
    (target,) = scaled.scaling.describe_scalable_targets(ServiceNamespace="sagemaker", ResourceIds=[scaled.target["ResourceId"]])["ScalableTargets"]
    assert (target["MinCapacity"], target["MaxCapacity"]) == (2, 4)
    named = scaled.scaling.describe_scheduled_actions(ServiceNamespace="sagemaker", ResourceId=scaled.target["ResourceId"])["ScheduledActions"]
    nights, up = named
    assert (nights["ScheduledActionName"], nights["Timezone"], nights["ScalableTargetAction"]) == ("nights", "Europe/Berlin", {"MinCapacity": 1, "MaxCapacity": 1})
    assert ":scheduledAction:" in up["ScheduledActionARN"]
    scaled.scaling.delete_scheduled_action(**scaled.target, ScheduledActionName="up")
    with pytest.raises(ClientError) as caught:
        scaled.scaling.delete_scheduled_action(**scaled.target, ScheduledActionName="up")
    assert refused(caught) == "ObjectNotFoundException"


def test_registering_describing_tagging(scaled: Scaled, server: TestServer) -> None:
    scaling = scaled.scaling
    (target,) = scaling.describe_scalable_targets(**{k: v for k, v in scaled.target.items() if k != "ResourceId"}, ResourceIds=[scaled.target["ResourceId"]])["ScalableTargets"]
    assert target["RoleARN"].endswith("AWSServiceRoleForApplicationAutoScaling_SageMakerEndpoint")
    assert scaled.arn.startswith("arn:aws:application-autoscaling:us-east-1:123456789012:scalable-target/")
    scaling.tag_resource(ResourceARN=scaled.arn, Tags={"a": "1", "b": "2"})
    scaling.untag_resource(ResourceARN=scaled.arn, TagKeys=["a"])
    assert scaling.list_tags_for_resource(ResourceARN=scaled.arn)["Tags"] == {"b": "2"}
    with pytest.raises(ClientError) as caught:
        scaling.list_tags_for_resource(ResourceARN=f"{scaled.arn}x")
    assert refused(caught) == "ResourceNotFoundException"
    assert scaling.register_scalable_target(**scaled.target, MaxCapacity=2)["ScalableTargetARN"] == scaled.arn
    other = {**scaled.target, "ResourceId": f"endpoint/{scaled.endpoint}/variant/none"}
    for call, code in (
        (lambda: scaling.deregister_scalable_target(**other), "ObjectNotFoundException"),
        (lambda: scaling.put_scaling_policy(**other, PolicyName="p"), "ObjectNotFoundException"),
        (lambda: scaling.register_scalable_target(**other, MinCapacity=1, MaxCapacity=2), "ValidationException"),
        (lambda: scaling.register_scalable_target(**scaled.target, MinCapacity=3), "ValidationException"),
        (lambda: scaling.register_scalable_target(**scaled.target, MinCapacity=0), "ValidationException"),
        (lambda: scaling.describe_scaling_policies(ServiceNamespace="sagemaker", NextToken="x"), "InvalidNextTokenException"),
    ):  # fmt: skip
        with pytest.raises(ClientError) as caught:
            call()
        assert refused(caught) == code


@pytest.mark.parametrize(("policy", "words"), [
    ({"StepScalingPolicyConfiguration": {"StepAdjustments": [{"MetricIntervalLowerBound": 0, "ScalingAdjustment": 1}]}}, "AdjustmentType is required"),
    ({"StepScalingPolicyConfiguration": {"AdjustmentType": "ChangeInCapacity", "StepAdjustments": [
        {"MetricIntervalLowerBound": 0, "MetricIntervalUpperBound": 5, "ScalingAdjustment": 1}, {"MetricIntervalLowerBound": 6, "ScalingAdjustment": 2},
    ]}}, "must not overlap"),
    ({"PolicyType": "TargetTrackingScaling"}, "TargetTrackingScalingPolicyConfiguration is required"),
    ({"PolicyType": "TargetTrackingScaling", "TargetTrackingScalingPolicyConfiguration": {"TargetValue": 1}}, "exactly one of"),
    ({"PolicyType": "TargetTrackingScaling", "TargetTrackingScalingPolicyConfiguration": {
        "TargetValue": 1, "PredefinedMetricSpecification": {"PredefinedMetricType": "SageMakerInferenceComponentInvocationsPerCopy"},
    }}, "not valid for scalable dimension"),
    ({"PolicyType": "PredictiveScaling"}, "PredictiveScaling is not implemented"),
])  # fmt: skip
def test_refused_policies(shared: Scaled, policy: dict[str, Any], words: str) -> None:
    with pytest.raises(ClientError, match=words):
        shared.scaling.put_scaling_policy(**shared.target, PolicyName="p", **policy)


@pytest.mark.parametrize(("action", "words"), [
    ({"Schedule": "cron(0 10 * * * *)"}, "Invalid schedule expression"),
    ({"Schedule": "rate(1 day)", "Timezone": "Mars/Olympus"}, "Mars/Olympus is not a time zone"),
    ({"Schedule": "at(2020-01-01T00:00:00)"}, "has no time to come"),
    ({"Schedule": "rate(1 day)", "ScalableTargetAction": {}}, "MinCapacity, MaxCapacity, or both"),
    ({"Schedule": None}, "Schedule is required"),
])  # fmt: skip
def test_refused_schedules(shared: Scaled, action: dict[str, Any], words: str) -> None:
    given = {k: v for k, v in {"ScalableTargetAction": {"MinCapacity": 1}, **action}.items() if v is not None}
    with pytest.raises(ClientError, match=words):
        shared.scaling.put_scheduled_action(**shared.target, ScheduledActionName="a", **given)


@pytest.fixture(scope="module")
def shared(server: TestServer, models: Models) -> Iterator[Scaled]:
    found = Scaled(server, models)
    yield found
    found.close()


def test_calls_scale_an_endpoint_out_and_back_in(scaled: Scaled) -> None:
    """No drill: requests, the gateway's metric, alarms of ten seconds, and instances that come and go."""
    metric = {
        "Namespace": "AWS/SageMaker", "MetricName": "Invocations", "Statistic": "Sum", "Period": 10, "EvaluationPeriods": 1,
        "Dimensions": [{"Name": "EndpointName", "Value": scaled.endpoint}, {"Name": "VariantName", "Value": "AllTraffic"}],
    }
    scaled.scaling.register_scalable_target(**scaled.target, MaxCapacity=2)
    out = scaled.stepping("out", {"MetricIntervalLowerBound": 0, "ScalingAdjustment": 1})
    into = scaled.stepping("in", {"MetricIntervalUpperBound": 0, "ScalingAdjustment": -1})
    scaled.alarm(out, **metric, Threshold=3.0)
    scaled.alarm(into, **metric, Threshold=3.0, ComparisonOperator="LessThanThreshold", TreatMissingData="breaching")
    call_until(scaled, lambda: scaled.count() == 2, pause=0.1)
    call_until(scaled, lambda: scaled.count() == 1, pause=6.0)
    assert {a["StatusCode"] for a in scaled.activities()} == {"Successful"}


def test_concurrent_requests_scale_an_endpoint_out(server: TestServer, models: Models) -> None:
    """No drill: requests that overlap, the high-resolution metric of AWS's own policy, and its alarm of three times ten seconds."""
    slow = "import time\n\ndef model_fn(d):\n    return None\n\ndef transform_fn(model, body, kind, accept):\n    time.sleep(0.3)\n    return body, kind\n"
    scaled = Scaled(server, models, models.deploy(slow, env={"SAGEMAKER_MODEL_SERVER_WORKERS": "2"}))
    metric = {"PredefinedMetricType": "SageMakerVariantConcurrentRequestsPerModelHighResolution"}
    scaled.scaling.put_scaling_policy(
        **scaled.target, PolicyName="at-once", PolicyType="TargetTrackingScaling",
        TargetTrackingScalingPolicyConfiguration={"TargetValue": 2.0, "PredefinedMetricSpecification": metric},
    )
    done = threading.Event()

    def ask() -> None:
        while not done.is_set():
            models.invoke(scaled.endpoint)

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        asking = [pool.submit(ask) for _ in range(4)]
        try:
            until(lambda: scaled.count() == 2, seconds=90)
        finally:
            done.set()
        for one in asking:
            one.result()
    (out,) = scaled.finished(1)
    assert "-AlarmHigh-" in out["Cause"]
    scaled.close()


def test_an_asynchronous_endpoint_sleeps_and_wakes(server: TestServer, models: Models) -> None:
    """To zero by target tracking, from zero by the backlog of a real request."""
    config = models.name("async")
    models.sagemaker.create_endpoint_config(
        EndpointConfigName=config, AsyncInferenceConfig={"OutputConfig": {"S3OutputPath": f"s3://{models.bucket}/out"}}, ProductionVariants=[
            {"VariantName": "AllTraffic", "ModelName": models.model(), "InstanceType": "ml.m5.large", "InitialInstanceCount": 1},
        ],
    )  # fmt: skip
    endpoint = models.endpoint(config)
    models.settled(endpoint)
    scaled = Scaled(server, models, endpoint)
    scaled.scaling.register_scalable_target(**scaled.target, MinCapacity=0)
    where = [{"Name": "EndpointName", "Value": endpoint}]
    metric = {"MetricName": "ApproximateBacklogSizePerInstance", "Namespace": "AWS/SageMaker", "Dimensions": where, "Statistic": "Average"}
    answer = scaled.scaling.put_scaling_policy(
        **scaled.target, PolicyName="backlog", PolicyType="TargetTrackingScaling",
        TargetTrackingScalingPolicyConfiguration={"TargetValue": 5.0, "CustomizedMetricSpecification": metric, "ScaleInCooldown": 0},
    )
    scaled.says(next(a["AlarmName"] for a in answer["Alarms"] if "AlarmLow" in a["AlarmName"]), 0.0)
    scaled.comes_to(0)
    out = scaled.stepping("wake", {"MetricIntervalLowerBound": 0, "ScalingAdjustment": 1})
    scaled.alarm(
        out, MetricName="HasBacklogWithoutCapacity", Namespace="AWS/SageMaker", Dimensions=where, Statistic="Maximum", Period=10,
        Threshold=1.0, ComparisonOperator="GreaterThanOrEqualToThreshold",
    )
    told = models.runtime.invoke_endpoint_async(EndpointName=endpoint, InputLocation=models.put("in/x", "hello"), ContentType="text/csv")
    key = told["OutputLocation"].removeprefix(f"s3://{models.bucket}/")
    until(lambda: key in models.keys("out"))
    assert models.get(key) == b"hello"
    assert scaled.count() == 1
    scaled.close()


def call_until(scaled: Scaled, done: Callable[[], bool], pause: float) -> None:
    """Call the endpoint at a pace (the load is what this is about) until something holds."""
    end, following = time.monotonic() + 120, 0.0
    while not done():
        assert time.monotonic() < end
        if time.monotonic() >= following:
            scaled.models.invoke(scaled.endpoint)
            following = time.monotonic() + pause
        time.sleep(0.02)


def test_killed_servers_forget_no_alarm_and_no_scaling(own_server: TestServer) -> None:
    scaled = Scaled(own_server, Models(own_server))
    alarm = scaled.alarm(scaled.stepping("out", {"MetricIntervalLowerBound": 0, "ScalingAdjustment": 1}))
    timed = scaled.alarm("arn:aws:lambda:us-east-1:123456789012:function:f", Period=10, TreatMissingData="notBreaching")
    scaled.says(timed, 60.0)
    scaled.says(alarm, 60.0)
    own_server.kill()
    own_server.start()
    scaled.comes_to(2)
    assert [a["StatusCode"] for a in scaled.finished(1)] == ["Successful"]
    until(lambda: scaled.cloudwatch.describe_alarms(AlarmNames=[timed])["MetricAlarms"][0]["StateValue"] == "OK")
