"""The real SDKs, unmodified, in their own environments, against a real server. v2 and v3 cannot share one."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sagewright.testing.sdk import run
from sagewright.testing.server import TestServer

SCRIPTS = Path(__file__).parent / "scripts"
pytestmark = pytest.mark.xdist_group("sdk")  # the v2 flow runs once
POLL = 10.0
"""Seconds of the SDK's shortest poll interval."""


@pytest.fixture(scope="module")
def v2(server: TestServer, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return run(server, "v2", SCRIPTS / "v2_main.py", str(tmp_path_factory.mktemp("v2")))


def test_v2_predictions_are_good(v2: dict[str, Any]) -> None:
    assert np.allclose(v2["ridge"], v2["truth"], atol=0.5)
    assert np.corrcoef(v2["xgboost"], v2["truth"])[0, 1] > 0.9
    assert v2["lines"] == 50
    assert v2["batch_first"] == pytest.approx(v2["xgboost"][0], abs=1e-5)


def test_v2_metrics_by_regex_reach_describe(v2: dict[str, Any]) -> None:
    assert 0 < v2["metrics"]["validation:rmse"] < 1.5
    assert "train:rmse" in v2["metrics"]


def test_nobody_waits_for_a_poll(v2: dict[str, Any]) -> None:
    """The SDK sleeps 10 to 30 seconds between polls; patient answers make it return as the work ends."""
    assert v2["lag"] < POLL, v2["took"]


def test_v3_trains_and_deploys(server: TestServer, tmp_path: Path, v2: dict[str, Any]) -> None:
    s3 = server.client("s3")
    bucket = next(b["Name"] for b in s3.list_buckets()["Buckets"] if b["Name"].startswith("sagemaker-us-east-1-"))
    model = next(
        o["Key"] for o in s3.list_objects_v2(Bucket=bucket, Prefix="models/sagemaker-xgboost")["Contents"]
        if o["Key"].endswith("model.tar.gz")
    )
    image = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:1.7-1"
    result = run(server, "v3", SCRIPTS / "v3_main.py", str(tmp_path), image, f"s3://{bucket}/{model}")
    assert result["status"] == "Completed"
    assert np.isfinite(float(result["answer"]))
    where = result["artifact"].removeprefix(f"s3://{bucket}/")
    archive = s3.get_object(Bucket=bucket, Key=where)["Body"].read()
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        file = tar.extractfile("model.json")
        assert file is not None
        assert json.load(file) == {"mean": 2.0, "rows": 2, "scale": "2"}
