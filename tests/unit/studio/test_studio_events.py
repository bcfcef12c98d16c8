"""The stream of changes: each resource once, nothing missed silently, nothing of other places."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest

from sagewright.runtime.reconciler import Changes
from sagewright.slices.studio import events as module
from sagewright.slices.studio.events import Events
from sagewright.stores.records import Record
from sagewright.wire.errors import AccessDenied

HERE = "123456789012/us-east-1"


class Office:
    """What a stream needs of a platform, in memory."""

    def __init__(self) -> None:
        self.changes = Changes()
        self.kept: dict[tuple[str, str, str], Record] = {}
        self.alive = True
        resource = SimpleNamespace(noun="Model", service="sagemaker", arn_member="ModelArn", arn=lambda region, account, name: f"arn:{region}:{account}:model/{name}")
        platform: Any = SimpleNamespace(
            reconciler=SimpleNamespace(changes=self.changes), nouns={"model": SimpleNamespace(resource=resource)}, clock=lambda: 9.0,
            records=SimpleNamespace(get=self.get), authority=SimpleNamespace(authorize=self.authorize), identity=SimpleNamespace(role_principal=self.principal),
        )  # fmt: skip
        sessions: Any = SimpleNamespace(again=self.again)
        self.events = Events(platform, sessions)
        self.events.install()
        self.session: Any = SimpleNamespace(doc={"Scope": HERE}, acts_as=("role", "service"), profile=SimpleNamespace(doc={"UserProfileName": "ada"}))

    async def get(self, *what: str) -> Record | None:
        return self.kept.get(what)  # type: ignore[call-overload,no-any-return]

    async def principal(self, role: str, name: str, service: str) -> Any:
        return SimpleNamespace(arn=f"{role}/{name}")

    async def again(self, session: Any) -> Any:
        return session if self.alive else None

    def authorize(self, principal: Any, action: str, resource: str, context: Any) -> None:
        assert action == "sagemaker:DescribeModel"
        if "secret" in resource:
            raise AccessDenied("no")

    def write(self, name: str, scope: str = HERE, kind: str = "Model", version: int = 1) -> None:
        self.kept[kind, scope, name] = Record(kind, scope, name, {"ModelArn": f"arn:{name}"}, version, 1.0, 2.0, "InService", name)
        self.changes.notify(kind, scope, name)

    def delete(self, name: str) -> None:
        del self.kept["Model", HERE, name]
        self.changes.notify("Model", HERE, name)


def read(piece: bytes) -> tuple[str, dict[str, Any], str]:
    """(event, data, id) of one piece; a comment has neither."""
    lines = dict(line.split(": ", 1) for line in piece.decode().splitlines() if line and not line.startswith(":"))
    return lines.get("event", ""), json.loads(lines.get("data", "{}")), lines.get("id", "")


async def following(stream: AsyncIterator[bytes]) -> tuple[str, dict[str, Any], str]:
    return read(await anext(stream))


async def test_what_changed_is_told_once_with_its_last_state() -> None:
    office = Office()
    office.write("before")
    stream = office.events.stream(office.session, "")
    assert (await following(stream))[0] == "ready"
    for version in range(1, 50):
        office.write("busy", version=version)
    office.write("other")
    told = [await following(stream) for _ in range(2)]
    assert [(event, data["Name"], data["Version"]) for event, data, _ in told] == [("change", "busy", 49), ("change", "other", 1)]
    assert told[0][1] == {"Kind": "Model", "Name": "busy", "Arn": "arn:busy", "Status": "InService", "Version": 49, "Time": 2.0}
    office.delete("busy")
    assert (await following(stream))[1] == {"Kind": "Model", "Name": "busy", "Arn": "arn:us-east-1:123456789012:model/busy", "Deleted": True, "Time": 9.0}


async def test_nothing_of_other_regions_or_what_is_no_resource_or_denied() -> None:
    office = Office()
    stream = office.events.stream(office.session, "")
    await following(stream)
    office.write("elsewhere", scope="123456789012/eu-west-1")
    office.write("internal", kind="Task")
    office.write("secret")
    office.write("mine")
    assert (await following(stream))[1]["Name"] == "mine"


async def test_who_comes_back_gets_what_was_missed() -> None:
    office = Office()
    stream = office.events.stream(office.session, "")
    await following(stream)
    office.write("one")
    _, _, last = await following(stream)
    office.write("two")
    office.write("one", version=2)
    again = office.events.stream(office.session, last)
    assert (await following(again))[0] == "ready"
    assert [(await following(again))[1]["Name"] for _ in range(2)] == ["two", "one"]


async def test_what_is_forgotten_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "KEPT", 10)
    office = Office()
    stream = office.events.stream(office.session, "")
    _, _, last = await following(stream)
    for number in range(20):
        office.write(f"m{number}")
    assert (await following(stream))[0] == "resync"
    again = office.events.stream(office.session, last)
    assert (await following(again))[0] == "resync"
    office.write("after")
    for one in (stream, again):
        event, data, _ = await following(one)
        assert (event, data["Name"]) == ("change", "after")


@pytest.mark.parametrize("last", ["x", "00000000-1", "-", "-1", "BOOT-²"])
async def test_numbers_of_another_server_mean_nothing(last: str) -> None:
    office = Office()
    last = last.replace("BOOT", office.events.boot)
    assert (await following(office.events.stream(office.session, last)))[0] == "resync"
    future = f"{office.events.boot}-99"
    assert (await following(office.events.stream(office.session, future)))[0] == "resync"


async def test_a_quiet_stream_beats_and_ends_with_its_session(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BEAT", 0.01)
    office = Office()
    stream = office.events.stream(office.session, "")
    await anext(stream)
    assert await anext(stream) == b": beat\n\n"
    office.alive = False
    assert [piece async for piece in stream] == []


async def test_a_busy_stream_ends_with_its_session_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """However much there is to tell: who has signed out is told nothing."""
    monkeypatch.setattr(module, "BEAT", 0.3)
    office = Office()
    stream = office.events.stream(office.session, "")
    await anext(stream)
    office.alive = False
    told = 0

    async def others() -> None:
        while True:
            office.write("busy")
            await asyncio.sleep(0)

    busy = asyncio.create_task(others())
    try:
        async with asyncio.timeout(5):
            async for _ in stream:
                told += 1
    finally:
        busy.cancel()
    assert told > 0


async def test_a_stream_begins_after_what_its_page_knows() -> None:
    """What changes between a page's first look and its stream's first word is told."""
    office = Office()
    office.write("before")
    known = office.events.now
    office.write("between")
    stream = office.events.stream(office.session, known)
    assert (await following(stream))[0] == "ready"
    assert (await following(stream))[1]["Name"] == "between"


async def test_streams_end_at_shutdown() -> None:
    office = Office()
    stream = office.events.stream(office.session, "")
    await anext(stream)
    office.changes.close()
    assert [piece async for piece in stream] == []
