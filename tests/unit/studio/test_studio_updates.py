"""Updates of one place at once: each is made of what the one before has left."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sagewright.adapters.sqlite.records import SqliteRecords
from sagewright.resources.desk import Desk
from sagewright.runtime.lifecycle import Instruction
from sagewright.runtime.reconciler import Job, Reconciler
from sagewright.slices.studio.lifecycle import APPLY, PROFILE, place
from sagewright.slices.studio.places import Updated
from sagewright.slices.studio.resources import profile_path, user_profile
from sagewright.slices.studio.settings import merged
from sagewright.stores.records import Put, Record
from sagewright.wire.types import Call, Principal

SCOPE, KEY = "123456789012/us-east-1", "d-1/ann"


class Profiles(Updated):
    """Profiles of which one caller's update can be held between its look and its change."""

    held: str = ""

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk, profile_path)
        self.looked, self.go = asyncio.Event(), asyncio.Event()

    async def changes(self, call: Call, record: Record) -> dict[str, Any]:
        if self.held in call.params["UserSettings"]:
            self.looked.set()
            await self.go.wait()
        return {"UserSettings": merged(record.doc["UserSettings"], call.params["UserSettings"])}


@pytest.fixture
async def profiles(tmp_path: Path) -> AsyncIterator[Profiles]:
    records = SqliteRecords(tmp_path / "r.sqlite")
    reconciler = Reconciler(records, time.time)
    reconciler.lifecycle(PROFILE, place(PROFILE))

    async def apply(job: Job) -> None:
        await job.send("Ready", Changes=job.args.get("Changes", {}))

    reconciler.executor(PROFILE, APPLY, apply)
    await reconciler.start()
    doc = {"UserProfileArn": "arn", "UserSettings": {"JupyterLabAppSettings": {"Kept": 1}}}
    await reconciler.create(Put(PROFILE, SCOPE, KEY, doc, name="ann"), Instruction(APPLY))
    yield Profiles(Desk(user_profile, SimpleNamespace(records=records, reconciler=reconciler)))  # type: ignore[arg-type]
    await reconciler.stop()
    await records.close()


def call(**settings: Any) -> Call:
    who = Principal("", "123456789012", "root")
    params = {"DomainId": "d-1", "UserProfileName": "ann", "UserSettings": settings}
    return Call("sagemaker", "UpdateUserProfile", params, who, who.account, "us-east-1", "r")


async def rested(profiles: Profiles) -> dict[str, Any]:
    """The document once the profile is in service."""
    reconciler = profiles.platform.reconciler
    while True:
        waiter = reconciler.changes.waiter(PROFILE, SCOPE, KEY)
        record = await reconciler.records.get(PROFILE, SCOPE, KEY)
        assert record is not None
        if reconciler.settled(record):
            waiter.cancel()
            return record.doc
        assert await reconciler.changes.wait(waiter, 5.0)


async def test_two_updates_of_different_members_are_both_kept(profiles: Profiles) -> None:
    await rested(profiles)
    profiles.held = "SecurityGroups"
    first = asyncio.create_task(profiles.update(call(SecurityGroups=["sg-1"])))
    await profiles.looked.wait()
    assert await profiles.update(call(JupyterLabAppSettings={"New": 2})) == {"UserProfileArn": "arn"}
    await rested(profiles)  # the second is through before the first goes on from what it saw
    profiles.go.set()
    await first
    settings = (await rested(profiles))["UserSettings"]
    assert settings == {"JupyterLabAppSettings": {"Kept": 1, "New": 2}, "SecurityGroups": ["sg-1"]}
