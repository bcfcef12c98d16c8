"""Tuning by both SDKs, unmodified, in their own environments, against a real server."""

from __future__ import annotations

from pathlib import Path

import pytest

from sagewright.testing.sdk import run
from sagewright.testing.server import TestServer

SCRIPTS = Path(__file__).parent / "scripts"
pytestmark = [pytest.mark.xdist_group("sdk-tuning"), pytest.mark.timeout(600)]


def test_v2(server: TestServer) -> None:
    said = run(server, "v2", SCRIPTS / "v2_tuning.py", timeout=500)
    assert said["status"] == "Completed"
    assert said["trials"] == 12
    assert set(said["statuses"]) <= {"Completed", "Stopped"}
    assert said["best"] < 1 / 3 + 0.02
    assert said["best_job"] == said["frame_best"]
    assert said["hyperparameters"]["kind"].strip('"') == "plain"
    assert said["hyperparameters"]["_tuning_objective_metric"].strip('"') == "loss"
    assert said["attached"] == ["ml.m5.large", 30, ["CategoricalParameterRanges", "ContinuousParameterRanges", "IntegerParameterRanges"]]
    assert said["curve"] >= 1, "the best one's metrics are there to be drawn"
    assert said["warm"] == "IdenticalDataAndAlgorithm"
    assert said["overall"]
    assert said["band"] == "Completed"
    assert said["several"] == ["one", "two"]


def test_v3(server: TestServer) -> None:
    said = run(server, "v3", SCRIPTS / "v3_tuning.py", timeout=500)
    assert (said["status"], said["trials"]) == ("Completed", 6)
    assert said["completed"] == 6
    assert said["value"] < 1 / 3 + 0.2
    assert said["best"].startswith("v3tune") or said["best"]
