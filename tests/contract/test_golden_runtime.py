"""What the runtime API puts on the wire, byte for byte: statuses, headers, bodies and event streams of every answer.

The expected answers lie in ``golden/runtime/``, with what differs from run to run masked (``<endpoint>``, ``<id>``). Plain
invocations are asked twice, of the gateway and of the server, and must say the same. After a change that is meant,
``SAGEWRIGHT_GOLDEN=write`` writes the files anew; read the difference against the specification before it is committed.
"""

from __future__ import annotations

import json
import os
import re
import textwrap
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psutil
import pytest

from sagewright.gateway.frames import FEWEST
from sagewright.testing.models import PYTHON, Models, archive
from sagewright.testing.server import TestServer
from sagewright.testing.signed import Connection, Reply, frames, request, shown
from sagewright.testing.waiting import until

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
    settings = {"invocation_timeout": "1", "stream_timeout": "2", "max_payload": "1000", "queue_seconds": "0.001"}
    with TestServer(tmp_path_factory.mktemp("golden") / "data", settings) as server:
        yield Models(server)


@pytest.fixture(scope="module")
def endpoint(models: Models) -> str:
    """With two workers, so that one that is killed or asleep does not keep the others waiting."""
    name = models.deploy(SCRIPT, env={"SAGEMAKER_MODEL_SERVER_WORKERS": "2"})
    until_served_by_the_gateway(models, name)
    return name


def until_served_by_the_gateway(models: Models, endpoint: str) -> None:
    """It starts beside the first endpoint, and finds a new endpoint's worker beside the server."""
    raw = request(models.server, f"/endpoints/{endpoint}/{SAME}", b"answer")
    until(lambda: order(Connection(models.server).exchange(raw)) != order(Connection(models.server, foreign=True).exchange(raw)), why=models.server.log)


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


def test_of_an_endpoint_with_many_models(models: Models) -> None:
    """Models that are not there, take too long to load, or do not load at all."""
    prefix = models.name("many")
    models.put(f"{prefix}/good.tar.gz", archive(code__inference_py=SCRIPT))
    models.put(f"{prefix}/slow.tar.gz", archive(code__inference_py="import time\ntime.sleep(3)  # longer than the wait\n" + textwrap.dedent(SCRIPT)))
    models.put(f"{prefix}/bad.tar.gz", archive(code__inference_py="raise SystemExit('weights of another version')"))
    endpoint = many(models, prefix)

    def told(what: str, target: str) -> None:
        reply = of_model(models, endpoint, target, ready=what != "not-ready")
        golden(f"many-models-{what}", reply, endpoint, models, **{prefix: "<prefix>"})

    told("answer", "good.tar.gz")
    told("no-target", "")
    told("no-such-model", "none.tar.gz")
    told("not-loaded", "bad.tar.gz")
    told("not-ready", "slow.tar.gz")  # the worker is busy with it for a while


def many(models: Models, prefix: str) -> str:
    """An endpoint of the models below a prefix."""
    name = models.name()
    container = {
        "Image": PYTHON, "Mode": "MultiModel", "ModelDataUrl": f"s3://{models.bucket}/{prefix}/",
        "Environment": {"SAGEMAKER_MODEL_SERVER_WORKERS": "1", "SAGEWRIGHT_MULTI_MODEL_WAIT_SECONDS": "1"},
    }
    models.sagemaker.create_model(ModelName=name, PrimaryContainer=container, ExecutionRoleArn=models.role)
    endpoint = models.endpoint(models.config(name))
    assert models.settled(endpoint)["EndpointStatus"] == "InService"
    return endpoint


def of_model(models: Models, endpoint: str, target: str, *, ready: bool = True) -> Reply:
    """What is said of a model; with ``ready``, once its time to load is over, however busy the machine."""
    headers = {"Content-Type": "text/plain", **({"X-Amzn-SageMaker-Target-Model": target} if target else {})}

    def reply() -> Reply | None:
        found = ask(models, endpoint, Case(headers=headers))
        return None if ready and found.status.startswith("HTTP/1.1 429") else found

    return until(reply, why=models.server.log)


