"""Signing in and changing passwords in the audit trail, where a console's are: by the source ``signin``."""

from __future__ import annotations

from typing import Any

from ...resources.platform import Platform
from ...stores.records import Record
from ...wire.errors import DomainError
from ...wire.exchange import Exchange
from ...wire.types import Call, Principal
from .sessions import Session

SERVICE, LOGIN, PASSWORD = "signin", "ConsoleLogin", "ChangePassword"


class Trail:
    """The part of the audit trail that Studio's endpoints write; calls of the API are audited by themselves."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform

    async def signed_in(self, exchange: Exchange, session: Session) -> None:
        await self._write(exchange, session.profile, LOGIN, {LOGIN: "Success"}, await self._who(session), how=session.doc["How"])

    async def refused(self, exchange: Exchange, profile: Record) -> None:
        """A wrong password for a profile that exists; names that are made up are not kept."""
        nobody = Principal("", profile.scope.partition("/")[0], "anonymous")
        await self._write(exchange, profile, LOGIN, {LOGIN: "Failure"}, nobody, how="password")

    async def password(self, exchange: Exchange, session: Session) -> None:
        await self._write(exchange, session.profile, PASSWORD, {PASSWORD: "Success"}, await self._who(session), how=session.doc["How"])

    async def _who(self, session: Session) -> Principal:
        """The session of the role that the profile acts as; nobody where the role is gone."""
        nobody = Principal("", session.doc["Scope"].partition("/")[0], "anonymous")
        if self.platform.identity is None:
            return nobody
        try:
            role, service = session.acts_as
            found: Principal = await self.platform.identity.role_principal(role, session.profile.doc["UserProfileName"], service)
        except DomainError:
            return nobody
        return found

    async def _write(self, exchange: Exchange, profile: Record, event: str, result: dict[str, Any], who: Principal, how: str) -> None:
        account, _, region = profile.scope.partition("/")
        about = {"DomainId": profile.parent, "UserProfileName": profile.name, "Method": how}
        call = Call(
            service=SERVICE, operation=event, params=about, principal=who, account=account, region=region, request_id=exchange.request_id,
            user_agent=exchange.request.headers.get("user-agent", ""), source_ip=exchange.request.source_ip,
        )  # fmt: skip
        if record := self.platform.audit(call, result):
            await self.platform.records.commit(record)
