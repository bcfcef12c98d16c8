"""A shadow test from its start to the new model's promotion, by the SDKs."""

from __future__ import annotations

from pathlib import Path

import pytest

from sagewright.testing.sdk import run
from sagewright.testing.server import TestServer

EXAMPLE = Path(__file__).parents[2] / "examples" / "shadow"
pytestmark = [pytest.mark.xdist_group("sdk-hosting"), pytest.mark.timeout(600)]


@pytest.mark.parametrize("sdk", ["v2", "v3"])
def test_a_new_model_is_compared_and_promoted(server: TestServer, sdk: str) -> None:
    found = run(server, sdk, EXAMPLE / f"{sdk}.py")
    assert found["statuses"] == ["Running", "Completed"]
    assert found["during"] == [300_000] * 6
    assert found["different"] == [4, 5, 6]
    assert found["after"] == 320_000
    old, new = found["measured"]["old"], found["measured"]["new"]
    assert (old["errors"], new["errors"]) == (0, 0)
    assert new["latency"] >= 20, "it sleeps so many milliseconds"
