"""Deployment guardrails, as boto3 sees them: no request is lost, and an alarm takes a deployment back."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from sagewright.testing.models import Models
from sagewright.testing.names import unique
from sagewright.testing.server import TestServer


def says(word: str) -> str:
    return f"def model_fn(d):\n    return None\n\ndef transform_fn(model, body, kind, accept):\n    return {word!r}, 'text/plain'\n"


def routing(kind: str, wait: int = 0, **more: Any) -> dict[str, Any]:
    sizes = {k: {"Type": "CAPACITY_PERCENT", "Value": more.pop(k)} for k in ("CanarySize", "LinearStepSize") if k in more}
    return {"BlueGreenUpdatePolicy": {"TrafficRoutingConfiguration": {"Type": kind, "WaitIntervalInSeconds": wait, **sizes}, **more}}


def rolling(wait: int = 0, size: int = 50, **more: Any) -> dict[str, Any]:
    return {"RollingUpdatePolicy": {"MaximumBatchSize": {"Type": "CAPACITY_PERCENT", "Value": size}, "WaitIntervalInSeconds": wait, **more}}


def alarms(*names: str) -> dict[str, Any]:
    return {"AutoRollbackConfiguration": {"Alarms": [{"AlarmName": name} for name in names]}}


@pytest.fixture
def alarm(server: TestServer) -> Iterator[str]:
    """An alarm that nothing but SetAlarmState moves: its metric has no data."""
    cloudwatch, name = server.client("cloudwatch"), unique("guard")
    cloudwatch.put_metric_alarm(
        AlarmName=name, Namespace="guards", MetricName=name, Statistic="Sum", Period=3600, EvaluationPeriods=1, Threshold=1.0,
        ComparisonOperator="GreaterThanThreshold", TreatMissingData="ignore",
    )
    yield name
    cloudwatch.delete_alarms(AlarmNames=[name])


def set_alarm(server: TestServer, name: str, state: str) -> None:
    server.client("cloudwatch").set_alarm_state(AlarmName=name, StateValue=state, StateReason="a test")


class Load:
    """Asks an endpoint all the time, without retries."""

    def __init__(self, server: TestServer, endpoint: str, threads: int = 2) -> None:
        self.server, self.endpoint = server, endpoint
        self.answers: Counter[bytes] = Counter()
        self.last: list[bytes] = []
        self.errors: list[Exception] = []
        self._stop = threading.Event()
        self._more = threading.Condition()
        self._threads = [threading.Thread(target=self._ask, daemon=True) for _ in range(threads)]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *about: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _ask(self) -> None:
        keys = self.server.credentials()
        runtime = boto3.client(
            "sagemaker-runtime", endpoint_url=self.server.url, region_name="us-east-1", aws_access_key_id=keys["access_key"],
            aws_secret_access_key=keys["secret_key"], config=Config(retries={"total_max_attempts": 1}),  # every failure counts
        )
        while not self._stop.is_set():
            try:
                word = runtime.invoke_endpoint(EndpointName=self.endpoint, Body=b"x")["Body"].read()
            except (ClientError, BotoCoreError) as error:
                self.errors.append(error)
                word = b""
            with self._more:
                self.answers[word] += 1
                self.last = [*self.last[-39:], word]
                self._more.notify_all()

    def wait(self, count: int, *, word: bytes | None = None) -> None:
        """Until so many more requests have been answered, by a model that says the word if one is given."""
        with self._more:
            start = self.answers[word] if word is not None else self.answers.total()
            assert self._more.wait_for(
                lambda: (self.answers[word] if word is not None else self.answers.total()) >= start + count or self.errors, 60
            )
        assert not self.errors, self.errors[:3]


def update(models: Models, endpoint: str, config: str, policy: dict[str, Any] | None, **more: Any) -> None:
    given = {"DeploymentConfig": policy} if policy else {}
    models.sagemaker.update_endpoint(EndpointName=endpoint, EndpointConfigName=config, **given, **more)


def until(models: Models, endpoint: str, stage: str) -> dict[str, Any]:
    """The endpoint's description once its deployment is at a stage."""
    end = time.monotonic() + 30
    while True:
        about: dict[str, Any] = models.sagemaker.describe_endpoint(EndpointName=endpoint)
        shown = about.get("PendingDeploymentSummary", about)["ProductionVariants"][0].get("VariantStatus", [{}])
        if shown[0].get("Status") == stage:
            return about
        assert about["EndpointStatus"] == "Updating", about
        assert time.monotonic() < end, about
        time.sleep(0.02)


