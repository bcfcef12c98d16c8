"""A group that ends while a schedule is made in it: one of the two is first, and no schedule is left without a group."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sagewright.adapters.sqlite.records import SqliteRecords
from sagewright.slices.scheduler.groups import SCHEDULE, Groups
from sagewright.slices.scheduler.schedules import Schedules
from sagewright.stores.records import Query, Record
from sagewright.wire.errors import NotFound
from sagewright.wire.types import Call, Principal


class Crossed:
    """Records, where something else happens after the schedules of a group were listed, or before something is written."""

    def __init__(self, records: SqliteRecords) -> None:
        self.records, self.listed, self.writing = records, None, None

    async def find(self, kind: str, *more: Any) -> list[Record]:
        found = await self.records.find(kind, *more)
        if kind == SCHEDULE and (meanwhile := self.listed) is not None:
            self.listed = None
            await meanwhile()
        return found

    async def commit(self, *changes: Any) -> None:
        if (meanwhile := self.writing) is not None:
            self.writing = None
            await meanwhile()
        await self.records.commit(*changes)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.records, name)


class Office:
    def __init__(self, records: SqliteRecords) -> None:
        self.records = Crossed(records)
        platform: Any = SimpleNamespace(
            records=self.records, clock=lambda: 1.7e9, authority=None, identity=None, operations=SimpleNamespace(get=lambda *_: True),
            reconciler=SimpleNamespace(changed=lambda *_: None),
        )  # fmt: skip
        self.groups = Groups(platform)
        self.schedules = Schedules(platform, self.groups)

    def call(self, **params: Any) -> Call:
        return Call("scheduler", "", params, Principal("", "123456789012", "a"), "123456789012", "us-east-1", "r")

    async def group(self) -> None:
        await self.groups.create(self.call(Name="g"))

    async def schedule(self) -> None:
        about = {"Arn": "arn:aws:sqs:us-east-1:123456789012:q", "RoleArn": "arn:aws:iam::123456789012:role/r"}
        await self.schedules.create(self.call(Name="s", GroupName="g", ScheduleExpression="rate(1 day)", FlexibleTimeWindow={"Mode": "OFF"}, Target=about))

    async def end(self) -> None:
        await self.groups.delete(self.call(Name="g"))

    async def left(self) -> list[str]:
        return [one.key for one in await self.records.find(SCHEDULE, "123456789012/us-east-1", Query())]


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    records = SqliteRecords(tmp_path / "r.sqlite")
    made = Office(records)
    await made.group()
    yield made
    await records.close()


async def test_a_schedule_that_was_made_first_goes_too(office: Office) -> None:
    office.records.listed = office.schedule  # type: ignore[assignment]
    await office.end()
    assert await office.left() == []


async def test_a_schedule_that_comes_later_finds_no_group(office: Office) -> None:
    office.records.writing = office.end  # type: ignore[assignment]
    with pytest.raises(NotFound):
        await office.schedule()
    assert await office.left() == []


async def test_schedules_that_are_made_at_once_are_both_there(office: Office) -> None:
    async def tagged() -> None:
        await office.groups.tag(office.call(ResourceArn="arn:aws:scheduler:us-east-1:123456789012:schedule-group/g", Tags=[{"Key": "a", "Value": "b"}]))

    office.records.writing = tagged  # type: ignore[assignment]
    await office.schedule()
    assert await office.left() == ["g/s"]
