"""Jobs on a Ray cluster whose parts are killed: the server, the bridge, a node's agent, a whole node."""

from __future__ import annotations

import json
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from botocore.exceptions import ClientError

from sagewright.testing.jobs import Jobs
from sagewright.testing.models import Models
from sagewright.testing.processes import children, living
from sagewright.testing.server import TestServer

from .conftest import counted, waiting

pytest.importorskip("ray")
from sagewright.testing.ray import LocalCluster
from sagewright.testing.waiting import until

pytestmark = [pytest.mark.xdist_group("ray"), pytest.mark.timeout(600)]

PENDING = """
import sys, time, ray
from ray.util import placement_group_table
ray.init(address=sys.argv[1], log_to_driver=False)
while not any(group["state"] == "PENDING" for group in placement_group_table().values()):
    time.sleep(0.1)
"""
"""Waits until Ray has been asked for room that it does not have; Ray announces it to nobody."""


class Ray:
    """A server and a cluster that the tests share; what a test has killed comes back."""

    def __init__(self, cluster: LocalCluster, server: TestServer) -> None:
        self.cluster, self.server, self.jobs = cluster, server, Jobs(server)

    def folder(self, name: str, host: str = "algo-1") -> Path:
        """Of a host's task, on its node."""
        found: list[Path] = []

        def there() -> bool:
            found.extend(self.cluster.folder.glob(f"nodes/*/*/jobs/*-{name.lower()}-*-{host}"))
            return bool(found)

        until(there)
        return found[0]

    def place(self, name: str, host: str = "algo-1") -> dict[str, Any]:
        found = list(self.server.data.glob(f"ray/tasks/*-{name.lower()}-*-{host}/place.json"))
        placed: dict[str, Any] = json.loads(found[0].read_text())
        return placed

    def let_go(self, name: str, host: str = "algo-1") -> None:
        (self.folder(name, host) / "ml" / "model" / "go").touch()

    def running(self, name: str) -> None:
        """Return once the job's first host has written some lines."""
        self.jobs.until(name, ["Training"])
        until(lambda: "line 20" in self.jobs.log(name))

    def asked_for_room(self) -> None:
        """Return once somebody waits for room: only Ray knows."""
        subprocess.run([sys.executable, "-c", PENDING, self.cluster.address], env=self.cluster.environment, check=True, timeout=90)

    def bridge(self) -> psutil.Process:
        assert self.server.process is not None
        pid = self.server.process.pid
        return until(lambda: children(pid, "sagewright.adapters.ray.bridge"))[0]

    def agents(self) -> list[psutil.Process]:
        """The actors of the cluster's nodes."""
        mine = str(self.cluster.folder / "nodes")
        return living(lambda p: "ray::NodeAgent" in " ".join(p.cmdline()) and p.environ().get("SAGEWRIGHT_NODE_DATA") == mine)

    def nothing_left(self, name: str) -> None:
        """No folder of the job on any node and none here."""

        def left() -> list[Path]:
            mark = f"*{name.lower()}*"
            return [*self.cluster.folder.glob(f"nodes/*/*/jobs/{mark}"), *self.server.data.glob(f"ray/tasks/{mark}")]

        until(lambda: not left(), why=lambda: str(left()))


@pytest.fixture(scope="module")
def ray(ray_cluster: LocalCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ray]:
    """Killed by each test and started again: what a fresh one would cost is the agents of its nodes."""
    settings = {"ray": ray_cluster.address, "ray_token": str(ray_cluster.token), "stop_grace": "30", "ray_relay": "true"}
    with TestServer(tmp_path_factory.mktemp("killed") / "data", settings) as server:
        yield Ray(ray_cluster, server)


def test_server_and_bridge_are_killed_and_the_very_process_goes_on(ray: Ray) -> None:
    name = ray.jobs.train(waiting())
    ray.running(name)
    agent = json.loads((ray.folder(name) / "pid").read_text())
    for _ in range(2):
        before = len(ray.jobs.log(name).splitlines())
        ray.server.kill()
        ray.server.start()
        until(lambda: len(ray.jobs.log(name).splitlines()) > before + 20, 40)  # noqa: B023
        old = ray.bridge()
        old.kill()
        before = len(ray.jobs.log(name).splitlines())
        until(lambda: len(ray.jobs.log(name).splitlines()) > before + 20, 40)  # noqa: B023
        assert ray.bridge().pid != old.pid
    assert json.loads((ray.folder(name) / "pid").read_text()) == agent
    ray.let_go(name)
    job = ray.jobs.ended(name)
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    assert counted(ray.jobs.log(name)) > 80
    ray.nothing_left(name)


