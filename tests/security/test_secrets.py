"""Keys and tokens: files that only the owner reads, and no trace of them anywhere else."""

from __future__ import annotations

import json
import os
import stat
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
from botocore.credentials import Credentials

from sagewright.testing.jobs import Jobs
from sagewright.testing.names import unique

from .conftest import Fort, Wire


def everything_kept(data: Path) -> dict[str, bytes]:
    """Every file of a data directory but the two that hold keys."""
    found = {}
    for place, _, files in os.walk(data):
        for name in files:
            path = Path(place, name)
            if path.is_file() and not path.is_symlink() and name not in ("credentials.json", "secrets.key"):
                found[str(path.relative_to(data))] = path.read_bytes()
    return found


def test_modes_of_files(fort: Fort) -> None:
    """Nobody but the owner gets past the data directory, whoever made it; the keys are closed a second time."""
    data = fort.server.data
    assert stat.S_IMODE(data.stat().st_mode) == 0o700
    for name in ("credentials.json", "secrets.key", "records.sqlite"):
        assert stat.S_IMODE((data / name).stat().st_mode) == 0o600, name
    for name in ("jobs", "objects", "run"):
        assert stat.S_IMODE((data / name).stat().st_mode) == 0o700, name
    found = [Path(place, name) for place, _, files in os.walk(data) for name in files]
    assert not [p for p in found if p.exists() and not p.is_symlink() and p.stat().st_mode & 0o002], "writable by everybody"


SPY = """
import os, subprocess
for number in sorted((n for n in os.listdir('/proc') if n.isdigit()), key=int):
    for file in ('environ', 'cmdline', 'maps'):
        try:
            print(number, file, open('/proc/%s/%s' % (number, file), 'rb').read().replace(b'\\0', b' ')[:20000])
        except OSError as error:
            print(number, file, error)
for path in ('DATA', 'DATA/credentials.json', 'DATA/secrets.key', 'DATA/records.sqlite', 'DATA/jobs', 'DATA/objects', '/root', '/etc/shadow'):
    try:
        print('READ', path, os.listdir(path) if os.path.isdir(path) else open(path, 'rb').read(50))
    except OSError as error:
        print('refused', path, error.strerror)
print('done', flush=True)
while not os.path.exists('/opt/ml/model/go'):
    import time; time.sleep(0.02)
"""


def test_no_secret_leaves_its_place(fort: Fort) -> None:
    """Two jobs, one of which looks about; keys are neither in logs, records, audit, command lines nor other jobs' sight."""
    jobs, data = fort.jobs, fort.server.data
    secret = "hunter2-in-the-environment"
    hidden = jobs.train("import os; print(os.environ['AWS_SECRET_ACCESS_KEY'][:0], 'ready', flush=True)\n" + _wait(), Environment={"PASSWORD": secret})
    jobs.until(hidden, ["Training"])
    spy = jobs.train(SPY.replace("DATA", str(data)))
    jobs.until(spy, ["Training"])
    environment = _environment(data, hidden)
    keys = [fort.keys.secret_key, environment["AWS_SECRET_ACCESS_KEY"], environment["AWS_SESSION_TOKEN"], secret,
            json.loads((data / "credentials.json").read_text())["secret_key"], (data / "secrets.key").read_text().strip()]
    while "done" not in jobs.log(spy):
        jobs.until(spy, ["Training"])
    seen = _log(jobs, spy)
    assert "READ" not in "\n".join(line for line in seen.splitlines() if line.startswith("READ") and "/root" not in line), seen[-2000:]
    assert hidden not in seen.replace(spy, "")
    for key in keys:
        assert key not in seen, "another job's or the server's key"
    for process in fort.server.processes():
        line = " ".join(process.cmdline())
        assert not any(key in line for key in keys), line
    folders = {str(path) for path in (data / "jobs").iterdir()}
    for name, content in everything_kept(data).items():
        for key in keys:
            if key.encode() in content:
                if key == secret and name.startswith("records.sqlite"):
                    continue  # the user's own variable is part of the job, as DescribeTrainingJob shows it
                # the specification of a running task holds what its container gets; it goes with the task
                assert name.startswith("jobs/"), f"{name} holds a secret"
                assert name.endswith("spec.json"), name
                assert stat.S_IMODE((data / name).stat().st_mode) == 0o600, name
    assert folders
    for name in (hidden, spy):
        next(data.glob(f"jobs/*{name}*/ml/model")).joinpath("go").touch()
        assert jobs.ended(name)["TrainingJobStatus"] == "Completed"
    _keys_end_with_the_job(fort, environment)


