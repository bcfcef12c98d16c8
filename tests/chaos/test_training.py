"""A training job whose server is killed at each of its stages."""

from __future__ import annotations

import itertools
import os
import random
import signal
import threading
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
from botocore.exceptions import BotoCoreError, ClientError

from sagewright.testing.processes import living
from sagewright.testing.waiting import until

from .conftest import Chaos, counted, waiting

STAGES = ["Starting", "Downloading", "Training", "Uploading", "Completed"]


def passed(job: dict[str, Any]) -> list[str]:
    """The stages of a job: each once, in order, and each ends where the next begins."""
    transitions = job["SecondaryStatusTransitions"]
    for one, two in itertools.pairwise(transitions):
        assert one["EndTime"] == two["StartTime"]
    return [t["Status"] for t in transitions]


@pytest.mark.parametrize("delay", [0.0, 0.01, 0.03, 0.08, 0.2])
def test_starting(chaos: Chaos, delay: float) -> None:
    """Killed at once after the answer, and at moments of the start that nobody can see from outside."""
    name = chaos.jobs.train("print('ran', flush=True); open('/opt/ml/model/made', 'w').write('yes')")
    time.sleep(delay)
    chaos.restart()
    job = chaos.jobs.ended(name)
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    assert passed(job) == STAGES
    assert chaos.jobs.log(name) == "ran", "once"
    assert chaos.jobs.members(job["ModelArtifacts"]["S3ModelArtifacts"]) == {"made": b"yes"}
    chaos.settled()


def test_downloading(chaos: Chaos) -> None:
    """Inputs that the job may write to are copied: that takes a moment, in which the agent is held."""
    size = 64 * 2**20
    for number in range(6):
        chaos.jobs.put(f"checkpoints/{number}", bytes(size))
    code = "import os; print('seen', sum(os.path.getsize('/opt/ml/checkpoints/' + n) for n in os.listdir('/opt/ml/checkpoints')))"
    name = chaos.jobs.train(code, CheckpointConfig={"S3Uri": f"s3://{chaos.jobs.bucket}/checkpoints"})
    agent = chaos.agent(name)
    until(lambda: any((chaos.folder(name) / "ml" / "checkpoints").glob("*")))
    os.kill(agent, signal.SIGSTOP)
    chaos.jobs.until(name, ["Downloading"])
    chaos.restart()
    job = chaos.jobs.sagemaker.describe_training_job(TrainingJobName=name)
    assert job["SecondaryStatus"] == "Downloading"
    os.kill(agent, signal.SIGCONT)
    job = chaos.jobs.ended(name)
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    assert passed(job) == STAGES
    assert f"seen {6 * size}" in chaos.jobs.log(name)
    chaos.settled()


def test_training_goes_on(chaos: Chaos) -> None:
    """The very process goes on, twice, and its log has every line once."""
    name = chaos.jobs.train(waiting())
    chaos.jobs.until(name, ["Training"])
    until(lambda: len(chaos.inside()) > 0 and "line 20" in chaos.jobs.log(name))
    before = {(p.pid, p.create_time()) for p in chaos.inside()}
    for _ in range(2):
        lines = len(chaos.jobs.log(name))
        chaos.server.kill()
        assert {(p.pid, p.create_time()) for p in chaos.inside()} == before
        chaos.server.start()
        assert chaos.jobs.sagemaker.describe_training_job(TrainingJobName=name)["SecondaryStatus"] == "Training"
        until(lambda: len(chaos.jobs.log(name)) > lines)  # noqa: B023
    assert {(p.pid, p.create_time()) for p in chaos.inside()} == before
    chaos.let_go(name)
    job = chaos.jobs.ended(name)
    assert job["TrainingJobStatus"] == "Completed"
    assert passed(job) == STAGES
    assert counted(everything(chaos, name)) > 20
    chaos.settled()


def everything(chaos: Chaos, name: str) -> str:
    """A job's whole log."""
    group = "/aws/sagemaker/TrainingJobs"
    stream = chaos.jobs.logs.describe_log_streams(logGroupName=group, logStreamNamePrefix=f"{name}/")["logStreams"][0]["logStreamName"]
    lines: list[str] = []
    token: dict[str, str] = {}
    while True:
        page = chaos.jobs.logs.get_log_events(logGroupName=group, logStreamName=stream, startFromHead=True, **token)
        lines += [e["message"] for e in page["events"]]
        if token.get("nextToken") == page["nextForwardToken"]:
            return "\n".join(lines)
        token = {"nextToken": page["nextForwardToken"]}


