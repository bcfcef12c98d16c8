"""Inference recommendations jobs as boto3 sees them: real endpoints under real load."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sagewright.testing.models import PYTHON, SUM, Models, archive, workflow
from sagewright.testing.names import unique
from sagewright.testing.server import TestServer

SLOW = """
    import os, time

    def model_fn(model_dir):
        return float(os.environ.get("DELAY", "0.2"))

    def transform_fn(model, body, content_type, accept):
        time.sleep(model)  # the model's own time, of which the load test has to find out
        return body, content_type
"""
PICKY = """
    def model_fn(model_dir):
        return None

    def transform_fn(model, body, content_type, accept):
        raise ValueError("nobody can read this")
"""
GROUP = "/aws/sagemaker/InferenceRecommendationsJobs"


class Recommender:
    """What the tests do over and over."""

    def __init__(self, server: TestServer) -> None:
        self.server, self.models = server, Models(server)
        self.sagemaker = self.models.sagemaker
        self.payload = self.models.put("payload.tar.gz", archive(**{"row.csv": "1,2\n", "rows.csv": "3,4\n5,6\n"}))

    def input(self, model: str, *types: str, seconds: int = 1, users: int = 1, **more: Any) -> dict[str, Any]:
        phases = [{"InitialNumberOfUsers": users, "SpawnRate": 0, "DurationInSeconds": seconds}]
        return {
            "ModelName": model, "JobDurationInSeconds": 600,
            "ContainerConfig": {"PayloadConfig": {"SamplePayloadUrl": self.payload, "SupportedContentTypes": ["text/csv"]}},
            "EndpointConfigurations": [{"InstanceType": one} for one in types or ("ml.m5.large",)],
            "TrafficPattern": {"TrafficType": "PHASES", "Phases": phases}, **more,
        }

    def create(self, given: dict[str, Any], **more: Any) -> str:
        name = unique("job")
        request = {"JobName": name, "JobType": "Advanced", "RoleArn": self.models.role, "InputConfig": given, **more}
        arn = self.sagemaker.create_inference_recommendations_job(**request)["JobArn"]
        assert arn.endswith(f":inference-recommendations-job/{name}")
        return name

    def ended(self, name: str, seconds: float = 300) -> dict[str, Any]:
        end = time.monotonic() + seconds
        while True:
            job: dict[str, Any] = self.sagemaker.describe_inference_recommendations_job(JobName=name)
            if job["Status"] in ("COMPLETED", "FAILED", "STOPPED"):
                return job
            assert time.monotonic() < end, (job, self.log(name), self.server.log())
            time.sleep(0.02)  # the API is polled, as its users do

    def completed(self, given: dict[str, Any], **more: Any) -> dict[str, Any]:
        name = self.create(given, **more)
        job = self.ended(name)
        assert job["Status"] == "COMPLETED", (job.get("FailureReason"), self.log(name))
        return job

    def steps(self, name: str, **more: Any) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.sagemaker.list_inference_recommendations_job_steps(JobName=name, **more)["Steps"]
        return found

    def log(self, name: str) -> str:
        events = self.models.logs.get_log_events(logGroupName=GROUP, logStreamName=f"{name}/execution", startFromHead=True)["events"]
        return "\n".join(event["message"] for event in events)

    def left(self, name: str) -> list[str]:
        """What is still there of what a job has made."""
        found = []
        for step in self.steps(name):
            endpoint = step["InferenceBenchmark"].get("EndpointConfiguration", {}).get("EndpointName", "")
            for kind, key in (("endpoints", "EndpointName"), ("endpoint_configs", "EndpointConfigName"), ("models", "ModelName")):
                answer = getattr(self.sagemaker, f"list_{kind}")(NameContains=endpoint)
                found += [one[key] for members in answer.values() if isinstance(members, list) for one in members]
        return found


@pytest.fixture(scope="module")
def recommender(server: TestServer) -> Recommender:
    return Recommender(server)


@pytest.fixture(scope="module")
def summing(recommender: Recommender) -> str:
    return recommender.models.model(SUM)


def test_the_workflow_of_the_readme(own_server: TestServer) -> None:
    assert workflow(own_server, "recommender") == "ml.t2.medium True\nTrue\n"


def test_a_load_test_measures_an_endpoint_and_leaves_nothing(recommender: Recommender, summing: str) -> None:
    began = time.time()
    given = recommender.input(summing, seconds=5, users=2)
    job = recommender.completed(given, JobDescription="how large", StoppingConditions={"MaxInvocations": 10_000_000})
    assert (job["JobType"], job["JobDescription"], job["InputConfig"]) == ("Advanced", "how large", given)
    (best,) = job["InferenceRecommendations"]
    metrics = best["Metrics"]
    assert metrics["MaxInvocations"] > 60
    assert 0 < metrics["ModelLatency"] < 1000
    assert metrics["CostPerHour"] == pytest.approx(0.115)
    assert metrics["CostPerInference"] == pytest.approx(0.115 / 60 / metrics["MaxInvocations"], rel=1e-3)
    assert 0 < metrics["CpuUtilization"] <= 200
    assert 0 < metrics["MemoryUtilization"] < 100
    assert metrics["ModelSetupTime"] > 0
    where = best["EndpointConfiguration"]
    assert (where["InstanceType"], where["EndpointName"]) == ("ml.m5.large", where["VariantName"])
    assert where["InitialInstanceCount"] == -(-10_000_000 // metrics["MaxInvocations"]), "as many as the expected traffic needs"
    took = (best["InvocationEndTime"] - best["InvocationStartTime"]).total_seconds()
    assert 4.9 < took < 15
    assert best["InvocationStartTime"].timestamp() > began
    assert recommender.left(job["JobName"]) == []
    log = recommender.log(job["JobName"])
    assert "NumberOfUsers=2" in log
    assert f"MaxInvocations {metrics['MaxInvocations']:g}" in log
    cloudwatch = recommender.server.client("cloudwatch")
    for dimension in ({"Name": "JobName", "Value": job["JobName"]}, {"Name": "EndpointName", "Value": where["EndpointName"]}):
        asked = {"Namespace": GROUP, "Dimensions": [dimension], "StartTime": began - 60, "EndTime": time.time() + 60, "Period": 600}
        sums = cloudwatch.get_metric_statistics(MetricName="ClientInvocations", Statistics=["Sum"], **asked)["Datapoints"]
        assert sum(point["Sum"] for point in sums) >= metrics["MaxInvocations"] / 60
        latency = cloudwatch.get_metric_statistics(MetricName="ClientLatency", Statistics=["Average"], Unit="Milliseconds", **asked)["Datapoints"]
        assert 0 < latency[0]["Average"] < 1000
        users = cloudwatch.get_metric_statistics(MetricName="NumberOfUsers", Statistics=["Maximum"], **asked)["Datapoints"]
        assert users[0]["Maximum"] == 2


def test_variables_are_tried_out_and_the_better_value_wins(recommender: Recommender) -> None:
    """A machine that cannot stand for a type says so, and the others are benchmarked all the same."""
    model = recommender.models.model(SLOW)
    given = recommender.input(model)
    ranges = {"CategoricalParameterRanges": [{"Name": "DELAY", "Value": ["0.15", "0.01"]}]}
    given["EndpointConfigurations"] = [
        {"InstanceType": "ml.m5.24xlarge"}, {"InstanceType": "ml.m5.large", "EnvironmentParameterRanges": ranges}]
    job = recommender.completed(given)
    found = [
        (one["ModelConfiguration"]["EnvironmentParameters"], one["Metrics"]["ModelLatency"]) for one in job["InferenceRecommendations"]
    ]
    assert [parameters for parameters, _ in found] == [
        [{"Key": "DELAY", "ValueType": "String", "Value": value}] for value in ("0.01", "0.15")]
    assert found[0][1] < 150 <= found[1][1]
    assert job["InferenceRecommendations"][0]["Metrics"]["MaxInvocations"] > job["InferenceRecommendations"][1]["Metrics"]["MaxInvocations"]
    large, *_ = steps = recommender.steps(job["JobName"])
    assert [step["Status"] for step in steps] == ["FAILED", "COMPLETED", "COMPLETED"]
    assert large["InferenceBenchmark"]["FailureReason"].startswith("CapacityError: This machine cannot stand for the instance: 1 x ml.m5.24xlarge needs 96 cores")
    assert [step["InferenceBenchmark"]["EndpointConfiguration"]["InstanceType"] for step in recommender.steps(job["JobName"], Status="FAILED")] == ["ml.m5.24xlarge"]
    first = recommender.sagemaker.list_inference_recommendations_job_steps(JobName=job["JobName"], MaxResults=2)
    rest = recommender.steps(job["JobName"], MaxResults=2, NextToken=first["NextToken"])
    assert len(first["Steps"] + rest) == 3
    assert recommender.left(job["JobName"]) == []
    assert recommender.sagemaker.describe_model(ModelName=model)["ModelName"] == model


def test_a_model_slower_than_the_threshold_is_no_recommendation(recommender: Recommender) -> None:
    threshold = {"ModelLatencyThresholds": [{"Percentile": "P95", "ValueInMilliseconds": 20}]}
    name = recommender.create(recommender.input(recommender.models.model(SLOW), seconds=4), StoppingConditions=threshold)
    job = recommender.ended(name)
    assert job["Status"] == "FAILED"
    assert "never below the threshold of 20 ms" in job["FailureReason"]
    assert recommender.log(name).count("NumberOfUsers=1") == 1, "the first of two windows was enough"
    assert "FailureReason" in recommender.steps(name)[0]["InferenceBenchmark"]
    assert recommender.left(name) == []


def test_payloads_that_the_model_refuses_are_no_load(recommender: Recommender) -> None:
    name = recommender.create(recommender.input(recommender.models.model(PICKY), seconds=60))
    job = recommender.ended(name)
    assert job["Status"] == "FAILED"
    assert "The payload row.csv was answered with 424" in job["FailureReason"]
    assert recommender.left(name) == []


def test_a_model_that_does_not_start_fails_its_benchmark(recommender: Recommender) -> None:
    model = recommender.models.model("raise SystemExit('no weights')")
    job = recommender.ended(name := recommender.create(recommender.input(model)))
    assert job["Status"] == "FAILED"
    assert "no weights" in job["FailureReason"]
    assert recommender.left(name) == []


def test_a_stop_ends_the_load_and_removes_the_endpoint(recommender: Recommender, summing: str) -> None:
    name = recommender.create(recommender.input(summing, "ml.m5.large", "ml.c5.large", seconds=300))
    end = time.monotonic() + 60
    while "NumberOfUsers=" not in recommender.log(name) and not any("InService" in str(e) for e in _endpoints(recommender, name)):
        assert time.monotonic() < end, recommender.log(name)
        time.sleep(0.02)  # the API is polled, as its users do
    recommender.sagemaker.stop_inference_recommendations_job(JobName=name)
    assert recommender.sagemaker.describe_inference_recommendations_job(JobName=name)["Status"] in ("STOPPING", "STOPPED")
    job = recommender.ended(name)
    assert job["Status"] == "STOPPED"
    assert "InferenceRecommendations" not in job
    assert [step["Status"] for step in recommender.steps(name)] == ["STOPPED", "STOPPED"]
    assert recommender.left(name) == []
    with pytest.raises(ClientError, match="cannot be stopped"):
        recommender.sagemaker.stop_inference_recommendations_job(JobName=name)


def _endpoints(recommender: Recommender, name: str) -> Iterator[dict[str, Any]]:
    for step in recommender.steps(name):
        yield from recommender.sagemaker.list_endpoints(NameContains=step["InferenceBenchmark"]["EndpointConfiguration"]["EndpointName"])["Endpoints"]


def test_a_job_ends_when_its_time_is_over(recommender: Recommender, summing: str) -> None:
    """A benchmark that has begun is cut short and counts; those that have not never will."""
    name = recommender.create(recommender.input(summing, "ml.m5.large", "ml.c5.large", "ml.t2.large", seconds=2, JobDurationInSeconds=2))
    job = recommender.ended(name)
    first, *rest = recommender.steps(name)
    assert job["Status"] == first["Status"], "on a busy machine not even the first may have begun"
    assert [step["Status"] for step in rest] == ["FAILED", "FAILED"]
    assert "JobDurationInSeconds was over" in rest[-1]["InferenceBenchmark"]["FailureReason"]
    assert recommender.left(name) == []


def test_a_default_job_finds_types_and_traffic_itself(recommender: Recommender, summing: str) -> None:
    given = recommender.input(summing, JobDurationInSeconds=3)
    given["ContainerConfig"]["SupportedInstanceTypes"] = ["ml.t2.medium"]
    del given["EndpointConfigurations"], given["TrafficPattern"]
    job = recommender.completed(given, JobType="Default")
    assert [one["EndpointConfiguration"]["InstanceType"] for one in job["InferenceRecommendations"]] == ["ml.t2.medium"]
    log = recommender.log(job["JobName"])
    assert "NumberOfUsers=1 " in log
    assert "NumberOfUsers=2 " in log, "the users double"


def test_a_package_brings_payload_types_and_instances(recommender: Recommender) -> None:
    group, models = unique("sums"), recommender.models
    models.sagemaker.create_model_package_group(ModelPackageGroupName=group)
    url = models.put(f"{group}/model.tar.gz", archive(code__inference_py=SUM))
    package = models.sagemaker.create_model_package(
        ModelPackageGroupName=group, SamplePayloadUrl=recommender.payload, Domain="MACHINE_LEARNING", Task="OTHER", InferenceSpecification={
            "Containers": [{"Image": PYTHON, "ModelDataUrl": url, "Environment": {"SAGEMAKER_MODEL_SERVER_WORKERS": "1"}}],
            "SupportedContentTypes": ["text/csv"], "SupportedResponseMIMETypes": ["text/csv"],
            "SupportedRealtimeInferenceInstanceTypes": ["ml.c5.large"],
        })["ModelPackageArn"]  # fmt: skip
    given = recommender.input("")
    for member in ("ModelName", "ContainerConfig", "EndpointConfigurations"):
        del given[member]
    job = recommender.completed({**given, "ModelPackageVersionArn": package})
    assert [one["EndpointConfiguration"]["InstanceType"] for one in job["InferenceRecommendations"]] == ["ml.c5.large"]
    listed = recommender.sagemaker.list_inference_recommendations_jobs(ModelPackageVersionArnEquals=package)["InferenceRecommendationsJobs"]
    assert [(one["JobName"], one["ModelPackageVersionArn"]) for one in listed] == [(job["JobName"], package)]
    assert recommender.left(job["JobName"]) == []


def test_an_endpoint_that_exists_is_loaded_and_stays(recommender: Recommender, summing: str) -> None:
    models = recommender.models
    endpoint = models.endpoint(models.config(summing))
    assert models.settled(endpoint)["EndpointStatus"] == "InService"
    given = recommender.input(summing, Endpoints=[{"EndpointName": endpoint}])
    del given["EndpointConfigurations"]
    job = recommender.completed(given)
    (found,) = job["EndpointPerformances"]
    assert found["EndpointInfo"] == {"EndpointName": endpoint}
    assert found["Metrics"]["MaxInvocations"] > 60
    assert "InferenceRecommendations" not in job
    (step,) = recommender.steps(job["JobName"])
    assert step["InferenceBenchmark"]["EndpointMetrics"] == found["Metrics"]
    assert models.invoke(endpoint, b"1,2\n", ContentType="text/csv")["Body"] == b"3\n"
    models.delete(endpoint)


def test_a_serverless_candidate_beside_an_instance(recommender: Recommender, summing: str) -> None:
    given = recommender.input(summing)
    serverless = {"MemorySizeInMB": 2048, "MaxConcurrency": 2}
    given["EndpointConfigurations"].append({"ServerlessConfig": serverless})
    job = recommender.completed(given)
    first, second = job["InferenceRecommendations"]
    assert first["EndpointConfiguration"]["InstanceType"] == "ml.m5.large", "what has a price comes first"
    where, metrics = second["EndpointConfiguration"], second["Metrics"]
    assert where["ServerlessConfig"] == serverless
    assert "InstanceType" not in where
    assert metrics["MaxInvocations"] > 60
    assert metrics["ModelSetupTime"] > 0, "it was asleep"
    assert "CostPerHour" not in metrics
    assert recommender.left(job["JobName"]) == []
    with pytest.raises(ClientError, match="scales by itself"):
        recommender.sagemaker.get_scaling_configuration_recommendation(
            InferenceRecommendationsJobName=job["JobName"], RecommendationId=second["RecommendationId"])


def test_a_role_that_may_not_invoke_is_told_so(recommender: Recommender, summing: str) -> None:
    iam, name = recommender.server.client("iam"), unique("reader")
    trust = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "sagemaker.amazonaws.com"}, "Action": "sts:AssumeRole"}]}
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]

    def allow(*actions: str) -> None:
        policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": list(actions), "Resource": "*"}]}
        iam.put_role_policy(RoleName=name, PolicyName="inline", PolicyDocument=json.dumps(policy))

    for actions, lacking in (
        (("sagemaker:*",), "s3:GetObject"), (("s3:*", "sagemaker:Describe*"), "sagemaker:InvokeEndpoint"),
        (("s3:*", "sagemaker:InvokeEndpoint", "sagemaker:CreateEndpointConfig"), "sagemaker:CreateEndpoint"),
    ):
        allow(*actions)
        job = recommender.ended(created := recommender.create(recommender.input(summing), RoleArn=role))
        assert job["Status"] == "FAILED"
        assert lacking in job["FailureReason"]
        assert recommender.left(created) == []


def test_how_to_scale_what_was_benchmarked(recommender: Recommender, summing: str) -> None:
    job = recommender.completed(recommender.input(summing))
    best = job["InferenceRecommendations"][0]
    most = best["Metrics"]["MaxInvocations"]
    asked = {"InferenceRecommendationsJobName": job["JobName"], "TargetCpuUtilizationPerCore": 40,
             "ScalingPolicyObjective": {"MinInvocationsPerMinute": 1, "MaxInvocationsPerMinute": most * 20}}
    by_id = recommender.sagemaker.get_scaling_configuration_recommendation(RecommendationId=best["RecommendationId"], **asked)
    by_name = recommender.sagemaker.get_scaling_configuration_recommendation(
        EndpointName=best["EndpointConfiguration"]["EndpointName"], **asked)
    assert by_id["DynamicScalingConfiguration"] == by_name["DynamicScalingConfiguration"]
    assert by_id["Metric"]["ModelLatency"] == best["Metrics"]["ModelLatency"]
    assert by_id["DynamicScalingConfiguration"]["MinCapacity"] == 1
    assert by_id["DynamicScalingConfiguration"]["MaxCapacity"] >= 25
    for more, text in (
        ({}, "exactly one of"), ({"RecommendationId": "no/12345678"}, "has no recommendation"),
        ({"RecommendationId": best["RecommendationId"], "ScalingPolicyObjective": {"MinInvocationsPerMinute": 9, "MaxInvocationsPerMinute": 3}}, "greater than"),
    ):
        with pytest.raises(ClientError, match=text):
            recommender.sagemaker.get_scaling_configuration_recommendation(**{**asked, **more})


@pytest.mark.parametrize(("change", "text"), [
    ({"ModelPackageVersionArn": "arn:aws:sagemaker:us-east-1:123456789012:model-package/x/1"}, "exactly one of"),
    ({"ModelName": "nobody"}, "Could not find model"),
    ({"ContainerConfig": {}}, "A sample payload is required"),
    ({"ContainerConfig": {"PayloadConfig": {"SamplePayloadUrl": "s3://b/rows.csv"}}}, r"suffix \.tar\.gz"),
    ({"JobDurationInSeconds": 18_001}, "must not be greater than 18000"),
    ({"TrafficPattern": {"TrafficType": "STAIRS"}}, "needs Stairs"),
    ({"TrafficPattern": {"TrafficType": "PHASES", "Phases": [{"DurationInSeconds": 3}]}}, "InitialNumberOfUsers of Phases"),
    ({"TrafficPattern": {"TrafficType": "PHASES", "Phases": [{"InitialNumberOfUsers": 1, "DurationInSeconds": 900}]}}, "takes 900 seconds"),
    ({"TrafficPattern": {"TrafficType": "STAIRS", "Stairs": {"DurationInSeconds": 1, "NumberOfSteps": 600, "UsersPerStep": 3}}}, "1800 users"),
    ({"EndpointConfigurations": [{}]}, "Exactly one of InstanceType"),
])
def test_requests_that_make_no_sense(recommender: Recommender, summing: str, change: dict[str, Any], text: str) -> None:
    with pytest.raises(ClientError, match=text) as caught:
        recommender.create({**recommender.input(summing), **change})
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400


@pytest.mark.parametrize(("change", "more", "text"), [
    ({"ContainerConfig": {"SupportedEndpointType": "Serverless"}}, {}, "SupportedEndpointType Serverless"),
    ({}, {"OutputConfig": {"CompiledOutputConfig": {"S3OutputUri": "s3://b/c"}}}, "CompiledOutputConfig"),
])
def test_what_is_not_built_says_so(recommender: Recommender, summing: str, change: dict[str, Any], more: dict[str, Any], text: str) -> None:
    with pytest.raises(ClientError, match=text) as caught:
        recommender.create({**recommender.input(summing), **change}, **more)
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 501


def test_lists_names_and_tags(recommender: Recommender, summing: str) -> None:
    model = recommender.models.model(SUM)
    name = recommender.create(recommender.input(model, "ml.m5.24xlarge"), Tags=[{"Key": "team", "Value": "blue"}])
    job = recommender.ended(name)
    assert job["FailureReason"].startswith("CapacityError: 1 of 1 benchmarks failed")
    listed = recommender.sagemaker.list_inference_recommendations_jobs(ModelNameEquals=model, StatusEquals="FAILED", NameContains=name)
    (summary,) = listed["InferenceRecommendationsJobs"]
    assert (summary["ModelName"], summary["SamplePayloadUrl"], summary["JobDescription"]) == (model, recommender.payload, "")
    assert recommender.sagemaker.list_inference_recommendations_jobs(ModelNameEquals=summing, NameContains=name)["InferenceRecommendationsJobs"] == []
    assert recommender.sagemaker.list_tags(ResourceArn=job["JobArn"])["Tags"] == [{"Key": "team", "Value": "blue"}]
    with pytest.raises(ClientError) as taken:
        recommender.sagemaker.create_inference_recommendations_job(
            JobName=name, JobType="Advanced", RoleArn=recommender.models.role, InputConfig=recommender.input(model))
    assert taken.value.response["Error"]["Code"] == "ResourceInUse"
    with pytest.raises(ClientError) as missing:
        recommender.steps("nobody")
    assert missing.value.response["Error"]["Code"] == "ResourceNotFound"
