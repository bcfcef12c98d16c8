"""Asynchronous endpoints by the SDKs: waited for, not waited for, failed, and asked while nobody is there."""

from __future__ import annotations

from pathlib import Path

import pytest

from sagewright.testing.sdk import run
from sagewright.testing.server import TestServer

EXAMPLE = Path(__file__).parents[2] / "examples" / "async_inference"
pytestmark = [pytest.mark.xdist_group("sdk-hosting"), pytest.mark.timeout(600)]


@pytest.mark.parametrize("sdk", ["v2", "v3"])
def test_answers_come_later(server: TestServer, sdk: str) -> None:
    found = run(server, sdk, EXAMPLE / f"{sdk}.py")
    assert found["waited"] == [320_000]
    assert found["prices"] == [[155_000], [185_000], [215_000]]
    assert "could not convert string to float" in found["failure"]
    assert found["woken"] == [250_000]
    if sdk == "v2":
        assert found["told"] == ["Completed"] * 4 + ["Failed"]
