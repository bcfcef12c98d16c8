"""The gateway process on the way of InvokeEndpoint: what it answers, what it leaves to the server, and that both say the same."""

from __future__ import annotations

import http.client
import json
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from sagewright.agent.oci import sources
from sagewright.agent.oci.blobs import Blobs
from sagewright.agent.oci.reference import parse
from sagewright.testing import containers
from sagewright.testing.models import PYTHON, Models, archive
from sagewright.testing.names import unique
from sagewright.testing.processes import children
from sagewright.testing.server import TestServer
from sagewright.testing.steady import Steady
from sagewright.testing.waiting import until

SCRIPT = """
    import time

    def model_fn(model_dir):
        return None

    def transform_fn(model, body, content_type, accept):
        text = body if isinstance(body, str) else body.decode("latin-1")
        if text == "fail":
            raise ValueError("that was to fail")
        if text == "slow":
            print("begun", flush=True)
            time.sleep(2.0)
        if text == "parts":
            return (part for part in ["a", "b", "c"]), "text/plain"
        return text, "text/plain"
"""


@pytest.fixture(scope="module")
def endpoint(models: Models) -> Iterator[str]:
    name = models.deploy(SCRIPT)
    until_served(models.server, name)
    yield name
    models.delete(name)


class Client:
    """One connection that signs as an SDK does, and can be told to do it wrong."""

    def __init__(self, server: TestServer, keys: Credentials | None = None) -> None:
        found = server.credentials()
        self.keys = keys or Credentials(found["access_key"], found["secret_key"])
        self.host = urlsplit(server.url).netloc
        self.http = http.client.HTTPConnection(self.host, timeout=30)

    def signed(self, endpoint: str, body: bytes, **headers: str) -> dict[str, str]:
        given = {"Content-Type": "text/plain", "Host": self.host, **{k.replace("_", "-"): v for k, v in headers.items()}}
        request = AWSRequest("POST", f"http://{self.host}/endpoints/{endpoint}/invocations", given, body)
        SigV4Auth(self.keys, "sagemaker", "us-east-1").add_auth(request)
        return {k: str(v) for k, v in request.headers.items()}

    def send(self, endpoint: str, body: bytes, headers: dict[str, str] | None = None) -> tuple[int, dict[str, str], bytes]:
        self.http.request("POST", f"/endpoints/{endpoint}/invocations", body, headers or self.signed(endpoint, body))
        answer = self.http.getresponse()
        return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()

    @property
    def port(self) -> int:
        return int(self.http.sock.getsockname()[1])


def gateway(server: TestServer) -> psutil.Process | None:
    """The server's gateway process."""
    assert server.process
    return next(iter(children(server.process.pid, "sagewright.gateway.process")), None)


def served_by_gateway(server: TestServer, client: Client) -> bool:
    process = gateway(server)
    return process is not None and client.port in {c.raddr.port for c in process.net_connections("tcp") if c.raddr}


def until_served(server: TestServer, endpoint: str) -> Client:
    """A connection that the gateway serves: it starts beside the first endpoint."""
    end = time.monotonic() + 30
    while True:
        client = Client(server)
        assert client.send(endpoint, b"x")[0] == 200
        if served_by_gateway(server, client):
            return client
        assert time.monotonic() < end, server.log()
        time.sleep(0.05)  # another process: there is nothing to wait on


def test_plain_invocations_are_the_gateways(server: TestServer, endpoint: str) -> None:
    client = until_served(server, endpoint)
    for body in (b"one", b"", b"two" * 1000, b"x" * (1 << 20)):
        status, headers, answer = client.send(endpoint, body)
        assert (status, answer) == (200, body)
        assert headers["x-amzn-invoked-production-variant"]
        assert headers["x-amzn-requestid"]
    assert served_by_gateway(server, client)


def test_parts_of_an_answer_come_whole(server: TestServer, endpoint: str) -> None:
    assert until_served(server, endpoint).send(endpoint, b"parts")[2] == b"abc"


