"""The ways of serving a model as a user of the SDKs writes them: real-time, variants, streams, batch."""

from __future__ import annotations

from pathlib import Path

import pytest

from sagewright.testing.sdk import run
from sagewright.testing.server import TestServer

EXAMPLES = Path(__file__).parents[2] / "examples"
pytestmark = [pytest.mark.xdist_group("sdk-hosting"), pytest.mark.timeout(600)]
SDKS = pytest.mark.parametrize("sdk", ["v2", "v3"])


@SDKS
def test_real_time(server: TestServer, sdk: str) -> None:
    found = run(server, sdk, EXAMPLES / "realtime" / f"{sdk}.py")
    assert found["answers"] == {kind: [320_000, 160_000] for kind in ("csv", "json", "npy")}
    assert found["error"] == {"code": "ModelError", "status": 500}
    assert found["after"] == pytest.approx([352_000, 176_000])
    assert found["instances"] == 2


@SDKS
def test_variants(server: TestServer, sdk: str) -> None:
    found = run(server, sdk, EXAMPLES / "variants" / f"{sdk}.py")
    assert sum(found["shared"].values()) == 40
    assert found["shared"]["dear"] == pytest.approx(10, abs=2), "three to one, begun anew whenever the gateway hears of a change"
    assert found["named"] == {"dear": 5}
    assert found["shifted"] == {"cheap": [0, 1], "dear": [1, 1]}
    assert found["after"] == {"dear": 10}
    assert found["scaled"] == {"cheap": [0, 1], "dear": [1, 2]}


@SDKS
def test_streams(server: TestServer, sdk: str) -> None:
    found = run(server, sdk, EXAMPLES / "streaming" / f"{sdk}.py")
    assert found["said"] == ["it", "was", "the", "best", "of", "times"]
    assert found["behind"] < 0.8, "the first word must not wait for the last one, a second later"
    assert found["before"] == ["well", "then"]
    assert found["broken"] == "ModelStreamError"


@SDKS
def test_batch(server: TestServer, sdk: str) -> None:
    found = run(server, sdk, EXAMPLES / "batch" / f"{sdk}.py")
    assert found == {"right": {"north": True, "south": True}, "status": "Completed"}