@pytest.mark.parametrize("delay", [0.0, 0.05, 0.2, 0.5])
def test_server_killed_as_a_job_starts_runs_it_once(ray: Ray, delay: float) -> None:
    """At moments of the start that nobody can see from outside: placed or not, handed over or not."""
    name = ray.jobs.train("print('ran', flush=True); open('/opt/ml/model/made', 'w').write('yes')")
    time.sleep(delay)
    ray.server.kill()
    ray.server.start()
    job = ray.jobs.ended(name)
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    assert ray.jobs.log(name) == "ran"
    assert ray.jobs.members(job["ModelArtifacts"]["S3ModelArtifacts"]) == {"made": b"yes"}
    ray.nothing_left(name)


def test_server_killed_amid_a_flood_of_lines_and_metrics(ray: Ray) -> None:
    name = ray.jobs.train(
        "import time\nfor n in range(30_000):\n    print(f'line {n}')\n    if n % 100 == 0: print(f'loss={n};', flush=True); time.sleep(0.01)\nprint('last 30000')",
        AlgorithmSpecification={"MetricDefinitions": [{"Name": "loss", "Regex": "loss=([0-9.]+)"}]},
    )
    for _ in range(4):
        time.sleep(0.7)
        ray.server.kill()
        ray.server.start()
    assert ray.jobs.ended(name)["TrainingJobStatus"] == "Completed"
    logs, lines, token = ray.server.client("logs"), [], None
    stream = logs.describe_log_streams(logGroupName="/aws/sagemaker/TrainingJobs", logStreamNamePrefix=name)["logStreams"][0]
    while True:
        page = logs.get_log_events(
            logGroupName="/aws/sagemaker/TrainingJobs", logStreamName=stream["logStreamName"], startFromHead=True,
            **({"nextToken": token} if token else {}),
        )
        lines += [e["message"] for e in page["events"]]
        if page["nextForwardToken"] == token:
            break
        token = page["nextForwardToken"]
    assert counted("\n".join(line for line in lines if "=" not in line)) == 30_000
    found = ray.server.client("cloudwatch").get_metric_statistics(
        Namespace="/aws/sagemaker/TrainingJobs", MetricName="loss", Dimensions=[{"Name": "TrainingJobName", "Value": name}],
        StartTime=time.time() - 600, EndTime=time.time() + 60, Period=3600, Statistics=["SampleCount"],
    )["Datapoints"]
    assert sum(p["SampleCount"] for p in found) == 300


def test_an_agent_of_a_node_is_killed_and_adopted(ray: Ray) -> None:
    name = ray.jobs.train(waiting())
    ray.running(name)
    agent = json.loads((ray.folder(name) / "pid").read_text())
    actors = ray.agents()
    assert actors
    for actor in actors:
        actor.kill()
    before = len(ray.jobs.log(name).splitlines())
    until(lambda: len(ray.jobs.log(name).splitlines()) > before + 50, 60)
    assert json.loads((ray.folder(name) / "pid").read_text()) == agent
    ray.let_go(name)
    assert ray.jobs.ended(name)["TrainingJobStatus"] == "Completed"
    assert counted(ray.jobs.log(name)) > 50


def test_models_answer_again_when_server_and_relays_are_killed(ray: Ray) -> None:
    """One of an instance, and one that sleeps: its line leads over the relay, too."""
    models = Models(ray.server)
    awake, sleeping = models.deploy(), models.name("c")
    models.sagemaker.create_endpoint_config(EndpointConfigName=sleeping, ProductionVariants=[{
        "VariantName": "AllTraffic", "ModelName": models.model(), "ServerlessConfig": {"MemorySizeInMB": 1024, "MaxConcurrency": 2},
    }])
    sleeper = models.endpoint(sleeping)
    assert models.settled(sleeper, 120)["EndpointStatus"] == "InService"
    before = [models.invoke(name, b"x", ContentType="text/plain")["Body"] for name in (awake, sleeper)]
    ray.server.kill()
    relays = [json.loads(path.read_text())["pid"] for path in ray.cluster.folder.glob(f"nodes/{(ray.server.data / 'ray/name').read_text()}/*/relay.json")]
    assert relays
    for pid in relays:
        psutil.Process(pid).kill()
    ray.server.start()

    def answers() -> list[bytes]:
        try:
            return [models.invoke(name, b"x", ContentType="text/plain")["Body"] for name in (awake, sleeper)]
        except ClientError:  # until the server has seen to it that there is a relay
            return []

    assert until(answers, 90, why=ray.server.log) == before
    for name in (awake, sleeper):
        models.delete(name)


