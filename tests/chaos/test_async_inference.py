"""Asynchronous requests whose server is killed, while they come in and while they are worked off."""

from __future__ import annotations

from pathlib import Path

from sagewright.testing.flood import Flood
from sagewright.testing.server import TestServer


def test_every_request_is_answered_once(tmp_path: Path) -> None:
    """The full size of it: benchmarks/async_kill.py."""
    with TestServer(tmp_path / "data") as server:
        flood = Flood(server, 600, 40)
        flood.run(kills=3, seconds=240)
        flood.check()
