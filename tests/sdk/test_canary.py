"""A canary that fails is taken back by an alarm on its own errors, by the SDKs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from sagewright.testing.sdk import run
from sagewright.testing.server import TestServer

EXAMPLE = Path(__file__).parents[2] / "examples" / "canary"
pytestmark = [pytest.mark.xdist_group("sdk-hosting"), pytest.mark.timeout(600)]


def a_bad_model_meets_a_tenth_of_the_requests(server: TestServer, sdk: str) -> None:
    """Long, because the alarm looks at most every ten seconds."""
    found = run(server, sdk, EXAMPLE / f"{sdk}.py", "10")
    assert found["statuses"][0] == "Updating"
    assert found["statuses"][-1] == "InService"
    assert found["stages"] == ["Creating", "ActivatingTraffic", "Baking"]
    assert found["serves"] == "good"
    assert "alarms are in ALARM" in found["reason"]
    assert 0 < found["failed"] < found["answered"]
    assert found["after"] == [160_000] * 20


@pytest.mark.ahead(what=a_bad_model_meets_a_tenth_of_the_requests)
@pytest.mark.parametrize("sdk", ["v2", "v3"])
def test_a_bad_model_meets_a_tenth_of_the_requests(ahead: Callable[[str], None], sdk: str) -> None:
    ahead(sdk)
