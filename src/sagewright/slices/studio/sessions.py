"""Sessions of the pages: opened by a one-time link or a password, ended by signing out, by time, or with their profile.

A session is a record under the digest of its secret, so that ending it ends it everywhere, and the keys that it was given with it.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote

from ...resources.platform import Platform
from ...resources.tickets import Tickets, digest
from ...stores.identity import JOBS, STUDIO
from ...stores.records import Conflict, Delete, Put, Query, Record
from ...wire.errors import AccessDenied, DomainError, Invalid
from ...wire.types import Call
from .lifecycle import DELETING, DOMAIN, FAILED, PENDING, PROFILE
from .opening import app_url
from .owner import Owner
from .places import HOME, Places
from .resources import profile_path, space_path
from .settings import effective

URLS, SESSIONS = "StudioPresignedUrl", "StudioSession"
URL_SECONDS, SESSION_SECONDS = 300, 43_200
"""Defaults: how long a link may be used, and how long what it opens lasts; longer lasts none."""
FRESH = 300.0
"""Seconds after a link was used in which its session may set a password without the current one."""
KEY_SECONDS = 3_600.0
EVERY = 1_000


@dataclass(frozen=True, slots=True)
class Session:
    """An open session, with what it is for as that stands now."""

    record: Record
    domain: Record
    profile: Record
    owner: str = ""
    """ARN of the owner's role, where it is the owner's session."""

    @property
    def doc(self) -> dict[str, Any]:
        return self.record.doc

    @property
    def role(self) -> str:
        """ARN of the role that its jobs and notebooks run with."""
        found: str = effective(self.domain.doc, self.profile.doc, None)["ExecutionRole"]
        return found

    @property
    def acts_as(self) -> tuple[str, str]:
        """ARN of the role that its keys are of, and the service that this role has to trust."""
        return (self.owner, STUDIO) if self.owner else (self.role, JOBS)


class Sessions:
    """Links and sessions of one platform."""

    def __init__(self, platform: Platform, places: Places, owner: Owner) -> None:
        self.platform, self.places, self.owner = platform, places, owner
        self.tickets = Tickets(platform, URLS)

    def install(self) -> None:
        self.platform.operations.bind("sagemaker", "CreatePresignedDomainUrl", self.presign, resources=self._arns)

    def _arns(self, call: Call) -> list[str]:
        return [self.places.profiles.arn(call, profile_path(call.params))] if "UserProfileName" in call.params else ["*"]

    async def presign(self, call: Call) -> dict[str, Any]:
        """A URL that opens a session once."""
        params = call.params
        domain = await self.places.usable(self.places.domains, call, params["DomainId"])
        if domain.doc["AuthMode"] != "IAM":
            raise Invalid("Presigned URLs are for domains whose AuthMode is IAM.")
        profile = await self.places.usable(self.places.profiles, call, profile_path(params))
        about = {"Scope": call.scope, "Profile": profile.key, "Who": call.principal.arn,
                 "Seconds": params.get("SessionExpirationDurationInSeconds", SESSION_SECONDS)}
        if "SpaceName" in params:
            about["SpaceName"] = (await self.places.usable(self.places.spaces, call, space_path(params))).name
        landing = params.get("LandingUri") or effective(domain.doc, profile.doc, None).get("DefaultLandingUri", "")
        seconds = params.get("ExpiresInSeconds", URL_SECONDS)
        if url := await app_url(self.places, call, profile, landing, seconds=seconds, lasts=about["Seconds"]):
            return {"AuthorizedUrl": url}
        self.owner.check(call, await self.owner.role(profile))
        about["Landing"] = landing_page(landing)
        token = await self.tickets.issue(about, seconds)
        return {"AuthorizedUrl": f"{call.endpoint or self.platform.endpoint}{HOME}auth?token={token}"}

    async def redeem(self, token: str) -> tuple[str, Session, str]:
        """(secret, session, landing page) for a link's token, the first time and in time. Raises AccessDenied."""
        about = await self.tickets.redeem(token)
        if about is None:
            raise AccessDenied("This sign-in link has been used or is too old: each is good once, for a few minutes. Ask for a new one.")
        doc = {"How": "link", "Who": about["Who"], "SpaceName": about.get("SpaceName")}
        secret, session = await self.open(about["Scope"], about["Profile"], about["Seconds"], doc)
        return secret, session, about["Landing"]

    async def open(self, scope: str, profile: str, seconds: float, more: dict[str, Any]) -> tuple[str, Session]:
        """(secret, session) of a new session for the profile with this key. Raises AccessDenied."""
        secret, now = secrets.token_urlsafe(32), self.platform.clock()
        doc = {**more, "Scope": scope, "Opened": now, "Until": now + seconds, "Keys": []}
        stale = await self.platform.records.find(SESSIONS, "", Query(created_before=now - SESSION_SECONDS, limit=100))
        put = Put(SESSIONS, "", digest(secret), doc, 0, parent=_parent(scope, profile), name=profile, created=now)
        await self.platform.records.commit(put, *(Delete(SESSIONS, "", old.key) for old in stale))
        session = await self.who(secret)
        if session is None:
            raise AccessDenied("The user profile cannot be used now.")
        return secret, session

    async def who(self, secret: str) -> Session | None:
        """The session of a secret, if it is good now."""
        record = await self.platform.records.get(SESSIONS, "", digest(secret)) if secret else None
        return None if record is None else await self._live(record)

    async def again(self, session: Session) -> Session | None:
        """The session as it stands now; None when it has ended."""
        record = await self.platform.records.get(SESSIONS, "", session.record.key)
        return None if record is None else await self._live(record)

    async def _live(self, record: Record) -> Session | None:
        if self.platform.clock() >= record.doc["Until"]:
            return None
        scope = record.doc["Scope"]
        profile = await self.platform.records.get(PROFILE, scope, record.name)
        domain = await self.platform.records.get(DOMAIN, scope, record.name.partition("/")[0])
        gone = any(one is None or one.status in (PENDING, DELETING, FAILED) for one in (profile, domain))
        if gone or profile is None or domain is None:
            return None
        return Session(record, domain, profile, await self.owner.role(profile))

    async def credentials(self, session: Session) -> dict[str, Any]:
        """Temporary keys of the role that the session acts as, for an hour or until it ends. Raises AccessDenied."""
        identity = self.platform.identity
        if identity is None:
            raise AccessDenied("This server knows no roles.")
        seconds = min(KEY_SECONDS, session.doc["Until"] - self.platform.clock())
        name = session.profile.doc["UserProfileName"]
        role, service = session.acts_as
        try:
            principal = await identity.role_principal(role, name, service)
            keys = await identity.role_credentials(role, name, seconds, service)
        except DomainError as error:
            raise AccessDenied(error.message) from None
        if not await self._keep(session, keys.access_key, keys.expires):
            await identity.revoke(keys.access_key)
            raise AccessDenied("The session has ended.")
        return {
            "AccessKeyId": keys.access_key, "SecretAccessKey": keys.secret_key, "SessionToken": keys.session_token,
            "Expiration": keys.expires, "RoleArn": role, "PrincipalArn": principal.arn,
        }  # fmt: skip

    async def _keep(self, session: Session, key: str, expires: float) -> bool:
        """Note a key with its session, whose end is the key's too. False if it has ended."""
        while record := await self.platform.records.get(SESSIONS, "", session.record.key):
            now = self.platform.clock()
            keys = [*(one for one in record.doc["Keys"] if one[1] > now), [key, expires]]
            put = Put(SESSIONS, "", record.key, {**record.doc, "Keys": keys}, record.version, name=record.name, parent=record.parent)
            try:
                await self.platform.records.commit(put)
            except Conflict:
                continue
            return True
        return False

    async def end(self, record: Record) -> None:
        """End a session and its keys."""
        while found := await self.platform.records.get(SESSIONS, "", record.key):
            try:
                await self.platform.records.commit(Delete(SESSIONS, "", found.key, found.version))
            except Conflict:
                continue  # it was given another key meanwhile, which has to end with it
            if self.platform.identity:
                for key, _ in found.doc["Keys"]:
                    await self.platform.identity.revoke(key)
            return

    async def end_all(self, scope: str, profile: str, but: str = "", how: str = "") -> None:
        """End the sessions of a profile: all, or all but one, or those opened in one way."""
        for record in await self.platform.records.find(SESSIONS, "", Query(parent=_parent(scope, profile), limit=EVERY)):
            if record.key != but and how in ("", record.doc["How"]):
                await self.end(record)


def _parent(scope: str, profile: str) -> str:
    return f"{scope}/{profile}"


def landing_page(uri: str) -> str:
    """The page that a LandingUri means, below the pages' address: ``studio::path`` is a path of ours, anything else is handed
    to the start page."""
    kind, _, path = uri.partition("::")
    # as a browser reads it: an encoded dot is a dot there
    parts = unquote(path.partition("?")[0]).split("/")
    if kind == "studio" and ".." not in parts and not path.startswith(("/", "\\")):
        return quote(path, safe="/?=&%:@+,;~-._")
    return f"?landing={quote(uri, safe='')}" if uri else ""
