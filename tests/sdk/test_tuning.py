"""Tuning by both SDKs, unmodified, in their own environments, against a real server."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sagewright.testing.server import TestServer

HERE = Path(__file__).parent
CLIENTS = HERE.parent.parent / ".cache" / "clients"
pytestmark = [pytest.mark.xdist_group("sdk-tuning"), pytest.mark.timeout(600)]


def run(server: TestServer, sdk: str, script: str) -> dict[str, Any]:
    python = CLIENTS / sdk / "bin" / "python"
    assert python.exists(), f"{python} is missing: run `make clients`"
    done = subprocess.run(
        [str(python), str(HERE / "scripts" / script)], env=server.environment(), capture_output=True, text=True, timeout=500,
    )
    assert done.returncode == 0, f"{done.stdout[-4000:]}\n{done.stderr[-4000:]}\n{server.log()}"
    sys.stdout.write(done.stdout[-3000:])
    return json.loads(next(line for line in done.stdout.splitlines() if line.startswith("RESULT "))[7:])  # type: ignore[no-any-return]


def test_v2(server: TestServer) -> None:
    said = run(server, "v2", "v2_tuning.py")
    assert said["status"] == "Completed"
    assert said["trials"] == 12
    assert set(said["statuses"]) <= {"Completed", "Stopped"}
    assert said["best"] < 1 / 3 + 0.02
    assert said["best_job"] == said["frame_best"]
    assert said["hyperparameters"]["kind"].strip('"') == "plain"
    assert said["hyperparameters"]["_tuning_objective_metric"].strip('"') == "loss"
    assert said["curve"] >= 1, "the best one's metrics are there to be drawn"
    assert said["warm"] == "IdenticalDataAndAlgorithm"
    assert said["overall"]
    assert said["band"] == "Completed"
    assert said["several"] == ["one", "two"]


def test_v3(server: TestServer) -> None:
    said = run(server, "v3", "v3_tuning.py")
    assert (said["status"], said["trials"]) == ("Completed", 6)
    assert said["completed"] == 6
    assert said["value"] < 1 / 3 + 0.2
    assert said["best"].startswith("v3tune") or said["best"]
