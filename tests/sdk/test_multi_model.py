"""A thousand models behind one endpoint, by both SDKs."""

from __future__ import annotations

from pathlib import Path

import pytest

from sagewright.testing.sdk import run
from sagewright.testing.server import TestServer

EXAMPLE = Path(__file__).parents[2] / "examples" / "multi_model"
pytestmark = [pytest.mark.xdist_group("sdk-hosting"), pytest.mark.timeout(600)]


@pytest.mark.parametrize("sdk", ["v2", "v3"])
def test_a_model_for_each_shop(server: TestServer, sdk: str) -> None:
    found = run(server, sdk, EXAMPLE / f"{sdk}.py", "1000")
    assert found["answered"] == 1100
    assert found["by_sdk"] == {"shop": 999, "sales": [1099.5]}
    assert found.get("listed", 1000) == 1000
    assert found["warm_ms"] < found["cold_ms"]
