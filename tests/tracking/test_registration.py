"""From a model logged in MLflow to an endpoint that answers, by way of the model registry, without a step by hand."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from sagewright.testing.models import Models
from sagewright.testing.names import unique

from .conftest import Lab

pytestmark = pytest.mark.xdist_group("mlflow")


def packages(lab: Lab, group: str, count: int, seconds: float = 60.0) -> list[dict[str, Any]]:
    """The versions of a group, once there are so many: registration follows the answer that MLflow's client gets."""
    end = time.monotonic() + seconds
    while True:
        try:
            found: list[dict[str, Any]] = lab.sagemaker.list_model_packages(ModelPackageGroupName=group)["ModelPackageSummaryList"]
        except lab.sagemaker.exceptions.ClientError:
            found = []
        if len(found) >= count:
            return found
        assert time.monotonic() < end, lab.log()
        time.sleep(0.05)


def test_a_model_of_mlflow_is_deployed(lab: Lab) -> None:
    said = lab.run("model.py", "the doubler", "2")
    found = packages(lab, "the-doubler", 2)
    assert [(p["ModelPackageVersion"], p["ModelApprovalStatus"]) for p in found] == [(1, "PendingManualApproval"), (2, "PendingManualApproval")]
    about = lab.sagemaker.describe_model_package(ModelPackageName=found[0]["ModelPackageArn"])
    assert about["SourceUri"].startswith(f"s3://{lab.bucket}/mlflow/")
    assert about["CustomerMetadataProperties"]["mlflow.model_version"] == "1"
    assert about["MetadataProperties"]["GeneratedBy"] == lab.arn
    assert said["version"] in (2, "2")
    tagged = lab.signed("GET", "/api/2.0/mlflow/model-versions/get?name=the%20doubler&version=1").json()["model_version"]
    assert {"key": "sagemaker.model_package_arn", "value": found[0]["ModelPackageArn"]} in tagged["tags"]

    lab.sagemaker.update_model_package(ModelPackageArn=found[0]["ModelPackageArn"], ModelApprovalStatus="Approved")
    models = Models(lab.server)
    container = {"ModelPackageName": found[0]["ModelPackageArn"], "Environment": {"SAGEMAKER_MODEL_SERVER_WORKERS": "1"}}
    name = unique("doubler")
    lab.sagemaker.create_model(ModelName=name, ExecutionRoleArn=models.role, PrimaryContainer=container)
    endpoint = models.endpoint(models.config(name))
    models.settled(endpoint)

    def ask(body: str, kind: str, **more: str) -> bytes:
        return models.runtime.invoke_endpoint(EndpointName=endpoint, ContentType=kind, Body=body, **more)["Body"].read()  # type: ignore[no-any-return]

    for document in ({"inputs": [[4.0], [5.0]]}, {"instances": [[4.0], [5.0]]}, {"dataframe_split": {"columns": ["x"], "data": [[4.0], [5.0]]}}):
        assert json.loads(ask(json.dumps(document), "application/json"))["predictions"] == pytest.approx([8.0, 10.0])
    assert [float(v) for v in ask("x\n4\n5\n", "text/csv", Accept="text/csv").split()] == pytest.approx([8.0, 10.0])
    with pytest.raises(models.runtime.exceptions.ModelError) as caught:
        ask("{}", "application/json")
    assert caught.value.response["OriginalStatusCode"] == 400
    lab.sagemaker.delete_endpoint(EndpointName=endpoint)


def test_a_specification_logged_with_the_model_is_taken(lab: Lab) -> None:
    experiment = lab.make("specified")
    source = f"s3://{lab.bucket}/mlflow/{experiment}/own/artifacts"
    specification = {"Containers": [{"Image": "python:3", "ModelDataUrl": f"s3://{lab.bucket}/x.tar.gz"}], "SupportedContentTypes": ["text/plain"]}
    lab.s3.put_object(
        Bucket=lab.bucket, Key=f"mlflow/{experiment}/own/artifacts/sagemaker_inference_specification.json", Body=json.dumps(specification)
    )
    assert lab.signed("POST", "/api/2.0/mlflow/registered-models/create", {"name": "specified"}).status_code == 200
    made = lab.signed("POST", "/api/2.0/mlflow/model-versions/create", {"name": "specified", "source": source})
    assert made.status_code == 200, made.text
    where = packages(lab, "specified", 1)[0]["ModelPackageArn"]
    assert lab.sagemaker.describe_model_package(ModelPackageName=where)["InferenceSpecification"] == specification


def test_a_server_without_the_setting_registers_nothing(lab: Lab) -> None:
    quiet = Lab(lab.server, "quiet").create()
    for path, document in (("registered-models", {"name": "silent"}), ("model-versions", {"name": "silent", "source": f"s3://{quiet.bucket}/m"})):
        assert quiet.signed("POST", f"/api/2.0/mlflow/{path}/create", document).status_code == 200
    quiet.sagemaker.update_mlflow_tracking_server(TrackingServerName="quiet", AutomaticModelRegistration=True)
    quiet.until("Updated")
    assert not quiet.sagemaker.list_model_package_groups(NameContains="silent")["ModelPackageGroupSummaryList"]
    # the next version brings the ones before it along
    assert quiet.signed("POST", "/api/2.0/mlflow/model-versions/create", {"name": "silent", "source": f"s3://{quiet.bucket}/m2"}).status_code == 200
    sources = {quiet.sagemaker.describe_model_package(ModelPackageName=p["ModelPackageArn"])["SourceUri"] for p in packages(quiet, "silent", 2)}
    assert sources == {f"s3://{quiet.bucket}/m", f"s3://{quiet.bucket}/m2"}
