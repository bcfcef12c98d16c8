"""The example: three agents as processes, a staged deployment, one device that rolls back."""

from __future__ import annotations

import subprocess
import sys

from sagewright.testing.server import TestServer

from .conftest import AGENT, REPOSITORY


def test_three_devices_take_a_staged_deployment_and_one_keeps_its_version(server: TestServer, edge_python: str) -> None:
    environ = {**server.environment(), "EDGE_PYTHON": edge_python, "PYTHONPATH": str(AGENT)}
    done = subprocess.run(
        [sys.executable, str(REPOSITORY / "examples/edge/fleet.py")], env=environ, capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stderr
    said = done.stdout.splitlines()
    assert said[0] == "version 1: all DEPLOYED"
    assert said[1] == "version 2: first DEPLOYED rest FAILED"
    assert said[2].strip() == "oven DEPLOYED"
    assert said[3].startswith("saw FAILED rolled back: faults: RESOURCE_EXHAUSTED: the package has ")
    assert [line.split(":")[0] for line in said[4:7]] == [f"{d} predicts with version {v}" for d, v in (("press", 2), ("oven", 2), ("saw", 1))]
    assert said[4].split(": ")[1] == said[5].split(": ")[1] != said[6].split(": ")[1]
    assert said[7:] == ["3 samples captured; connected: 3 of 3", "versions: 1 on 1 2 on 2"]