def test_both_say_the_same(server: TestServer, models: Models, endpoint: str) -> None:
    """A model's error from the gateway, and from the server, which has connections that began with something else."""
    client, other = until_served(server, endpoint), Client(server)
    other.http.request("GET", "/")
    other.http.getresponse().read()
    ours, theirs = client.send(endpoint, b"fail"), other.send(endpoint, b"fail")
    assert served_by_gateway(server, client)
    assert not served_by_gateway(server, other)
    assert ours[0] == theirs[0] == 424
    assert ours[1]["x-amzn-errortype"] == theirs[1]["x-amzn-errortype"] == "ModelError"
    mine, its = json.loads(ours[2]), json.loads(theirs[2])
    assert mine["OriginalMessage"] == its["OriginalMessage"] == "ValueError: that was to fail"
    assert {k: v for k, v in mine.items() if k in its} == its
    with pytest.raises(ClientError) as caught:
        models.runtime.invoke_endpoint(EndpointName=endpoint, Body="fail")
    assert caught.value.response["OriginalStatusCode"] == 500


def test_what_is_wrong_the_server_says(server: TestServer, endpoint: str) -> None:
    keys = server.credentials()
    cases: list[tuple[Client, dict[str, Any], int, str]] = [
        (Client(server, Credentials(keys["access_key"], "wrong")), {}, 403, "InvalidSignatureException"),
        (Client(server, Credentials("AKIAUNKNOWN", "wrong")), {}, 403, "UnrecognizedClientException"),
        (Client(server), {"X_Amzn_SageMaker_Target_Variant": "none"}, 400, "ValidationError"),
        (Client(server), {"X_Amzn_SageMaker_Target_Model": "none"}, 400, "ValidationError"),
        (Client(server), {"X_Amzn_SageMaker_Inference_Id": "x" * 65}, 400, "ValidationError"),
    ]
    for client, more, status, code in cases:
        found = client.send(endpoint, b"x", client.signed(endpoint, b"x", **more))
        assert (found[0], found[1].get("x-amzn-errortype")) == (status, code), (more, found)
        # the connection is the server's now, and goes on
        assert client.send(endpoint, b"x")[0] == (status if status == 403 else 200)
    client = Client(server)
    assert client.send("none", b"x")[1]["x-amzn-errortype"] == "ValidationError"
    client = Client(server)
    large = client.send(endpoint, b"x" * (6_291_456 + 1))
    assert (large[0], large[1]["x-amzn-errortype"]) == (413, "ValidationError")


def test_another_body_than_the_signed_one(server: TestServer, endpoint: str) -> None:
    client = until_served(server, endpoint)
    assert client.send(endpoint, b"two", client.signed(endpoint, b"one"))[0] == 403


def test_pipelined_requests_are_answered_in_order(server: TestServer, endpoint: str) -> None:
    client = until_served(server, endpoint)
    raw = b""
    for word in (b"one", b"two", b"three"):
        head = "".join(f"{k}: {v}\r\n" for k, v in client.signed(endpoint, word).items())
        raw += f"POST /endpoints/{endpoint}/invocations HTTP/1.1\r\n{head}Content-Length: {len(word)}\r\n\r\n".encode() + word
    client.http.sock.sendall(raw)
    got = b""
    while got.count(b"HTTP/1.1 200") < 3 or not got.endswith(b"three"):
        data = client.http.sock.recv(65536)
        assert data
        got += data
    assert got.index(b"one") < got.index(b"two") < got.index(b"three")