def test_no_policy_loses_a_request(models: Models) -> None:
    """Every policy in turn on one endpoint under load, with more than one instance and other weights on the way."""
    old, new = models.model(says("old")), models.model(says("new"))
    configs = [models.config(old, count=2), models.config(new, count=2)]
    endpoint = models.endpoint(configs[0])
    models.settled(endpoint)
    with Load(models.server, endpoint) as load:
        load.wait(5)
        for n, policy in enumerate((
            routing("ALL_AT_ONCE"),
            routing("CANARY", 1, CanarySize=25),
            routing("LINEAR", 0, LinearStepSize=34),
            rolling(),
            rolling(1, 10, RollbackMaximumBatchSize={"Type": "CAPACITY_PERCENT", "Value": 100}),
        ), 1):
            update(models, endpoint, configs[n % 2], policy)
            about = models.settled(endpoint)
            assert (about["EndpointStatus"], about["EndpointConfigName"], about.get("FailureReason")) == ("InService", configs[n % 2], None)
            assert about["LastDeploymentConfig"] == policy
            load.wait(3)
            assert not load.errors, load.errors[:3]
            word = b"new" if n % 2 else b"old"
            load.wait(2, word=word)
            assert set(load.last[-1:]) == {word}
    assert not load.errors
    models.delete(endpoint)


def test_a_canary_gets_its_share(models: Models, alarm: str) -> None:
    endpoint = models.endpoint(models.config(models.model(says("old"))))
    models.settled(endpoint)
    update(models, endpoint, models.config(models.model(says("new"))), {**routing("CANARY", 600, CanarySize=20), **alarms(alarm)})
    about = until(models, endpoint, "Baking")
    words = Counter(models.invoke(endpoint)["Body"] for _ in range(20))
    assert words == {b"old": 16, b"new": 4}
    targeted = Counter(models.invoke(endpoint, TargetVariant="AllTraffic")["Body"] for _ in range(10))
    assert targeted == {b"old": 8, b"new": 2}
    pending = about["PendingDeploymentSummary"]
    [variant] = pending["ProductionVariants"]
    assert [s["Status"] for s in variant["VariantStatus"]] == ["Baking", "ActivatingTraffic", "Creating"]
    times = [s["StartTime"] for s in variant["VariantStatus"]]
    assert times == sorted(times, reverse=True)
    assert pending["StartTime"] <= times[-1]
    assert (variant["CurrentWeight"], variant["CurrentInstanceCount"]) == (pytest.approx(0.2), 1)
    assert about["ProductionVariants"][0]["CurrentWeight"] == pytest.approx(0.8)
    assert about["ProductionVariants"][0]["VariantStatus"][0]["Status"] == "Updating"
    with pytest.raises(ClientError, match="Cannot update in-progress endpoint"):
        update(models, endpoint, about["EndpointConfigName"], None)
    set_alarm(models.server, alarm, "ALARM")
    models.settled(endpoint)
    assert {models.invoke(endpoint)["Body"] for _ in range(5)} == {b"old"}
    models.delete(endpoint)


@pytest.mark.parametrize("policy", [routing("CANARY", 600, CanarySize=50), rolling(600)], ids=["canary", "rolling"])
def test_an_alarm_rolls_back(models: Models, alarm: str, policy: dict[str, Any]) -> None:
    endpoint = models.endpoint(models.config(models.model(says("old")), count=2))
    old = models.settled(endpoint)["EndpointConfigName"]
    with Load(models.server, endpoint) as load:
        update(models, endpoint, models.config(models.model(says("new")), count=2), {**policy, **alarms(alarm)})
        until(models, endpoint, "Baking")
        load.wait(5, word=b"new")
        began = time.monotonic()
        set_alarm(models.server, alarm, "ALARM")
        about = models.settled(endpoint)
        took = time.monotonic() - began
        assert (about["EndpointStatus"], about["EndpointConfigName"]) == ("InService", old)
        assert alarm in about["FailureReason"]
        assert "rolled back" in about["FailureReason"]
        assert "PendingDeploymentSummary" not in about
        load.wait(4)
        load.wait(4)
        assert set(load.last[-4:]) == {b"old"}
    assert not load.errors
    assert took < 30, "not at the end of the bake"
    models.delete(endpoint)


def test_an_alarm_that_is_on_already_lets_nothing_start(models: Models, alarm: str) -> None:
    endpoint = models.endpoint(models.config(models.model(says("old"))))
    old = models.settled(endpoint)["EndpointConfigName"]
    set_alarm(models.server, alarm, "ALARM")
    new = models.config(models.model(says("new")))
    update(models, endpoint, new, {**routing("ALL_AT_ONCE"), **alarms(alarm)})
    about = models.settled(endpoint)
    assert (about["EndpointStatus"], about["EndpointConfigName"]) == ("InService", old)
    assert alarm in about["FailureReason"]
    set_alarm(models.server, alarm, "OK")
    update(models, endpoint, new, None, RetainDeploymentConfig=True)
    about = models.settled(endpoint)
    assert (about["EndpointConfigName"], about.get("FailureReason")) == (new, None)
    assert about["LastDeploymentConfig"] == {**routing("ALL_AT_ONCE"), **alarms(alarm)}
    models.delete(endpoint)


