"""Inference components as boto3 sees them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sagewright.testing.models import PYTHON, Models, archive, workflow
from sagewright.testing.names import unique
from sagewright.testing.server import TestServer
from sagewright.testing.waiting import until

MODEL = """
    import os, time

    ME = os.urandom(4).hex()  # process ids are the same in every sandbox

    def model_fn(d):
        return os.environ.get("SAYS", "one")

    def transform_fn(model, body, kind, accept):
        text = body.decode() if isinstance(body, bytes) else body
        if text == "die":
            os._exit(3)
        if text == "fail":
            raise ValueError("no such flight")
        if text.startswith("sleep "):
            time.sleep(float(text.split()[1]))  # the model takes as long as it is asked to
        return "%s %s %s" % (model, ME, text), "text/plain"
"""
SMALL = {"NumberOfCpuCoresRequired": 1, "MinMemoryRequiredInMb": 256}
"""Two of them fill the cores of an ml.m5.large."""


class Composed:
    """Endpoints of components and what is around them."""

    def __init__(self, server: TestServer) -> None:
        self.models = Models(server)
        self.sagemaker, self.runtime = self.models.sagemaker, self.models.runtime
        self.metrics = server.client("cloudwatch")
        self.model = self.models.model(MODEL)
        self.made: list[str] = []

    def config(self, *, count: int = 1, managed: dict[str, Any] | None = None, kind: str = "ml.m5.large", **more: Any) -> str:
        name = self.models.name("ic")
        variant = {"VariantName": "AllTraffic", "InstanceType": kind, "InitialInstanceCount": count}
        if managed is not None:
            variant["ManagedInstanceScaling"] = {"Status": "ENABLED", **managed}
        given = {"ProductionVariants": [variant], "ExecutionRoleArn": self.models.role, **more}
        self.sagemaker.create_endpoint_config(EndpointConfigName=name, **given)
        return name

    def endpoint(self, **more: Any) -> str:
        name = self.models.endpoint(self.config(**more))
        assert self.models.settled(name)["EndpointStatus"] == "InService"
        self.made.append(name)
        return name

    def create(self, endpoint: str, *, copies: int = 1, needs: dict[str, Any] | None = None, **spec: Any) -> str:
        name = unique("part")
        self.sagemaker.create_inference_component(
            InferenceComponentName=name, EndpointName=endpoint, VariantName="AllTraffic", RuntimeConfig={"CopyCount": copies},
            Specification={"ModelName": self.model, "ComputeResourceRequirements": needs or SMALL, **spec},
        )
        return name

    def component(self, endpoint: str, **more: Any) -> str:
        name = self.create(endpoint, **more)
        about = self.settled(name)
        assert about["InferenceComponentStatus"] == "InService", about
        return name

    def about(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self.sagemaker.describe_inference_component(InferenceComponentName=name)
        return found

    def settled(self, name: str) -> dict[str, Any]:
        return self.until(lambda: about if (about := self.about(name))["InferenceComponentStatus"] in ("InService", "Failed") else None)

    def until(self, what: Callable[[], Any]) -> Any:
        return until(what, why=lambda: f"it did not come\n{self.models.server.log()}")

    def counts(self, name: str) -> tuple[int, int]:
        runtime = self.about(name)["RuntimeConfig"]
        return runtime["CurrentCopyCount"], runtime["DesiredCopyCount"]

    def instances(self, endpoint: str) -> tuple[int, int]:
        variant = self.sagemaker.describe_endpoint(EndpointName=endpoint)["ProductionVariants"][0]
        return variant["CurrentInstanceCount"], variant["DesiredInstanceCount"]

    def scale(self, name: str, copies: int) -> None:
        self.sagemaker.update_inference_component_runtime_config(InferenceComponentName=name, DesiredRuntimeConfig={"CopyCount": copies})

    def ask(self, endpoint: str, name: str, text: str = "hello") -> str:
        answer = self.models.invoke(endpoint, text, InferenceComponentName=name, ContentType="text/csv")
        found: str = answer["Body"].decode()
        return found

    def delete(self, name: str) -> None:
        self.sagemaker.delete_inference_component(InferenceComponentName=name)
        self.until(lambda: self.missing(name))

    def missing(self, name: str) -> bool:
        try:
            self.about(name)
        except ClientError as error:
            if "Could not find inference component" not in error.response["Error"]["Message"]:
                raise
            return True
        return False

    def clean(self) -> None:
        for endpoint in self.made:
            for one in self.sagemaker.list_inference_components(EndpointNameEquals=endpoint, MaxResults=100)["InferenceComponents"]:
                self.delete(one["InferenceComponentName"])
            self.models.delete(endpoint)
        self.made.clear()


@pytest.fixture
def composed(server: TestServer) -> Iterator[Composed]:
    found = Composed(server)
    yield found
    found.clean()


def code(error: pytest.ExceptionInfo[ClientError]) -> str:
    return f"{error.value.response['Error']['Code']}: {error.value.response['Error']['Message']}"


def test_components_share_an_instance(composed: Composed) -> None:
    endpoint = composed.endpoint()
    first = composed.component(endpoint)
    url = composed.models.put("two/model.tar.gz", archive(code__inference_py=MODEL))
    second = unique("part")
    container = {"Image": PYTHON, "ArtifactUrl": url, "Environment": {"SAYS": "two", "SAGEMAKER_MODEL_SERVER_WORKERS": "1"}}
    composed.sagemaker.create_inference_component(
        InferenceComponentName=second, EndpointName=endpoint, VariantName="AllTraffic", RuntimeConfig={"CopyCount": 1},
        Specification={"Container": container, "ComputeResourceRequirements": SMALL},
    )
    about = composed.settled(second)
    assert about["InferenceComponentStatus"] == "InService", about
    assert about["Specification"]["Container"]["DeployedImage"]["SpecifiedImage"] == PYTHON
    assert about["Specification"]["Container"]["ArtifactUrl"] == url
    assert about["RuntimeConfig"] == {
        "DesiredCopyCount": 1, "CurrentCopyCount": 1, "PlacementStatus": [{"InstanceType": "ml.m5.large", "CurrentCopyCount": 1}],
    }
    assert about["EndpointArn"].endswith(f"endpoint/{endpoint}")
    assert composed.ask(endpoint, first).startswith("one ")
    assert composed.ask(endpoint, second).startswith("two ")
    answer = composed.models.invoke(endpoint, "x", InferenceComponentName=first)
    assert answer["InvokedProductionVariant"] == "AllTraffic"
    listed = composed.sagemaker.list_inference_components(EndpointNameEquals=endpoint, SortBy="Name", SortOrder="Ascending")["InferenceComponents"]
    assert [one["InferenceComponentName"] for one in listed] == sorted([first, second])
    assert {one["InferenceComponentStatus"] for one in listed} == {"InService"}
    with pytest.raises(ClientError) as raised:
        composed.sagemaker.delete_endpoint(EndpointName=endpoint)
    assert "has inference components" in code(raised)
    composed.delete(first)
    with pytest.raises(ClientError) as raised:
        composed.ask(endpoint, first)
    assert code(raised).startswith("ValidationError: Inference component")


def test_copies_answer_and_are_scaled(composed: Composed) -> None:
    endpoint = composed.endpoint(count=2)
    name = composed.component(endpoint, copies=2)
    assert composed.counts(name) == (2, 2)
    assert len({composed.ask(endpoint, name).split()[1] for _ in range(8)}) == 2
    composed.scale(name, 3)
    assert composed.settled(name)["RuntimeConfig"]["CurrentCopyCount"] == 3
    composed.scale(name, 1)
    assert composed.settled(name)["RuntimeConfig"] == {
        "DesiredCopyCount": 1, "CurrentCopyCount": 1, "PlacementStatus": [{"InstanceType": "ml.m5.large", "CurrentCopyCount": 1}],
    }
    assert len({composed.ask(endpoint, name).split()[1] for _ in range(4)}) == 1


def test_a_copy_has_no_more_memory_than_its_maximum(composed: Composed) -> None:
    endpoint = composed.endpoint()
    reserved = {"NumberOfCpuCoresRequired": 1, "MinMemoryRequiredInMb": 256, "MaxMemoryRequiredInMb": 512}
    hungry = composed.models.model("""
        def model_fn(d):
            return None

        def transform_fn(model, body, kind, accept):
            return str(len(bytearray(int(body)))), "text/plain"
    """)
    limited = composed.component(endpoint, needs=reserved, ModelName=hungry)
    assert composed.ask(endpoint, limited, "1000") == "1000"
    with pytest.raises(ClientError) as raised:
        composed.ask(endpoint, limited, str(4 << 30))
    assert code(raised).startswith("ModelError")


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


def test_instances_come_and_go_with_copies(composed: Composed) -> None:
    endpoint = composed.endpoint(managed={"MinInstanceCount": 0, "MaxInstanceCount": 2})
    name = composed.component(endpoint, copies=3)
    assert composed.instances(endpoint) == (2, 2)
    other = composed.create(endpoint, copies=2)
    about = composed.settled(other)
    assert about["InferenceComponentStatus"] == "InService"
    assert about["RuntimeConfig"]["CurrentCopyCount"] == 1
    assert "Not enough hardware resources" in about["FailureReason"]
    composed.scale(name, 1)
    composed.until(lambda: composed.counts(other) == (2, 2))
    assert "FailureReason" not in composed.about(other)
    composed.delete(other)
    composed.until(lambda: composed.instances(endpoint) == (1, 1))


def test_what_fits_nowhere_fails_and_says_so(composed: Composed) -> None:
    endpoint = composed.endpoint()
    name = composed.create(endpoint, needs={"NumberOfCpuCoresRequired": 3, "MinMemoryRequiredInMb": 256})
    about = composed.settled(name)
    assert about["InferenceComponentStatus"] == "Failed"
    assert about["FailureReason"].startswith("Not enough hardware resources on the instances")
    with pytest.raises(ClientError) as raised:
        composed.scale(name, 1)
    assert "Cannot update failed inference component" in code(raised)


def test_a_model_that_does_not_start_says_why(composed: Composed) -> None:
    endpoint = composed.endpoint()
    broken = composed.models.model("raise ImportError('no module named sails')")
    name = composed.create(endpoint, ModelName=broken)
    about = composed.settled(name)
    assert about["InferenceComponentStatus"] == "Failed"
    assert "no module named sails" in about["FailureReason"]
    assert f"/aws/sagemaker/InferenceComponents/{name}" in about["FailureReason"]


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


def test_an_update_rolls_batch_by_batch_and_drops_nothing(composed: Composed) -> None:
    endpoint = composed.endpoint(count=2)
    name = composed.component(endpoint, copies=2)
    later = composed.models.model(MODEL, env={"SAYS": "two"})
    rolling = {"MaximumBatchSize": {"Type": "COPY_COUNT", "Value": 1}, "WaitIntervalInSeconds": 0}
    composed.sagemaker.update_inference_component(
        InferenceComponentName=name, Specification={"ModelName": later, "ComputeResourceRequirements": SMALL},
        DeploymentConfig={"RollingUpdatePolicy": rolling},
    )
    said = set()
    while composed.about(name)["InferenceComponentStatus"] == "Updating":
        said.add(composed.ask(endpoint, name).split()[0])
    about = composed.about(name)
    assert about["InferenceComponentStatus"] == "InService"
    assert about["Specification"]["ModelName"] == later
    assert about["LastDeploymentConfig"]["RollingUpdatePolicy"] == rolling
    assert said <= {"one", "two"}
    assert composed.ask(endpoint, name).startswith("two ")
    assert composed.counts(name) == (2, 2)


def test_an_update_that_does_not_start_is_taken_back(composed: Composed) -> None:
    endpoint = composed.endpoint(count=2)
    name = composed.component(endpoint)
    broken = composed.models.model("raise ImportError('no module named sails')")
    composed.sagemaker.update_inference_component(InferenceComponentName=name, Specification={"ModelName": broken, "ComputeResourceRequirements": SMALL})
    about = composed.settled(name)
    assert about["InferenceComponentStatus"] == "InService"
    assert "no module named sails" in about["FailureReason"]
    assert about["Specification"]["ModelName"] == composed.model
    assert composed.ask(endpoint, name).startswith("one ")


def test_an_alarm_takes_an_update_back(composed: Composed) -> None:
    endpoint = composed.endpoint(count=2)
    name = composed.component(endpoint, copies=2)
    alarm = unique("alarm")
    composed.metrics.put_metric_alarm(
        AlarmName=alarm, Namespace="Tests", MetricName=alarm, Statistic="Sum", Period=60, EvaluationPeriods=1, Threshold=1,
        ComparisonOperator="GreaterThanThreshold",
    )
    later = composed.models.model(MODEL, env={"SAYS": "two"})
    composed.sagemaker.update_inference_component(
        InferenceComponentName=name, Specification={"ModelName": later, "ComputeResourceRequirements": SMALL},
        DeploymentConfig={
            "RollingUpdatePolicy": {"MaximumBatchSize": {"Type": "COPY_COUNT", "Value": 1}, "WaitIntervalInSeconds": 3600},
            "AutoRollbackConfiguration": {"Alarms": [{"AlarmName": alarm}]},
        },
    )
    composed.until(lambda: composed.counts(name)[0] == 3)
    composed.metrics.set_alarm_state(AlarmName=alarm, StateValue="ALARM", StateReason="tried")
    about = composed.settled(name)
    assert about["InferenceComponentStatus"] == "InService"
    assert alarm in about["FailureReason"]
    assert composed.counts(name) == (2, 2)
    assert {composed.ask(endpoint, name).split()[0] for _ in range(4)} == {"one"}


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


def test_endpoints_and_components_refuse_what_does_not_fit_them(composed: Composed) -> None:
    endpoint = composed.endpoint()
    with pytest.raises(ClientError) as raised:
        composed.models.invoke(endpoint, "x")
    assert "Inference Component Name header is required" in code(raised)
    name = composed.component(endpoint)
    with pytest.raises(ClientError) as raised:
        composed.sagemaker.create_inference_component(
            InferenceComponentName=name, EndpointName=endpoint, VariantName="AllTraffic", RuntimeConfig={"CopyCount": 1},
            Specification={"ModelName": composed.model, "ComputeResourceRequirements": SMALL})
    assert "Cannot create already existing inference component" in code(raised)
    for spec, text in (
        ({"ModelName": composed.model}, "ComputeResourceRequirements is required"),
        ({"BaseInferenceComponentName": name}, "adapter inference components) is not implemented: no image here serves adapters"),
        ({"ComputeResourceRequirements": SMALL}, "exactly one of ModelName and Container"),
        ({"ModelName": "no-such", "ComputeResourceRequirements": SMALL}, "Could not find model"),
    ):
        with pytest.raises(ClientError) as raised:
            composed.sagemaker.create_inference_component(
                InferenceComponentName=unique("part"), EndpointName=endpoint, VariantName="AllTraffic", Specification=spec)
        assert text in code(raised)
    with pytest.raises(ClientError) as raised:
        composed.sagemaker.create_inference_component(
            InferenceComponentName=unique("part"), EndpointName="no-such-endpoint", VariantName="AllTraffic",
            Specification={"ModelName": composed.model, "ComputeResourceRequirements": SMALL})
    assert "Could not find endpoint" in code(raised)
    with pytest.raises(ClientError) as raised:
        composed.sagemaker.create_endpoint_config(
            EndpointConfigName=unique("config"), ProductionVariants=[{"VariantName": "v", "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}])
    assert "ExecutionRoleArn is required" in code(raised)


def test_another_configuration_moves_the_copies(composed: Composed) -> None:
    endpoint = composed.endpoint()
    name = composed.component(endpoint)
    old = composed.ask(endpoint, name)
    other = composed.config(kind="ml.c5.large")
    composed.sagemaker.update_endpoint(EndpointName=endpoint, EndpointConfigName=other)
    composed.models.settled(endpoint)

    def moved() -> bool:
        assert composed.ask(endpoint, name).startswith("one ")
        placed = composed.about(name)["RuntimeConfig"].get("PlacementStatus")
        return bool(placed == [{"InstanceType": "ml.c5.large", "CurrentCopyCount": 1}])

    composed.until(moved)
    assert composed.ask(endpoint, name) != old
    composed.until(lambda: composed.instances(endpoint) == (1, 1))
    single = composed.models.config(composed.models.model())
    with pytest.raises(ClientError) as raised:
        composed.sagemaker.update_endpoint(EndpointName=endpoint, EndpointConfigName=single)
    assert "has inference components" in code(raised)


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


def test_components_are_listed_and_found_by_their_filters(composed: Composed) -> None:
    endpoint = composed.endpoint(managed={"MinInstanceCount": 0, "MaxInstanceCount": 1})
    names = sorted(composed.component(endpoint, copies=0) for _ in range(3))
    found: list[str] = []
    for page in composed.sagemaker.get_paginator("list_inference_components").paginate(
        EndpointNameEquals=endpoint, VariantNameEquals="AllTraffic", SortBy="Name", SortOrder="Ascending", PaginationConfig={"PageSize": 2},
    ):
        found += [one["InferenceComponentName"] for one in page["InferenceComponents"]]
    assert found == names
    assert composed.sagemaker.list_inference_components(NameContains=names[0])["InferenceComponents"][0]["EndpointName"] == endpoint
    assert not composed.sagemaker.list_inference_components(EndpointNameEquals=endpoint, StatusEquals="Failed")["InferenceComponents"]


def test_the_readmes_workflow(own_server: TestServer) -> None:
    assert workflow(own_server, "inference_components").split() == ["42.0", "63.0"]
