"""Algorithms by boto3, and training jobs that name one."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from sagewright.testing.jobs import PYTHON, Jobs
from sagewright.testing.server import TestServer


@pytest.fixture(scope="module")
def jobs(server: TestServer) -> Jobs:
    return Jobs(server, "algorithm-bucket")


def specification(**more: Any) -> dict[str, Any]:
    whole = {"IntegerParameterRangeSpecification": {"MinValue": "1", "MaxValue": "9"}}
    names = {"CategoricalParameterRangeSpecification": {"Values": ["a", "b"]}}
    return {
        "TrainingImage": PYTHON,
        "SupportedHyperParameters": [
            {"Name": "depth", "Type": "Integer", "Range": whole, "IsRequired": True, "IsTunable": True},
            {"Name": "kind", "Type": "Categorical", "Range": names, "DefaultValue": "a"},
            {"Name": "sagemaker_program", "Type": "FreeText"}, {"Name": "sagemaker_submit_directory", "Type": "FreeText"},
        ],
        "SupportedTrainingInstanceTypes": ["ml.m5.large"],
        "MetricDefinitions": [{"Name": "score", "Regex": r"score=(\S+)"}],
        "TrainingChannels": [
            {"Name": "train", "SupportedContentTypes": ["text/csv"], "SupportedInputModes": ["File"], "IsRequired": False},
            {"Name": "code", "SupportedContentTypes": ["text/plain"], "SupportedInputModes": ["File"]},
        ],
        **more,
    }  # fmt: skip


@pytest.fixture(scope="module")
def name(jobs: Jobs) -> str:
    name = jobs.name("algorithm")
    jobs.sagemaker.create_algorithm(AlgorithmName=name, TrainingSpecification=specification())
    return name


def request(jobs: Jobs, name: str, code: str = "", **more: Any) -> dict[str, Any]:
    uri = jobs.put(f"code/{name}/main.py", code).removesuffix("main.py")
    return {
        "TrainingJobName": jobs.name("job"), "RoleArn": jobs.role,
        "AlgorithmSpecification": {
            "AlgorithmName": name, "TrainingInputMode": "File",
            "ContainerEntrypoint": ["python3", "/opt/ml/input/data/code/main.py"],
        },
        "HyperParameters": {"depth": "3"}, "InputDataConfig": [jobs.channel("code", uri)],
        "OutputDataConfig": {"S3OutputPath": f"s3://{jobs.bucket}/out"},
        "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
        "StoppingCondition": {"MaxRuntimeInSeconds": 60}, **more,
    }  # fmt: skip


def test_the_verbs(jobs: Jobs, name: str) -> None:
    found = jobs.sagemaker.describe_algorithm(AlgorithmName=name)
    assert (found["AlgorithmStatus"], found["TrainingSpecification"]["TrainingImage"]) == ("Completed", PYTHON)
    assert jobs.sagemaker.describe_algorithm(AlgorithmName=found["AlgorithmArn"])["AlgorithmName"] == name
    (listed,) = jobs.sagemaker.list_algorithms(NameContains=name)["AlgorithmSummaryList"]
    assert (listed["AlgorithmArn"], listed["AlgorithmStatus"]) == (found["AlgorithmArn"], "Completed")
    other = jobs.name("algorithm")
    jobs.sagemaker.create_algorithm(AlgorithmName=other, TrainingSpecification=specification())
    with pytest.raises(ClientError):
        jobs.sagemaker.create_algorithm(AlgorithmName=other, TrainingSpecification=specification())
    jobs.sagemaker.delete_algorithm(AlgorithmName=other)
    with pytest.raises(ClientError, match="Could not find"):
        jobs.sagemaker.describe_algorithm(AlgorithmName=other)


def test_a_job_takes_image_metrics_and_defaults_from_its_algorithm(jobs: Jobs, name: str) -> None:
    code = "import json\nprint('score=0.5', json.load(open('/opt/ml/input/config/hyperparameters.json')))"
    asked = request(jobs, name, code)
    jobs.sagemaker.create_training_job(**asked)
    job = jobs.ended(asked["TrainingJobName"])
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    assert job["AlgorithmSpecification"]["AlgorithmName"] == name
    assert job["HyperParameters"] == {"depth": "3", "kind": "a"}
    assert [(m["MetricName"], m["Value"]) for m in job["FinalMetricDataList"]] == [("score", 0.5)]


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"HyperParameters": {}}, "depth is required"),
        ({"HyperParameters": {"depth": "10"}}, "not between 1 and 9"),
        ({"HyperParameters": {"depth": "deep"}}, "no integer number"),
        ({"HyperParameters": {"depth": "3", "kind": "c"}}, "not one of a, b"),
        ({"HyperParameters": {"depth": "3", "colour": "red"}}, "colour is not supported"),
        ({"ResourceConfig": {"InstanceType": "ml.c5.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 1}}, "instance type ml.c5.xlarge"),
        ({"ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 2, "VolumeSizeInGB": 1}}, "distributed training"),
    ],
)
def test_what_an_algorithm_does_not_allow(jobs: Jobs, name: str, more: dict[str, Any], says: str) -> None:
    with pytest.raises(ClientError, match=says):
        jobs.sagemaker.create_training_job(**{**request(jobs, name), **more})


def test_channels_that_an_algorithm_does_not_know(jobs: Jobs, name: str) -> None:
    asked = request(jobs, name)
    with pytest.raises(ClientError, match="Channel other is not supported"):
        jobs.sagemaker.create_training_job(**{**asked, "InputDataConfig": [jobs.channel("other", f"s3://{jobs.bucket}/x")]})
    wrong = {**jobs.channel("train", f"s3://{jobs.bucket}/x"), "ContentType": "text/libsvm"}
    with pytest.raises(ClientError, match="content type text/libsvm"):
        jobs.sagemaker.create_training_job(**{**asked, "InputDataConfig": [wrong]})


def test_an_algorithm_that_does_not_exist(jobs: Jobs) -> None:
    with pytest.raises(ClientError, match="Could not find algorithm"):
        jobs.sagemaker.create_training_job(**request(jobs, "nothing"))


def test_a_specification_that_contradicts_itself(jobs: Jobs) -> None:
    wrong = [{"Name": "x", "Type": "Categorical", "Range": {"IntegerParameterRangeSpecification": {"MinValue": "1", "MaxValue": "2"}}}]
    with pytest.raises(ClientError, match="Hyperparameter x"):
        jobs.sagemaker.create_algorithm(AlgorithmName=jobs.name("a"), TrainingSpecification=specification(SupportedHyperParameters=wrong))
    metrics = [{"Name": "score", "Regex": "score=("}]
    with pytest.raises(ClientError, match="metric definition score is not a regular expression"):
        jobs.sagemaker.create_algorithm(AlgorithmName=jobs.name("a"), TrainingSpecification=specification(MetricDefinitions=metrics))
