"""Jobs on several hosts, when the server, an agent or a host's processes are killed."""

from __future__ import annotations

import json
import os
import signal
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sagewright.testing.processes import kill, seeing
from sagewright.testing.server import TestServer
from sagewright.testing.waiting import until

from .conftest import Chaos

THREE = {"InstanceType": "ml.m5.large", "InstanceCount": 3, "VolumeSizeInGB": 1}

RING = textwrap.dedent("""
    import json, os, socket, sys, time
    config = json.load(open('/opt/ml/input/config/resourceconfig.json'))
    me, hosts = config['current_host'], config['hosts']
    after = hosts[(hosts.index(me) + 1) % len(hosts)]
    server = socket.create_server(('0.0.0.0', 7777))
    while True:
        try:
            onward = socket.create_connection((after, 7777), timeout=60)
            break
        except ConnectionRefusedError:
            continue
    back, _ = server.accept()
    print(me, 'connected', flush=True)
    if 'deaf' in os.environ:
        time.sleep(3600)
    # a token runs round the ring until somebody lets it go; then an end does, once
    rounds = 0
    if me == hosts[0]:
        onward.sendall(b't')
    while True:
        token = back.recv(1)
        if not token:
            sys.exit('the ring is broken')
        rounds += 1
        if me == hosts[0]:
            time.sleep(0.002)
            if os.path.exists('/opt/ml/model/go'):
                token = b'e'
        onward.sendall(token)
        if token == b'e':
            break
    if me == hosts[0]:
        back.recv(1)
    open('/opt/ml/model/' + me, 'w').write(str(rounds))
    print(me, 'ended', flush=True)
""")


@pytest.fixture
def chaos(tmp_path: Path) -> Iterator[Chaos]:
    """A short grace: hosts that are asked to stop here do not listen."""
    with TestServer(tmp_path / "data", {"stop_grace": "1"}) as running:
        made = Chaos(running)
        yield made
        kill(made.inside())


def folder(chaos: Chaos, name: str, host: str) -> Path:
    return next(iter(chaos.data.glob(f"jobs/*-{name.lower()}-*-{host}")))


def agent(chaos: Chaos, name: str, host: str) -> int:
    return int(json.loads((folder(chaos, name, host) / "pid").read_text())["pid"])


def ring(chaos: Chaos, **more: Any) -> str:
    """A job whose three hosts pass a token round; its name, once all are connected."""
    name = chaos.jobs.train(RING, ResourceConfig=THREE, **more)
    chaos.jobs.until(name, ["Training"])
    until(lambda: chaos.jobs.log(name).count("connected") == 3, why=lambda: chaos.jobs.log(name))
    return name


def networks(chaos: Chaos) -> set[str]:
    """The network namespaces of processes inside of sandboxes."""
    return {str(Path(f"/proc/{p.pid}/ns/net").readlink()) for p in chaos.inside()}


@pytest.mark.parametrize("host", ["algo-1", "algo-3"])
def test_an_agent_is_killed(chaos: Chaos, host: str) -> None:
    """An internal error; the other hosts, which notice nothing, are terminated; nothing stays."""
    name = ring(chaos, Environment={"deaf": "yes"})
    assert len(networks(chaos)) == 3
    os.kill(agent(chaos, name, host), signal.SIGKILL)
    job = chaos.jobs.ended(name)
    assert job["TrainingJobStatus"] == "Failed"
    assert job["FailureReason"].startswith("InternalServerError: ")
    chaos.settled()
    assert not list((chaos.data / "run").glob("*.met"))


def test_a_hosts_processes_are_killed(chaos: Chaos) -> None:
    """The host's failure is the job's: it has the exit code of SIGKILL."""
    name = ring(chaos, Environment={"deaf": "yes"})
    mine = folder(chaos, name, "algo-2").name
    inside = seeing(mine)
    programs = [p for p in inside if p.ppid() in {other.pid for other in inside}]
    assert programs
    kill(programs)
    job = chaos.jobs.ended(name)
    assert job["TrainingJobStatus"] == "Failed"
    assert job["FailureReason"].startswith("AlgorithmError: , exit code: 137")
    chaos.settled()


def test_the_server_is_killed_and_the_job_completes(chaos: Chaos) -> None:
    """The hosts go on talking while there is no server; the next one finds them at it, and takes in their end."""
    name = ring(chaos)
    before, then = {(p.pid, p.create_time()) for p in chaos.inside()}, time.time()
    for _ in range(2):
        chaos.restart()
        # one that was about to enter its sandbox at the first look may be there beside them, but none that is new
        there = {(p.pid, p.create_time()) for p in chaos.inside()}
        assert before <= there
        assert max(began for _, began in there) <= then
        assert chaos.jobs.sagemaker.describe_training_job(TrainingJobName=name)["SecondaryStatus"] == "Training"
    chaos.server.kill()
    (folder(chaos, name, "algo-1") / "ml" / "model" / "go").touch()
    until(lambda: not chaos.inside())
    chaos.server.start()
    job = chaos.jobs.ended(name)
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    rounds = {n: int(body) for n, body in chaos.jobs.members(job["ModelArtifacts"]["S3ModelArtifacts"]).items() if n != "go"}
    assert len(rounds) == 3
    assert min(rounds.values()) > 10
    chaos.settled()


def test_the_server_is_killed_while_the_hosts_gather(chaos: Chaos) -> None:
    """Whatever had been submitted by then, all three hosts end up in one network."""
    for delay in (0.0, 0.05, 0.1, 0.2):
        name = chaos.jobs.train(RING, ResourceConfig=THREE)
        time.sleep(delay)
        chaos.restart()
        chaos.jobs.until(name, ["Training"])
        (folder(chaos, name, "algo-1") / "ml" / "model" / "go").touch()
        job = chaos.jobs.ended(name)
        assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    chaos.settled()
