"""What the runtime API puts on the wire, byte for byte: statuses, headers, bodies and event streams of every answer.

The expected answers lie in ``golden/runtime/``, with what differs from run to run masked (``<endpoint>``, ``<id>``). Plain
invocations are asked twice, of the gateway and of the server, and must say the same. After a change that is meant,
``SAGEWRIGHT_GOLDEN=write`` writes the files anew; read the difference against the specification before it is committed.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from sagewright.testing.models import Models
from sagewright.testing.server import TestServer
from sagewright.testing.signed import Connection, Reply, frames, request, shown

GOLDEN = Path(__file__).with_name("golden") / "runtime"
SAME, STREAM, ASYNC = "invocations", "invocations-response-stream", "async-invocations"
ATTRIBUTES = "X-Amzn-SageMaker-Custom-Attributes"
SCRIPT = """
    import json, os, time

    def model_fn(model_dir):
        if os.path.exists("/tmp/gone"):
            time.sleep(60)  # a worker that never gets ready
        return None

    def transform_fn(model, body, kind, accept, context):
        text = body if isinstance(body, str) else body.decode()
        if text == "headers":
            seen = {k: v for k, v in context.get_all_request_header(0).items() if k not in ("host", "content-length")}
            return json.dumps(seen, sort_keys=True), "application/json"
        if text == "answer":
            context.set_response_header(0, "X-Amzn-SageMaker-Custom-Attributes", "trace=7")
            context.set_response_header(0, "Set-Cookie", "no=1")
            context.set_response_header(0, "X-Powered-By", "nobody")
            return "1,2\\n", "text/csv; charset=utf-8"
        if text == "client error":
            context.set_response_status(415)
            return 'not "this"', "text/plain"
        if text == "server error":
            raise ValueError("no such feature: \\u00fc")
        if text == "slow":
            time.sleep(2)  # longer than invocation_timeout
        if text == "go":
            open("/tmp/gone", "w").close()
        if text in ("die", "go"):
            os._exit(9)

        def parts():
            yield b'{"word": "o'
            yield b'ne"}\\n'
            if text == "broken":
                raise ValueError("here it ends")
            if text == "endless":
                time.sleep(2.5)  # longer than stream_timeout
            yield b'{"word": "two"}\\n'

        return parts(), "application/jsonlines"
