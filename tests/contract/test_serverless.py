"""Serverless endpoints as boto3 sees them: asleep, woken, limited, kept warm, scaled, updated and refused."""

from __future__ import annotations

import concurrent.futures
import time
from collections.abc import Iterator
from typing import Any

import psutil
import pytest
from botocore.exceptions import ClientError

from sagewright.testing.models import ECHO, Models, workflow
from sagewright.testing.processes import living, seeing
from sagewright.testing.server import TestServer
from sagewright.testing.waiting import until

SLOW = """
    import time
    def model_fn(model_dir):
        return None
    def transform_fn(model, body, content_type, accept):
        time.sleep(float(body))  # the model takes as long as it is asked to
        return body, "text/csv"
"""
IDLE = {"SAGEWRIGHT_SERVERLESS_IDLE": "0.2"}


def config(models: Models, model: str, *, memory: int = 1024, most: int = 4, kept: int = 0, **more: Any) -> str:
    name = models.name("c")
    given = {"MemorySizeInMB": memory, "MaxConcurrency": most, **({"ProvisionedConcurrency": kept} if kept else {})}
    variant = {"VariantName": "AllTraffic", "ModelName": model, "ServerlessConfig": given, **more.pop("variant", {})}
    models.sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant, *more.pop("others", ())], **more)
    return name


def deploy(models: Models, code: str = ECHO, *, env: dict[str, str] | None = None, **more: Any) -> str:
    name = models.endpoint(config(models, models.model(code, env=env), **more))
    about = models.settled(name, 300)
    assert about["EndpointStatus"] == "InService", about.get("FailureReason")
    return name


def asleep(models: Models, endpoint: str) -> None:
    """Wait until no instance of the endpoint is left: its sockets are gone with them."""
    (task,) = models.server.data.glob(f"jobs/serve-{endpoint}-*")
    until(lambda: not inside(task))


def inside(task: Any) -> list[psutil.Process]:
    """The processes that see the folder of a task as their /opt/ml."""
    return seeing(f"/{task.name}/")


@pytest.fixture(scope="module")
def echo(models: Models) -> Iterator[str]:
    name = deploy(models, env=IDLE)
    yield name
    models.delete(name)


def test_the_workflow_of_the_readme(own_server: TestServer) -> None:
    assert workflow(own_server, "serverless") == "b'42.0'\n"


# -- sleep and wake


def test_a_sleeping_endpoint_answers(models: Models, echo: str) -> None:
    for _ in range(2):
        asleep(models, echo)
        assert models.sagemaker.describe_endpoint(EndpointName=echo)["EndpointStatus"] == "InService"
        assert models.invoke(echo, b"1,2", ContentType="text/csv")["Body"] == b"1,2"


def test_a_burst_on_a_sleeping_endpoint_is_answered_whole(models: Models, echo: str) -> None:
    asleep(models, echo)
    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda n: models.invoke(echo, str(n))["Body"], range(60)))
    assert answers == [str(n).encode() for n in range(60)]


def test_what_is_shown_of_it(models: Models, echo: str) -> None:
    variant = models.sagemaker.describe_endpoint(EndpointName=echo)["ProductionVariants"][0]
    assert variant["CurrentServerlessConfig"] == {"MemorySizeInMB": 1024, "MaxConcurrency": 4}
    assert variant["CurrentInstanceCount"] == 0


def test_setup_time_is_measured(models: Models, echo: str) -> None:
    asleep(models, echo)
    models.invoke(echo)
    cloudwatch = models.server.client("cloudwatch")
    pairs = [{"Name": "EndpointName", "Value": echo}, {"Name": "VariantName", "Value": "AllTraffic"}]

    def known() -> set[str]:
        found = cloudwatch.list_metrics(Namespace="AWS/SageMaker", Dimensions=pairs)["Metrics"]
        return {metric["MetricName"] for metric in found}

    until(lambda: {"ModelSetupTime", "ServerlessConcurrentExecutionsUtilization", "Invocations"} <= known())
    now = time.time()
    stats = cloudwatch.get_metric_statistics(
        Namespace="AWS/SageMaker", MetricName="ModelSetupTime", Dimensions=pairs, StartTime=now - 300, EndTime=now + 60, Period=300,
        Statistics=["Minimum", "Maximum"],
    )["Datapoints"]
    assert stats[0]["Unit"] == "Microseconds"
    assert 1_000 < stats[0]["Minimum"] <= stats[0]["Maximum"] < 60_000_000


