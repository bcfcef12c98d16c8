"""One wire for the tests of a module."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from .wireserver import build, serve
from .world import World, bind


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    wire = build(cors_origin="http://studio.test", max_body=1 << 20, max_payload=1 << 19)
    seen: dict[str, Any] = {"objects": {}, "folder": tmp_path_factory.mktemp("objects")}
    bind(wire, seen)
    with serve(wire.app) as url:
        yield url, wire, seen
