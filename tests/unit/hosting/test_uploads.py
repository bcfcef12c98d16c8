"""Captured data come to the store as soon as it takes them."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import orjson
import pytest

from sagewright.slices.hosting import uploads as module
from sagewright.slices.hosting.uploads import Uploads


class Store:
    """Fails in ways of its own a few times; ``stored`` is set with the first object."""

    def __init__(self, failures: int) -> None:
        self.failures = failures
        self.objects: dict[str, bytes] = {}
        self.stored = asyncio.Event()
        self.loop = asyncio.get_running_loop()

    def writer(self, bucket: str, key: str, new: Any) -> Any:
        if self.failures:
            self.failures -= 1
            raise RuntimeError("SlowDown")
        pieces: list[bytes] = []

        def commit() -> None:
            self.objects[f"{bucket}/{key}"] = b"".join(pieces)
            self.loop.call_soon_threadsafe(self.stored.set)

        return SimpleNamespace(write=pieces.append, commit=commit, abort=lambda: None)


async def test_a_store_that_fails_in_its_own_way_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "AGAIN", 0.01)
    store = Store(failures=2)
    platform: Any = SimpleNamespace(identity=None, objects=store, starters=[], closers=[])
    head = orjson.dumps({"Uri": "s3://b/capture/e/v/2026/01/02/03/04-05-006-x.jsonl", "Role": "r", "Kms": ""})
    (tmp_path / "one.ready").write_bytes(head + b"\n{}\n{}\n{cut off")
    uploads = Uploads(platform, str(tmp_path))
    uploads.start()
    await asyncio.wait_for(store.stored.wait(), 10.0)
    await uploads.close()
    assert store.objects == {"b/capture/e/v/2026/01/02/03/04-05-006-x.jsonl": b"{}\n{}\n"}
    assert not list(tmp_path.iterdir())
