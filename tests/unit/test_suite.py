"""What the suite itself relies on."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SHARED = """
import itertools
import pytest

numbers = itertools.count()
shown = []

@pytest.fixture(scope="session")
def server():
    names = set()
    yield names
    shown.append(names)

@pytest.fixture(scope="module")
def client(server):
    return server.add
"""
TRIED = """
from conftest import numbers, shown

def test_before(server):
    server.add("from before")

def test_made(server, client):
    assert "made" not in server
    client("made")
    assert next(numbers) == 1
    assert shown == [{"from before", "made"}], "the first server is taken down as it ever is"

def test_after(server):
    assert server == {"made"}, "those that come after share the new one"
"""


@pytest.mark.xdist_group("probe")
def test_groups_of_tests_stay_together(request: pytest.FixtureRequest) -> None:
    """Tests of a group share what is dear, such as a Ray cluster: spread over the workers, each worker would start its own."""
    if hasattr(request.config, "workerinput"):
        assert request.node.nodeid.endswith("@probe")


def test_what_is_tried_again_meets_nothing_of_its_first_try(tmp_path: Path) -> None:
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "conftest.py").write_text(SHARED)
    (tmp_path / "tests" / "test_tried.py").write_text(TRIED)
    command = [sys.executable, "-m", "pytest", "-q", "--rootdir", str(tmp_path), "-p", "no:cacheprovider", "-n", "0", "--reruns", "1"]
    environ = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    for plugin, said in (("-pno:sagewright", "2 failed"), ("-psagewright.testing.retries", "3 passed, 1 rerun")):
        ran = subprocess.run([*command, plugin, str(tmp_path)], capture_output=True, text=True, env=environ, check=False)
        assert said in ran.stdout, ran.stdout + ran.stderr