def test_a_job_that_ends_while_no_server_is_there(chaos: Chaos) -> None:
    """It uploads and reports on its own; the next server finds it finished."""
    name = chaos.jobs.train(waiting("open('/opt/ml/model/made', 'w').write('alone')"))
    chaos.jobs.until(name, ["Training"])
    folder = chaos.folder(name)
    chaos.server.kill()
    (folder / "ml" / "model" / "go").touch()
    until(lambda: "Finished" in (folder / "events.jsonl").read_text())
    until(lambda: not chaos.inside())
    chaos.server.start()
    job = chaos.jobs.ended(name)
    assert job["TrainingJobStatus"] == "Completed"
    assert passed(job) == STAGES
    assert chaos.jobs.members(job["ModelArtifacts"]["S3ModelArtifacts"])["made"] == b"alone"
    counted(everything(chaos, name))
    chaos.settled()


def test_stopping(chaos: Chaos) -> None:
    """The stop is remembered: asked for once, the process gets SIGTERM once, and what it saves is kept."""
    handler = "signal.signal(signal.SIGTERM, lambda *_: print('term', flush=True))"
    name = chaos.jobs.train(waiting("open('/opt/ml/model/made', 'w').write('saved')", handler))
    chaos.jobs.until(name, ["Training"])
    until(lambda: "line 1" in chaos.jobs.log(name))
    chaos.jobs.sagemaker.stop_training_job(TrainingJobName=name)
    chaos.restart()
    job = chaos.jobs.until(name, ["Stopping"])
    until(lambda: "term" in chaos.jobs.log(name))
    chaos.restart()
    assert chaos.jobs.sagemaker.describe_training_job(TrainingJobName=name)["TrainingJobStatus"] == "Stopping"
    chaos.let_go(name)
    job = chaos.jobs.ended(name)
    assert job["TrainingJobStatus"] == "Stopped", job.get("FailureReason")
    assert chaos.jobs.members(job["ModelArtifacts"]["S3ModelArtifacts"])["made"] == b"saved"
    assert everything(chaos, name).splitlines().count("term") == 1
    chaos.settled()


def test_uploading(chaos: Chaos) -> None:
    """No half archive is ever seen; the whole one is there in the end."""
    name = chaos.jobs.train("import os\nopen('/opt/ml/model/big', 'wb').write(os.urandom(2**25))\nprint('made', flush=True)")
    chaos.jobs.until(name, ["Uploading"])
    agent = chaos.agent(name)
    os.kill(agent, signal.SIGSTOP)
    chaos.restart()
    job = chaos.jobs.sagemaker.describe_training_job(TrainingJobName=name)
    assert job["SecondaryStatus"] == "Uploading"
    listed = chaos.jobs.s3.list_objects_v2(Bucket=chaos.jobs.bucket, Prefix=f"out/{name}/")
    assert listed["KeyCount"] == 0, "half an archive"
    os.kill(agent, signal.SIGCONT)
    job = chaos.jobs.ended(name)
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    assert passed(job) == STAGES
    assert len(chaos.jobs.members(job["ModelArtifacts"]["S3ModelArtifacts"])["big"]) == 2**25
    chaos.settled()


def test_a_killed_agent(chaos: Chaos) -> None:
    """The job fails and says why; its processes end with it. Also when no server looks."""
    seen, unseen = chaos.jobs.train(waiting()), chaos.jobs.train(waiting())
    for name in (seen, unseen):
        chaos.jobs.until(name, ["Training"])
    os.kill(chaos.agent(seen), signal.SIGKILL)
    assert chaos.jobs.ended(seen)["FailureReason"].startswith("InternalServerError: ")
    agent = chaos.agent(unseen)
    chaos.server.kill()
    os.kill(agent, signal.SIGKILL)
    until(lambda: not chaos.inside())
    chaos.server.start()
    job = chaos.jobs.ended(unseen)
    assert job["TrainingJobStatus"] == "Failed"
    assert job["FailureReason"].startswith("InternalServerError: ")
    chaos.settled()


