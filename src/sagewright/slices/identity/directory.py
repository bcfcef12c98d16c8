"""Users, groups, roles, policies and keys: kept in records, read from memory.

IAM is global, so its documents live in the scope ``account/aws-global``. Every write goes to the records first and to
memory second. Several servers may share the records: a write bumps one epoch record, which the others watch, so that a
change made elsewhere is seen within ``STALENESS`` seconds; a session made elsewhere is read on its first use.
"""

from __future__ import annotations

import asyncio
import heapq
import logging
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from ...stores.records import Change, Conflict, Delete, Put, Query, Record, Records
from ...wire.errors import ServiceError
from ...wire.types import Principal
from .managed import MANAGED, PREFIX
from .vault import Vault, new_id, new_secret

USER, GROUP, ROLE, POLICY, KEY, SESSION, EPOCH = (
    "IamUser", "IamGroup", "IamRole", "IamPolicy", "IamAccessKey", "StsSession", "IamEpoch",
)  # fmt: skip
ENTITIES = (USER, GROUP, ROLE, POLICY, KEY)
STALENESS = 2.0
FOREVER = float("inf")
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Live:
    """A key that works, as the signature check needs it."""

    answer: tuple[str, str | None, Principal]
    expires: float


class Directory:
    """The one place that reads and writes identity documents."""

    def __init__(self, records: Records, vault: Vault, account: str, clock: Callable[[], float], shared: bool) -> None:
        self.records, self.vault, self.account, self.clock, self.shared = records, vault, account, clock, shared
        self.scope = f"{account}/aws-global"
        self._docs: dict[str, dict[str, Record]] = {kind: {} for kind in ENTITIES}
        self._live: dict[str, Live] = {}
        self._ending: list[tuple[float, str]] = []
        self._epoch: Any = None
        self._watcher: asyncio.Task[None] | None = None
        self.changed: list[Callable[[], None]] = []
        """Called after any change of users, groups, roles, policies."""

    # -- reading

    def get(self, kind: str, key: str) -> Record | None:
        return self._docs[kind].get(key.lower() if kind in (USER, GROUP, ROLE) else key)

    def all(self, kind: str) -> Iterator[Record]:
        """In order of their keys."""
        docs = self._docs[kind]
        return (docs[k] for k in sorted(docs))

    def live(self, access_key: str) -> Live | None:
        return self._live.get(access_key)

    def policy_text(self, arn: str) -> str | None:
        """The default version of a managed policy, ours or the account's."""
        if arn.startswith(PREFIX):
            found = MANAGED.get(arn.removeprefix(PREFIX))
            return found[1] if found else None
        record = self.get(POLICY, arn)
        return record.doc["Versions"][record.doc["DefaultVersionId"]]["Document"] if record else None

    # -- loading

    async def load(self) -> None:
        """Read everything anew."""
        # first: what another server changes from here on has another one, so that watch() comes back for it
        epoch = await self.records.get(EPOCH, self.scope, "epoch")
        docs: dict[str, dict[str, Record]] = {kind: {} for kind in ENTITIES}
        for kind in ENTITIES:
            async for record in self._every(kind):
                docs[kind][record.key] = record
        self._docs, self._epoch = docs, epoch and epoch.doc
        self._live = {k: v for k, v in self._live.items() if v.expires != FOREVER}
        for record in docs[KEY].values():
            self._enliven(record)
        for tell in self.changed:
            tell()

    async def load_sessions(self) -> None:
        async for record in self._every(SESSION):
            self._enliven(record)

    async def _every(self, kind: str) -> Any:
        after: tuple[Any, str] | None = None
        while True:
            page = await self.records.find(kind, self.scope, Query(after=after, limit=500, descending=False))
            for record in page:
                yield record
            if len(page) < 500:
                return
            after = (page[-1].created, page[-1].key)

    async def watch(self) -> None:
        """Begin to follow the other servers' changes, where there can be any."""
        if self.shared:
            self._watcher = asyncio.create_task(self._watch(), name="identity: follow other servers")

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(STALENESS)  # the records port has no notification between servers
            try:
                epoch = await self.records.get(EPOCH, self.scope, "epoch")
                if (epoch and epoch.doc) != self._epoch:
                    await self.load()
            except Exception:
                _log.exception("cannot read identities; trying again in %s s", STALENESS)

    async def close(self) -> None:
        if self._watcher:
            self._watcher.cancel()
            await asyncio.gather(self._watcher, return_exceptions=True)

    # -- writing

    async def create(self, kind: str, key: str, doc: dict[str, Any], name: str = "", parent: str = "") -> Record:
        """Raises Conflict if the key is taken."""
        key = key.lower() if kind in (USER, GROUP, ROLE) else key
        await self._commit(Put(kind, self.scope, key, doc, 0, name=name or key, parent=parent))
        return await self._reread(kind, key)

    async def update(self, kind: str, key: str, change: Callable[[dict[str, Any]], None]) -> Record:
        """Read, change in place, write; again from the start when somebody else was faster. ``change`` may raise.

        Raises:
            ServiceError: NoSuchEntity, it is gone meanwhile; ConcurrentModification.
        """
        for _ in range(8):
            record = await self.records.get(kind, self.scope, key)
            if record is None:
                raise ServiceError("NoSuchEntity", f"{key} cannot be found.", 404)
            doc = _copy(record.doc)
            change(doc)
            try:
                await self._commit(
                    Put(kind, self.scope, key, doc, record.version, record.status, record.name, record.parent)
                )
            except Conflict:
                continue
            return await self._reread(kind, key)
        raise ServiceError(
            "ConcurrentModification", f"Several requests change {key} at once. Wait a moment and try again.", 409
        )

    async def delete(self, record: Record, *also: Change) -> None:
        """Raises ConcurrentModification if it was changed since it was read."""
        try:
            await self._commit(Delete(record.kind, self.scope, record.key, record.version), *also)
        except Conflict:
            await self._reread(record.kind, record.key)
            raise ServiceError(
                "ConcurrentModification", f"{record.name} was changed meanwhile. Wait a moment and try again.", 409
            ) from None
        self._docs[record.kind].pop(record.key, None)
        self._live.pop(record.key, None)
        for tell in self.changed:
            tell()

    async def _commit(self, *changes: Change) -> None:
        epoch = {"Epoch": secrets.token_hex(8)}
        await self.records.commit(*changes, Put(EPOCH, self.scope, "epoch", epoch))
        if not self.shared:
            self._epoch = epoch  # with other servers about, a change of theirs may have come between: let watch() look

    async def _reread(self, kind: str, key: str) -> Record:
        record = await self.records.get(kind, self.scope, key)
        if record is None:
            raise ServiceError("NoSuchEntity", f"{key} cannot be found.", 404)
        self._docs[kind][key] = record
        if kind == KEY:
            self._enliven(record)
        for tell in self.changed:
            tell()
        return record

    # -- keys

    async def new_access_key(self, user: Record) -> tuple[Record, str]:
        """A key of a user, and its secret in clear: the only time it is seen."""
        access_key, secret = new_id("AKIA"), new_secret()
        doc = {
            "AccessKeyId": access_key,
            "UserName": user.doc["UserName"],
            "Status": "Active",
            "CreateDate": self.clock(),
            "_Secret": self.vault.seal(secret, access_key),
        }
        return await self.create(KEY, access_key, doc, parent=user.key), secret

    async def new_session(self, principal: Principal, seconds: float) -> tuple[str, str, str, float]:
        """(access key, secret, token, expiry) of temporary keys for a principal; its ``access_key`` is set to them."""
        access_key, secret, token = new_id("ASIA"), new_secret(), new_secret(180)
        expires = self.clock() + seconds
        doc = {
            "AccessKeyId": access_key,
            "Expires": expires,
            "_Secret": self.vault.seal(secret, access_key),
            "_Token": self.vault.seal(token, access_key),
            "Arn": principal.arn,
            "Kind": principal.kind,
            "UserId": principal.user_id,
            "Name": principal.name,
            "Policies": list(principal.session_policies),
        }
        put = Put(SESSION, self.scope, access_key, doc, 0, name=access_key, parent=principal.name)
        await self.records.commit(put, *self._expired())
        self._enliven(Record(SESSION, self.scope, access_key, doc, 1, self.clock(), self.clock()))
        return access_key, secret, token, expires

    def _expired(self) -> list[Change]:
        """Forget sessions that have ended: a few along with each new one, so that they never pile up."""
        gone: list[Change] = []
        while self._ending and self._ending[0][0] <= self.clock() and len(gone) < 20:
            _, key = heapq.heappop(self._ending)
            self._live.pop(key, None)
            gone.append(Delete(SESSION, self.scope, key))
        return gone

    async def end_session(self, access_key: str) -> None:
        await self.records.commit(Delete(SESSION, self.scope, access_key))
        if access_key.startswith("ASIA"):
            self._live.pop(access_key, None)

    async def lookup(self, access_key: str) -> Live | None:
        """The key from the records: another server may have made it. Cheap for ids that cannot be ours."""
        if len(access_key) != 20 or not access_key.startswith(("AKIA", "ASIA")):
            return None
        kind = KEY if access_key.startswith("AKIA") else SESSION
        record = await self.records.get(kind, self.scope, access_key)
        if record is None:
            self._live.pop(access_key, None)
            return None
        if kind == KEY:
            self._docs[KEY][access_key] = record
        self._enliven(record)
        return self._live.get(access_key)

    def _enliven(self, record: Record) -> None:
        doc, key = record.doc, record.key
        secret = self.vault.open(doc["_Secret"], key)
        if secret is None:
            _log.error("access key %s was sealed with another secrets.key and cannot be used", key)
            return
        if record.kind == SESSION:
            token = self.vault.open(doc["_Token"], key)
            principal = Principal(
                doc["Arn"], self.account, doc["Kind"], doc["UserId"], key, doc["Name"], tuple(doc["Policies"])
            )
            if key not in self._live:
                heapq.heappush(self._ending, (doc["Expires"], key))
            self._live[key] = Live((secret, token, principal), doc["Expires"])
            return
        user = self.get(USER, doc["UserName"])
        if doc["Status"] != "Active" or user is None:
            self._live.pop(key, None)
            return
        principal = Principal(user.doc["Arn"], self.account, "user", user.doc["UserId"], key, user.doc["UserName"])
        self._live[key] = Live((secret, None, principal), FOREVER)


def _copy(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _copy(v) for k, v in value.items()}
    return [_copy(v) for v in value] if isinstance(value, list) else value
