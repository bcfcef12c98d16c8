"""Batch transform, as boto3 sees it."""

from __future__ import annotations

import contextlib
import gzip
import json
import re
import struct
import time
import uuid
from datetime import UTC
from typing import Any

import pytest
from botocore.exceptions import ClientError, WaiterError

from sagewright.testing.models import ECHO, SUM, Models, workflow
from sagewright.testing.server import TestServer

GROUP = "/aws/sagemaker/TransformJobs"


@pytest.fixture(scope="module")
def echo(models: Models) -> str:
    return models.model(ECHO)


def start(models: Models, model: str, source: str, *, input: dict[str, Any] | None = None, output: dict[str, Any] | None = None, **more: Any) -> str:
    name = models.name("t")
    models.sagemaker.create_transform_job(**{
        "TransformJobName": name,
        "ModelName": model,
        "TransformInput": {"DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": source}}, **(input or {})},
        "TransformOutput": {"S3OutputPath": f"s3://{models.bucket}/{name}/out", **(output or {})},
        "TransformResources": {"InstanceType": "ml.m5.large", "InstanceCount": 1},
        **more,
    })
    return name


def ended(models: Models, name: str) -> dict[str, Any]:
    """The job's description once it is over: the waiter is answered at once, however long it would sleep."""
    with contextlib.suppress(WaiterError):
        models.sagemaker.get_waiter("transform_job_completed_or_stopped").wait(TransformJobName=name)
    about: dict[str, Any] = models.sagemaker.describe_transform_job(TransformJobName=name)
    assert about["TransformJobStatus"] in ("Completed", "Failed", "Stopped")
    return about


def results(models: Models, name: str) -> dict[str, bytes]:
    prefix = f"{name}/out/"
    return {key.removeprefix(prefix): models.get(key) for key in models.keys(prefix)}


LINES = {"input": {"SplitType": "Line", "ContentType": "text/csv"}, "output": {"AssembleWith": "Line", "Accept": "text/csv"}}


def test_the_workflow_of_the_readme(own_server: TestServer) -> None:
    assert workflow(own_server, "transform") == "b'a,3\\nb,7\\n'\n"


def test_objects_are_shared_out_among_instances(models: Models) -> None:
    model = models.model("""
        def model_fn(model_dir):
            return None
        def transform_fn(model, body, content_type, accept):
            print("got", body, flush=True)
            return body, content_type
    """)
    for n in range(8):
        models.put(f"many/{n}", str(n))
    name = start(
        models, model, f"s3://{models.bucket}/many/", input={"ContentType": "text/plain"},
        TransformResources={"InstanceType": "ml.m5.large", "InstanceCount": 2},
    )
    assert ended(models, name)["TransformJobStatus"] == "Completed"
    assert results(models, name) == {f"{n}.out": str(n).encode() for n in range(8)}
    events = models.logs.filter_log_events(logGroupName=GROUP, logStreamNamePrefix=f"{name}/")["events"]
    got: dict[str, set[int]] = {}
    for event in events:
        if event["message"].startswith("got"):
            got.setdefault(event["logStreamName"], set()).add(int(re.sub(r"\D", "", event["message"])))
    assert sorted(map(sorted, got.values())) == [[0, 2, 4, 6], [1, 3, 5, 7]]
    assert len([e for e in events if e["logStreamName"].endswith("/data-log")]) == 2


def test_a_prefix_file_by_file(models: Models, echo: str) -> None:
    models.put("files/a/1.txt", "one")
    models.put("files/2.txt", "two")
    began = time.monotonic()
    name = start(models, echo, f"s3://{models.bucket}/files/")
    about = ended(models, name)
    assert about["TransformJobStatus"] == "Completed", about
    assert time.monotonic() - began < 10
    assert about["TransformEndTime"] >= about["TransformStartTime"] >= about["CreationTime"]
    assert (about["TransformInput"]["SplitType"], about["TransformOutput"]["AssembleWith"]) == ("None", "None")
    assert results(models, name) == {"a/1.txt.out": b"one", "2.txt.out": b"two"}
    assert name in [j["TransformJobName"] for j in models.sagemaker.list_transform_jobs(NameContains=name)["TransformJobSummaries"]]
    with pytest.raises(ClientError) as caught:
        start(models, echo, f"s3://{models.bucket}/files/", TransformJobName=name)
    assert caught.value.response["Error"]["Code"] == "ResourceInUse"


