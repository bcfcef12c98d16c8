"""Data capture as the SDKs switch it on, off and elsewhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from sagewright.testing.sdk import run
from sagewright.testing.server import TestServer

EXAMPLE = Path(__file__).parents[2] / "examples" / "data_capture"
pytestmark = [pytest.mark.xdist_group("sdk-hosting"), pytest.mark.timeout(600)]


@pytest.mark.parametrize("sdk", ["v2", "v3"])
def test_capture_on_off_and_elsewhere(server: TestServer, sdk: str) -> None:
    found = run(server, sdk, EXAMPLE / f"{sdk}.py")
    assert found["first"] == [[f"{100 + n},4", f"[{300_000 + 3_000 * n}.0]", f"house-{n}"] for n in range(5)]
    assert found["again"] == [["endpointOutput"]]
    assert found["kept"] == 5
    on, off, again, last = found["statuses"]
    assert on == [True, "Started", 100, "captured"]
    assert off == ([False, "Stopped", 20, "data-capture"] if sdk == "v2" else None)
    assert again == [True, "Started", 100, "again"]
    assert last == ([True, "Started", 20, "data-capture"] if sdk == "v2" else again)