# -- limits


def test_above_max_concurrency_requests_are_throttled(models: Models) -> None:
    """Two that take a second each, sent together again until the machine lets them meet: one of them is refused."""
    endpoint = deploy(models, SLOW, most=1)
    with concurrent.futures.ThreadPoolExecutor(2) as pool:

        def refused() -> list[BaseException]:
            sent = [pool.submit(models.invoke, endpoint, "1", ContentType="text/csv") for _ in range(2)]
            return [error for one in sent if (error := one.exception())]

        (error,) = until(refused)
    assert isinstance(error, ClientError)
    assert error.response["Error"]["Code"] == "ThrottlingException"
    assert error.response["ResponseMetadata"]["HTTPStatusCode"] == 429
    assert "MaxConcurrency" in error.response["Error"]["Message"]
    assert models.invoke(endpoint, "0", ContentType="text/csv")["Body"] == b"0"
    models.delete(endpoint)


def test_memory_is_the_instance_s(models: Models) -> None:
    endpoint = deploy(models, """
        def model_fn(model_dir):
            return None
        def transform_fn(model, body, content_type, accept):
            return str(len(bytearray(int(body) << 20))), "text/csv"
    """, memory=1024)
    assert models.invoke(endpoint, "100", ContentType="text/csv")["Body"] == str(100 << 20).encode()
    with pytest.raises(ClientError) as caught:
        models.invoke(endpoint, "1500", ContentType="text/csv")
    assert caught.value.response["Error"]["Code"] == "ModelError"
    assert "OutOfMemory" in caught.value.response["OriginalMessage"]
    assert models.invoke(endpoint, "10", ContentType="text/csv")["Body"] == str(10 << 20).encode()  # another instance
    models.delete(endpoint)


def test_payloads_are_limited_both_ways(models: Models) -> None:
    endpoint = deploy(models, """
        def model_fn(model_dir):
            return None
        def transform_fn(model, body, content_type, accept):
            return b"x" * int(body), "application/octet-stream"
    """)
    with pytest.raises(ClientError) as caught:
        models.invoke(endpoint, b"x" * (4 * 2**20 + 1))
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 413
    assert len(models.invoke(endpoint, str(4 * 2**20), ContentType="text/csv")["Body"]) == 4 * 2**20
    with pytest.raises(ClientError, match="may hold 4194304"):
        models.invoke(endpoint, str(4 * 2**20 + 1), ContentType="text/csv")
    models.delete(endpoint)


# -- models that fail


def test_a_model_that_never_starts_fails_the_endpoint(models: Models) -> None:
    name = models.endpoint(config(models, models.model("def model_fn(d):\n    raise ValueError('no such stars')\n")))
    about = models.settled(name, 300)
    assert about["EndpointStatus"] == "Failed"
    assert "no such stars" in about["FailureReason"]
    models.delete(name)


