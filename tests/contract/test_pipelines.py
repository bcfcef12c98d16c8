"""Serial inference pipelines and endpoints whose requests name a container, as boto3 sees them."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sagewright.agent.oci import sources
from sagewright.agent.oci.blobs import Blobs
from sagewright.agent.oci.reference import parse
from sagewright.testing import containers
from sagewright.testing.containers import Container, tar
from sagewright.testing.models import PYTHON, Models, archive
from sagewright.testing.names import unique
from sagewright.testing.pipelines import Pipelines
from sagewright.testing.server import TestServer
from sagewright.testing.waiting import until

NAMED = """
    import os

    def model_fn(model_dir):
        with open(os.path.join(model_dir, "word")) as file:
            return file.read()

    def transform_fn(model, body, kind, accept, context=None):
        text = body.decode() if isinstance(body, bytes) else body
        target = context.get_all_request_header(0).get("x-amzn-sagemaker-target-model", "")
        return f"{text} {model}-{target}", "text/plain"
"""
DIES = """
    import os

    def model_fn(model_dir):
        return None

    def transform_fn(model, body, kind, accept):
        text = body if isinstance(body, str) else body.decode()
        if text == os.environ["DIES"]:
            os._exit(9)
        return text, "text/plain"
"""
SERVE = """
import os, socket, threading
def serve(conn):
    with conn, conn.makefile("rb") as reader:
        while line := reader.readline():
            length, kind = 0, b""
            while (header := reader.readline().strip()):
                name, _, value = header.partition(b":")
                if name.lower() == b"content-length":
                    length = int(value)
                if name.lower() == b"content-type":
                    kind = value.strip()
            body = reader.read(length)
            answer = b"pong" if b"/ping" in line else b"|".join([os.environ["SAGEMAKER_BIND_TO_PORT"].encode(), kind, body])
            conn.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Type: text/x-port\\r\\nContent-Length: %d\\r\\n\\r\\n" % len(answer) + answer)
with socket.create_server(("0.0.0.0", int(os.environ["SAGEMAKER_BIND_TO_PORT"]))) as server:
    while True:
        threading.Thread(target=serve, args=(server.accept()[0],), daemon=True).start()
