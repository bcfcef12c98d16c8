"""The Transformer of both SDKs."""

from __future__ import annotations

from pathlib import Path

import pytest

from sagewright.testing.models import SUM, Models
from sagewright.testing.sdk import run
from sagewright.testing.server import TestServer

pytestmark = pytest.mark.xdist_group("sdk")


@pytest.mark.parametrize("sdk", ["v2", "v3"])
def test_a_transformer_filters_joins_and_captures(server: TestServer, sdk: str) -> None:
    models = Models(server)
    models.put(f"{sdk}/in/rows.csv", "id1,1,2\nid2,3,4\n")
    said = run(server, sdk, Path(__file__).parent / "scripts" / "transform.py", models.model(SUM), models.bucket, sdk)
    cells = [row.split(",") for row in said["rows"]]
    assert [row[:2] for row in cells] == [["id1", "3"], ["id2", "7"]]
    assert all(len(row) == 4 and len(row[2]) == 36 for row in cells)
    assert sorted(key.split("/")[2] for key in said["captured"]) == ["input", "output"]