def test_a_model_that_does_not_wake_says_why_and_may_get_well(models: Models) -> None:
    endpoint = deploy(models, """
        import os
        def model_fn(model_dir):
            if os.path.exists("/opt/ml/broken"):
                raise ValueError("the stars have moved")
        def transform_fn(model, body, content_type, accept):
            return body, content_type
    """, env=IDLE)
    (task,) = models.server.data.glob(f"jobs/serve-{endpoint}-*")
    asleep(models, endpoint)
    (task / "ml" / "broken").touch()
    with pytest.raises(ClientError, match="the stars have moved") as caught:
        models.invoke(endpoint)
    assert caught.value.response["Error"]["Code"] == "ModelError"
    stream = caught.value.response["LogStreamArn"].split("log-stream:")[1]
    group = f"/aws/sagemaker/Endpoints/{endpoint}"
    until(lambda: "the stars have moved" in str(models.logs.get_log_events(logGroupName=group, logStreamName=stream)["events"]))
    with pytest.raises(ClientError, match="the stars have moved"):
        models.invoke(endpoint)  # at once: nothing is started again so soon
    (task / "ml" / "broken").unlink()

    def well() -> bool:
        try:
            return bool(models.invoke(endpoint)["Body"] == b"x")
        except ClientError:
            return False

    until(well)
    models.delete(endpoint)


# -- provisioned concurrency


def test_provisioned_instances_stay_and_the_rest_spills_over(models: Models) -> None:
    endpoint = deploy(models, SLOW, most=3, kept=1, env=IDLE)
    (task,) = models.server.data.glob(f"jobs/serve-{endpoint}-*")
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        assert [a["Body"] for a in pool.map(lambda _: models.invoke(endpoint, "0.5", ContentType="text/csv"), range(3))] == [b"0.5"] * 3
    instances = lambda: len(living(lambda p: p.name().startswith("python"), inside(task)))  # noqa: E731
    until(lambda: instances() <= 2)  # an init and its model
    models.invoke(endpoint, "0", ContentType="text/csv")
    cloudwatch = models.server.client("cloudwatch")

    def known() -> set[str]:
        pairs = [{"Name": "EndpointName", "Value": endpoint}]
        return {m["MetricName"] for m in cloudwatch.list_metrics(Namespace="AWS/SageMaker", Dimensions=pairs)["Metrics"]}

    until(lambda: {
        "ServerlessProvisionedConcurrencyExecutions", "ServerlessProvisionedConcurrencyUtilization",
        "ServerlessProvisionedConcurrencyInvocations", "ServerlessProvisionedConcurrencySpilloverInvocations",
    } <= known())
    assert inside(task)
    models.delete(endpoint)


def test_concurrency_is_updated_and_scaled(models: Models) -> None:
    endpoint = deploy(models, most=2)
    update = models.sagemaker.update_endpoint_weights_and_capacities

    def change(**given: int) -> dict[str, Any]:
        update(EndpointName=endpoint, DesiredWeightsAndCapacities=[{"VariantName": "AllTraffic", "ServerlessUpdateConfig": given}])
        about: dict[str, Any] = models.settled(endpoint)["ProductionVariants"][0]["CurrentServerlessConfig"]
        return about

    assert change(MaxConcurrency=5) == {"MemorySizeInMB": 1024, "MaxConcurrency": 5}
    assert change(ProvisionedConcurrency=2) == {"MemorySizeInMB": 1024, "MaxConcurrency": 5, "ProvisionedConcurrency": 2}
    with pytest.raises(ClientError, match=r"ProvisionedConcurrency \(6\) cannot be greater than MaxConcurrency \(5\)"):
        change(ProvisionedConcurrency=6)
    with pytest.raises(ClientError, match="no instances to scale"):
        update(EndpointName=endpoint, DesiredWeightsAndCapacities=[{"VariantName": "AllTraffic", "DesiredInstanceCount": 2}])
    scaling = models.server.client("application-autoscaling")
    where = {
        "ServiceNamespace": "sagemaker", "ResourceId": f"endpoint/{endpoint}/variant/AllTraffic",
        "ScalableDimension": "sagemaker:variant:DesiredProvisionedConcurrency",
    }
    scaling.register_scalable_target(MinCapacity=3, MaxCapacity=4, **where)
    policy = scaling.put_scaling_policy(PolicyName="busy", PolicyType="TargetTrackingScaling", TargetTrackingScalingPolicyConfiguration={
        "TargetValue": 0.7,
        "PredefinedMetricSpecification": {"PredefinedMetricType": "SageMakerVariantProvisionedConcurrencyUtilization"},
    }, **where)
    assert len(policy["Alarms"]) == 2
    shown = lambda: models.sagemaker.describe_endpoint(EndpointName=endpoint)["ProductionVariants"][0]["CurrentServerlessConfig"]  # noqa: E731
    until(lambda: shown().get("ProvisionedConcurrency") == 3)
    scaling.deregister_scalable_target(**where)
    models.settled(endpoint)
    models.delete(endpoint)