def test_when_the_object_store_fails(models: Models, tmp_path: Path) -> None:
    """A server whose objects lie in an S3 elsewhere, which takes its keys back."""
    iam, user = models.server.client("iam"), "golden-store"
    iam.create_user(UserName=user)
    policy = {"Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}
    iam.put_user_policy(UserName=user, PolicyName="store", PolicyDocument=json.dumps(policy))
    key = iam.create_access_key(UserName=user)["AccessKey"]
    where = models.server.url.replace("://", f"://{quote(key['AccessKeyId'], safe='')}:{quote(key['SecretAccessKey'], safe='')}@")
    with TestServer(tmp_path / "data", {"objects": where}) as server:
        mine = Models(server)
        mine.put("many/good.tar.gz", archive(code__inference_py=SCRIPT))
        endpoint = many(mine, "many")
        iam.delete_access_key(UserName=user, AccessKeyId=key["AccessKeyId"])
        golden("internal-dependency", of_model(mine, endpoint, "good.tar.gz"), endpoint, mine)


def test_of_an_endpoint_of_inference_components(models: Models) -> None:
    config, part = models.name("c"), models.name("part")
    models.sagemaker.create_endpoint_config(
        EndpointConfigName=config, ExecutionRoleArn=models.role,
        ProductionVariants=[{"VariantName": "AllTraffic", "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}],
    )
    endpoint = models.endpoint(config)
    models.settled(endpoint)
    models.sagemaker.create_inference_component(
        InferenceComponentName=part, EndpointName=endpoint, VariantName="AllTraffic", RuntimeConfig={"CopyCount": 1},
        Specification={"ModelName": models.model(SCRIPT), "ComputeResourceRequirements": {"NumberOfCpuCoresRequired": 1, "MinMemoryRequiredInMb": 128}},
    )

    def settled() -> bool:
        about = models.sagemaker.describe_inference_component(InferenceComponentName=part)
        return bool(about["InferenceComponentStatus"] == "InService")

    until(settled, why=models.server.log)
    header = "X-Amzn-SageMaker-Inference-Component"

    def told(what: str, case: Case) -> None:
        golden(f"component-{what}", ask(models, endpoint, case), endpoint, models, **{part: "<component>"})

    told("answer", Case(headers={header: part}))
    told("model-error", Case(b"client error", headers={header: part, "Content-Type": "text/plain"}))
    told("unnamed", Case())
    told("unknown", Case(headers={header: "none"}))
    models.sagemaker.update_inference_component_runtime_config(InferenceComponentName=part, DesiredRuntimeConfig={"CopyCount": 0})
    until(settled, why=models.server.log)
    told("no-capacity", Case(headers={header: part}))
    told("no-capacity-stream", Case(operation=STREAM, headers={header: part}))


def test_of_a_serverless_endpoint(models: Models) -> None:
    """One request more than its MaxConcurrency, and an instance that does not come."""
    config = models.name("c")
    models.sagemaker.create_endpoint_config(EndpointConfigName=config, ProductionVariants=[{
        "VariantName": "AllTraffic", "ModelName": models.model(SCRIPT), "ServerlessConfig": {"MemorySizeInMB": 1024, "MaxConcurrency": 1},
    }])
    endpoint = models.endpoint(config)
    assert models.settled(endpoint, 300)["EndpointStatus"] == "InService"
    golden("serverless-answer", ask(models, endpoint, Case()), endpoint, models)
    slow = request(models.server, f"/endpoints/{endpoint}/{SAME}", b"slow")

    def throttled() -> Reply | None:
        """While its only instance is busy; requests of the wake-up are still held."""
        first = Connection(models.server, foreign=True)
        first.send(slow)
        reply = ask(models, endpoint, Case())
        first.read()
        first.close()
        return reply if reply.status.startswith("HTTP/1.1 429") else None

    golden("serverless-throttled", until(throttled, why=models.server.log), endpoint, models)


def test_more_requests_than_a_worker_takes(models: Models) -> None:
    """The gateway refuses at once what would wait too long."""
    endpoint = models.deploy(SCRIPT)
    until_served_by_the_gateway(models, endpoint)
    raw = request(models.server, f"/endpoints/{endpoint}/{SAME}", b"slow")

    def refused() -> Reply | None:
        """A crowd that comes more slowly than it is given up on is no crowd, on a machine that has much else to do."""
        crowd = [Connection(models.server) for _ in range(FEWEST + 8)]
        for one in crowd:
            one.send(raw)
        replies = [one.read() for one in crowd]
        for one in crowd:
            one.close()
        return next((reply for reply in replies if reply.status.startswith("HTTP/1.1 429")), None)

    golden("throttled", until(refused, why=models.server.log), endpoint, models)


def test_when_the_disk_is_full(models: Models, queued: str) -> None:
    """A request that cannot be kept is not accepted, and what went wrong stays in the log."""
    models.put("in", "answer")
    case = Case(b"", ASYNC, {"X-Amzn-SageMaker-InputLocation": f"s3://{models.bucket}/in"})
    assert models.server.process
    process = psutil.Process(models.server.process.pid)
    before = process.rlimit(psutil.RLIMIT_FSIZE)
    process.rlimit(psutil.RLIMIT_FSIZE, (0, before[1]))  # no file can grow any more
    try:
        reply = ask(models, queued, case)
    finally:
        process.rlimit(psutil.RLIMIT_FSIZE, before)
    golden("internal-failure", reply, queued, models)
    assert ask(models, queued, case).status.startswith("HTTP/1.1 202"), "it goes on as soon as there is room"


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


def masked(reply: Reply, endpoint: str, models: Models, **names: str) -> dict[str, Any]:
    """An answer as its golden file has it."""
    if length := reply.header("content-length"):
        assert int(length) == len(reply.body)

    def mask(text: str) -> str:
        text = text.replace(models.server.url, "<url>").replace(endpoint, "<endpoint>").replace(models.bucket, "<bucket>")
        for name, word in names.items():
            text = text.replace(name, word)
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


def golden(name: str, reply: Reply, endpoint: str, models: Models, **names: str) -> dict[str, Any]:
    """Compare an answer with its golden file, or write it. ``names``: what stands for names that differ from run to run."""
    found, path = masked(reply, endpoint, models, **names), GOLDEN / f"{name}.json"
    if os.environ.get("SAGEWRIGHT_GOLDEN") == "write":
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n")
    assert found == json.loads(path.read_text())
    return found