def test_a_lost_node_ends_the_job_with_its_name_and_leaves_nothing_running(ray: Ray) -> None:
    """kill -9 to a raylet while three hosts run: the job fails, the other hosts end, and the cluster takes the next job."""
    head = next(iter(ray.cluster.state()["nodes"]))
    name = ray.jobs.train(waiting(), ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 3, "VolumeSizeInGB": 1})
    ray.running(name)
    places = {host: ray.place(name, host) for host in ("algo-1", "algo-2", "algo-3")}
    host, place = next((host, place) for host, place in places.items() if place["address"] != head)
    folder = ray.folder(name, host)
    agent = json.loads((folder / "pid").read_text())["pid"]
    begun = time.monotonic()
    ray.cluster.kill(place["address"])
    job = ray.jobs.ended(name, 60)
    assert job["TrainingJobStatus"] == "Failed"
    assert job["FailureReason"].startswith(f"InternalServerError: The node of the Ray cluster that ran {host} is gone: {place['address']}")
    assert time.monotonic() - begun < 30
    until(lambda: not psutil.pid_exists(agent), why=lambda: "what the lost node ran goes on")
    ray.cluster.add(place["address"])
    again = ray.jobs.train("print('fine')", ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 3, "VolumeSizeInGB": 1})
    job = ray.jobs.ended(again)
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    until(lambda: not folder.exists(), why=lambda: "a new agent on the machine removes what a lost one left")


def test_a_job_that_waits_for_room_that_is_lost_takes_what_is_left(ray: Ray) -> None:
    """Three hosts that fill the cluster wait for three others; with a node gone they would wait for ever for the room they asked for."""
    head = next(iter(ray.cluster.state()["nodes"]))
    whole = {"InstanceType": "ml.m5.2xlarge", "InstanceCount": 3, "VolumeSizeInGB": 1}
    first = ray.jobs.train(waiting(), ResourceConfig=whole)
    ray.running(first)
    second = ray.jobs.train("print('fine')", ResourceConfig=whole)
    ray.asked_for_room()
    lost = next(address for address in ray.cluster.state()["nodes"] if address != head)
    ray.cluster.kill(lost)
    try:
        assert ray.jobs.ended(first, 60)["TrainingJobStatus"] == "Failed"
        job = ray.jobs.ended(second, 90)
        assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    finally:
        ray.cluster.add(lost)


def test_a_stop_reaches_a_job_while_there_is_no_bridge(ray: Ray) -> None:
    name = ray.jobs.train(waiting(before="signal.signal(signal.SIGTERM, lambda *_: (print('saving', flush=True), sys.exit(0)))"))
    ray.running(name)
    ray.bridge().send_signal(signal.SIGKILL)
    ray.jobs.sagemaker.stop_training_job(TrainingJobName=name)
    job = ray.jobs.ended(name)
    assert job["TrainingJobStatus"] == "Stopped"
    assert "saving" in ray.jobs.log(name)
    ray.nothing_left(name)


def test_without_a_cluster_the_server_works_and_jobs_wait(tmp_path: Path) -> None:
    """Started again with the cluster's address, it runs what has waited."""
    token = tmp_path / "token"
    token.write_text("0" * 64)
    token.chmod(0o600)
    with TestServer(tmp_path / "data", {"ray": "127.0.0.1:6399", "ray_token": str(token)}) as server:
        jobs = Jobs(server)
        name = jobs.train("print('late')")
        stopped = jobs.train("print('never')")
        until(lambda: bool(list(server.data.glob(f"ray/tasks/*-{stopped}-*/spec.json"))))
        jobs.sagemaker.stop_training_job(TrainingJobName=stopped)
        assert jobs.ended(stopped)["TrainingJobStatus"] == "Stopped"
        assert jobs.sagemaker.describe_training_job(TrainingJobName=name)["SecondaryStatus"] == "Starting"
        server.kill()
        assert not children(None, "bridge")


def test_a_bridge_that_reaches_no_cluster_ends_with_its_server(tmp_path: Path) -> None:
    """Killed servers would leave one each behind, for as long as Ray goes on trying."""
    ours, theirs = socket.socketpair()
    with theirs:
        bridge = subprocess.Popen([sys.executable, "-m", "sagewright.adapters.ray.bridge", str(theirs.fileno())], pass_fds=[theirs.fileno()])
    token = tmp_path / "token"
    token.write_text("0" * 64)
    body = json.dumps({"address": "127.0.0.1:1", "token": str(token), "server": "s", "node": {}, "check": False}).encode()
    ours.sendall(struct.pack("!I", len(body)) + body)
    try:
        until(lambda: "gcs_client" in "".join(comm.read_text() for comm in Path(f"/proc/{bridge.pid}/task").glob("*/comm")))
        ours.close()
        bridge.wait(20)
    finally:
        bridge.kill()


def test_a_cluster_that_lets_anybody_in_is_refused(tmp_path: Path) -> None:
    open_cluster = LocalCluster(tmp_path / "open", nodes=1, environ={"RAY_AUTH_MODE": "disabled"})
    settings = {"ray_token": str(open_cluster.token)}
    with open_cluster as cluster, TestServer(tmp_path / "data", settings | {"ray": cluster.address}) as server:
        jobs = Jobs(server)
        name = jobs.train("print('never')")
        until(lambda: "asks nobody for a token" in server.log() or "cannot be reached" in server.log(), 90)
        assert "asks nobody for a token" in server.log()
        jobs.sagemaker.stop_training_job(TrainingJobName=name)
        assert jobs.ended(name)["TrainingJobStatus"] == "Stopped"