def test_a_permission_ends_at_once(server: TestServer, endpoint: str) -> None:
    iam, name = server.client("iam"), unique("caller")
    iam.create_user(UserName=name)
    about = iam.create_access_key(UserName=name)["AccessKey"]
    keys = Credentials(about["AccessKeyId"], about["SecretAccessKey"])
    until_served(server, endpoint)
    assert Client(server, keys).send(endpoint, b"x")[0] == 403
    policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sagemaker:InvokeEndpoint", "Resource": f"*:endpoint/{endpoint}"}]}
    iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=json.dumps(policy).replace("*:endpoint", "arn:aws:sagemaker:*:*:endpoint"))
    client = Client(server, keys)
    assert client.send(endpoint, b"x")[0] == 200
    assert served_by_gateway(server, client)
    iam.delete_user_policy(UserName=name, PolicyName="p")
    assert client.send(endpoint, b"x")[0] == 403
    iam.delete_access_key(UserName=name, AccessKeyId=keys.access_key)
    assert Client(server, keys).send(endpoint, b"x")[1]["x-amzn-errortype"] == "UnrecognizedClientException"
    iam.delete_user(UserName=name)


def test_requests_are_measured(server: TestServer, models: Models, endpoint: str) -> None:
    client = until_served(server, endpoint)
    for body in (b"x", b"x", b"fail"):
        client.send(endpoint, body)
    cloudwatch = server.client("cloudwatch")
    where = [{"Name": "EndpointName", "Value": endpoint}, {"Name": "VariantName", "Value": "AllTraffic"}]

    def total(name: str) -> float:
        found = cloudwatch.get_metric_statistics(
            Namespace="AWS/SageMaker", MetricName=name, Dimensions=where, StartTime=time.time() - 3600, EndTime=time.time() + 60,
            Period=60, Statistics=["Sum"],
        )["Datapoints"]
        return float(sum(p["Sum"] for p in found))

    end = time.monotonic() + 20
    while total("Invocations") < 3 or total("Invocation5XXErrors") < 1:
        assert time.monotonic() < end
        time.sleep(0.2)
    assert total("ModelLatency") > 0


MANY = """
    import os

    def model_fn(model_dir):
        return open(os.path.join(model_dir, "word")).read()

    def transform_fn(model, body, content_type, accept):
        return model, "text/plain"
"""


def test_target_models_are_the_gateways(server: TestServer, models: Models, endpoint: str) -> None:
    for word in ("one", "two"):
        models.put(f"gate/{word}.tar.gz", archive(code__inference_py=MANY, word=word))
    name = models.name()
    models.sagemaker.create_model(ModelName=name, ExecutionRoleArn=models.role, PrimaryContainer={
        "Image": PYTHON, "Mode": "MultiModel", "ModelDataUrl": f"s3://{models.bucket}/gate/",
        "Environment": {"SAGEMAKER_MODEL_SERVER_WORKERS": "1"},
    })
    many = models.endpoint(models.config(name))
    assert models.settled(many, 300)["EndpointStatus"] == "InService"
    client = until_served(server, endpoint)

    def ask(target: str) -> tuple[int, str, bytes]:
        found = client.send(many, b"x", client.signed(many, b"x", **({"X_Amzn_SageMaker_Target_Model": target} if target else {})))
        return found[0], found[1].get("x-amzn-errortype", ""), found[2]

    assert until(lambda: ask("one.tar.gz") == (200, "", b"one") and served_by_gateway(server, client), why=lambda: str(ask("one.tar.gz")))
    assert ask("two.tar.gz") == (200, "", b"two")
    status, code, body = ask("none.tar.gz")
    assert (status, code) == (400, "ValidationError")
    assert served_by_gateway(server, client), "also what the instance itself says"
    with pytest.raises(ClientError) as caught:
        models.invoke(many, b"x", TargetModel="none.tar.gz")
    assert caught.value.response["Error"]["Message"] == json.loads(body)["Message"]
    assert ask("")[1] == "ValidationError"
    assert not served_by_gateway(server, client), "what is wrong with a request, the server says"
    models.delete(many)


OWN = """
import socket, threading

def serve(conn):
    with conn, conn.makefile("rb") as reader:
        while reader.readline():
            length = 0
            while (header := reader.readline().strip().lower()):
                if header.startswith(b"content-length:"):
                    length = int(header.split(b":")[1])
            body = b"own " + reader.read(length)
            conn.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Type: text/own\\r\\nContent-Length: %d\\r\\n\\r\\n" % len(body) + body)

with socket.create_server(("0.0.0.0", 8080)) as server:
    while True:
        threading.Thread(target=serve, args=(server.accept()[0],), daemon=True).start()
"""


