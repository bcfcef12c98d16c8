"""Servers that share the records: what one changes, the other sees, whenever it looks."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from sagewright.slices.identity import directory
from sagewright.slices.identity.directory import KEY, USER, Directory
from sagewright.slices.identity.vault import Vault
from sagewright.stores.records import Query, Record

from .conftest import ACCOUNT, Clock, House


async def test_what_is_changed_while_another_server_reads_is_seen(
    iam: House, clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The other server has read the users, and goes on to the keys, when a user loses her policy: it must come back for that."""
    monkeypatch.setattr(directory, "STALENESS", 0.01)
    here = Directory(iam.records, Vault(tmp_path), ACCOUNT, clock, shared=True)
    ann = await here.create(USER, "ann", {"UserName": "ann", "Policies": ["p"]})
    find = iam.records.find
    reached, go_on = asyncio.Event(), asyncio.Event()

    async def slowly(kind: str, scope: str | None, query: Query = Query()) -> list[Record]:
        if kind == KEY and not reached.is_set():
            reached.set()
            await go_on.wait()
        return await find(kind, scope, query)

    there = Directory(iam.records, Vault(tmp_path), ACCOUNT, clock, shared=True)
    monkeypatch.setattr(iam.records, "find", slowly)
    loading = asyncio.create_task(there.load())
    await reached.wait()
    await here.update(USER, "ann", lambda doc: doc.update(Policies=[]))
    go_on.set()
    await loading
    known: Any = there.get(USER, "ann")
    assert known.version == ann.version, "read before the change"
    seen = asyncio.Event()
    there.changed.append(seen.set)
    await there.watch()
    try:
        async with asyncio.timeout(30):
            await seen.wait()
    finally:
        await there.close()
    found: Any = there.get(USER, "ann")
    assert found.doc["Policies"] == []
