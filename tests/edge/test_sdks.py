"""A fleet of three devices takes a new model in stages, by the SDKs; one has no room for it and keeps the old one."""

from __future__ import annotations

import pytest

from sagewright.testing.sdk import run
from sagewright.testing.server import TestServer

from .conftest import REPOSITORY

pytestmark = [pytest.mark.xdist_group("sdk"), pytest.mark.timeout(600)]


@pytest.mark.parametrize("sdk", ["v2", "v3"])
def test_three_devices_and_two_versions(server: TestServer, edge_python: str, sdk: str) -> None:
    found = run(server, sdk, REPOSITORY / "examples" / "edge" / f"{sdk}.py", timeout=580, EDGE_PYTHON=edge_python)
    assert found["one"] == ["DEPLOYED"]
    assert found["two"] == ["DEPLOYED", "FAILED"]
    assert found["rest"] == {"oven": "DEPLOYED", "saw": "FAILED"}
    assert "RESOURCE_EXHAUSTED" in found["why"]
    versions = {device: version for device, (version, _) in found["answers"].items()}
    assert versions == {"press": "2", "oven": "2", "saw": "1"}
    predictions = {device: prediction for device, (_, prediction) in found["answers"].items()}
    assert predictions["press"] == predictions["oven"] != predictions["saw"]
    assert (found["captured"], found["connected"]) == (3, 3)