def test_containers_of_others_are_the_gateways(server: TestServer, models: Models, endpoint: str, tmp_path: Path) -> None:
    """They speak HTTP only."""
    root = containers.root(tmp_path / "root", programs=("sh",))
    words = containers.python(root)
    image = containers.Container(
        [containers.tar_of(root), containers.tar([("srv/serve.py", OWN)])],
        {"Entrypoint": ["sh", "-c", f"exec {' '.join(words)} /srv/$0.py"], "Env": [containers.PYTHON_ENV, "PATH=/bin"]}, compress=False,
    )
    sources.import_path(Blobs(server.data / "oci"), parse("gate/own:1"), image.layout(tmp_path / "layout"), {})
    name = models.name()
    models.sagemaker.create_model(ModelName=name, ExecutionRoleArn=models.role, PrimaryContainer={
        "Image": "123456789012.dkr.ecr.us-east-1.amazonaws.com/gate/own:1",
    })
    own = models.endpoint(models.config(name))
    about = models.settled(own, 120)
    assert about["EndpointStatus"] == "InService", about["FailureReason"]
    client = until_served(server, endpoint)
    until(lambda: client.send(own, b"x")[0] == 200 and served_by_gateway(server, client))
    status, headers, body = client.send(own, b"x" * 100_000)
    assert (status, headers["content-type"], body) == (200, "text/own", b"own " + b"x" * 100_000)
    assert served_by_gateway(server, client)
    models.delete(own)


def test_the_end_waits_for_what_is_under_way(own_server: TestServer) -> None:
    name = Models(own_server).deploy(SCRIPT)
    client, logs = until_served(own_server, name), own_server.client("logs")

    def begun() -> bool:
        group = {"logGroupName": f"/aws/sagemaker/Endpoints/{name}"}
        streams = logs.describe_log_streams(**group)["logStreams"]
        return any("begun" in event["message"] for s in streams for event in logs.get_log_events(**group, logStreamName=s["logStreamName"])["events"])

    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(client.send, name, b"slow")
        until(begun, why=own_server.log)
        own_server.stop()
        assert asking.result()[::2] == (200, b"slow")


def test_killed_it_comes_back_and_nobody_is_refused(own_server: TestServer) -> None:
    """Requests under way on it may be cut; whoever asks then is answered, by the server until it is back."""
    models = Models(own_server)
    name = models.deploy(SCRIPT)
    until_served(own_server, name)
    first = gateway(own_server)
    assert first
    first.send_signal(signal.SIGKILL)
    runtime = own_server.client("sagemaker-runtime")
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: runtime.invoke_endpoint(EndpointName=name, ContentType="text/plain", Body="x")["Body"].read(), range(100)))
    assert answers == [b"x"] * 100
    until_served(own_server, name)
    second = gateway(own_server)
    assert second
    assert second.pid != first.pid


def test_killed_under_load(own_server: TestServer) -> None:
    """Three times: what was under way may break; whoever connects is answered, and the connections are soon the gateway's again."""
    name = Models(own_server).deploy(SCRIPT)
    until_served(own_server, name)
    with Steady(own_server, name) as load:
        for _ in range(3):
            begun = time.monotonic()
            until(lambda begun=begun: len([one for one in load.after(begun) if one.gateway]) > 50, why=own_server.log)  # type: ignore[misc]
            first = gateway(own_server)
            assert first
            killed = time.monotonic()
            first.kill()
            # it has served for less than a second now and then: its next start is not put off much by that
            until(lambda killed=killed: [one for one in load.after(killed) if one.gateway], why=own_server.log)  # type: ignore[misc]
            broken = [one for one in load.after(killed) if one.status != 200]
            assert not [one for one in broken if one.fresh], "whoever connects is answered"
            assert len(broken) <= 4, "a connection breaks once at most"
    assert {one.status for one in load.asked} <= {0, 200}
