"""Processing jobs through boto3, with real processes."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sagewright.testing.server import TestServer

ROLE = "arn:aws:iam::123456789012:role/SagewrightExecutionRole"
BUCKET = "processing-tests"
Run = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def s3(server: TestServer) -> Any:
    client = server.client("s3")
    client.create_bucket(Bucket=BUCKET)
    for name in "abcde":
        client.put_object(Bucket=BUCKET, Key=f"in/{name}.txt", Body=name.encode())
    client.put_object(Bucket=BUCKET, Key="zipped/a.txt.gz", Body=gzip.compress(b"plain"))
    client.put_object(Bucket=BUCKET, Key="manifest.json", Body=json.dumps([{"prefix": f"s3://{BUCKET}/in/"}, "b.txt", "d.txt"]).encode())
    return client


@pytest.fixture(scope="module")
def sagemaker(server: TestServer) -> Any:
    return server.client("sagemaker")


def request(name: str, script: str, **more: Any) -> dict[str, Any]:
    hosts, seconds = more.pop("hosts", 1), more.pop("seconds", 120)
    return {
        "ProcessingJobName": name, "RoleArn": ROLE,
        "AppSpecification": {"ImageUri": "python:3.11", "ContainerEntrypoint": ["/bin/bash", "-c", script]},
        "ProcessingResources": {"ClusterConfig": {"InstanceCount": hosts, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 1}},
        "StoppingCondition": {"MaxRuntimeInSeconds": seconds}, **more,
    }


def source(key: str, **more: Any) -> dict[str, Any]:
    s3_input = {"S3Uri": f"s3://{BUCKET}/{key}", "LocalPath": "/opt/ml/processing/in", "S3DataType": "S3Prefix", "S3InputMode": "File"}
    return {"ProcessingInputs": [{"InputName": "in", "S3Input": {**s3_input, **more}}]}


def target(prefix: str, mode: str = "EndOfJob") -> dict[str, Any]:
    output = {"S3Uri": f"s3://{BUCKET}/{prefix}", "LocalPath": "/opt/ml/processing/out", "S3UploadMode": mode}
    return {"ProcessingOutputConfig": {"Outputs": [{"OutputName": "out", "S3Output": output}]}}


@pytest.fixture
def run(sagemaker: Any, s3: Any) -> Run:
    def start(name: str, script: str, **more: Any) -> dict[str, Any]:
        sagemaker.create_processing_job(**request(name, script, **more))
        return wait(sagemaker, name)

    return start


def wait(sagemaker: Any, name: str) -> dict[str, Any]:
    try:
        sagemaker.get_waiter("processing_job_completed_or_stopped").wait(ProcessingJobName=name)
    except Exception as error:
        if "terminal failure" not in str(error):
            raise
    return sagemaker.describe_processing_job(ProcessingJobName=name)  # type: ignore[no-any-return]


def read(s3: Any, key: str) -> str:
    return s3.get_object(Bucket=BUCKET, Key=key)["Body"].read().decode()  # type: ignore[no-any-return]


def test_inputs_outputs_message_and_configuration(run: Run, s3: Any, server: TestServer) -> None:
    done = run(
        "whole", "cat /opt/ml/processing/in/*.txt > /opt/ml/processing/out/all.txt; cp /opt/ml/config/*.json /opt/ml/processing/out;"
        "echo -n fine > /opt/ml/output/message; echo said $WHO", **source("in/"), **target("whole"), Environment={"WHO": "me"},
    )
    assert (done["ProcessingJobStatus"], done["ExitMessage"]) == ("Completed", "fine")
    assert done["ProcessingStartTime"] <= done["ProcessingEndTime"]
    assert "FailureReason" not in done
    assert read(s3, "whole/all.txt") == "abcde"
    config = json.loads(read(s3, "whole/processingjobconfig.json"))
    assert config["ProcessingJobArn"] == done["ProcessingJobArn"]
    assert config["AppSpecification"]["ContainerArguments"] is None
    assert json.loads(read(s3, "whole/resourceconfig.json")) == {"current_host": "algo-1", "hosts": ["algo-1"]}
    logs = server.client("logs")
    streams = logs.describe_log_streams(logGroupName="/aws/sagemaker/ProcessingJobs", logStreamNamePrefix="whole/")["logStreams"]
    assert [s["logStreamName"].rpartition("-")[0] for s in streams] == ["whole/algo-1"]
    events = logs.get_log_events(logGroupName="/aws/sagemaker/ProcessingJobs", logStreamName=streams[0]["logStreamName"], startFromHead=True)
    assert [e["message"] for e in events["events"]] == ["said me"]


def test_failure_says_why_and_keeps_outputs_and_message(run: Run, s3: Any) -> None:
    done = run("broken", "echo -n half > /opt/ml/output/message; echo part > /opt/ml/processing/out/part; echo no such thing; exit 3", **target("broken"))
    assert done["ProcessingJobStatus"] == "Failed"
    assert done["FailureReason"] == 'AlgorithmError: , exit code: 3. Last log line: "no such thing"'
    assert done["ExitMessage"] == "half"
    assert read(s3, "broken/part") == "part\n"


def test_an_exit_message_that_is_no_text_fails_the_job(run: Run, s3: Any) -> None:
    done = run("garbled", r"printf 'half \377' > /opt/ml/output/message; echo whole > /opt/ml/processing/out/whole", **target("garbled"))
    assert (done["ProcessingJobStatus"], "ExitMessage" in done) == ("Failed", False)
    assert done["FailureReason"] == "ClientError: The exit message in /opt/ml/output/message is not UTF-8 text."
    assert read(s3, "garbled/whole") == "whole\n"


def test_runtime_limit_is_stopped(run: Run) -> None:
    done = run("endless", "sleep 600", seconds=1)
    assert done["ProcessingJobStatus"] == "Stopped"
    assert "FailureReason" not in done


def test_continuous_output_arrives_while_the_job_runs_and_a_stop_keeps_the_rest(sagemaker: Any, s3: Any) -> None:
    script = "echo early > /opt/ml/processing/out/early; trap 'echo late > /opt/ml/processing/out/late; exit 0' TERM; sleep 600 & wait"
    sagemaker.create_processing_job(**request("stream", script, **target("stream", "Continuous")))
    s3.get_waiter("object_exists").wait(Bucket=BUCKET, Key="stream/early", WaiterConfig={"Delay": 1, "MaxAttempts": 60})
    assert sagemaker.describe_processing_job(ProcessingJobName="stream")["ProcessingJobStatus"] == "InProgress"
    sagemaker.stop_processing_job(ProcessingJobName="stream")
    assert wait(sagemaker, "stream")["ProcessingJobStatus"] == "Stopped"
    assert read(s3, "stream/late") == "late\n"
    with pytest.raises(ClientError) as error:
        sagemaker.stop_processing_job(ProcessingJobName="stream")
    assert error.value.response["Error"]["Code"] == "ValidationException"


def test_shards_divide_the_keys_over_hosts(run: Run, s3: Any) -> None:
    script = "me=$(grep -o 'current_host\": \"algo-.' /opt/ml/config/resourceconfig.json | tail -c 2); ls /opt/ml/processing/in > /opt/ml/processing/out/$me"
    done = run("shards", script, hosts=2, **source("in/", S3DataDistributionType="ShardedByS3Key"), **target("shards"))
    assert done["ProcessingJobStatus"] == "Completed", done
    assert [read(s3, f"shards/{n}").split() for n in (1, 2)] == [["a.txt", "c.txt", "e.txt"], ["b.txt", "d.txt"]]


def test_manifest_and_gzip(run: Run, s3: Any) -> None:
    run("manifest", "cat /opt/ml/processing/in/* > /opt/ml/processing/out/all", **source("manifest.json", S3DataType="ManifestFile"), **target("manifest"))
    assert read(s3, "manifest/all") == "bd"
    run("gzip", "cat /opt/ml/processing/in/* > /opt/ml/processing/out/all", **source("zipped/", S3CompressionType="Gzip"), **target("gzip"))
    assert read(s3, "gzip/all") == "plain"


def test_what_is_missing_fails_with_a_client_error(run: Run) -> None:
    done = run("nothing", "true", **source("nowhere/"))
    assert done["FailureReason"].startswith("ClientError: Data download failed:")
    unknown = run("unknown", "true", AppSpecification={"ImageUri": "nobody/knows:1"})
    assert unknown["FailureReason"].startswith("ClientError: Cannot pull nobody/knows:1")
    plain = run("plain", "true", AppSpecification={"ImageUri": "python:3.11"})
    assert "give a ContainerEntrypoint" in plain["FailureReason"]
    output = {"S3Uri": "s3://no-such-bucket-here/x", "LocalPath": "/opt/ml/processing/out", "S3UploadMode": "EndOfJob"}
    homeless = run("homeless", "true", ProcessingOutputConfig={"Outputs": [{"OutputName": "out", "S3Output": output}]})
    assert homeless["FailureReason"] == (
        "ClientError: Data upload would fail:Unable to write to s3://no-such-bucket-here/x "
        "(NoSuchBucket: The specified bucket does not exist)"
    )
    assert "ProcessingStartTime" not in homeless


def test_isolated_jobs_have_no_network_and_still_their_data(run: Run, s3: Any, server: TestServer) -> None:
    port = server.url.rpartition(":")[2]
    script = f"cp /opt/ml/processing/in/a.txt /opt/ml/processing/out; (echo > /dev/tcp/127.0.0.1/{port}) 2>/dev/null && exit 9; exit 0"
    done = run("isolated", script, **source("in/"), **target("isolated"), NetworkConfig={"EnableNetworkIsolation": True})
    assert done["ProcessingJobStatus"] == "Completed", done
    assert read(s3, "isolated/a.txt") == "a"


def test_names_are_taken_once_and_free_after_a_delete(run: Run, sagemaker: Any) -> None:
    run("again", "true")
    with pytest.raises(ClientError) as error:
        run("again", "true")
    assert error.value.response["Error"]["Code"] == "ResourceInUse"
    assert "Job name must be unique within an AWS account and region, and a job with this name already exists (arn:" in str(error.value)
    sagemaker.delete_processing_job(ProcessingJobName="again")
    with pytest.raises(ClientError) as error:
        sagemaker.describe_processing_job(ProcessingJobName="again")
    assert error.value.response["Error"]["Code"] == "ResourceNotFound"
    assert run("again", "true")["ProcessingJobStatus"] == "Completed"


def test_lists_filter_by_status_and_name(run: Run, sagemaker: Any) -> None:
    run("listed-good", "true")
    run("listed-bad", "exit 1")
    found = sagemaker.list_processing_jobs(NameContains="LISTED", StatusEquals="Failed")["ProcessingJobSummaries"]
    assert [j["ProcessingJobName"] for j in found] == ["listed-bad"]
    assert found[0]["FailureReason"].startswith("AlgorithmError")