"""
LABEL = "com.amazonaws.sagemaker.capabilities.accept-bind-to-port"


@pytest.fixture(scope="module")
def serial(models: Models, made: Pipelines) -> Iterator[str]:
    name = made.deploy(made.container("a"), made.container("b"), made.container("c"))
    yield name
    models.delete(name)


@pytest.fixture(scope="module")
def direct(models: Models, made: Pipelines) -> Iterator[str]:
    first, second = (made.container(step, ContainerHostname=step) for step in ("first", "second"))
    name = made.deploy(first, second, InferenceExecutionConfig={"Mode": "Direct"})
    yield name
    models.delete(name)


@pytest.fixture(scope="module")
def images(server: TestServer, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """An image that keeps to the port it is told, and one that does not say so."""
    place = tmp_path_factory.mktemp("image")
    root = containers.root(place / "root", programs=("sh",))
    entry = ["sh", "-c", f"exec {' '.join(containers.python(root))} /srv/serve.py"]
    layers, env = [containers.tar_of(root), tar([("srv/serve.py", SERVE)])], [containers.PYTHON_ENV, "PATH=/bin"]
    names = unique("team/labelled"), unique("team/plain")
    for name, labels in zip(names, ({LABEL: "true"}, {}), strict=True):
        image = Container(layers, {"Entrypoint": entry, "Env": env, "Labels": labels}, compress=False)
        layout = image.layout(place / Path(name).name)
        sources.import_path(Blobs(server.data / "oci"), parse(f"{name}:1"), layout, {})
    return f"{names[0]}:1", f"{names[1]}:1"


def invalid(models: Models, endpoint: str, **more: Any) -> str:
    with pytest.raises(ClientError) as caught:
        models.invoke(endpoint, b"x", **more)
    assert caught.value.response["Error"]["Code"] == "ValidationError"
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    return str(caught.value.response["Error"]["Message"])


def failed(models: Models, endpoint: str, body: bytes, **more: Any) -> dict[str, Any]:
    with pytest.raises(ClientError) as caught:
        models.invoke(endpoint, body, ContentType="text/plain", **more)
    assert caught.value.response["Error"]["Code"] == "ModelError"
    return dict(caught.value.response)


# -- models


def test_describe_shows_what_was_given_and_the_mode(made: Pipelines) -> None:
    given = [made.container("a"), made.container("b")]
    about = made.sagemaker.describe_model(ModelName=made.model(*given))
    assert [{k: v for k, v in c.items() if k != "Mode"} for c in about["Containers"]] == given
    assert about["InferenceExecutionConfig"] == {"Mode": "Serial"}
    assert "PrimaryContainer" not in about
    named = [made.container("a", ContainerHostname="a"), made.container("b", ContainerHostname="b")]
    about = made.sagemaker.describe_model(ModelName=made.model(*named, InferenceExecutionConfig={"Mode": "Direct"}))
    assert [c["ContainerHostname"] for c in about["Containers"]] == ["a", "b"]
    assert about["InferenceExecutionConfig"] == {"Mode": "Direct"}


def test_containers_that_cannot_work_together(made: Pipelines) -> None:
    a, b = made.container("a", ContainerHostname="a"), made.container("b")
    assert "at least two containers" in made.refused(a, InferenceExecutionConfig={"Mode": "Direct"})
    assert "ContainerHostname is required" in made.refused(a, b, InferenceExecutionConfig={"Mode": "Direct"})
    assert "for every container" in made.refused(a, b)
    assert "must be unique" in made.refused(a, {**b, "ContainerHostname": "a"})
    big = {f"V{n}": "x" * 1000 for n in range(17)}
    assert "32768 are the most" in made.refused(made.container("a", Environment=big), made.container("b", Environment=big))


def test_of_many_models_there_is_one_container_at_most_and_only_in_a_pipeline(made: Pipelines, models: Models) -> None:
    many = {"Image": PYTHON, "Mode": "MultiModel", "ModelDataUrl": f"s3://{models.bucket}/many/"}
    assert "one MultiModel container at most; this one has 2" in made.refused(many, many)
    named = [made.container("a", ContainerHostname="a"), {**many, "ContainerHostname": "b"}]
    with pytest.raises(ClientError, match=r"MultiModel container and InferenceExecutionConfig\.Mode Direct") as caught:
        made.model(*named, InferenceExecutionConfig={"Mode": "Direct"})
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 501


def test_an_image_that_does_not_promise_its_port_is_refused_by_name(made: Pipelines, images: tuple[str, str]) -> None:
    said = made.refused({"Image": images[0]}, {"Image": images[1]})
    assert images[1] in said
    assert f"{LABEL}=true" in said


# -- serial pipelines


def test_a_request_goes_through_all_containers(models: Models, serial: str) -> None:
    for _ in range(3):  # over the server and over the gateway process
        answer = models.invoke(serial, b"1,2", ContentType="text/csv", Accept="application/jsonlines")
        assert answer["ContentType"] == "application/json"
        seen = json.loads(answer["Body"])
        assert [(who, kind) for who, kind, _ in seen] == [
            ("client", "text/csv"), ("a", "text/csv"), ("b", "application/json"), ("c", "application/json"),
        ]
        assert "application/jsonlines" not in (seen[1][2], seen[2][2]), "only the last container hears what the client accepts"
        assert seen[3][2] == "application/jsonlines"


def test_a_pipeline_streams_its_last_answer(models: Models, serial: str) -> None:
    answer = models.runtime.invoke_endpoint_with_response_stream(EndpointName=serial, Body=b"x", ContentType="text/plain")
    said = b"".join(event["PayloadPart"]["Bytes"] for event in answer["Body"])
    assert [who for who, *_ in json.loads(said)] == ["client", "a", "b", "c"]
    with pytest.raises(ClientError, match="from container-2 with message"):
        models.runtime.invoke_endpoint_with_response_stream(EndpointName=serial, Body=b"b", ContentType="text/plain")


@pytest.mark.parametrize(("body", "container"), [(b"a", "container-1"), (b"b", "container-2"), (b"c", "container-3")])
def test_a_failure_names_its_container(models: Models, serial: str, body: bytes, container: str) -> None:
    error = failed(models, serial, body)
    assert f"Received server error (500) from {container} with message" in error["Error"]["Message"]
    assert (error["OriginalStatusCode"], error["OriginalMessage"]) == (500, f"ValueError: not {body.decode()}")
    assert error["LogStreamArn"].endswith(f"/{container}")


def test_one_container_of_a_pipeline_may_have_many_models(models: Models, made: Pipelines) -> None:
    """The request names a model; that container loads it, and the others hear nothing of it."""
    prefix = unique("many")
    for word in ("two", "three"):
        models.put(f"{prefix}/{word}.tar.gz", archive(code__inference_py=NAMED, word=word))
    models.put(f"{prefix}/bad.tar.gz", archive(code__inference_py="raise SystemExit('weights of another version')"))
    step = made.container("a", ModelDataUrl=models.put(f"{unique('named')}/model.tar.gz", archive(code__inference_py=NAMED, word="one")))
    many = {"Image": PYTHON, "Mode": "MultiModel", "ModelDataUrl": f"s3://{models.bucket}/{prefix}/", "Environment": {"SAGEMAKER_MODEL_SERVER_WORKERS": "1"}}
    endpoint = made.deploy(step, many, step)

    def ask(target: str) -> str:
        return str(models.invoke(endpoint, "0", ContentType="text/plain", TargetModel=target)["Body"].decode())

    assert ask("two.tar.gz") == "0 one- two-two.tar.gz one-"
    assert ask("three.tar.gz") == "0 one- three-three.tar.gz one-"
    assert ask("two.tar.gz") == "0 one- two-two.tar.gz one-"
    assert "TargetModel is required" in invalid(models, endpoint)
    assert f"key: {prefix}/none.tar.gz" in invalid(models, endpoint, TargetModel="none.tar.gz")
    error = failed(models, endpoint, b"0", TargetModel="bad.tar.gz")
    assert "from container-2" in error["Error"]["Message"]
    assert "weights of another version" in error["OriginalMessage"]
    cloudwatch = models.server.client("cloudwatch")

    def loads() -> bool:
        now = time.time()
        found = cloudwatch.get_metric_statistics(
            Namespace="AWS/SageMaker", MetricName="ModelLoadingTime", StartTime=now - 600, EndTime=now + 60, Period=3600, Statistics=["SampleCount"],
            Dimensions=[{"Name": "EndpointName", "Value": endpoint}, {"Name": "VariantName", "Value": "AllTraffic"}])["Datapoints"]
        return sum(point["SampleCount"] for point in found) == 2

    until(loads, why=models.server.log)
    models.delete(endpoint)


def test_each_container_has_its_log_and_its_metrics(models: Models, serial: str) -> None:
    failed(models, serial, b"b")
    group = f"/aws/sagemaker/Endpoints/{serial}"
    streams = [s["logStreamName"] for s in models.logs.describe_log_streams(logGroupName=group)["logStreams"]]
    assert [name.split("/")[0] + "/" + name.split("/")[2] for name in sorted(streams)] == [f"AllTraffic/container-{n}" for n in (1, 2, 3)]
    events = models.logs.get_log_events(logGroupName=group, logStreamName=sorted(streams)[1], startFromHead=True)["events"]
    assert "loaded b" in [event["message"] for event in events]
    cloudwatch = models.server.client("cloudwatch")

    def total(metric: str, container: str) -> float:
        names = {"EndpointName": serial, "VariantName": "AllTraffic", "ContainerName": container}
        now = time.time()
        points = cloudwatch.get_metric_statistics(
            Namespace="AWS/SageMaker", MetricName=metric, Dimensions=[{"Name": n, "Value": v} for n, v in names.items()],
            StartTime=now - 600, EndTime=now + 60, Period=3600, Statistics=["Sum"],
        )["Datapoints"]
        return float(sum(point["Sum"] for point in points))

    end = time.monotonic() + 20
    while not total("Invocation5XXErrors", "container-2") and time.monotonic() < end:
        time.sleep(0.1)  # metrics are written every few seconds
    assert total("Invocation5XXErrors", "container-2") >= 1
    assert total("Invocations", "container-1") >= total("Invocations", "container-2") > 0, "what failed before never came there"
    assert total("ContainerLatency", "container-1") > 0
    assert total("OverheadLatency", "container-2") > 0


def test_a_container_that_dies_is_started_again(models: Models, made: Pipelines) -> None:
    data = models.put(f"{unique('dies')}/model.tar.gz", archive(code__inference_py=DIES))
    env = {"SAGEMAKER_MODEL_SERVER_WORKERS": "1"}
    endpoint = made.deploy(*({"Image": PYTHON, "ModelDataUrl": data, "Environment": {**env, "DIES": word}} for word in ("never", "now")))
    assert models.invoke(endpoint, b"on", ContentType="text/plain")["Body"] == b"on"
    assert "from container-2 with message" in failed(models, endpoint, b"now")["Error"]["Message"]
    end = time.monotonic() + 20
    while True:
        try:
            assert models.invoke(endpoint, b"again", ContentType="text/plain")["Body"] == b"again"
            break
        except ClientError:
            assert time.monotonic() < end
            time.sleep(0.02)  # another process, which tells nobody
    assert models.sagemaker.describe_endpoint(EndpointName=endpoint)["EndpointStatus"] == "InService"
    models.delete(endpoint)


def test_an_endpoint_whose_second_container_ends_fails_and_names_it(models: Models, made: Pipelines) -> None:
    broken = models.put(f"{unique('broken')}/model.tar.gz", archive(code__inference_py="def model_fn(d):\n    raise SystemExit('no weights')\n"))
    model = made.model(made.container("a", ContainerHostname="prepare"),
                       {"Image": PYTHON, "ModelDataUrl": broken, "ContainerHostname": "predict"})
    endpoint = models.endpoint(models.config(model))
    about = models.settled(endpoint)
    assert about["EndpointStatus"] == "Failed"
    assert about["FailureReason"].startswith("The predict container for production variant AllTraffic did not pass the ping health check.")
    assert "/predict." in about["FailureReason"]
    models.delete(endpoint)


def test_images_of_their_own_in_a_pipeline(models: Models, made: Pipelines, images: tuple[str, str]) -> None:
    endpoint = made.deploy({"Image": images[0]}, {"Image": images[0]}, made.container("last"))
    first, second = models.invoke(endpoint, b"x", ContentType="text/csv")["Body"], models.invoke(endpoint, b"y", ContentType="text/csv")["Body"]
    for body, answer in ((b"x", first), (b"y", second)):
        seen = json.loads(answer)
        assert seen[0][:2] == ["client", "text/x-port"]
        after, kind, before = seen[0][2].split("|", 2)
        assert (after, kind) == ("8082", "text/x-port")
        assert before == f"8081|text/csv|{body.decode()}"
    models.delete(endpoint)


# -- requests that name a container


def test_a_request_reaches_the_container_that_it_names(models: Models, direct: str) -> None:
    for name in ("first", "second", "first"):
        seen = json.loads(models.invoke(direct, b"x", ContentType="text/plain", Accept="application/json", TargetContainerHostname=name)["Body"])
        assert seen == [["client", "text/plain", "x"], [name, "text/plain", "application/json"]]
    answer = models.runtime.invoke_endpoint_with_response_stream(
        EndpointName=direct, Body=b"x", ContentType="text/plain", TargetContainerHostname="second"
    )
    assert json.loads(b"".join(event["PayloadPart"]["Bytes"] for event in answer["Body"]))[1][0] == "second"
    error = failed(models, direct, b"second", TargetContainerHostname="second")
    assert "from second with message" in error["Error"]["Message"]
    assert models.sagemaker.describe_endpoint(EndpointName=direct)["ProductionVariants"][0]["DeployedImages"][1]["SpecifiedImage"] == PYTHON


def test_a_target_that_is_missing_unknown_or_out_of_place(models: Models, serial: str, direct: str) -> None:
    for _ in range(2):  # the second over the gateway process
        assert "TargetContainerHostname is required" in invalid(models, direct)
    assert "TargetContainerHostname third does not exist" in invalid(models, direct, TargetContainerHostname="third")
    assert "TargetContainerHostname cannot be given" in invalid(models, serial, TargetContainerHostname="container-1")


def test_a_policy_may_allow_one_container(models: Models, server: TestServer, direct: str) -> None:
    iam, user = server.client("iam"), unique("caller")
    iam.create_user(UserName=user)
    iam.put_user_policy(UserName=user, PolicyName="p", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Action": "sagemaker:InvokeEndpoint", "Resource": "*",
        "Condition": {"StringLike": {"sagemaker:TargetContainerHostname": ["fir*"]}},
    }]}))
    key = iam.create_access_key(UserName=user)["AccessKey"]
    runtime = server.client("sagemaker-runtime", aws_access_key_id=key["AccessKeyId"], aws_secret_access_key=key["SecretAccessKey"])
    assert runtime.invoke_endpoint(EndpointName=direct, Body=b"x", ContentType="text/plain", TargetContainerHostname="first")
    for more in ({"TargetContainerHostname": "second"}, {}):
        with pytest.raises(ClientError) as caught:
            runtime.invoke_endpoint(EndpointName=direct, Body=b"x", ContentType="text/plain", **more)
        assert caught.value.response["Error"]["Code"] == "AccessDeniedException"
