"""One stream of what happens to resources, for a browser: server-sent events of those that its profile's role may describe.

What has changed lately is kept in memory, each resource once, under a number that only grows. A stream reads what came after the
last number it told; a stream that lags behind what is kept is told so (``resync``), and reads its lists again.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from collections import OrderedDict
from collections.abc import AsyncIterator
from typing import Any

from ...resources.desk import Desk
from ...resources.platform import Platform
from ...stores.records import Record
from ...wire.errors import AccessDenied, DomainError
from ...wire.types import Principal
from .sessions import Session, Sessions

KEPT = 4_096
"""Resources whose last change is remembered."""
BEAT = 15.0
"""Seconds between signs of life; as often it is seen whether the session still stands, however much there is to tell."""
PULSE = ("StudioEvents", "", "")
"""What streams wait for; the waiting, and its end at shutdown, are the reconciler's."""


class Events:
    """The stream of one platform."""

    def __init__(self, platform: Platform, sessions: Sessions) -> None:
        self.platform, self.sessions = platform, sessions
        self.boot = secrets.token_hex(4)
        self._number = 0
        self._lost = 0
        """The greatest number that is kept no more."""
        self._changed: OrderedDict[tuple[str, str, str], int] = OrderedDict()
        self._desks: dict[str, Desk] = {}

    def install(self) -> None:
        self.platform.reconciler.changes.listen(self.heard)

    def heard(self, kind: str, scope: str, key: str) -> None:
        """Something was written. What is no resource leaves the place to those that are."""
        if self._desk(kind) is None:
            return
        self._number += 1
        what = (kind, scope, key)
        self._changed[what] = self._number
        self._changed.move_to_end(what)
        if len(self._changed) > KEPT:
            _, self._lost = self._changed.popitem(last=False)
        self.platform.reconciler.changes.notify(*PULSE)

    @property
    def now(self) -> str:
        """The id of the last event that there was: what a stream begins after, so that nothing since is missed."""
        return f"{self.boot}-{self._number}"

    async def stream(self, session: Session, last: str) -> AsyncIterator[bytes]:
        """The events for a session from now on, or from the last one its browser has seen."""
        changes, clock = self.platform.reconciler.changes, asyncio.get_running_loop().time
        boot, _, told_last = last.partition("-")
        known = boot == self.boot and told_last.isdecimal() and self._lost <= int(told_last) <= self._number
        seen = int(told_last) if known else self._number
        yield b": hello\n\n" + self._event("resync" if last and not known else "ready", {}, seen)
        looked = clock()
        while not changes.closed:
            waiting = changes.waiter(*PULSE)  # before looking, so that no change is missed
            try:
                if seen < self._lost:
                    seen = self._number
                    yield self._event("resync", {}, seen)
                upto = self._number
                news = self._since(seen, session.doc["Scope"])
                principal = await self._principal(session) if news else None
                for number, what in news:
                    if principal is not None and (told := await self._told(principal, *what)):
                        yield self._event("change", told, number)
                seen = upto
                busy = self._number > upto or await changes.wait(waiting, BEAT)
                if busy and clock() - looked < BEAT:
                    continue
                fresh = await self.sessions.again(session)
                if fresh is None or changes.closed:
                    return
                session, looked = fresh, clock()
                yield b": beat\n\n"
            finally:
                waiting.cancel()

    def _since(self, seen: int, scope: str) -> list[tuple[int, tuple[str, str, str]]]:
        """(number, what) after a number, oldest first."""
        found = []
        for what, number in reversed(self._changed.items()):
            if number <= seen:
                break
            found.append((number, what))
        return [one for one in reversed(found) if one[1][1] == scope]

    async def _principal(self, session: Session) -> Principal | None:
        if self.platform.identity is None:
            return None
        try:
            role, service = session.acts_as
            found: Principal = await self.platform.identity.role_principal(role, session.profile.doc["UserProfileName"], service)
        except DomainError:
            return None  # the role is gone: nothing is told until it is back
        return found

    async def _told(self, principal: Principal, kind: str, scope: str, key: str) -> dict[str, Any] | None:
        """What a stream tells of a change; None if it is no resource, or not for this role."""
        desk = self._desk(kind)
        if desk is None:
            return None
        record = await self.platform.records.get(kind, scope, key)
        where = self._arn(desk, record, scope, key)
        authority = self.platform.authority
        try:
            if authority:
                authority.authorize(principal, f"{desk.resource.service}:Describe{kind}", where, {"aws:PrincipalArn": principal.arn})
        except AccessDenied:
            return None
        told: dict[str, Any] = {"Kind": kind, "Name": record.name if record else key.rpartition("/")[2], "Arn": where}
        if record is None:
            return {**told, "Deleted": True, "Time": self.platform.clock()}
        if record.status:
            told["Status"] = record.status
        return {**told, "Version": record.version, "Time": record.modified}

    def _desk(self, kind: str) -> Desk | None:
        if not self._desks:
            self._desks = {desk.resource.noun: desk for desk in self.platform.nouns.values()}
        return self._desks.get(kind)

    @staticmethod
    def _arn(desk: Desk, record: Record | None, scope: str, key: str) -> str:
        account, _, region = scope.partition("/")
        known = record.doc.get(desk.resource.arn_member) or record.doc.get("Arn") if record else None
        return str(known or desk.resource.arn(region, account, key))

    def _event(self, name: str, data: dict[str, Any], number: int) -> bytes:
        return f"id: {self.boot}-{number}\nevent: {name}\ndata: {json.dumps(data, separators=(',', ':'))}\n\n".encode()
