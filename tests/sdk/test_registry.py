"""Both SDKs register models and deploy what they registered; v3 also makes a tracking server."""

from __future__ import annotations

from pathlib import Path

import pytest

from sagewright.testing.sdk import run
from sagewright.testing.server import TestServer

SCRIPTS = Path(__file__).parent / "scripts"
pytestmark = pytest.mark.xdist_group("sdk")
IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-base-python:3.11"


def test_v2_registers_and_deploys(server: TestServer) -> None:
    said = run(server, "v2", SCRIPTS / "v2_registry.py")
    assert said == {"versions": ["1", "2"], "approval": "Approved", "why": "looks good", "answer": "42.0"}


def test_v3_registers_and_tracks(server: TestServer) -> None:
    s3 = server.client("s3")
    bucket = "sagemaker-us-east-1-123456789012"
    if bucket not in [b["Name"] for b in s3.list_buckets()["Buckets"]]:
        s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key="registry/model.tar.gz", Body=b"x")
    said = run(server, "v3", SCRIPTS / "v3_registry.py", IMAGE)
    assert said["approval"] == "Approved"
    assert said["listed"] == [1, 2]
    assert said["package"] is True
    assert said["active"] == "Active"
