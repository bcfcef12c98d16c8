"""SDK v3 has Studio's resources, with waiters of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from sagewright.testing.sdk import run
from sagewright.testing.server import TestServer

SCRIPTS = Path(__file__).parent / "scripts"
pytestmark = pytest.mark.xdist_group("sdk")


def test_v3_makes_waits_and_deletes(server: TestServer) -> None:
    said = run(server, "v3", SCRIPTS / "v3_studio.py")
    assert said["config"] == "JupyterLab"
    assert said["spaces"] == ["notes"]
    assert "nothing here runs them" in said["app"]
    assert said["apps"] == ["Deleted"]
    assert "by-v3" not in said["domains"]
