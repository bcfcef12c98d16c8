"""SIGKILL to the server and to agents of serverless endpoints that sleep, wake and work: nothing is lost, nothing is left."""

from __future__ import annotations

import concurrent.futures
import json
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from botocore.exceptions import BotoCoreError, ClientError

from sagewright.testing.models import Models
from sagewright.testing.server import TestServer
from sagewright.testing.waiting import until

from .conftest import Chaos

CODE = """
    import os, time
    def model_fn(model_dir):
        time.sleep(0.3)  # loading takes its time, so that a kill meets it
    def transform_fn(model, body, content_type, accept):
        time.sleep(0.2)  # and so does answering
        return body, content_type
"""


@pytest.fixture
def chaos(tmp_path: Path) -> Iterator[Chaos]:
    with TestServer(tmp_path / "data", {"serverless_idle": "0.5"}) as server:
        yield Chaos(server)


def deploy(models: Models, kept: int = 0) -> str:
    config = models.name("c")
    given = {"MemorySizeInMB": 1024, "MaxConcurrency": 4, **({"ProvisionedConcurrency": kept} if kept else {})}
    models.sagemaker.create_endpoint_config(EndpointConfigName=config, ProductionVariants=[
        {"VariantName": "AllTraffic", "ModelName": models.model(CODE), "ServerlessConfig": given}])
    name = models.endpoint(config)
    about = models.settled(name, 300)
    assert about["EndpointStatus"] == "InService", about.get("FailureReason")
    return name



@pytest.mark.parametrize("when", ["asleep", "waking", "working"])
def test_a_killed_server(chaos: Chaos, when: str) -> None:
    models = Models(chaos.server)
    endpoint = deploy(models)
    agent = chaos.agent(endpoint)
    until(lambda: not chaos.inside())
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        asked = [pool.submit(models.invoke, endpoint, str(n)) for n in range(3 if when != "asleep" else 0)]
        if when == "waking":
            until(lambda: bool(chaos.inside()))
        elif when == "working":
            assert asked[0].result()["Body"] == b"0"
        chaos.restart()
        for n, one in enumerate(asked):
            try:
                assert one.result()["Body"] == str(n).encode()
            except (BotoCoreError, ClientError):
                continue  # its connection went with the server
    assert models.invoke(endpoint, "again")["Body"] == b"again"
    assert psutil.pid_exists(agent)
    assert chaos.agent(endpoint) == agent
    until(lambda: not chaos.inside())  # who was awake falls asleep again
    models.delete(endpoint)
    chaos.settled()


def test_instances_end_by_themselves_when_no_server_comes_back(chaos: Chaos) -> None:
    models = Models(chaos.server)
    endpoint = deploy(models, kept=1)
    until(lambda: bool(chaos.inside()))
    chaos.server.kill()
    until(lambda: not chaos.inside())
    chaos.server.start()
    until(lambda: bool(chaos.inside()))  # the one that is kept
    assert models.invoke(endpoint, "again")["Body"] == b"again"
    models.delete(endpoint)
    chaos.settled()


def test_a_killed_agent_is_replaced(chaos: Chaos) -> None:
    models = Models(chaos.server)
    endpoint = deploy(models)
    first = chaos.agent(endpoint)
    psutil.Process(first).kill()

    def replaced() -> bool:
        pids = {json.loads(path.read_text())["pid"] for path in chaos.data.glob(f"jobs/serve-{endpoint}-*/pid")}
        return bool(pids) and first not in pids

    assert models.invoke(endpoint, "held")["Body"] == b"held"
    until(replaced)
    models.delete(endpoint)
    chaos.settled()
