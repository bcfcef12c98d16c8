"""Autoscaling by the SDKs' users: up from zero and down to zero, by what really waits."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from sagewright.testing.sdk import run
from sagewright.testing.server import TestServer

EXAMPLE = Path(__file__).parents[2] / "examples" / "autoscaling"
pytestmark = [pytest.mark.xdist_group("sdk-hosting"), pytest.mark.timeout(600)]


def up_and_down_to_zero(server: TestServer, sdk: str) -> None:
    """Long, because alarms look at most every ten seconds."""
    found = run(server, sdk, EXAMPLE / f"{sdk}.py")
    assert found["answers"] == [2.0 * number for number in range(30)]
    story = [(cause, int(said.rstrip(".").split()[-1])) for cause, said in found["story"]]
    assert (story[0], story[-1]) == (("idle", 0), ("idle", 0))
    # both alarms may speak at the same time: the larger wish wins
    assert ("more", 2) in story
    assert all(cause in ("idle", "wake", "more") for cause, _ in story)


@pytest.mark.ahead(what=up_and_down_to_zero)
@pytest.mark.parametrize("sdk", ["v2", "v3"])
def test_up_and_down_to_zero(ahead: Callable[[str], None], sdk: str) -> None:
    ahead(sdk)
