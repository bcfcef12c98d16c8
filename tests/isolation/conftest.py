"""A bench per test: a compute backend of its own, as root and, in a process of its own, as an ordinary user."""

from __future__ import annotations

import sys
import tempfile
import venv
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from sagewright.testing.compute import Bench


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder whose path is short enough for sockets and open to every user above it."""
    with tempfile.TemporaryDirectory(prefix="sw-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.fixture
async def bench(place: Path) -> AsyncIterator[Bench]:
    environment = Path(sys.prefix)
    if environment == Path(sys.base_prefix):  # an image's environment is never the machine's own Python
        environment = place / "environment"
        venv.create(environment, symlinks=True)
    running = await Bench(place / "data", place / "image", environment).open()
    if not running.compute.can["namespaces"]:
        await running.close()
        pytest.skip(f"no namespaces here: {running.compute.can.get('reason')}")
    yield running
    await running.close()
