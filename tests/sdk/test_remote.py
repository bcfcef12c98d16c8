"""@remote functions of both SDKs, unmodified."""

from __future__ import annotations

from pathlib import Path

import pytest

from sagewright.testing.sdk import run
from sagewright.testing.server import TestServer

SCRIPT = Path(__file__).parent / "scripts" / "remote.py"
REGISTRY = "081325390199.dkr.ecr.us-east-1.amazonaws.com"
pytestmark = pytest.mark.xdist_group("sdk")


@pytest.mark.parametrize(("sdk", "tag"), [("v2", "1.0"), ("v3", "3.0")])
def test_remote_functions(server: TestServer, sdk: str, tag: str) -> None:
    found = run(server, sdk, SCRIPT, f"{REGISTRY}/sagemaker-base-python-311:{tag}")
    assert found["result"]["sum"] == 42
    assert found["result"]["greeting"] == "hello"
    assert found["raised"] == "'spoon'"
    assert found["several"] == [1, 2, 4]
    sagemaker = server.client("sagemaker")
    job = sagemaker.describe_training_job(TrainingJobName=found["result"]["job"])
    assert job["TrainingJobStatus"] == "Completed"
    assert job["WarmPoolStatus"]["Status"] == "Reused"
