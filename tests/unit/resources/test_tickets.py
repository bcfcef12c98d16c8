"""Tickets are good once and in time; what is kept of them opens nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sagewright.adapters.sqlite.records import SqliteRecords
from sagewright.resources.browsers import check_origin, cookie
from sagewright.resources.tickets import STALE, Tickets
from sagewright.stores.records import Query
from sagewright.wire.errors import AccessDenied
from sagewright.wire.http import Request


class Clock:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[tuple[Tickets, Clock]]:
    records, clock = SqliteRecords(tmp_path / "records.sqlite", durable=False), Clock()
    platform: Any = SimpleNamespace(records=records, clock=clock)
    yield Tickets(platform, "Ticket"), clock
    await records.close()


async def test_a_ticket_is_good_once_whoever_asks_at_the_same_time(office: tuple[Tickets, Clock]) -> None:
    tickets, _ = office
    token = await tickets.issue({"Who": "ada"}, 300)
    found = await asyncio.gather(*(tickets.redeem(token) for _ in range(5)))
    assert [one["Who"] for one in found if one] == ["ada"]


@pytest.mark.parametrize(("after", "good"), [(0.0, True), (4.9, True), (5.0, False), (100.0, False)])
async def test_a_ticket_is_good_for_its_seconds(office: tuple[Tickets, Clock], after: float, good: bool) -> None:
    tickets, clock = office
    token = await tickets.issue({}, 5)
    clock.now += after
    assert (await tickets.redeem(token) is not None) is good
    assert await tickets.redeem(token) is None


async def test_a_ticket_for_something_else_is_not_used_up(office: tuple[Tickets, Clock]) -> None:
    tickets, _ = office
    token = await tickets.issue({"Server": "a"}, 300)
    assert await tickets.redeem(token, Server="b") is None
    assert await tickets.redeem(token, Server="a") is not None


async def test_what_is_kept_opens_nothing_and_is_swept(office: tuple[Tickets, Clock]) -> None:
    tickets, clock = office
    token = await tickets.issue({}, 300)
    (kept,) = await tickets.platform.records.find("Ticket", "", Query())
    assert token not in f"{kept.key} {kept.doc}"
    assert await tickets.redeem(kept.key) is None
    clock.now += STALE + 1
    later = await tickets.issue({}, 300)
    assert len(await tickets.platform.records.find("Ticket", "", Query())) == 1
    assert await tickets.redeem(later) is not None


@pytest.mark.parametrize(("header", "value"), [
    ("a=1", "1"), ("b=2; a=1", "1"), ('a="1"', "1"), ("b=2", ""), ("", ""), ("aa=2", ""), ('odd={"x":1}; a=1', "1"), ("b=2,a=1", "1"), ("a=x=y", "x=y"),
])  # fmt: skip
def test_cookies(header: str, value: str) -> None:
    assert cookie({"cookie": header}, "a") == value


@pytest.mark.parametrize(("headers", "said", "passes"), [
    ({}, False, True), ({}, True, False), ({"origin": "http://here:1"}, True, True), ({"origin": "http://HERE:1"}, True, True),
    ({"origin": "http://here:2"}, False, False), ({"origin": "null"}, False, False), ({"origin": ""}, True, False), ({"origin": "http://evil@here"}, False, False),
    ({"origin": "http://here:1", "sec-fetch-site": "cross-site"}, True, False), ({"sec-fetch-site": "same-site"}, False, False),
    ({"origin": "http://here:1", "sec-fetch-site": "same-origin"}, True, True),
])  # fmt: skip
def test_who_may_ask_for_a_change(headers: dict[str, str], said: bool, passes: bool) -> None:
    request = Request("POST", "/", "", {"host": "here:1", **headers})
    if passes:
        check_origin(request, said=said)
    else:
        with pytest.raises(AccessDenied):
            check_origin(request, said=said)
    check_origin(Request("GET", "/", "", {"host": "here:1", **headers}), said=said)