# -- updates and refusals


def test_updates_lose_no_request(models: Models) -> None:
    says = "def model_fn(d):\n    return None\n\ndef transform_fn(model, body, kind, accept):\n    return '{}', 'text/plain'\n"
    endpoint = deploy(models, says.format("old"))
    other = config(models, models.model(says.format("new")))
    done, seen = False, []

    def ask() -> None:
        while not done:
            seen.append(models.invoke(endpoint)["Body"])

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        asking = [pool.submit(ask) for _ in range(2)]
        models.sagemaker.update_endpoint(EndpointName=endpoint, EndpointConfigName=other)
        until(lambda: seen and seen[-1] == b"new", 60)
        done = True
        for one in asking:
            one.result()
    assert set(seen) == {b"old", b"new"}
    models.settled(endpoint)
    real = models.config(models.model(says.format("real")))
    models.sagemaker.update_endpoint(EndpointName=endpoint, EndpointConfigName=real)
    assert models.settled(endpoint)["ProductionVariants"][0]["CurrentInstanceCount"] == 1
    assert models.invoke(endpoint)["Body"] == b"real"
    with pytest.raises(ClientError, match="cannot become serverless") as caught:
        models.sagemaker.update_endpoint(EndpointName=endpoint, EndpointConfigName=other)
    assert caught.value.response["Error"]["Code"] == "ValidationException"
    with pytest.raises(ClientError, match="is not serverless"):
        models.sagemaker.update_endpoint_weights_and_capacities(EndpointName=endpoint, DesiredWeightsAndCapacities=[
            {"VariantName": "AllTraffic", "ServerlessUpdateConfig": {"MaxConcurrency": 2}}])
    models.delete(endpoint)


@pytest.mark.parametrize(("more", "said"), [
    ({"variant": {"InstanceType": "ml.m5.large"}}, "InstanceType cannot be given together with ServerlessConfig"),
    ({"variant": {"InitialInstanceCount": 1}}, "InitialInstanceCount cannot be given together with ServerlessConfig"),
    ({"memory": 1500}, "MemorySizeInMB must be a multiple of 1024"),
    ({"most": 2, "kept": 3}, "cannot be greater than MaxConcurrency"),
    ({"others": ["second"]}, "exactly one production variant"),
    ({"DataCaptureConfig": {"EnableCapture": True, "InitialSamplingPercentage": 5, "DestinationS3Uri": "s3://b/p",
                            "CaptureOptions": [{"CaptureMode": "Input"}]}}, "data capture"),
    ({"AsyncInferenceConfig": {"OutputConfig": {"S3OutputPath": "s3://b/p"}}}, "asynchronous inference"),
])
def test_combinations_that_are_refused(models: Models, more: dict[str, Any], said: str) -> None:
    model = models.model()
    if "others" in more:
        more = {"others": [{"VariantName": "b", "ModelName": model, "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}]}
    with pytest.raises(ClientError, match=said) as caught:
        config(models, model, **more)
    assert caught.value.response["Error"]["Code"] == "ValidationException"


def test_models_that_cannot_be_serverless(models: Models) -> None:
    isolated = models.model(EnableNetworkIsolation=True)
    with pytest.raises(ClientError, match="network isolation"):
        config(models, isolated)
    inside_vpc = models.model(VpcConfig={"SecurityGroupIds": ["sg-1"], "Subnets": ["subnet-1"]})
    with pytest.raises(ClientError, match="VpcConfig"):
        config(models, inside_vpc)
