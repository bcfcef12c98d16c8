"""The AWS CLI, unmodified, with what ``sagewright env`` exports."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from sagewright.testing.jobs import Jobs
from sagewright.testing.server import TestServer

Aws = Callable[..., str]


@pytest.fixture(scope="module")
def jobs(server: TestServer) -> Jobs:
    return Jobs(server, "cli-bucket")


@pytest.fixture(scope="module")
def aws(server: TestServer) -> Aws:
    program = Path(sys.prefix) / "bin" / "aws"
    assert program.exists(), f"{program} is missing: run `make test`"
    environ = server.environment()

    def run(*words: str) -> str:
        done = subprocess.run([str(program), *words], env=environ, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, f"aws {' '.join(words)}\n{done.stderr}"
        return done.stdout

    return run


def test_files_go_up_and_down(aws: Aws, jobs: Jobs, tmp_path: Path) -> None:
    big = tmp_path / "big ü.bin"
    big.write_bytes(os.urandom(20_000_000))  # more than one part
    aws("s3", "cp", str(big), "s3://cli-bucket/up/big.bin")
    aws("s3", "cp", "s3://cli-bucket/up/big.bin", str(tmp_path / "back"))
    digests = {hashlib.sha256(p.read_bytes()).hexdigest() for p in (big, tmp_path / "back")}
    assert len(digests) == 1
    folder = tmp_path / "tree"
    (folder / "a").mkdir(parents=True)
    for name in ("one.txt", "a/two words.txt"):
        (folder / name).write_text(name)
    aws("s3", "sync", str(folder), "s3://cli-bucket/tree")
    listed = aws("s3", "ls", "--recursive", "s3://cli-bucket/tree")
    assert [line.split(None, 3)[3] for line in listed.splitlines()] == ["tree/a/two words.txt", "tree/one.txt"]
    assert aws("s3", "sync", str(folder), "s3://cli-bucket/tree") == "", "nothing has changed"
    aws("s3", "rm", "--recursive", "s3://cli-bucket/tree")
    assert json.loads(aws("s3api", "list-objects-v2", "--bucket", "cli-bucket", "--prefix", "tree") or "{}").get("Contents", []) == []


def test_a_presigned_address_needs_no_keys(aws: Aws, jobs: Jobs) -> None:
    import urllib.request

    jobs.put("shared.txt", "for you")
    url = aws("s3", "presign", "s3://cli-bucket/shared.txt").strip()
    with urllib.request.urlopen(url, timeout=10) as answer:
        assert answer.read() == b"for you"


def test_jobs_are_waited_for_listed_and_their_logs_followed(aws: Aws, jobs: Jobs) -> None:
    name = jobs.train("print('hello from the job')")
    aws("sagemaker", "wait", "training-job-completed-or-stopped", "--training-job-name", name)
    found = json.loads(aws("sagemaker", "list-training-jobs", "--name-contains", name, "--output", "json"))
    assert [(j["TrainingJobName"], j["TrainingJobStatus"]) for j in found["TrainingJobSummaries"]] == [(name, "Completed")]
    shown = aws("sagemaker", "describe-training-job", "--training-job-name", name, "--query", "SecondaryStatus", "--output", "text")
    assert shown.strip() == "Completed"
    # version 1 of the CLI has no `logs tail`
    events = json.loads(aws(
        "logs", "filter-log-events", "--log-group-name", "/aws/sagemaker/TrainingJobs", "--log-stream-name-prefix", name,
        "--output", "json",
    ))["events"]
    assert [event["message"] for event in events] == ["hello from the job"]


def test_who_am_i(aws: Aws, server: TestServer) -> None:
    said = json.loads(aws("sts", "get-caller-identity", "--output", "json"))
    assert said == {k: v for k, v in server.client("sts").get_caller_identity().items() if k != "ResponseMetadata"}


def test_an_error_reads_as_with_aws(server: TestServer) -> None:
    done = subprocess.run(
        [str(Path(sys.prefix) / "bin" / "aws"), "sagemaker", "describe-training-job", "--training-job-name", "no-such-job"],
        env=server.environment(), capture_output=True, text=True, timeout=60, check=False,
    )
    assert done.returncode in (254, 255)
    assert "(ResourceNotFound)" in done.stderr
    assert "Could not find training job" in done.stderr
