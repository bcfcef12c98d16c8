"""Inference pipelines and containers that requests name, as users of the SDKs write them."""

from __future__ import annotations

from pathlib import Path

import pytest

from sagewright.testing.sdk import run
from sagewright.testing.server import TestServer

EXAMPLES = Path(__file__).parents[2] / "examples"
pytestmark = [pytest.mark.xdist_group("sdk"), pytest.mark.timeout(600)]
SDKS = pytest.mark.parametrize("sdk", ["v2", "v3"])


@SDKS
def test_a_serial_pipeline(server: TestServer, sdk: str) -> None:
    found = run(server, sdk, EXAMPLES / "serial_pipeline" / f"{sdk}.py", timeout=500)
    assert found["containers"] == 2
    assert found["answers"] == pytest.approx(found["truth"], rel=0.1)
    assert found["batch"] == pytest.approx(found["answers"])
    first = {"v2": "container-1", "v3": "prepare"}[sdk]
    assert f"from {first} with message" in found["refused"]


@SDKS
def test_containers_that_requests_name(server: TestServer, sdk: str) -> None:
    found = run(server, sdk, EXAMPLES / "multi_container" / f"{sdk}.py")
    assert found["mode"] == "Direct"
    assert found["answers"] == {"grams": pytest.approx([56.7, 6010.2]), "celsius": pytest.approx([-50 / 3, 100])}
    assert found["refused"] == ["ValidationError", "ValidationError"]
