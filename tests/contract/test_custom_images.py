"""Container images behind endpoints and on several hosts, by boto3."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from sagewright.agent.oci import sources
from sagewright.agent.oci.blobs import Blobs
from sagewright.agent.oci.reference import parse
from sagewright.testing import containers
from sagewright.testing.containers import Container, tar
from sagewright.testing.jobs import Jobs
from sagewright.testing.server import TestServer

SERVE = """
import os, socket, threading
def api():
    host, _, port = os.environ["AWS_ENDPOINT_URL"].removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), 5) as sock:
        sock.sendall(b"GET /_sagewright/health HTTP/1.1\\r\\nHost: 127.0.0.1\\r\\nConnection: close\\r\\n\\r\\n")
        return sock.makefile("rb").read().split(b"\\r\\n")[0]
def serve(conn):
    with conn, conn.makefile("rb") as reader:
        while line := reader.readline():
            length = 0
            while (header := reader.readline().strip().lower()):
                if header.startswith(b"content-length:"):
                    length = int(header.split(b":")[1])
            body = reader.read(length)
            answer = b"pong" if b"/ping" in line else b"|".join([os.environ["WHO"].encode(), api(), open("/opt/ml/model/weights").read().encode(), body[::-1]])
            conn.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Type: text/csv\\r\\nContent-Length: %d\\r\\n\\r\\n" % len(answer) + answer)
with socket.create_server(("0.0.0.0", int(os.environ.get("SAGEMAKER_BIND_TO_PORT", "8080")))) as server:
    while True:
        threading.Thread(target=serve, args=(server.accept()[0],), daemon=True).start()
"""
MEET = """
import os, socket, sys, time
here = socket.gethostname()
if here == "algo-1":
    with socket.create_server(("0.0.0.0", 29500)) as server:
        conn, _ = server.accept()
        print("heard", conn.recv(100).decode(), flush=True)
        conn.sendall(b"thanks")
else:
    for _ in range(200):
        try:
            sock = socket.create_connection(("algo-1", 29500), 5)
            break
        except OSError:
            time.sleep(0.05)
    sock.sendall(here.encode())
    print("got", sock.recv(100).decode(), flush=True)
"""


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestServer]:
    place = tmp_path_factory.mktemp("custom")
    root = containers.root(place / "root", programs=("sh",))
    words = containers.python(root)
    code = tar([("srv/serve.py", SERVE), ("srv/train.py", MEET)])
    entry = ["sh", "-c", f"exec {' '.join(words)} /srv/$0.py"]
    image = Container([containers.tar_of(root), code], {"Entrypoint": entry, "Env": [containers.PYTHON_ENV, "PATH=/bin"]}, compress=False)
    with TestServer(place / "data") as running:
        sources.import_path(Blobs(running.data / "oci"), parse("team/all:1"), image.layout(place / "layout"), {})
        yield running


@pytest.fixture(scope="module")
def jobs(house: TestServer) -> Jobs:
    return Jobs(house)


def deploy(jobs: Jobs, name: str, who: str) -> None:
    archive = tar([("weights", f"weights of {who}")])
    model = jobs.put(f"{name}/model.tar.gz", archive)
    jobs.sagemaker.create_model(
        ModelName=name, ExecutionRoleArn=jobs.role,
        PrimaryContainer={"Image": "123456789012.dkr.ecr.us-east-1.amazonaws.com/team/all:1", "ModelDataUrl": model, "Environment": {"WHO": who}},
    )
    variant = {"VariantName": "a", "ModelName": name, "InitialInstanceCount": 1, "InstanceType": "ml.m5.large"}
    jobs.sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant])
    jobs.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)


def test_two_endpoints_whose_images_listen_on_8080(house: TestServer, jobs: Jobs) -> None:
    for who in ("left", "right"):
        deploy(jobs, f"ep-{who}", who)
    for who in ("left", "right"):
        jobs.sagemaker.get_waiter("endpoint_in_service").wait(EndpointName=f"ep-{who}", WaiterConfig={"Delay": 1, "MaxAttempts": 90})
    runtime = house.client("sagemaker-runtime")

    def invoke(who: str, body: bytes) -> list[bytes]:
        answer: Any = runtime.invoke_endpoint(EndpointName=f"ep-{who}", Body=body)["Body"].read()
        return answer.split(b"|")  # type: ignore[no-any-return]

    for who in ("left", "right", "left"):
        assert invoke(who, b"1,2,3") == [who.encode(), b"HTTP/1.1 200 OK", f"weights of {who}".encode(), b"3,2,1"], "and it reaches the API"
    wrong: list[Any] = []

    def many(who: str, number: int) -> None:
        for turn in range(10):
            body = f"{who}{number}{turn}".encode() * 500
            if invoke(who, body)[3] != body[::-1]:
                wrong.append((who, number, turn))

    threads = [threading.Thread(target=many, args=(who, number)) for who in ("left", "right") for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not wrong
    for who in ("left", "right"):
        jobs.sagemaker.delete_endpoint(EndpointName=f"ep-{who}")
    jobs.sagemaker.get_waiter("endpoint_deleted").wait(EndpointName="ep-left", WaiterConfig={"Delay": 1, "MaxAttempts": 60})


def test_hosts_of_a_job_in_an_image_reach_each_other(jobs: Jobs) -> None:
    resources = {"InstanceType": "ml.m5.large", "InstanceCount": 2, "VolumeSizeInGB": 1}
    name = jobs.train(image="team/all:1", ResourceConfig=resources)
    assert jobs.ended(name)["TrainingJobStatus"] == "Completed", jobs.log(name)
    assert sorted(jobs.log(name).splitlines()) == ["got thanks", "heard algo-2"]


def test_a_name_may_be_mapped_to_a_declared_environment(house: TestServer, jobs: Jobs) -> None:
    """An edit counts at once: the server reads the names at each use."""
    name = jobs.train("print('declared')", image="team/mapped:7")
    assert "sagewright images map team/mapped:7" in jobs.ended(name)["FailureReason"]
    (house.data / "images.toml").write_text('[images]\n"team/mapped:7" = "sagemaker-base-python:3.11"\n')
    name = jobs.train("print('declared')", image="team/mapped:7")
    assert jobs.ended(name)["TrainingJobStatus"] == "Completed", jobs.log(name)
    (house.data / "images.toml").unlink()


def test_channels_are_there(jobs: Jobs) -> None:
    data = jobs.put("channel/deep/file.csv", "1,2,3\n")
    for mode in ("File", "FastFile"):
        name = jobs.train(
            image="team/all:1", data=data.removesuffix("deep/file.csv"),
            AlgorithmSpecification={
                "ContainerEntrypoint": ["sh", "-c"], "TrainingInputMode": mode,
                "ContainerArguments": ["while read line; do echo found $line; done < /opt/ml/input/data/train/deep/file.csv; echo {} > /opt/ml/output/data/o.json"],
            },
        )
        job = jobs.ended(name)
        assert job["TrainingJobStatus"] == "Completed", (job.get("FailureReason"), jobs.log(name))
        assert jobs.log(name).splitlines() == ["found 1,2,3"]
        out = job["ModelArtifacts"]["S3ModelArtifacts"].replace("model.tar.gz", "output.tar.gz")
        assert {k: json.loads(v) for k, v in jobs.members(out).items()} == {"o.json": {}}


