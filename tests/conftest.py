"""Fixtures for every test that needs a whole server: one a worker, shared by tests that do not disturb it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from sagewright.testing.ray import LocalCluster, local_cluster
from sagewright.testing.retries import pytest_runtest_setup  # noqa: F401
from sagewright.testing.server import TestServer

REPOSITORY = Path(__file__).parent.parent


def wheels() -> str:
    """Folders of wheels that pip is configured with; uv builds the images' environments and reads its own settings only."""
    command = [sys.executable, "-m", "pip", "config", "get", "global.find-links"]
    return ",".join(subprocess.run(command, capture_output=True, text=True, check=False).stdout.split())


# CI tries the same examples every time; at home each run looks for new ones
settings.register_profile("ci", derandomize=True)
if os.environ.get("CI"):
    settings.load_profile("ci")
# servers, agents and clients would each compile all that they import
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
os.environ.setdefault("UV_FIND_LINKS", wheels())
os.environ.setdefault("SAGEWRIGHT_ENVIRONMENTS", str(REPOSITORY / ".cache" / "environments"))


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestServer]:
    """A running server with the default settings."""
    with TestServer(tmp_path_factory.mktemp("server") / "data") as running:
        yield running


@pytest.fixture(scope="session")
def ray_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCluster]:
    """A Ray cluster of three nodes. A test that kills one starts it again."""
    with local_cluster(tmp_path_factory.mktemp("ray")) as running:
        yield running


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[TestServer]:
    """A running server that the test may kill."""
    with TestServer(tmp_path / "data") as running:
        yield running