def test_the_tutorial_s_join(models: Models) -> None:
    model = models.model(SUM)
    models.put("join/rows.csv", "id1,1,2\nid2,3,4\nid3,5,6\n")
    name = start(
        models, model, f"s3://{models.bucket}/join/", **LINES,
        DataProcessing={"InputFilter": "$[1:]", "JoinSource": "Input", "OutputFilter": "$[0,-1]"},
    )
    about = ended(models, name)
    assert about["TransformJobStatus"] == "Completed", about
    assert results(models, name) == {"rows.csv.out": b"id1,3\nid2,7\nid3,11\n"}
    assert about["DataProcessing"]["JoinSource"] == "Input"


@pytest.mark.parametrize("strategy", ["SingleRecord", "MultiRecord"])
def test_many_records_keep_their_order(models: Models, strategy: str) -> None:
    model = models.model(SUM, env={"SAGEMAKER_MODEL_SERVER_WORKERS": "2"})
    models.put("order/in.csv", "".join(f"{n},1\n" for n in range(2000)))
    name = start(models, model, f"s3://{models.bucket}/order/", **LINES, BatchStrategy=strategy, MaxConcurrentTransforms=4)
    assert ended(models, name)["TransformJobStatus"] == "Completed"
    assert results(models, name)["in.csv.out"].decode().split() == [str(n + 1) for n in range(2000)]


def test_a_bad_file_fails_the_job_and_costs_no_other(models: Models) -> None:
    model = models.model(SUM)
    models.put("bad/a.csv", "1,2\n")
    models.put("bad/b.csv", "1,x\n")
    name = start(models, model, f"s3://{models.bucket}/bad/", **LINES, ModelClientConfig={"InvocationsMaxRetries": 0})
    about = ended(models, name)
    assert about["TransformJobStatus"] == "Failed"
    assert f"{models.bucket}/bad/b.csv: Bad HTTP status received from algorithm: 500" in about["FailureReason"]
    assert GROUP in about["FailureReason"]
    assert results(models, name) == {"a.csv.out": b"3\n"}
    streams = [s["logStreamName"] for s in models.logs.describe_log_streams(logGroupName=GROUP, logStreamNamePrefix=f"{name}/")["logStreams"]]
    assert len(streams) == 2
    assert streams[1] == streams[0] + "/data-log"
    lines = [e["message"] for e in models.logs.get_log_events(logGroupName=GROUP, logStreamName=streams[1])["events"]]
    assert any("MaxPayloadInMB=6, BatchStrategy=MULTI_RECORD" in line for line in lines)
    assert any("Bad HTTP status received from algorithm: 500" in line for line in lines)


def test_environment_of_a_batch_container(models: Models) -> None:
    model = models.model("""
        import json, os
        def model_fn(d):
            return None
        def transform_fn(model, body, kind, accept):
            return json.dumps({k: v for k, v in os.environ.items() if k.startswith(("SAGEMAKER_", "OMP_")) or k == "MINE"}), "application/json"
    """, env={"MINE": "model", "SAGEMAKER_MODEL_SERVER_WORKERS": "2"})
    models.put("env/x", "x")
    name = start(
        models, model, f"s3://{models.bucket}/env/x", MaxPayloadInMB=3, BatchStrategy="SingleRecord", MaxConcurrentTransforms=2,
        Environment={"MINE": "job"},
    )
    assert ended(models, name)["TransformJobStatus"] == "Completed"
    env = json.loads(results(models, name)["x.out"])
    assert (env["SAGEMAKER_BATCH"], env["SAGEMAKER_MAX_PAYLOAD_IN_MB"], env["SAGEMAKER_BATCH_STRATEGY"]) == ("true", "3", "SINGLE_RECORD")
    assert (env["SAGEMAKER_MAX_CONCURRENT_TRANSFORMS"], env["MINE"]) == ("2", "job")
    assert env["OMP_NUM_THREADS"] == "1", "two processes on two cores"


