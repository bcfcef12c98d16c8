"""Killed at any moment: no run, no model version and no session key is lost, and the server is up again by itself."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from sagewright.testing.processes import seeing
from sagewright.testing.server import TestServer

from .conftest import Lab
from .test_registration import packages

pytestmark = pytest.mark.xdist_group("mlflow-chaos")


@pytest.fixture(scope="module")
def mine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with TestServer(tmp_path_factory.mktemp("chaos") / "data") as server:
        yield Lab(server).create(AutomaticModelRegistration=True)


def patiently(call: Any, seconds: float = 90.0) -> Any:
    """A call's result once it works: MLflow's own client tries again on the same errors."""
    end = time.monotonic() + seconds
    while True:
        try:
            return call()
        except (AssertionError, httpx.TransportError):
            if time.monotonic() > end:
                raise
            time.sleep(0.1)


def workers(mine: Lab) -> list[psutil.Process]:
    """The processes of MLflow itself: those that see a folder of this server's jobs."""
    return seeing("/".join(mine.server.data.parts[-3:]) + "/jobs/")


def test_mlflow_is_killed(mine: Lab) -> None:
    """Its agent starts it again on the same store, with no server of ours involved."""
    mine.make("before")
    found = workers(mine)
    assert found
    for process in found:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    assert "before" in patiently(mine.experiments)
    assert {p.pid for p in found}.isdisjoint(p.pid for p in workers(mine))
    assert mine.about()["TrackingServerStatus"] == "Created"


def test_the_agent_is_killed_too(mine: Lab) -> None:
    """The task is lost; another takes its place, with other keys and the same store."""
    mine.make("before the agent")
    (folder,) = mine.server.data.glob("jobs/mlflow-*")
    os.kill(json.loads((folder / "pid").read_text())["pid"], signal.SIGKILL)
    assert "before the agent" in patiently(mine.experiments)
    assert patiently(lambda: _active(mine))
    (after,) = mine.server.data.glob("jobs/mlflow-*")
    assert after != folder


def _active(mine: Lab) -> bool:
    about = mine.about()
    assert (about["TrackingServerStatus"], about["IsActive"]) == ("Created", "Active")
    return True


def test_the_server_is_killed_while_runs_are_logged(mine: Lab) -> None:
    """Whatever was answered is there; sessions and tokens outlive the server too."""
    experiment = mine.make("under fire")
    token = httpx.post(mine.url()).json()["token"]
    base = mine.about()["TrackingServerUrl"]
    done: list[str] = []
    stop = threading.Event()

    def log() -> None:
        number = 0
        while not stop.is_set():
            try:
                answer = mine.signed("POST", "/api/2.0/mlflow/runs/create", {"experiment_id": experiment, "run_name": f"r{number}"})
            except httpx.TransportError:
                continue
            if answer.status_code == 200:
                done.append(answer.json()["run"]["info"]["run_id"])
                number += 1

    thread = threading.Thread(target=log)
    thread.start()
    for least in (3, 8, 13):
        patiently(lambda: _at_least(done, least))  # noqa: B023
        mine.server.kill()
        mine.server.start()
    patiently(lambda: _at_least(done, 18))
    stop.set()
    thread.join()
    found: set[str] = set()
    page = ""
    while True:
        said = mine.signed("POST", "/api/2.0/mlflow/runs/search", {"experiment_ids": [experiment], "max_results": 1000, "page_token": page}).json()
        found |= {r["info"]["run_id"] for r in said["runs"]}
        if not (page := said.get("next_page_token", "")):
            break
    assert set(done) <= found
    assert httpx.get(f"{base}/health", headers={"authorization": f"Bearer {token}"}).status_code == 200


def _at_least(done: list[str], least: int) -> None:
    assert len(done) >= least


def test_a_version_made_just_before_the_kill_is_registered(mine: Lab) -> None:
    """Whether the kill comes before or after the registry hears of it."""
    assert mine.signed("POST", "/api/2.0/mlflow/registered-models/create", {"name": "sudden"}).status_code == 200
    for number in range(3):
        source = f"s3://{mine.bucket}/m{number}"
        assert mine.signed("POST", "/api/2.0/mlflow/model-versions/create", {"name": "sudden", "source": source}).status_code == 200
        mine.server.kill()
        mine.server.start()
    found = packages(mine, "sudden", 3)
    assert [p["ModelPackageVersion"] for p in found] == [1, 2, 3]
    sources = [mine.sagemaker.describe_model_package(ModelPackageName=p["ModelPackageArn"])["SourceUri"] for p in found]
    assert sorted(sources) == [f"s3://{mine.bucket}/m{n}" for n in range(3)]


def test_killed_while_it_is_created_and_deleted(mine: Lab) -> None:
    other = Lab(mine.server, "fleeting")
    other.s3.create_bucket(Bucket=other.bucket)
    other.arn = other.sagemaker.create_mlflow_tracking_server(
        TrackingServerName="fleeting", ArtifactStoreUri=f"s3://{other.bucket}/x", RoleArn=other.role
    )["TrackingServerArn"]
    mine.server.kill()
    mine.server.start()
    other.until("Created")
    assert patiently(other.experiments) == ["Default"]
    volumes = {p.name for p in Path(mine.server.data, "volumes").iterdir()}
    other.sagemaker.delete_mlflow_tracking_server(TrackingServerName="fleeting")
    mine.server.kill()
    mine.server.start()
    end = time.monotonic() + 60
    while mine.sagemaker.list_mlflow_tracking_servers()["TrackingServerSummaries"][1:]:
        assert time.monotonic() < end
        time.sleep(0.05)
    assert len(volumes - {p.name for p in Path(mine.server.data, "volumes").iterdir()}) == 1
    assert "before" in patiently(mine.experiments)
