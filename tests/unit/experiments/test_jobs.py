"""What a job's document says to its component."""

from __future__ import annotations

import pytest

from sagewright.slices.experiments.capture import updated
from sagewright.slices.experiments.jobs import KINDS, parameter, training, transform

TRAINING = {
    "TrainingJobName": "Job-A", "TrainingJobStatus": "InProgress", "SecondaryStatus": "Training",
    "AlgorithmSpecification": {"TrainingImage": "i", "MetricDefinitions": [{"Name": "m", "Regex": "x"}]},
    "ResourceConfig": {"InstanceGroups": [{"InstanceType": "ml.a", "InstanceCount": 2}, {"InstanceType": "ml.b", "InstanceCount": 1}], "VolumeSizeInGB": 30},
    "InputDataConfig": [
        {"ChannelName": "train", "ContentType": "text/csv", "DataSource": {"S3DataSource": {"S3Uri": "s3://b/t"}}},
        {"ChannelName": "odd", "ContentType": "text/csv; header=present", "DataSource": {"S3DataSource": {"S3Uri": "s3://b/o"}}},
        {"ChannelName": "disk", "DataSource": {"FileSystemDataSource": {"FileSystemId": "fs"}}},
    ],
}  # fmt: skip


@pytest.mark.parametrize(("text", "value"), [
    ("3", {"NumberValue": 3.0}), ("1e-4", {"NumberValue": 1e-4}), ("-0.5", {"NumberValue": -0.5}),
    ("nan", {"StringValue": "nan"}), ("inf", {"StringValue": "inf"}), ("1_000", {"StringValue": "1_000"}),
    ('"s3://b/k"', {"StringValue": '"s3://b/k"'}), ("", {"StringValue": ""}), ("x" * 3000, {"StringValue": "x" * 2500}),
])  # fmt: skip
def test_hyperparameters_are_numbers_where_they_read_as_such(text: str, value: dict[str, object]) -> None:
    assert parameter(text) == value


def test_training() -> None:
    found = training({**TRAINING, "HyperParameters": {f"h{n}": "1" for n in range(400)}})
    assert len(found.parameters) == 300
    assert found.parameters["SageMaker.InstanceCount"] == {"NumberValue": 3.0}
    assert found.parameters["SageMaker.InstanceType"] == {"StringValue": "ml.a,ml.b"}
    assert found.inputs == {"train": {"Value": "s3://b/t", "MediaType": "text/csv"}, "odd": {"Value": "s3://b/o"}}
    assert (found.status, found.start, found.outputs, found.metrics) == ("InProgress", None, {}, ["m"])


def test_transform() -> None:
    found = transform({
        "TransformJobStatus": "Completed", "ModelName": "m", "TransformStartTime": 1.0, "TransformEndTime": 2.0,
        "TransformInput": {"DataSource": {"S3DataSource": {"S3Uri": "s3://b/in"}}}, "TransformOutput": {"S3OutputPath": "s3://b/out"},
        "TransformResources": {"InstanceType": "ml.a", "InstanceCount": 1},
    })  # fmt: skip
    assert found.parameters["SageMaker.ModelName"] == {"StringValue": "m"}
    assert found.inputs["SageMaker.TransformInput"] == {"Value": "s3://b/in"}
    assert found.outputs["SageMaker.TransformOutput"] == {"Value": "s3://b/out"}


def test_names_are_lower_case() -> None:
    assert KINDS["TrainingJob"].component("Job-A") == "job-a-aws-training-job"
    assert KINDS["TransformJob"].component("T") == "t-aws-transform-job"


def test_an_update_keeps_what_callers_wrote() -> None:
    doc = {"DisplayName": "mine", "Parameters": {"a": 1}, "OutputArtifacts": {"extra": {"Value": "v"}}}
    captured = training({**TRAINING, "TrainingJobStatus": "Completed", "ModelArtifacts": {"S3ModelArtifacts": "s3://m"}, "TrainingStartTime": 1.0, "TrainingEndTime": 2.0})
    after = updated(doc, captured, 5.0)
    assert after["Parameters"] == {"a": 1}
    assert set(after["OutputArtifacts"]) == {"extra", "SageMaker.ModelArtifact"}
    assert (after["StartTime"], after["EndTime"], after["LastModifiedTime"], after["_live"]) == (1.0, 2.0, 5.0, False)
    assert updated(after, captured, 6.0) is after