def test_compressed_objects_of_a_manifest(models: Models, echo: str) -> None:
    models.put("zipped/deep/a.gz", gzip.compress(b"one\ntwo\n"))
    models.put("zipped/b.gz", gzip.compress(b"three"))
    manifest = models.put("zipped/manifest.json", json.dumps([{"prefix": f"s3://{models.bucket}/zipped/"}, "deep/a.gz", "b.gz"]))
    source = {"S3DataType": "ManifestFile", "S3Uri": manifest}
    name = start(models, echo, manifest, input={
        "DataSource": {"S3DataSource": source}, "CompressionType": "Gzip", "SplitType": "Line", "ContentType": "text/plain",
    }, output={"AssembleWith": "Line"}, BatchStrategy="SingleRecord")
    about = ended(models, name)
    assert about["TransformJobStatus"] == "Completed", about
    assert results(models, name) == {"deep/a.gz.out": b"one\ntwo\n", "b.gz.out": b"three\n"}


@pytest.mark.parametrize("strategy", ["SingleRecord", "MultiRecord"])
def test_binary_records(models: Models, echo: str, strategy: str) -> None:
    frames = b"".join(struct.pack("<II", 0xCED7230A, len(data)) + data + b"\0" * (-len(data) % 4) for data in (b"abcde", b"xyz"))
    models.put(f"frames/{strategy}", frames)
    name = start(
        models, echo, f"s3://{models.bucket}/frames/{strategy}", BatchStrategy=strategy,
        input={"SplitType": "RecordIO", "ContentType": "application/x-recordio"},
    )
    assert ended(models, name)["TransformJobStatus"] == "Completed"
    assert results(models, name)[f"{strategy}.out"] == (b"abcdexyz" if strategy == "SingleRecord" else frames)


def test_data_capture(models: Models) -> None:
    models.put("captured/a.csv", "1,2\n3,4\n")
    models.put("captured/deep/b.csv", "5,6\n")
    models.put("captured/c.csv", "1,x\n")
    destination = f"s3://{models.bucket}/capture"
    name = start(
        models, models.model(SUM), f"s3://{models.bucket}/captured/", **LINES, ModelClientConfig={"InvocationsMaxRetries": 0},
        DataCaptureConfig={"DestinationS3Uri": destination, "GenerateInferenceId": True},
    )
    about = ended(models, name)
    assert about["TransformJobStatus"] == "Failed", "of one file"
    assert about["DataCaptureConfig"] == {"DestinationS3Uri": destination, "GenerateInferenceId": True}
    began = about["TransformStartTime"].astimezone(UTC)
    rows = [row.split(",") for row in results(models, name)["a.csv.out"].decode().split()]
    assert [row[0] for row in rows] == ["3", "7"]
    assert {row[2] for row in rows} == {began.strftime("%Y-%m-%dT%H:%M:%SZ")}
    assert len({str(uuid.UUID(row[1])) for row in rows}) == 2
    found = {}
    for key in models.keys("capture/"):
        _, side, *hour, file = key.split("/")
        assert "/".join(hour) == began.strftime("%Y/%m/%d/%H")
        assert str(uuid.UUID(file.removesuffix(".json"))) + ".json" == file
        found[side] = json.loads(models.get(key))
    assert found == {
        "input": [{"prefix": f"s3://{models.bucket}/captured/"}, "a.csv", "deep/b.csv"],
        "output": [{"prefix": f"s3://{models.bucket}/{name}/out/"}, "a.csv.out", "deep/b.csv.out"],
    }


def test_a_role_that_may_not_read_what_a_manifest_names(models: Models, echo: str) -> None:
    iam = models.server.client("iam")
    other = f"{models.bucket}-secret"
    models.s3.create_bucket(Bucket=other)
    models.s3.put_object(Bucket=other, Key="x", Body=b"secret")
    role = models.name("role")
    trust = {"Statement": [{"Effect": "Allow", "Principal": {"Service": "sagemaker.amazonaws.com"}, "Action": "sts:AssumeRole"}]}
    arn = iam.create_role(RoleName=role, AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
    allowed = {"Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": [f"arn:aws:s3:::{models.bucket}", f"arn:aws:s3:::{models.bucket}/*"]}]}
    iam.put_role_policy(RoleName=role, PolicyName="own", PolicyDocument=json.dumps(allowed))
    model = models.model(ECHO, ExecutionRoleArn=arn)
    manifest = models.put("sneaky.json", json.dumps([{"prefix": f"s3://{other}/"}, "x"]))
    name = start(models, model, manifest, input={"DataSource": {"S3DataSource": {"S3DataType": "ManifestFile", "S3Uri": manifest}}})
    about = ended(models, name)
    assert about["FailureReason"].startswith(f"ClientError: Unable to read s3://{other}/ (AccessDenied: ")


