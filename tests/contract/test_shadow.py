"""Shadow variants, and the inference experiments that put them beside an endpoint's own variant for a while."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sagewright.testing.models import Models, workflow
from sagewright.testing.server import TestServer


def says(word: str, also: str = "") -> str:
    return f"""
    def model_fn(d):
        return None

    def transform_fn(model, body, kind, accept):
        {also or "pass"}
        return {word!r}, 'text/plain'
    """


@pytest.fixture(scope="module")
def good(models: Models) -> str:
    return models.model(says("good"))


@pytest.fixture(scope="module")
def other(models: Models) -> str:
    return models.model(says("other"))


def variant(name: str, model: str, weight: float = 1.0) -> dict[str, Any]:
    return {"VariantName": name, "ModelName": model, "InstanceType": "ml.m5.large", "InitialInstanceCount": 1, "InitialVariantWeight": weight}


def shadowed(models: Models, production: str, shadow: str, *, weights: tuple[float, float] = (1.0, 1.0), **more: Any) -> str:
    """An endpoint with a shadow, in service; its name."""
    name = models.name("c")
    models.sagemaker.create_endpoint_config(
        EndpointConfigName=name, ProductionVariants=[variant("main", production, weights[0])],
        ShadowProductionVariants=[variant("shadow", shadow, weights[1])], **more,
    )
    endpoint = models.endpoint(name)
    about = models.settled(endpoint)
    assert about["EndpointStatus"] == "InService", about.get("FailureReason")
    return endpoint


def capture(models: Models, where: str) -> dict[str, Any]:
    return {
        "EnableCapture": True, "InitialSamplingPercentage": 100, "DestinationS3Uri": f"s3://{models.bucket}/{where}",
        "CaptureOptions": [{"CaptureMode": "InputAndOutput"}],
        "CaptureContentTypeHeader": {"CsvContentTypes": ["text/csv", "text/plain"]},
    }


def captured(models: Models, where: str, until: Callable[[list[tuple[str, dict[str, Any]]]], bool], seconds: float = 20) -> list[tuple[str, dict[str, Any]]]:
    """(variant, line) of everything below ``where``, as soon as ``until`` is content with it."""
    end = time.monotonic() + seconds
    while True:
        found = [(key.split("/")[2], json.loads(line)) for key in models.keys(where) for line in models.get(key).splitlines()]
        if until(found):
            return found
        assert time.monotonic() < end, (found, models.server.log())
        time.sleep(0.05)  # S3 tells nobody of a new object


def answers(found: list[tuple[str, dict[str, Any]]], name: str) -> dict[str, str]:
    """Event → what the variant said."""
    return {line["eventMetadata"]["eventId"]: line["captureData"]["endpointOutput"]["data"] for variant, line in found if variant == name}


# -- shadow variants


def test_a_shadow_sees_what_the_production_variant_answers(models: Models, good: str, other: str) -> None:
    endpoint = shadowed(models, good, other, DataCaptureConfig=capture(models, "pairs"))
    about = models.sagemaker.describe_endpoint(EndpointName=endpoint)
    assert [v["VariantName"] for v in about["ProductionVariants"]] == ["main"]
    assert [v["VariantName"] for v in about["ShadowProductionVariants"]] == ["shadow"]
    for number in range(10):
        answer = models.invoke(endpoint, str(number), ContentType="text/csv")
        assert (answer["Body"], answer["InvokedProductionVariant"]) == (b"good", "main")
    found = captured(models, "pairs", lambda found: len(found) >= 20)
    ours, its = answers(found, "main"), answers(found, "shadow")
    assert ours.keys() == its.keys()  # a pair has one event id
    assert set(ours.values()) == {"good"}
    assert set(its.values()) == {"other"}
    with pytest.raises(ClientError, match=r"Variant shadow of endpoint .* not found"):
        models.invoke(endpoint, TargetVariant="shadow")
    models.delete(endpoint)


def test_a_shadow_harms_nobody(models: Models, good: str) -> None:
    """One that fails, one that hangs: the answers are the same, as fast as ever."""
    slow = models.model(says("late", "__import__('time').sleep(30) if body in ('x', b'x') else None"))
    endpoint = shadowed(models, good, slow)
    began = time.monotonic()
    for _ in range(200):
        assert models.invoke(endpoint)["Body"] == b"good"
    assert time.monotonic() - began < 60  # one that waited would need 1,500
    models.sagemaker.delete_endpoint(EndpointName=endpoint)  # it goes as soon as its shadow's requests have ended, or 60 s later
    bad = models.model(says("bad", "raise ValueError('shadow')"))
    failing = shadowed(models, good, bad, DataCaptureConfig=capture(models, "bad"))
    for _ in range(5):
        assert models.invoke(failing, ContentType="text/csv")["Body"] == b"good"
    found = captured(models, "bad", lambda found: len(found) >= 5)
    assert {name for name, _ in found} == {"main"}
    models.delete(failing)


def test_metrics_of_each_variant_and_the_share_of_the_weights(models: Models, good: str, other: str) -> None:
    endpoint = shadowed(models, good, other, weights=(2.0, 1.0))
    for _ in range(200):
        models.invoke(endpoint)
    cloudwatch = models.server.client("cloudwatch")

    def invocations(name: str) -> float:
        now = datetime.now(UTC)
        points = cloudwatch.get_metric_statistics(
            Namespace="AWS/SageMaker", MetricName="Invocations", StartTime=now - timedelta(hours=1), EndTime=now + timedelta(minutes=1),
            Period=3600, Statistics=["Sum"], Dimensions=[{"Name": "EndpointName", "Value": endpoint}, {"Name": "VariantName", "Value": name}],
        )["Datapoints"]
        return float(sum(p["Sum"] for p in points))

    end = time.monotonic() + 20
    while invocations("main") < 200 or not invocations("shadow"):
        assert time.monotonic() < end
        time.sleep(0.1)  # written every few seconds
    models.sagemaker.update_endpoint_weights_and_capacities(
        EndpointName=endpoint, DesiredWeightsAndCapacities=[{"VariantName": "shadow", "DesiredWeight": 0.0}])
    models.settled(endpoint)
    assert 50 < invocations("shadow") < 150  # 7 standard deviations
    models.delete(endpoint)


@pytest.mark.parametrize(("change", "text"), [
    (lambda c: c["ShadowProductionVariants"].append(variant("more", c["ProductionVariants"][0]["ModelName"])), "one shadow variant only"),
    (lambda c: c["ProductionVariants"].append(variant("more", c["ProductionVariants"][0]["ModelName"])), "one production variant only"),
    (lambda c: c["ShadowProductionVariants"][0].update(VariantName="main"), "Duplicate variant name"),
    (lambda c: c["ProductionVariants"][0].update(InitialVariantWeight=0.0), "weight greater than zero"),
])
def test_shadows_that_cannot_be(models: Models, good: str, change: Callable[[dict[str, Any]], None], text: str) -> None:
    config = {
        "EndpointConfigName": models.name(), "ProductionVariants": [variant("main", good)], "ShadowProductionVariants": [variant("shadow", good)],
    }
    change(config)
    with pytest.raises(ClientError, match=text):
        models.sagemaker.create_endpoint_config(**config)


# -- experiments


class Experiments:
    """Experiments on endpoints of their own."""

    def __init__(self, models: Models, good: str, other: str) -> None:
        self.models, self.sagemaker, self.good, self.other = models, models.sagemaker, good, other
        self.made: list[tuple[str, str]] = []

    def infrastructure(self, count: int = 1) -> dict[str, Any]:
        return {"InfrastructureType": "RealTimeInference", "RealTimeInferenceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": count}}

    def shadow(self, percent: int) -> dict[str, Any]:
        return {"SourceModelVariantName": "AllTraffic", "ShadowModelVariants": [{"ShadowModelVariantName": "shadow", "SamplingPercentage": percent}]}

    def create(self, endpoint: str = "", *, shadow: str = "", **more: Any) -> tuple[str, str]:
        """(name, endpoint) of a new experiment."""
        if not endpoint:
            endpoint = self.models.endpoint(self.models.config(self.good))
            self.models.settled(endpoint)
        name = self.models.name("x")
        self.sagemaker.create_inference_experiment(**{
            "Name": name, "Type": "ShadowMode", "RoleArn": self.models.role, "EndpointName": endpoint,
            "ModelVariants": [{"ModelName": shadow or self.other, "VariantName": "shadow", "InfrastructureConfig": self.infrastructure()}],
            "ShadowModeConfig": self.shadow(100), **more,
        })
        self.made.append((name, endpoint))
        return name, endpoint

    def until(self, name: str, *states: str, seconds: float = 60) -> dict[str, Any]:
        end = time.monotonic() + seconds
        while True:
            about: dict[str, Any] = self.sagemaker.describe_inference_experiment(Name=name)
            if about["Status"] in states:
                return about
            assert about["Status"] not in ("Completed", "Cancelled"), about
            assert time.monotonic() < end, (about, self.models.server.log())
            time.sleep(0.05)  # the API is polled, as its users do

    def delete(self) -> None:
        for _, endpoint in self.made:
            if self.models.sagemaker.list_endpoints(NameContains=endpoint)["Endpoints"]:
                self.models.settled(endpoint)
                self.models.delete(endpoint)


@pytest.fixture
def experiments(models: Models, good: str, other: str) -> Iterator[Experiments]:
    made = Experiments(models, good, other)
    yield made
    made.delete()


def test_the_workflow_of_the_readme(own_server: TestServer) -> None:
    assert workflow(own_server, "inference_experiments") == "Running\nold\n10 pairs, 10 differ\nCompleted\nnew\n"


def test_an_experiment_from_its_start_to_its_end(experiments: Experiments, models: Models) -> None:
    storage = {"Destination": f"s3://{models.bucket}/experiment", "ContentType": {"CsvContentTypes": ["text/csv", "text/plain"]}}
    tags = [{"Key": "team", "Value": "prices"}]
    name, endpoint = experiments.create(DataStorageConfig=storage, Description="old against new", Tags=tags)
    about = experiments.until(name, "Running")
    assert models.sagemaker.list_tags(ResourceArn=about["Arn"])["Tags"] == tags
    assert about["Arn"].endswith(f":inference-experiment/{name}")
    assert about["Type"] == "ShadowMode"
    assert about["EndpointMetadata"]["EndpointName"] == endpoint
    assert about["EndpointMetadata"]["EndpointStatus"] == "InService"
    assert {v["VariantName"]: v["Status"] for v in about["ModelVariants"]} == {"AllTraffic": "InService", "shadow": "InService"}
    assert (about["Schedule"]["EndTime"] - about["Schedule"]["StartTime"]) == timedelta(days=7)
    assert about["DataStorageConfig"] == storage
    for _ in range(3):
        assert models.invoke(endpoint, "1", ContentType="text/csv")["Body"] == b"good"
    found = captured(models, "experiment", lambda found: len(found) >= 6)
    assert answers(found, "AllTraffic").keys() == answers(found, "shadow").keys()
    before = about["EndpointMetadata"]["EndpointConfigName"]
    models.sagemaker.stop_inference_experiment(Name=name, ModelVariantActions={"AllTraffic": "Retain", "shadow": "Remove"}, Reason="seen enough")
    about = experiments.until(name, "Completed")
    assert about["StatusReason"] == "seen enough"
    assert about["CompletionTime"]
    assert {v["VariantName"]: v["Status"] for v in about["ModelVariants"]} == {"AllTraffic": "InService", "shadow": "Deleted"}
    now = models.sagemaker.describe_endpoint(EndpointName=endpoint)
    assert now["EndpointConfigName"] != before
    assert "ShadowProductionVariants" not in now
    assert "DataCaptureConfig" not in now
    assert models.invoke(endpoint)["Body"] == b"good"
    listed = models.sagemaker.list_inference_experiments(NameContains=name, StatusEquals="Completed", Type="ShadowMode")["InferenceExperiments"]
    assert [one["Name"] for one in listed] == [name]
    assert listed[0]["CompletionTime"] == about["CompletionTime"]
    models.sagemaker.delete_inference_experiment(Name=name)
    with pytest.raises(ClientError) as caught:
        models.sagemaker.describe_inference_experiment(Name=name)
    assert caught.value.response["Error"]["Code"] == "ResourceNotFound"


def test_the_shadow_takes_over(experiments: Experiments, models: Models) -> None:
    name, endpoint = experiments.create()
    experiments.until(name, "Running")
    desired = [{"ModelName": experiments.other, "VariantName": "shadow", "InfrastructureConfig": experiments.infrastructure(2)}]
    models.sagemaker.stop_inference_experiment(
        Name=name, ModelVariantActions={"AllTraffic": "Remove", "shadow": "Promote"}, DesiredModelVariants=desired, DesiredState="Completed")
    experiments.until(name, "Completed")
    about = models.sagemaker.describe_endpoint(EndpointName=endpoint)
    assert [(v["VariantName"], v["CurrentInstanceCount"]) for v in about["ProductionVariants"]] == [("shadow", 2)]
    answer = models.invoke(endpoint)
    assert (answer["Body"], answer["InvokedProductionVariant"]) == (b"other", "shadow")


def test_what_can_be_changed_and_when(experiments: Experiments, models: Models) -> None:
    """Everything before it begins; description, end and share while it runs. The share changes at once."""
    later = datetime.now(UTC) + timedelta(days=1)
    name, endpoint = experiments.create(Schedule={"StartTime": later})
    about = experiments.until(name, "Created")
    assert about["Schedule"]["StartTime"].timestamp() == pytest.approx(later.timestamp(), abs=1)
    update = models.sagemaker.update_inference_experiment
    update(Name=name, Schedule={"StartTime": later + timedelta(hours=1), "EndTime": later + timedelta(days=2)}, ShadowModeConfig=experiments.shadow(50))
    models.sagemaker.start_inference_experiment(Name=name)
    about = experiments.until(name, "Running")
    assert about["Schedule"]["StartTime"] < datetime.now(UTC) + timedelta(minutes=1)
    end = datetime.now(UTC) + timedelta(days=3)
    update(Name=name, Description="longer", Schedule={"EndTime": end}, ShadowModeConfig=experiments.shadow(25))
    about = experiments.until(name, "Running")
    assert about["Description"] == "longer"
    assert about["Schedule"]["EndTime"].timestamp() == pytest.approx(end.timestamp(), abs=1)
    shadow = models.sagemaker.describe_endpoint(EndpointName=endpoint)["ShadowProductionVariants"][0]
    assert shadow["CurrentWeight"] == pytest.approx(0.25)
    with pytest.raises(ClientError, match="cannot be changed once it has begun"):
        update(Name=name, DataStorageConfig={"Destination": f"s3://{models.bucket}/x"})
    with pytest.raises(ClientError) as caught:
        models.sagemaker.delete_inference_experiment(Name=name)
    assert caught.value.response["Error"]["Code"] == "ConflictException"
    with pytest.raises(ClientError) as caught:
        models.sagemaker.start_inference_experiment(Name=name)
    assert caught.value.response["Error"]["Code"] == "ConflictException"


def test_an_experiment_ends_by_itself(experiments: Experiments, models: Models) -> None:
    name, endpoint = experiments.create()
    experiments.until(name, "Running")
    models.sagemaker.update_inference_experiment(Name=name, Schedule={"EndTime": datetime.now(UTC) + timedelta(seconds=1.5)})
    experiments.until(name, "Completed")
    assert "ShadowProductionVariants" not in models.sagemaker.describe_endpoint(EndpointName=endpoint)


def test_a_model_that_does_not_start_cancels_it(experiments: Experiments, models: Models) -> None:
    broken = models.model("raise SystemExit('no')")
    name, endpoint = experiments.create(shadow=broken)
    about = experiments.until(name, "Cancelled")
    assert "The shadow variant could not be deployed" in about["StatusReason"]
    assert models.invoke(endpoint)["Body"] == b"good"
    assert "shadow" in {v["VariantName"] for v in about["ModelVariants"] if v["Status"] == "Deleted"}


def test_an_endpoint_that_is_taken_away_cancels_it(experiments: Experiments, models: Models) -> None:
    name, endpoint = experiments.create()
    experiments.until(name, "Running")
    models.sagemaker.update_endpoint(EndpointName=endpoint, EndpointConfigName=models.config(experiments.good))
    assert "from outside the experiment" in experiments.until(name, "Cancelled")["StatusReason"]
    models.settled(endpoint)
    name, _ = experiments.create(endpoint)
    experiments.until(name, "Running")
    models.sagemaker.delete_endpoint(EndpointName=endpoint)
    assert "was deleted" in experiments.until(name, "Cancelled")["StatusReason"]


def test_an_endpoint_that_was_updated_before_it_began_is_left_alone(experiments: Experiments, models: Models) -> None:
    """What the experiment knows of the production variant is not true any more."""
    name, endpoint = experiments.create(Schedule={"StartTime": datetime.now(UTC) + timedelta(days=1)})
    experiments.until(name, "Created")
    models.sagemaker.update_endpoint(EndpointName=endpoint, EndpointConfigName=models.config(experiments.other))
    models.settled(endpoint)
    models.sagemaker.start_inference_experiment(Name=name)
    assert "before the experiment began" in experiments.until(name, "Cancelled")["StatusReason"]
    assert models.invoke(endpoint)["Body"] == b"other"


def test_scaled_endpoints_stay_so(experiments: Experiments, models: Models) -> None:
    """Where the experiment does not say how the production variant is deployed, it is left as it is: before, during, after."""
    endpoint = models.endpoint(models.config(experiments.good))
    models.settled(endpoint)
    models.sagemaker.update_endpoint_weights_and_capacities(
        EndpointName=endpoint, DesiredWeightsAndCapacities=[{"VariantName": "AllTraffic", "DesiredInstanceCount": 2}])
    models.settled(endpoint)
    name, _ = experiments.create(endpoint)
    experiments.until(name, "Running")

    def count() -> int:
        return int(models.sagemaker.describe_endpoint(EndpointName=endpoint)["ProductionVariants"][0]["CurrentInstanceCount"])

    assert count() == 2
    models.sagemaker.stop_inference_experiment(Name=name, ModelVariantActions={"AllTraffic": "Retain", "shadow": "Remove"})
    experiments.until(name, "Completed")
    assert count() == 2


def test_experiments_that_cannot_be(experiments: Experiments, models: Models) -> None:
    later = datetime.now(UTC) + timedelta(days=1)
    name, endpoint = experiments.create(Schedule={"StartTime": later})
    for more, text in (
        ({"EndpointName": "nowhere"}, "Could not find endpoint"),
        ({"ModelVariants": [{"ModelName": "nothing", "VariantName": "shadow", "InfrastructureConfig": experiments.infrastructure()}]}, "Could not find model"),
        ({"ModelVariants": [{"ModelName": experiments.other, "VariantName": "who", "InfrastructureConfig": experiments.infrastructure()}]}, "must describe the shadow"),
        ({"Schedule": {"StartTime": later, "EndTime": later + timedelta(days=31)}}, "30 days at most"),
        ({"Schedule": {"EndTime": later - timedelta(days=2)}}, "must be later"),
        ({"DataStorageConfig": {"Destination": "https://example.com/x"}}, "Invalid S3 URI"),
    ):
        with pytest.raises(ClientError, match=text):
            experiments.create(endpoint, **more)
    with pytest.raises(ClientError) as caught:
        experiments.create(endpoint, Name=name)
    assert caught.value.response["Error"]["Code"] == "ResourceInUse"
    for actions in ({"AllTraffic": "Remove"}, {"shadow": "Promote"}, {"AllTraffic": "Promote"}, {"nobody": "Retain"}):
        with pytest.raises(ClientError, match=r"ModelVariantActions|production variant"):
            models.sagemaker.stop_inference_experiment(Name=name, ModelVariantActions=actions)
    models.sagemaker.stop_inference_experiment(Name=name, ModelVariantActions={"shadow": "Remove"})
    assert experiments.until(name, "Cancelled")["EndpointMetadata"]["EndpointName"] == endpoint


def test_a_killed_server_goes_on_with_it(own_server: TestServer) -> None:
    """Killed while it starts and while it stops."""
    models = Models(own_server)
    experiments = Experiments(models, models.model(says("good")), models.model(says("other")))
    name, endpoint = experiments.create()
    own_server.kill()
    own_server.start()
    experiments.until(name, "Running")
    models.sagemaker.stop_inference_experiment(Name=name, ModelVariantActions={"AllTraffic": "Remove", "shadow": "Promote"})
    own_server.kill()
    own_server.start()
    experiments.until(name, "Completed")
    assert models.invoke(endpoint)["Body"] == b"other"