def test_what_cannot_be_is_refused_before_anything_happens(models: Models) -> None:
    endpoint = models.endpoint(models.config(models.model()))
    models.settled(endpoint)
    new = models.config(models.model())
    for policy, text in (
        (alarms("nobody-has-it"), "Could not find the alarms of AutoRollbackConfiguration: nobody-has-it"),
        (routing("CANARY", 0, CanarySize=60), "CanarySize must be between 1 and 50 percent"),
        (routing("LINEAR", 0), "LinearStepSize is required"),
        (routing("CANARY", 300, CanarySize=10, MaximumExecutionTimeoutInSeconds=600), "greater than the sum"),
        (rolling(3601), "less than or equal to 3600"),
        ({**routing("ALL_AT_ONCE"), **rolling()}, "not both"),
    ):
        with pytest.raises(ClientError, match=text) as caught:
            update(models, endpoint, new, policy)
        assert caught.value.response["Error"]["Code"] == "ValidationException"
    about = models.sagemaker.describe_endpoint(EndpointName=endpoint)
    assert (about["EndpointStatus"], "LastDeploymentConfig" in about) == ("InService", False)
    with pytest.raises(ClientError, match="LinearStepSize"):
        models.sagemaker.create_endpoint(EndpointName=unique("e"), EndpointConfigName=new, DeploymentConfig=routing("LINEAR", 0))
    models.delete(endpoint)


def test_alarms_are_looked_at_with_the_caller_s_rights(models: Models, alarm: str) -> None:
    endpoint = models.endpoint(models.config(models.model(says("old"))))
    models.settled(endpoint)
    new = models.config(models.model(says("new")))
    iam, user = models.server.client("iam"), unique("deployer")
    iam.create_user(UserName=user)

    def allow(*actions: str) -> None:
        statement = {"Effect": "Allow", "Action": list(actions), "Resource": "*"}
        iam.put_user_policy(UserName=user, PolicyName="p", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))

    allow("sagemaker:*")
    key = iam.create_access_key(UserName=user)["AccessKey"]
    his = boto3.client(
        "sagemaker", endpoint_url=models.server.url, region_name="us-east-1", aws_access_key_id=key["AccessKeyId"],
        aws_secret_access_key=key["SecretAccessKey"],
    )
    given = {"EndpointName": endpoint, "EndpointConfigName": new, "DeploymentConfig": {**routing("ALL_AT_ONCE", 1), **alarms(alarm)}}
    with pytest.raises(ClientError, match="cloudwatch:DescribeAlarms"):
        his.update_endpoint(**given)
    assert models.sagemaker.describe_endpoint(EndpointName=endpoint)["EndpointStatus"] == "InService"
    allow("sagemaker:*", "cloudwatch:DescribeAlarms")
    his.update_endpoint(**given)
    assert models.settled(endpoint)["EndpointConfigName"] == new
    models.delete(endpoint)


def test_a_killed_server_goes_on_with_a_deployment(own_server: TestServer) -> None:
    """Killed in a canary's bake, and in a rolling update's bake and rollback."""
    models = Models(own_server)
    cloudwatch, alarm = own_server.client("cloudwatch"), unique("guard")
    cloudwatch.put_metric_alarm(
        AlarmName=alarm, Namespace="guards", MetricName=alarm, Statistic="Sum", Period=3600, EvaluationPeriods=1, Threshold=1.0,
        ComparisonOperator="GreaterThanThreshold", TreatMissingData="ignore",
    )
    configs = [models.config(models.model(says(word)), count=2) for word in ("one", "two", "three")]
    endpoint = models.endpoint(configs[0])
    models.settled(endpoint)

    def killed() -> Models:
        own_server.kill()
        own_server.start()
        return Models(own_server)

    update(models, endpoint, configs[1], routing("CANARY", 1, CanarySize=50, TerminationWaitInSeconds=1))
    until(models, endpoint, "Baking")
    models = killed()
    assert b"two" in {models.invoke(endpoint)["Body"] for _ in range(4)}
    about = models.settled(endpoint)
    assert (about["EndpointStatus"], about["EndpointConfigName"]) == ("InService", configs[1])
    update(models, endpoint, configs[2], {**rolling(600), **alarms(alarm)})
    until(models, endpoint, "Baking")
    assert {models.invoke(endpoint)["Body"] for _ in range(4)} == {b"two", b"three"}
    models = killed()
    set_alarm(own_server, alarm, "ALARM")
    models = killed()
    about = models.settled(endpoint)
    assert (about["EndpointStatus"], about["EndpointConfigName"]) == ("InService", configs[1])
    assert alarm in about["FailureReason"]
    assert {models.invoke(endpoint)["Body"] for _ in range(4)} == {b"two"}
    models.delete(endpoint)