def test_no_input_and_no_model(models: Models, echo: str) -> None:
    about = ended(models, start(models, echo, f"s3://{models.bucket}/nothing/"))
    assert about["FailureReason"] == f"ClientError: No S3 objects found under s3://{models.bucket}/nothing/."
    with pytest.raises(ClientError, match="Could not find model"):
        start(models, "none", f"s3://{models.bucket}/files/")
    with pytest.raises(ClientError) as caught:
        models.sagemaker.describe_transform_job(TransformJobName="none")
    assert caught.value.response["Error"]["Code"] == "ResourceNotFound"


def test_a_container_that_dies(models: Models) -> None:
    name = start(models, models.model("raise RuntimeError('no weights here')"), f"s3://{models.bucket}/files/")
    about = ended(models, name)
    assert about["TransformJobStatus"] == "Failed"
    assert about["FailureReason"].startswith("AlgorithmError: The container exited with code 1")
    assert "no weights here" in about["FailureReason"]


@pytest.mark.parametrize(("more", "text"), [
    ({"MaxPayloadInMB": 101}, "at most 100"),
    ({"MaxPayloadInMB": 60, "MaxConcurrentTransforms": 2}, "must not exceed 100"),
    ({"DataProcessing": {"InputFilter": "$.."}}, "InputFilter: "),
    ({"DataProcessing": {"InputFilter": "$.name"}, **LINES}, "CSV records have no names"),
    ({"DataProcessing": {"JoinSource": "Input"}}, "DataProcessing needs text/csv"),
    ({"DataCaptureConfig": {"DestinationS3Uri": "s3://b/c", "GenerateInferenceId": True}}, "GenerateInferenceId needs text/csv"),
    ({"DataProcessing": {"JoinSource": "Input"}, "input": {"ContentType": "text/csv"}, "output": {"AssembleWith": "Line"}}, "must be the same"),
])
def test_requests_that_cannot_be(models: Models, echo: str, more: dict[str, Any], text: str) -> None:
    with pytest.raises(ClientError, match=text) as caught:
        start(models, echo, f"s3://{models.bucket}/files/", **more)
    assert caught.value.response["Error"]["Code"] == "ValidationException"


SLOW = """
    import time
    def model_fn(d):
        return None
    def transform_fn(model, body, kind, accept):
        time.sleep(0.2)
        return body, kind
"""


def until_first_result(models: Models, name: str) -> None:
    end = time.monotonic() + 20
    while not models.keys(f"{name}/out/"):
        assert time.monotonic() < end, models.server.log()
        time.sleep(0.02)


def test_stop_leaves_no_output(models: Models) -> None:
    for n in range(30):
        models.put(f"stop/{n:02}", str(n))
    name = start(models, models.model(SLOW), f"s3://{models.bucket}/stop/")
    until_first_result(models, name)
    models.sagemaker.stop_transform_job(TransformJobName=name)
    assert ended(models, name)["TransformJobStatus"] == "Stopped"
    assert results(models, name) == {}
    with pytest.raises(ClientError) as caught:
        models.sagemaker.stop_transform_job(TransformJobName=name)
    assert caught.value.response["Error"]["Code"] == "ValidationException"


def test_a_killed_server_loses_and_doubles_nothing(own_server: TestServer) -> None:
    models = Models(own_server)
    for n in range(12):
        models.put(f"kill/{n:02}", f"{n}\n")
    name = start(models, models.model(SLOW), f"s3://{models.bucket}/kill/")
    until_first_result(models, name)
    own_server.kill()
    own_server.start()
    again = Models(own_server)
    again.bucket = models.bucket
    before = {key: again.s3.head_object(Bucket=models.bucket, Key=key)["LastModified"] for key in again.keys(f"{name}/out/")}
    assert 0 < len(before) < 12
    about = ended(again, name)
    assert about["TransformJobStatus"] == "Completed", about
    assert results(again, name) == {f"{n:02}.out": f"{n}\n".encode() for n in range(12)}
    for key, written in before.items():
        assert again.s3.head_object(Bucket=models.bucket, Key=key)["LastModified"] == written, "done once is done"
