"""The same work with PostgreSQL for records and an external S3 for objects: nothing the caller sees differs."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote

import pytest

from sagewright.testing.jobs import XGBOOST, Jobs
from sagewright.testing.postgres import running
from sagewright.testing.server import TestServer


@pytest.fixture(scope="module")
def scaled(server: TestServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestServer]:
    """A server whose objects lie in another server's S3 and whose records lie in PostgreSQL."""
    keys = server.credentials()
    where = server.url.replace("http://", f"http://{keys['access_key']}:{quote(keys['secret_key'], safe='')}@")
    with running() as postgres:
        settings = {"records": postgres.url, "objects": where}
        with TestServer(tmp_path_factory.mktemp("scaled") / "data", settings) as started:
            yield started


@pytest.fixture(scope="module")
def jobs(scaled: TestServer) -> Jobs:
    return Jobs(scaled, "scaled-bucket")


def test_objects_lie_in_the_other_store(jobs: Jobs, server: TestServer) -> None:
    jobs.put("shared/key.txt", "hello")
    body = server.client("s3").get_object(Bucket="scaled-bucket", Key="shared/key.txt")["Body"].read()
    assert body == b"hello"
    assert not (jobs.server.data / "records.sqlite").exists()


def test_a_training_job(jobs: Jobs) -> None:
    data = jobs.put("data/a.csv", "1,2\n")
    name = jobs.train(
        "open('/opt/ml/model/m','w').write(open('/opt/ml/input/data/train/a.csv').read())\nprint('loss=1.5;')", data=data,
        AlgorithmSpecification={"MetricDefinitions": [{"Name": "loss", "Regex": "loss=([0-9.]+)"}]})
    job = jobs.ended(name)
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    assert jobs.members(job["ModelArtifacts"]["S3ModelArtifacts"]) == {"m": b"1,2\n"}
    assert job["FinalMetricDataList"][0]["Value"] == 1.5
    assert "loss=1.5;" in jobs.log(name)


def test_a_failing_job_and_a_page(jobs: Jobs) -> None:
    names = [jobs.train("raise SystemExit(3)") for _ in range(3)]
    for name in names:
        assert jobs.ended(name)["FailureReason"].startswith("AlgorithmError: , exit code: 3")
    failed = jobs.sagemaker.list_training_jobs(StatusEquals="Failed", SortBy="Name", MaxResults=2)
    assert len(failed["TrainingJobSummaries"]) == 2
    rest = jobs.sagemaker.list_training_jobs(StatusEquals="Failed", SortBy="Name", MaxResults=2, NextToken=failed["NextToken"])
    assert len(rest["TrainingJobSummaries"]) == 1


def test_a_killed_server_goes_on(jobs: Jobs, scaled: TestServer) -> None:
    name = jobs.train("import time\nprint('up', flush=True)\ntime.sleep(1.5)\nopen('/opt/ml/model/late','w').write('x')")
    jobs.until(name, ["Training"])
    scaled.kill()
    scaled.start()
    job = jobs.ended(name)
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    assert jobs.members(job["ModelArtifacts"]["S3ModelArtifacts"]) == {"late": b"x"}


def test_a_model_is_served(jobs: Jobs) -> None:
    rows = "\n".join(f"{n % 2},{n % 2 + 0.1},{n}" for n in range(80))
    channel = jobs.channel("train", jobs.put("xgb/train.csv", rows)) | {"ContentType": "text/csv"}
    name = jobs.train(image=XGBOOST, InputDataConfig=[channel], HyperParameters={"num_round": "3", "objective": "binary:logistic"})
    model = jobs.ended(name, 240)["ModelArtifacts"]["S3ModelArtifacts"]
    sagemaker = jobs.sagemaker
    sagemaker.create_model(ModelName="scaled", ExecutionRoleArn=jobs.role, PrimaryContainer={"Image": XGBOOST, "ModelDataUrl": model})
    sagemaker.create_endpoint_config(EndpointConfigName="scaled", ProductionVariants=[
        {"VariantName": "AllTraffic", "ModelName": "scaled", "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}])
    sagemaker.create_endpoint(EndpointName="scaled", EndpointConfigName="scaled")
    sagemaker.get_waiter("endpoint_in_service").wait(EndpointName="scaled")
    runtime = jobs.server.client("sagemaker-runtime")
    answer = runtime.invoke_endpoint(EndpointName="scaled", Body=b"1.1,3\n0.1,4", ContentType="text/csv")["Body"].read()
    high, low = (float(v) for v in answer.replace(b"\n", b",").strip(b",").split(b","))
    assert high > 0.5 > low
    sagemaker.delete_endpoint(EndpointName="scaled")
