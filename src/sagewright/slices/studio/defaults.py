"""What a new server has: a domain, and in it the profile of its owner, with the default execution role and a role of its own in browsers."""

from __future__ import annotations

import contextlib

from ...resources.platform import Platform
from ...runtime.lifecycle import Event
from ...stores.records import Put, Record
from ...wire.errors import AlreadyExists
from ...wire.types import Principal
from .lifecycle import DOMAIN, PROFILE
from .owner import KEY, KIND, OWNER, Owner
from .resources import profile_path

DOMAIN_NAME = "default"


class Defaults:
    """Makes them once in a server's life: whoever deletes them does not get them back."""

    def __init__(self, platform: Platform, owner: Owner) -> None:
        self.platform, self.owner = platform, owner

    def install(self) -> None:
        self.platform.starters.append(self.ensure)

    async def domain(self) -> str:
        """Id of the default domain, empty before there is one."""
        record = await self._made()
        return str(record.doc["DomainId"]) if record else ""

    async def _made(self) -> Record | None:
        s = self.platform.settings
        return await self.platform.records.get(KIND, f"{s.account}/{s.region}", KEY)

    async def ensure(self) -> None:
        operator = getattr(self.platform.authority, "operator", None)
        if not isinstance(operator, Principal):
            return
        s, made = self.platform.settings, await self._made()
        if made is not None and "Owner" in made.doc:
            return
        scope = f"{s.account}/{s.region}"
        # a data folder that is older than the owner's role has the domain already, or had it
        domain = str(made.doc["DomainId"]) if made is not None else await self._make(scope, operator)
        owner = await self.owner.enrol(scope, domain, operator)
        await self.platform.records.commit(Put(KIND, scope, KEY, {"DomainId": domain, "Owner": owner}))

    async def _make(self, scope: str, operator: Principal) -> str:
        """The domain's id. After a crash in the middle, what is there already is taken."""
        s, call = self.platform.settings, self.platform.api.call
        known = (await call("sagemaker", "ListDomains", {"MaxResults": 100}, operator))["Domains"]
        found = [d["DomainId"] for d in known if d["DomainName"] == DOMAIN_NAME]
        if not found:
            role = f"arn:aws:iam::{s.account}:role/{operator.name}"
            made = await call("sagemaker", "CreateDomain", {
                "DomainName": DOMAIN_NAME, "AuthMode": "IAM", "DefaultUserSettings": {"ExecutionRole": role},
            }, operator)  # fmt: skip
            found = [made["DomainId"]]
        domain = str(found[0])
        await self._ready(DOMAIN, scope, domain)
        with contextlib.suppress(AlreadyExists):  # a start that was killed got so far
            await call("sagemaker", "CreateUserProfile", {"DomainId": domain, "UserProfileName": OWNER}, operator)
        await self._ready(PROFILE, scope, profile_path({"DomainId": domain, "UserProfileName": OWNER}))
        return domain

    async def _ready(self, kind: str, scope: str, key: str) -> None:
        """They are there before the port opens; nothing has to be provided for them."""
        await self.platform.reconciler.offer(kind, scope, key, Event("Ready"))
