"""Serverless endpoints by the SDKs: awake, asleep, in a burst, with another concurrency, and with instances in the end."""

from __future__ import annotations

from pathlib import Path

import pytest

from sagewright.testing.sdk import run
from sagewright.testing.server import TestServer

EXAMPLE = Path(__file__).parents[2] / "examples" / "serverless"
pytestmark = [pytest.mark.xdist_group("sdk-hosting"), pytest.mark.timeout(600)]


@pytest.mark.parametrize("sdk", ["v2", "v3"])
def test_it_sleeps_and_wakes(server: TestServer, sdk: str) -> None:
    found = run(server, sdk, EXAMPLE / f"{sdk}.py")
    assert found["awake"] == [320_000]
    assert found["woken"] == [155_000]
    assert found["burst"] == [metres * 3000 + 5000 for metres in range(10, 90, 10)]
    assert found["config"] == {"MemorySizeInMB": 1024, "MaxConcurrency": 5, "ProvisionedConcurrency": 1}
    assert found["instances"] == 1
    assert found["with_instances"] == [320_000]
