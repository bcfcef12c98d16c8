"""Identity over real records, called as the wire calls it, without the wire."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from sagewright.adapters.sqlite.records import SqliteRecords
from sagewright.settings import Settings
from sagewright.slices import identity
from sagewright.slices.identity.authority import LocalAuthority
from sagewright.wire.operations import Operations
from sagewright.wire.types import Call, Principal

ACCOUNT = "123456789012"


@dataclass
class Clock:
    now: float = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class House:
    """As much of a platform as identity stands on."""

    settings: Settings
    records: SqliteRecords
    clock: Clock
    operations: Operations = field(default_factory=Operations)
    starters: list[Any] = field(default_factory=list)
    closers: list[Any] = field(default_factory=list)
    authority: Any = None
    identity: Any = None
    ids: Any = field(default_factory=itertools.count)

    @property
    def local(self) -> LocalAuthority:
        assert isinstance(self.authority, LocalAuthority)
        return self.authority

    async def start(self) -> House:
        identity.install(self)  # type: ignore[arg-type]
        for start in self.starters:
            await start()
        return self

    async def __call__(self, service: str, operation: str, by: Principal | None = None, **params: Any) -> dict[str, Any]:
        """Authorised and run, as the dispatcher does."""
        bound = self.operations.get(service, operation)
        assert bound is not None, f"{service} {operation} is not bound"
        call = Call(
            service, operation, params, by or self.local.operator, ACCOUNT, "us-east-1", f"request-{next(self.ids)}"
        )
        action = bound.action or f"{service}:{operation}"
        for arn in bound.resources(call) if bound.resources else ("*",):
            self.local.authorize(call.principal, action, arn, {"aws:RequestedRegion": call.region})
        answer = await bound.handler(call)
        assert isinstance(answer, dict)
        return answer

    def principal(self, access_key: str) -> Principal:
        known = self.local.secret(access_key)
        assert known is not None
        return known[2]


async def house(data: Path, clock: Clock, **settings: Any) -> House:
    records = SqliteRecords(data / "records.db", clock=clock)
    return await House(Settings(data=data, **settings), records, clock).start()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def iam(tmp_path: Path, clock: Clock) -> AsyncIterator[House]:
    """A started identity slice."""
    made = await house(tmp_path, clock)
    yield made
    for close in made.closers:
        await close()
    await made.records.close()