def _wait() -> str:
    return "import time\nwhile not os.path.exists('/opt/ml/model/go'):\n    time.sleep(0.02)\n"


def _environment(data: Path, name: str) -> dict[str, str]:
    spec: Any = json.loads(next(data.glob(f"jobs/*{name}*/spec.json")).read_text())
    found: dict[str, str] = spec["env"]
    return found


def _log(jobs: Jobs, name: str) -> str:
    group = "/aws/sagemaker/TrainingJobs"
    lines = []
    for page in jobs.logs.get_paginator("filter_log_events").paginate(logGroupName=group, logStreamNamePrefix=f"{name}/"):
        lines += [event["message"] for event in page["events"]]
    return "\n".join(lines)


def _keys_end_with_the_job(fort: Fort, environment: dict[str, str]) -> None:
    keys = Credentials(environment["AWS_ACCESS_KEY_ID"], environment["AWS_SECRET_ACCESS_KEY"], environment["AWS_SESSION_TOKEN"])
    end = time.monotonic() + 10
    asked = Wire("GET", f"/{fort.jobs.bucket}")
    # cleaned up a moment after the status is final
    while any((fort.server.data / "jobs").iterdir()) or fort.send(fort.sign(asked, "s3", keys=keys)).status == 200:
        assert time.monotonic() < end, "the task stays, or its keys"
        time.sleep(0.01)
    while fort.working():
        assert time.monotonic() < end
        time.sleep(0.01)
    with fort.untouched():
        got = fort.send(fort.sign(asked, "s3", keys=keys))
        assert got.status == 403, "the keys of a job work after its end"
    for name, content in everything_kept(fort.server.data).items():
        assert keys.secret_key.encode() not in content, name
        assert keys.token.encode() not in content, name


def test_the_audit_trail_hides_what_is_secret(fort: Fort) -> None:
    iam, trail = fort.client("iam"), fort.client("cloudtrail")
    name = unique("audited")
    iam.create_user(UserName=name)
    made = iam.create_access_key(UserName=name)["AccessKey"]
    fort.client("sagemaker").create_model(
        ModelName=name, PrimaryContainer={"Image": "123456789012.dkr.ecr.us-east-1.amazonaws.com/python:3", "Environment": {"PASSWORD": "hunter3"}},
        ExecutionRoleArn=fort.jobs.role,
    )
    session = fort.client("sts").assume_role(RoleArn=fort.jobs.role, RoleSessionName="audited")["Credentials"]
    text = ""
    for page in trail.get_paginator("lookup_events").paginate():
        text += json.dumps(page["Events"], default=str)
    assert "CreateAccessKey" in text
    assert "CreateModel" in text
    for secret in (made["SecretAccessKey"], "hunter3", session["SecretAccessKey"], session["SessionToken"], fort.keys.secret_key):
        assert secret not in text
    for content in everything_kept(fort.server.data).values():
        for secret in (made["SecretAccessKey"], session["SecretAccessKey"], session["SessionToken"]):
            assert secret.encode() not in content
    log = fort.server.log()
    assert made["SecretAccessKey"] not in log
    iam.delete_access_key(UserName=name, AccessKeyId=made["AccessKeyId"])
    iam.delete_user(UserName=name)
    fort.client("sagemaker").delete_model(ModelName=name)


@pytest.mark.parametrize("file", ["environ", "cmdline"])
def test_the_servers_own_processes_say_nothing(fort: Fort, file: str) -> None:
    secret = fort.server.credentials()["secret_key"]
    for process in fort.server.processes():
        for one in (process, *process.children(recursive=True)):
            try:
                content = Path(f"/proc/{one.pid}/{file}").read_text(errors="replace")
            except (OSError, psutil.Error):
                continue
            assert secret not in content
