"""Sealed statements are known again, and nothing else is."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from sagewright.adapters.sqlite.records import SqliteRecords
from sagewright.resources.seals import Seals


async def test_what_was_sealed_is_known_until_its_time(tmp_path: Any) -> None:
    records = SqliteRecords(tmp_path / "records.sqlite", durable=False)
    now = [1000.0]
    platform: Any = SimpleNamespace(records=records, clock=lambda: now[0])
    try:
        seals, other = Seals(platform, "A"), Seals(platform, "B")
        said = await seals.seal({"Who": "ada"}, 60)
        assert await Seals(platform, "A").opened(said, Who="ada") == {"Who": "ada", "Until": 1060}
        assert await seals.opened(said, Who="eve") is None
        assert await other.opened(said) is None
        text, _, seal = said.partition(".")
        assert await seals.opened(f"{text}x.{seal}") is None
        assert await seals.opened("") is None
        assert await seals.opened(text) is None
        now[0] = 1060.0
        assert await seals.opened(said) is None
    finally:
        await records.close()
