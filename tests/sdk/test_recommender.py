"""right_size() and the resources of SDK v3, as users run them."""

from __future__ import annotations

from pathlib import Path

import pytest

from sagewright.testing.sdk import run
from sagewright.testing.server import TestServer

EXAMPLE = Path(__file__).parents[2] / "examples" / "recommender"
pytestmark = [pytest.mark.xdist_group("sdk-hosting"), pytest.mark.timeout(600)]


def test_a_model_is_right_sized_and_deployed_as_recommended(server: TestServer) -> None:
    found = run(server, "v2", EXAMPLE / "v2.py", "1")
    assert found["recommended"] == 2
    assert found["most"] == sorted(found["most"], reverse=True), "of one price, the most invocations are the cheapest ones"
    assert (found["type"], found["count"]) == ("ml.t2.medium", 1)
    assert found["workers"], "the model that is deployed has the variables that were recommended"
    assert found["price"] == round(80 * sum((n % 97) / 97 for n in range(20_000)))


def test_the_resources_of_sdk_v3(server: TestServer) -> None:
    found = run(server, "v3", EXAMPLE / "v3.py", "1")
    assert found["status"] == "COMPLETED"
    assert found["steps"] == {"ml.t2.medium": "COMPLETED", "ml.m5.24xlarge": "FAILED"}
    assert found["most"] > 60
    low, high = found["capacity"]
    assert low == 1
    assert high >= 5