"""


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Models]:
    """A server whose limits are small enough to meet them."""
    settings = {"invocation_timeout": "1", "stream_timeout": "2", "max_payload": "1000"}
    with TestServer(tmp_path_factory.mktemp("golden") / "data", settings) as server:
        yield Models(server)


@pytest.fixture(scope="module")
def endpoint(models: Models) -> str:
    """With two workers, so that one that is killed or asleep does not keep the others waiting."""
    name = models.deploy(SCRIPT, env={"SAGEMAKER_MODEL_SERVER_WORKERS": "2"})
    end = time.monotonic() + 30
    while True:  # the gateway starts beside the first endpoint: another process, there is nothing to wait on
        raw = request(models.server, f"/endpoints/{name}/{SAME}", b"answer")
        if order(Connection(models.server).exchange(raw)) != order(Connection(models.server, foreign=True).exchange(raw)):
            return name
        assert time.monotonic() < end
        time.sleep(0.02)  # another process, see above


def order(reply: Reply) -> list[str]:
    """By the order of their headers, and by nothing else, the gateway's answers differ from the server's."""
    return [name for name, _ in reply.headers]


@pytest.fixture(scope="module")
def queued(models: Models) -> str:
    """An asynchronous endpoint."""
    config, name = models.name("c"), models.name("q")
    models.sagemaker.create_endpoint_config(
        EndpointConfigName=config,
        ProductionVariants=[{"VariantName": "AllTraffic", "ModelName": models.model(SCRIPT), "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}],
        AsyncInferenceConfig={"OutputConfig": {"S3OutputPath": f"s3://{models.bucket}/out", "S3FailurePath": f"s3://{models.bucket}/failed"}},
    )
    models.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=config)
    models.settled(name)
    return name


@dataclass
class Case:
    body: bytes = b"answer"
    operation: str = SAME
    headers: dict[str, str] = field(default_factory=dict)
    both: bool = True
    """Whether the gateway may answer it as well as the server."""


EVERY = {
    "Content-Type": "text/plain", "Accept": "text/csv", ATTRIBUTES: "c000b4f9", "X-Amzn-SageMaker-Inference-Id": "mine 1",
    "Cookie": "a=1", "X-Forwarded-For": "10.0.0.1", "User-Agent": "golden",
}
CASES = {
    "what-the-container-gets": Case(b"headers", headers=EVERY),
    "what-the-container-gets-of-a-session": Case(b"headers", headers={**EVERY, "X-Amzn-SageMaker-Session-Id": "NEW_SESSION"}, both=False),
    "what-comes-back": Case(),
    "target-variant": Case(headers={"X-Amzn-SageMaker-Target-Variant": "AllTraffic"}),
    "no-such-variant": Case(headers={"X-Amzn-SageMaker-Target-Variant": "other"}),
    "target-model": Case(headers={"X-Amzn-SageMaker-Target-Model": "a.tar.gz"}),
    "target-container": Case(headers={"X-Amzn-SageMaker-Target-Container-Hostname": "one"}),
    "inference-component": Case(headers={"X-Amzn-SageMaker-Inference-Component": "one"}),
    "no-such-session": Case(headers={"X-Amzn-SageMaker-Session-Id": "s-1"}),
    "inference-id-too-long": Case(headers={"X-Amzn-SageMaker-Inference-Id": "x" * 65}),
    "payload-too-large": Case(b"x" * 1001),
    "model-error-of-the-client": Case(b"client error", headers={"Content-Type": "text/plain"}),
    "model-error-of-the-server": Case(b"server error", headers={"Content-Type": "text/plain"}),
    "model-error-timed-out": Case(b"slow", headers={"Content-Type": "text/plain"}),
    "model-error-died": Case(b"die", headers={"Content-Type": "text/plain"}),
    "stream": Case(b"stream", STREAM, {"Content-Type": "text/plain", "X-Amzn-SageMaker-Accept": "application/jsonlines"}),
    "stream-what-the-container-gets": Case(b"headers", STREAM, {**EVERY, "X-Amzn-SageMaker-Accept": "application/json"}),
    "stream-that-breaks": Case(b"broken", STREAM, {"Content-Type": "text/plain"}),
    "stream-without-end": Case(b"endless", STREAM, {"Content-Type": "text/plain"}),
    "stream-model-error": Case(b"client error", STREAM, {"Content-Type": "text/plain"}),
    "stream-timed-out": Case(b"slow", STREAM, {"Content-Type": "text/plain"}),
    "stream-payload-too-large": Case(b"x" * 1001, STREAM),
    "async-of-a-real-time-endpoint": Case(b"x", ASYNC, {"X-Amzn-SageMaker-InputLocation": "s3://b/k"}),
}


@pytest.mark.parametrize("name", CASES)
def test_of_a_real_time_endpoint(models: Models, endpoint: str, name: str) -> None:
    case = CASES[name]
    expected = golden(name, ask(models, endpoint, case, foreign=True), endpoint, models)
    if case.operation == SAME and case.both:
        assert masked(ask(models, endpoint, case, foreign=False), endpoint, models) == expected, "the gateway says something else"


def test_of_an_endpoint_that_is_not(models: Models, endpoint: str) -> None:
    for operation in (SAME, STREAM):
        golden(f"no-such-endpoint-{operation}", ask(models, "none", Case(operation=operation)), "none", models)


def test_without_an_instance(models: Models) -> None:
    """Its only process ends, and takes its time to come back."""
    name = models.deploy(SCRIPT)
    ask(models, name, Case(b"go"))
    end = time.monotonic() + 10
    for operation in (SAME, STREAM):
        while not (reply := ask(models, name, Case(operation=operation))).status.startswith("HTTP/1.1 503"):
            assert time.monotonic() < end, reply  # its socket may outlive it by a moment
        golden(f"service-unavailable-{operation}", reply, name, models)


def test_without_a_right(models: Models, endpoint: str) -> None:
    iam, user = models.server.client("iam"), "golden-nobody"
    iam.create_user(UserName=user)
    made = iam.create_access_key(UserName=user)["AccessKey"]
    keys = (made["AccessKeyId"], made["SecretAccessKey"])
    for foreign in (True, False):
        raw = request(models.server, f"/endpoints/{endpoint}/{SAME}", b"x", keys=keys)
        golden("access-denied", Connection(models.server, foreign=foreign).exchange(raw), endpoint, models)


def test_of_an_asynchronous_endpoint(models: Models, queued: str) -> None:
    models.put("in", "answer")
    headers = {
        "X-Amzn-SageMaker-InputLocation": f"s3://{models.bucket}/in", "X-Amzn-SageMaker-Inference-Id": "mine",
        "X-Amzn-SageMaker-Content-Type": "text/plain", "X-Amzn-SageMaker-RequestTTLSeconds": "60",
        "X-Amzn-SageMaker-InvocationTimeoutSeconds": "10",
    }
    golden("async", ask(models, queued, Case(b"", ASYNC, headers)), queued, models)
    without = {"X-Amzn-SageMaker-InputLocation": f"s3://{models.bucket}/in"}
    golden("async-with-an-id-of-ours", ask(models, queued, Case(b"", ASYNC, without)), queued, models)
    golden("async-asked-at-once", ask(models, queued, Case()), queued, models)
    golden("async-asked-for-a-stream", ask(models, queued, Case(operation=STREAM)), queued, models)
    golden("async-ttl-too-short", ask(models, queued, Case(b"", ASYNC, {**headers, "X-Amzn-SageMaker-RequestTTLSeconds": "59"})), queued, models)
    golden("async-no-such-endpoint", ask(models, "none", Case(b"", ASYNC, without)), "none", models)


# -- parts


def ask(models: Models, endpoint: str, case: Case, *, foreign: bool = True) -> Reply:
    connection = Connection(models.server, foreign=foreign)
    reply = connection.exchange(request(models.server, f"/endpoints/{endpoint}/{case.operation}", case.body, case.headers))
    connection.close()
    if case.body in (b"die", b"slow", b"endless"):  # one of two workers is busy with it, or has to be started again
        until_answered(models, endpoint)
    return reply


def until_answered(models: Models, endpoint: str) -> None:
    end, well = time.monotonic() + 20, 0
    while well < 4:
        assert time.monotonic() < end
        raw = request(models.server, f"/endpoints/{endpoint}/{SAME}", b"answer")
        well = well + 1 if Connection(models.server, foreign=True).exchange(raw).status.endswith("200 OK") else 0


def masked(reply: Reply, endpoint: str, models: Models) -> dict[str, Any]:
    """An answer as its golden file has it."""
    if length := reply.header("content-length"):
        assert int(length) == len(reply.body)

    def mask(text: str) -> str:
        text = text.replace(models.server.url, "<url>").replace(endpoint, "<endpoint>").replace(models.bucket, "<bucket>")
        text = re.sub(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "<id>", text)
        return re.sub(r"\bi-[0-9a-f]{17}\b", "<instance>", text)

    changing = {"content-length": "<length>", "date": "<date>"}
    headers = {name: changing.get(name) or mask(value) for name, value in sorted(reply.headers)}
    body: Any
    if headers.get("content-type") == "application/vnd.amazon.eventstream":
        found = frames(reply.body)
        assert b"".join(frame.encode() for frame in found) == reply.body
        assert reply.chunks >= len(found), "a part leaves when it has come"
        body = [shown(frame) for frame in found]
    else:
        body = mask(reply.body.decode())
    return {"status": reply.status, "headers": headers, "body": body}


def golden(name: str, reply: Reply, endpoint: str, models: Models) -> dict[str, Any]:
    """Compare an answer with its golden file, or write it."""
    found, path = masked(reply, endpoint, models), GOLDEN / f"{name}.json"
    if os.environ.get("SAGEWRIGHT_GOLDEN") == "write":
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n")
    assert found == json.loads(path.read_text())
    return found
