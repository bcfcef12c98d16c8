"""Clusters of instance groups by the SDK: its logs of all hosts, its channels for some of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sagewright.testing.jobs import PYTHON, Jobs
from sagewright.testing.sdk import run
from sagewright.testing.server import TestServer

SCRIPTS = Path(__file__).parent / "scripts"
pytestmark = pytest.mark.xdist_group("sdk")


def test_v2_trains_on_instance_groups(server: TestServer, capsys: pytest.CaptureFixture[str]) -> None:
    result = run(server, "v2", SCRIPTS / "v2_clusters.py", PYTHON)
    assert result["status"] == "Completed"
    assert [g["InstanceGroupName"] for g in result["resources"]["InstanceGroups"]] == ["feeders", "trainer"]
    assert not {"InstanceType", "InstanceCount"} & set(result["resources"])
    hosts = {name: json.loads(body) for name, body in Jobs(server, "cluster-sdk").members(result["model"]).items()}
    assert {name: (host["group"], host["type"], host["data"]) for name, host in hosts.items()} == {
        "algo-1.json": ("feeders", "ml.c5.xlarge", ["0", "2"]), "algo-2.json": ("feeders", "ml.c5.xlarge", ["1", "3"]),
        "algo-3.json": ("trainer", "ml.m5.large", None),
    }
    assert all(len(set(host["peers"])) == 3 for host in hosts.values())
    shown = capsys.readouterr().out
    for line in ("algo-1 of feeders", "algo-2 of feeders", "algo-3 of trainer"):
        assert line in shown, "fit() shows the logs of every host"
