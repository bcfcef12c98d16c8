"""Captured requests and answers: their lines, where they lie, which are kept, and what is left of them after a kill."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import re
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
import pytest
from botocore.exceptions import ClientError

from sagewright.testing.models import Models
from sagewright.testing.server import TestServer
from sagewright.testing.waiting import until

GOLDEN = Path(__file__).with_name("golden") / "capture.jsonl"
CSV_JSON = {"CsvContentTypes": ["text/csv"], "JsonContentTypes": ["application/json", "application/jsonlines"]}
SCRIPT = """
    def model_fn(model_dir):
        return None

    def transform_fn(model, body, content_type, accept):
        text = body.decode("latin-1") if isinstance(body, bytes) else body
        if text == "fail":
            raise ValueError("that was to fail")
        return body, accept or content_type
"""
KEY = re.compile(r"(?P<endpoint>[^/]+)/(?P<variant>[^/]+)/(?P<hour>\d{4}/\d\d/\d\d/\d\d)/\d\d-\d\d-\d{3}-[0-9a-f-]{36}\.jsonl")


def config(models: Models, model: str, where: str, *modes: str, percent: int = 100, **more: Any) -> str:
    """An endpoint configuration that captures below ``where``; its name."""
    name = models.name("c")
    capture = {
        "EnableCapture": True, "InitialSamplingPercentage": percent, "DestinationS3Uri": f"s3://{models.bucket}/{where}",
        "CaptureOptions": [{"CaptureMode": mode} for mode in modes or ("Input", "Output")], "CaptureContentTypeHeader": CSV_JSON, **more,
    }
    models.sagemaker.create_endpoint_config(
        EndpointConfigName=name, DataCaptureConfig={k: v for k, v in capture.items() if v is not None},
        ProductionVariants=[{"VariantName": "AllTraffic", "ModelName": model, "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}],
    )
    return name


def serving(models: Models, *given: Any, **more: Any) -> str:
    name = models.endpoint(config(models, models.model(SCRIPT), *given, **more))
    about = models.settled(name)
    assert about["EndpointStatus"] == "InService", about.get("FailureReason")
    return name


def lines(models: Models, where: str, until: Callable[[list[dict[str, Any]]], bool], seconds: float = 20) -> list[dict[str, Any]]:
    """What was captured below ``where``, as soon as ``until`` is content with it."""
    end = time.monotonic() + seconds
    while True:
        found = [json.loads(line) for key in models.keys(where) for line in models.get(key).splitlines()]
        if until(found):
            return found
        assert time.monotonic() < end, (found, models.server.log())
        time.sleep(0.05)  # S3 tells nobody of a new object


@pytest.fixture(scope="module")
def endpoint(models: Models) -> Iterator[str]:
    name = serving(models, "all")
    yield name
    models.delete(name)


def plain(line: str) -> str:
    """The line without what differs from run to run."""
    line = re.sub(r'"eventId":"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"', '"eventId":"<uuid>"', line)
    return re.sub(r'"inferenceTime":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"', '"inferenceTime":"<time>"', line)


def test_the_exact_lines(models: Models) -> None:
    """Byte for byte, in the order of the requests."""
    endpoint = serving(models, "exact")
    models.invoke(endpoint, "1,2\n", ContentType="text/csv")
    models.invoke(endpoint, '{"a": "ü"}', ContentType="application/json; charset=utf-8", Accept="text/csv;header=absent")
    models.invoke(endpoint, '{"a": 1}\n', ContentType="Application/JSONLines", InferenceId="mine", CustomAttributes="c000b4f9-df62-4c85")
    models.invoke(endpoint, bytes(range(6)), ContentType="application/x-npy")
    models.invoke(endpoint, b"\xff\xfe", ContentType="text/csv", Accept="application/x-npy")
    with pytest.raises(ClientError):
        models.invoke(endpoint, "fail", ContentType="text/csv")
    models.invoke(endpoint, "the last", ContentType="text/csv")
    lines(models, "exact", lambda found: len(found) == 6)
    keys = models.keys("exact")
    text = b"".join(models.get(key) for key in keys).decode()
    found = "".join(f"{plain(line)}\n" for line in text.splitlines())
    if os.environ.get("SAGEWRIGHT_GOLDEN") == "write":
        GOLDEN.write_text(found)
    assert found == GOLDEN.read_text()
    now = datetime.now(UTC)
    for key in keys:
        where = KEY.fullmatch(key.removeprefix("exact/"))
        assert where, key
        assert where["endpoint"] == endpoint
        assert where["variant"] == "AllTraffic"
        assert abs(now - datetime.strptime(where["hour"] + "Z", "%Y/%m/%d/%H%z")).total_seconds() < 7200
    ids = {json.loads(line)["eventMetadata"]["eventId"] for line in text.splitlines()}
    assert len(ids) == 6
    models.delete(endpoint)


def test_only_what_was_asked_for(models: Models) -> None:
    """One side only, and base64 where no header says what is text."""
    endpoint = serving(models, "input", "Input", CaptureContentTypeHeader=None)
    models.invoke(endpoint, "1,2", ContentType="text/csv")
    (line,) = lines(models, "input", lambda found: len(found) == 1)
    assert line["captureData"] == {
        "endpointInput": {"observedContentType": "text/csv", "mode": "INPUT", "data": base64.b64encode(b"1,2").decode(), "encoding": "BASE64"},
    }
    models.delete(endpoint)


def test_a_streamed_answer_is_captured_whole(models: Models, endpoint: str) -> None:
    answer = models.runtime.invoke_endpoint_with_response_stream(EndpointName=endpoint, Body="a,b", ContentType="text/csv", InferenceId="streamed")
    assert b"".join(part["PayloadPart"]["Bytes"] for part in answer["Body"]) == b"a,b"
    found = lines(models, "all", lambda found: any(line["eventMetadata"].get("inferenceId") == "streamed" for line in found))
    line = next(line for line in found if line["eventMetadata"].get("inferenceId") == "streamed")
    assert line["captureData"]["endpointOutput"]["data"] == "a,b"


def test_an_asynchronous_endpoint(models: Models) -> None:
    """What is in S3 on both sides is captured as if it had been in the request; what the model refuses is not."""
    name = models.name("c")
    models.sagemaker.create_endpoint_config(
        EndpointConfigName=name,
        ProductionVariants=[{"VariantName": "AllTraffic", "ModelName": models.model(SCRIPT), "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}],
        AsyncInferenceConfig={"OutputConfig": {"S3OutputPath": f"s3://{models.bucket}/answers", "S3FailurePath": f"s3://{models.bucket}/refused"}},
        DataCaptureConfig={
            "EnableCapture": True, "InitialSamplingPercentage": 100, "DestinationS3Uri": f"s3://{models.bucket}/queued",
            "CaptureOptions": [{"CaptureMode": "InputAndOutput"}], "CaptureContentTypeHeader": CSV_JSON,
        },
    )
    endpoint = models.endpoint(name)
    assert models.settled(endpoint)["DataCaptureConfig"]["CaptureStatus"] == "Started"
    ask = models.runtime.invoke_endpoint_async
    ask(EndpointName=endpoint, InputLocation=models.put("in/1", "1,2"), ContentType="text/csv", Accept="text/csv",
        InferenceId="mine", CustomAttributes="c000b4f9")
    ask(EndpointName=endpoint, InputLocation=models.put("in/2", "fail"), ContentType="text/csv")
    ask(EndpointName=endpoint, InputLocation=models.put("in/3", "3"), ContentType="text/csv", Accept="application/json")
    large = b"4\n" * (1 << 20)  # goes to the model in pieces
    ask(EndpointName=endpoint, InputLocation=models.put("in/4", large), ContentType="text/csv")
    found = lines(models, "queued", lambda found: len(found) == 3)
    by_input = {line["captureData"]["endpointInput"]["data"]: line for line in found}
    assert {data[:4] for data in by_input} == {"1,2", "3", "4\n4\n"}
    first = by_input["1,2"]
    assert first["captureData"] == {
        "endpointInput": {"observedContentType": "text/csv", "mode": "INPUT", "data": "1,2", "encoding": "CSV"},
        "endpointOutput": {"observedContentType": "text/csv", "mode": "OUTPUT", "data": "1,2", "encoding": "CSV"},
    }
    assert first["eventMetadata"]["inferenceId"] == "mine"
    assert first["eventMetadata"]["customAttributes"] == ["c000b4f9"]
    assert "inferenceId" not in by_input["3"]["eventMetadata"]
    assert by_input["3"]["captureData"]["endpointOutput"]["encoding"] == "JSON"
    whole = by_input[large.decode()]["captureData"]["endpointOutput"]["data"]
    assert whole == large.decode()
    assert all(KEY.fullmatch(key.removeprefix("queued/")) for key in models.keys("queued"))
    models.delete(endpoint)


def test_an_inference_component(models: Models) -> None:
    """Captured below the component's own folder, from the endpoint's configuration on, until that is replaced."""

    def config(where: str) -> str:
        name = models.name("c")
        models.sagemaker.create_endpoint_config(
            EndpointConfigName=name, ExecutionRoleArn=models.role,
            ProductionVariants=[{"VariantName": "AllTraffic", "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}],
            DataCaptureConfig={
                "EnableCapture": True, "InitialSamplingPercentage": 100, "DestinationS3Uri": f"s3://{models.bucket}/{where}",
                "CaptureOptions": [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}], "CaptureContentTypeHeader": CSV_JSON,
            },
        )
        return name

    endpoint, component = models.endpoint(config("composed")), models.name("part")
    assert models.settled(endpoint)["EndpointStatus"] == "InService"
    models.sagemaker.create_inference_component(
        InferenceComponentName=component, EndpointName=endpoint, VariantName="AllTraffic", RuntimeConfig={"CopyCount": 1},
        Specification={"ModelName": models.model(SCRIPT), "ComputeResourceRequirements": {"NumberOfCpuCoresRequired": 1, "MinMemoryRequiredInMb": 256}},
    )
    about = models.sagemaker.describe_inference_component
    until(lambda: about(InferenceComponentName=component)["InferenceComponentStatus"] == "InService", why=models.server.log)
    models.invoke(endpoint, "1,2", ContentType="text/csv", InferenceComponentName=component, InferenceId="mine")
    (line,) = lines(models, "composed", lambda found: len(found) == 1)
    assert line["captureData"]["endpointOutput"]["data"] == "1,2"
    assert line["eventMetadata"]["inferenceId"] == "mine"
    (key,) = models.keys("composed")
    folder = key.removeprefix(f"composed/{endpoint}/AllTraffic/")
    assert KEY.fullmatch(f"{endpoint}/{folder}"), key
    assert folder.startswith(f"{component}/")
    models.sagemaker.update_endpoint(EndpointName=endpoint, EndpointConfigName=config("later"))
    assert models.settled(endpoint)["EndpointStatus"] == "InService"
    models.invoke(endpoint, "3", ContentType="text/csv", InferenceComponentName=component)
    (line,) = lines(models, "later", lambda found: len(found) == 1)
    assert line["captureData"]["endpointInput"]["data"] == "3"
    models.sagemaker.delete_inference_component(InferenceComponentName=component)
    gone = models.sagemaker.list_inference_components
    until(lambda: not gone(EndpointNameEquals=endpoint)["InferenceComponents"], why=models.server.log)
    models.delete(endpoint)


def test_a_share_of_the_requests(models: Models) -> None:
    endpoint = serving(models, "half", percent=50)
    for number in range(300):
        models.invoke(endpoint, str(number), ContentType="text/csv")
    count = 0

    def steady(found: list[dict[str, Any]]) -> bool:
        nonlocal count
        before, count = count, len(found)
        return bool(found) and len(found) == before and not list((models.server.data / "capture").iterdir())

    found = lines(models, "half", steady)
    assert 90 < len(found) < 210  # 7 standard deviations
    models.delete(endpoint)


def test_a_description_has_every_member(models: Models, endpoint: str) -> None:
    about = models.sagemaker.describe_endpoint(EndpointName=endpoint)["DataCaptureConfig"]
    assert about == {
        "EnableCapture": True, "CaptureStatus": "Started", "CurrentSamplingPercentage": 100,
        "DestinationS3Uri": f"s3://{models.bucket}/all", "KmsKeyId": "",
    }


def test_updates_keep_or_replace_it(models: Models) -> None:
    endpoint = serving(models, "before")
    other = config(models, models.model(SCRIPT), "after", percent=7)

    def after(**more: Any) -> dict[str, Any]:
        models.sagemaker.update_endpoint(EndpointName=endpoint, **more)
        about = models.settled(endpoint)
        assert about["EndpointConfigName"] == more["EndpointConfigName"], about.get("FailureReason")
        capture: dict[str, Any] = about["DataCaptureConfig"]
        return capture

    kept = after(EndpointConfigName=other, RetainAllVariantProperties=True)
    assert kept["DestinationS3Uri"].endswith("/before")
    assert kept["CurrentSamplingPercentage"] == 100
    another = config(models, models.model(SCRIPT), "after", percent=7)
    excluded = [{"VariantPropertyType": "DataCaptureConfig"}]
    replaced = after(EndpointConfigName=another, RetainAllVariantProperties=True, ExcludeRetainedVariantProperties=excluded)
    assert replaced["DestinationS3Uri"].endswith("/after")
    assert replaced["CurrentSamplingPercentage"] == 7
    off = config(models, models.model(SCRIPT), "off", EnableCapture=False)
    stopped = after(EndpointConfigName=off)
    assert (stopped["EnableCapture"], stopped["CaptureStatus"]) == (False, "Stopped")
    models.invoke(endpoint, "1", ContentType="text/csv")
    models.delete(endpoint)
    assert models.keys("off") == models.keys("before") == []


def test_an_endpoint_whose_role_may_not_write_fails(models: Models) -> None:
    iam = models.server.client("iam")
    trust = {"Statement": [{"Effect": "Allow", "Principal": {"Service": "sagemaker.amazonaws.com"}, "Action": "sts:AssumeRole"}]}
    role = iam.create_role(RoleName=models.name("reader"), AssumeRolePolicyDocument=json.dumps(trust))["Role"]
    policy = {"Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}]}
    iam.put_role_policy(RoleName=role["RoleName"], PolicyName="read", PolicyDocument=json.dumps(policy))
    endpoint = models.endpoint(config(models, models.model(SCRIPT, ExecutionRoleArn=role["Arn"]), "denied"))
    about = models.settled(endpoint)
    assert about["EndpointStatus"] == "Failed"
    assert f"Could not write captured data to s3://{models.bucket}/denied (AccessDenied" in about["FailureReason"]
    models.delete(endpoint)


@pytest.mark.parametrize(("more", "text"), [
    ({"DestinationS3Uri": "https://example.com/x"}, "Invalid S3 URI"),
    ({"CaptureOptions": [{"CaptureMode": "Input"}, {"CaptureMode": "Input"}]}, "comes twice"),
    ({"CaptureContentTypeHeader": {"CsvContentTypes": ["text/x"], "JsonContentTypes": ["text/x"]}}, "is both in"),
])
def test_configurations_that_cannot_be(models: Models, more: dict[str, Any], text: str) -> None:
    with pytest.raises(ClientError, match=text):
        config(models, models.model(), "none", **more)


def through_the_gateway(server: TestServer, endpoint: str) -> tuple[Any, psutil.Process]:
    """A client whose requests the gateway process answers, and that process: it holds a file of captures of them."""
    end = time.monotonic() + 30
    assert server.process
    while True:
        client = server.client("sagemaker-runtime")
        client.invoke_endpoint(EndpointName=endpoint, Body="first", ContentType="text/csv")
        for process in psutil.Process(server.process.pid).children():
            with contextlib.suppress(psutil.Error):
                if any("/capture/" in file.path for file in process.open_files()):
                    return client, process
        assert time.monotonic() < end, server.log()
        time.sleep(0.02)  # it starts beside the first endpoint, and writes a moment later


def test_what_is_captured_outlives_the_server_and_its_gateway(own_server: TestServer) -> None:
    """Nothing of what is on disk is lost or doubled when both are killed before the upload."""
    models = Models(own_server)
    endpoint = serving(models, "kept")
    client, gateway = through_the_gateway(own_server, endpoint)
    for number in range(20):
        client.invoke_endpoint(EndpointName=endpoint, Body=str(number), ContentType="text/csv")
    spool = own_server.data / "capture"
    end = time.monotonic() + 20

    def numbers(files: Iterable[bytes]) -> list[int]:
        texts = [json.loads(line)["captureData"]["endpointInput"]["data"] for file in files for line in file.splitlines() if b"captureData" in line]
        return sorted(int(text) for text in texts if text.isdigit())

    def uploaded() -> list[int]:
        return numbers(models.get(key) for key in models.keys("kept"))

    def waiting() -> list[int]:
        found = []
        for path in spool.iterdir():
            with contextlib.suppress(FileNotFoundError):
                found.append(path.read_bytes())
        return numbers(found)

    while len(set(uploaded() + waiting())) < 20:
        assert time.monotonic() < end
        time.sleep(0.01)  # another process writes
    own_server.kill()
    gateway.send_signal(signal.SIGKILL)
    gateway.wait()
    own_server.start()
    end = time.monotonic() + 20
    while uploaded() != list(range(20)):
        assert time.monotonic() < end, (uploaded(), waiting(), own_server.log())
        time.sleep(0.05)  # S3 tells nobody of a new object
    models.delete(endpoint)
