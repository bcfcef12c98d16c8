"""A bench per test: a compute backend of its own, as root and, in a process of its own, as an ordinary user."""

from __future__ import annotations

import tempfile
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
    running = await Bench(place / "data", place / "image").open()
    if not running.compute.can["namespaces"]:
        await running.close()
        pytest.skip(f"no namespaces here: {running.compute.can.get('reason')}")
    yield running
    await running.close()