def test_a_killed_launcher(chaos: Chaos) -> None:
    """Running jobs go on, and new ones start."""
    name = chaos.jobs.train(waiting())
    chaos.jobs.until(name, ["Training"])
    agents = {chaos.agent(name)}
    launchers = [p for p in chaos.server.processes() if "sagewright.agent.launcher" in p.cmdline() and p.pid not in agents]
    for launcher in launchers:
        launcher.kill()
    other = chaos.jobs.train("print('other')")
    assert chaos.jobs.ended(other)["TrainingJobStatus"] == "Completed"
    chaos.let_go(name)
    assert chaos.jobs.ended(name)["TrainingJobStatus"] == "Completed"
    counted(everything(chaos, name))
    chaos.settled()


def test_down_lets_jobs_go_on(chaos: Chaos) -> None:
    """SIGTERM, which ``sagewright down`` sends, ends the server alone; nothing idle stays behind without work."""
    name = chaos.jobs.train(waiting())
    chaos.jobs.until(name, ["Training"])
    before = {p.pid for p in chaos.inside()}
    chaos.server.stop()
    assert {p.pid for p in chaos.inside()} == before
    chaos.server.start()
    chaos.let_go(name)
    assert chaos.jobs.ended(name)["TrainingJobStatus"] == "Completed"
    counted(everything(chaos, name))
    chaos.settled()
    chaos.server.stop()
    until(lambda: not chaos.server.processes(), why=lambda: f"stays: {[p.cmdline() for p in chaos.server.processes()]}")


def test_a_killed_server_leaves_nothing_idle_behind(chaos: Chaos) -> None:
    chaos.jobs.ended(chaos.jobs.train("print('warm')"))
    chaos.settled()
    chaos.server.kill()
    until(lambda: not chaos.server.processes(), why=lambda: f"stays: {[p.cmdline() for p in chaos.server.processes()]}")


def test_a_storm(chaos: Chaos) -> None:
    """Jobs come in while the server is killed again and again: each that was accepted runs once and completes."""
    chance = random.Random(7)
    accepted: list[str] = []
    over = threading.Event()

    def create() -> None:
        for number in range(12):
            name = f"storm-{number}"
            while not over.is_set():
                try:
                    chaos.jobs.train("print('ran', flush=True)", TrainingJobName=name)
                except (BotoCoreError, ClientError) as error:
                    if "already exist" in str(error):  # accepted, though the answer was lost
                        break
                    time.sleep(0.05)  # the server is down
                    continue
                break
            accepted.append(name)

    creator = threading.Thread(target=create)
    creator.start()
    try:
        for _ in range(4):
            time.sleep(chance.uniform(0.05, 0.5))
            chaos.restart()
        creator.join(60)
    finally:
        over.set()
        creator.join()
    assert len(accepted) == 12
    for name in accepted:
        job = chaos.jobs.ended(name)
        assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
        assert passed(job) == STAGES
        assert chaos.jobs.log(name) == "ran", "once"
    assert not living(lambda p: p.status() == psutil.STATUS_STOPPED, chaos.server.processes())
    chaos.settled()


def test_agents_hold_their_own_locks(chaos: Chaos) -> None:
    """The launcher opens no store: an agent forked after that would believe that it holds its parent's locks."""
    name = chaos.jobs.train(waiting())
    chaos.jobs.until(name, ["Training"])
    chaos.jobs.ended(chaos.jobs.train("print('second')"))
    agent = chaos.agent(name)
    launcher = psutil.Process(agent).ppid()
    kept = {Path(f"/proc/{launcher}/fd/{fd}").readlink().suffix for fd in os.listdir(f"/proc/{launcher}/fd")}  # noqa: PTH208
    assert ".sqlite" not in kept
    locks = Path("/proc/locks").read_text()
    index = (chaos.data / "objects" / "index.sqlite").stat().st_ino
    holders = {int(line.split()[-4]) for line in locks.splitlines() if f":{index} " in line and "->" not in line}
    assert {agent, chaos.server.process.pid} <= holders  # type: ignore[union-attr]
    assert launcher not in holders
    chaos.let_go(name)
    chaos.jobs.ended(name)
    chaos.settled()
