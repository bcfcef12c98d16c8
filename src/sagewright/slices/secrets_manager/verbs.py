"""Secrets by name: created, told of, listed, tagged, deleted and had back. No verb here sees a value."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

from ...runtime.lifecycle import Event
from ...stores.records import Conflict, Delete, Put, Query, Record
from ...wire.errors import LimitExceeded, NotFound, NotImplementedHere, ServiceError
from ...wire.types import Call
from .lifecycle import NOUN, SCHEDULED
from .store import CURRENT, Store, arns, name_of, refused, secret_arn

PAGE, EVERY, TAGS = 100, 100_000, 50
DAY, WINDOW = 86_400.0, 30
SHOWN = ("ARN", "Name", "Description", "KmsKeyId", "Tags", "CreatedDate", "LastChangedDate", "DeletedDate")
NOT_YET = ("AddReplicaRegions", "Type", "CrossAccountPrimaryARN")


class Verbs:
    """The verbs of secrets on one platform."""

    def __init__(self, store: Store) -> None:
        self.store, self.platform, self.records = store, store.platform, store.records

    def install(self) -> None:
        bind = self.platform.operations.bind
        for name, verb in (
            ("CreateSecret", self.create), ("DescribeSecret", self.describe), ("DeleteSecret", self.delete), ("RestoreSecret", self.restore),
            ("TagResource", self.tag), ("UntagResource", self.untag),
        ):
            bind("secretsmanager", name, verb, resources=arns)
        bind("secretsmanager", "ListSecrets", self.list)

    async def create(self, call: Call) -> dict[str, Any]:
        params, name = call.params, call.params["Name"]
        if member := next((m for m in NOT_YET if m in params), None):
            raise NotImplementedHere(f"CreateSecret with {member} is not implemented.")
        now, version = self.platform.clock(), params.get("ClientRequestToken") or str(uuid.uuid4())
        doc: dict[str, Any] = {m: params[m] for m in ("Name", "Description", "KmsKeyId") if m in params}
        doc |= {"ARN": secret_arn(call, name), "Tags": merged([], params.get("Tags", [])), "CreatedDate": now, "LastChangedDate": now, "_versions": {}}
        kept = self.store.sealed(call.scope, name, version, params)
        if kept is not None:
            doc = self.store.with_version(doc, version, kept, [CURRENT])
        try:
            await self.platform.reconciler.create(Put(NOUN, call.scope, name, doc, 0, name=name, created=now))
        except Conflict:
            return await self._again(call, name, version)
        return {"ARN": doc["ARN"], "Name": name, **({"VersionId": version} if kept else {})}

    async def _again(self, call: Call, name: str, version: str) -> dict[str, Any]:
        """The name is taken: fine when it was this very request that took it. Raises ServiceError."""
        old = await self.records.get(NOUN, call.scope, name)
        if old is not None and old.status == SCHEDULED:
            raise refused("You can't create this secret because a secret with this name is already scheduled for deletion.")
        given = {m: call.params[m] for m in ("SecretString", "SecretBinary") if m in call.params}
        if old is not None and version in old.doc["_versions"] and self.store.opened(old, version) == given:
            return {"ARN": old.doc["ARN"], "Name": name, "VersionId": version}
        raise ServiceError("ResourceExistsException", f"The operation failed because the secret {name} already exists.")

    async def describe(self, call: Call) -> dict[str, Any]:
        record = await self.store.find(call, ended=True)
        return {**shown(record), "VersionIdsToStages": stages(record)}

    async def list(self, call: Call) -> dict[str, Any]:
        """By name; what waits for its end only when asked for."""
        params = call.params
        found = await self.records.find(NOUN, call.scope, Query(sort_by="name", descending=False, limit=EVERY))
        if params.get("SortBy", "name") != "name":
            raise NotImplementedHere(f"ListSecrets sorts by name alone, not by {params['SortBy']}.")
        tests = [matcher(one) for one in params.get("Filters", [])]
        kept = [
            record for record in found
            if (record.status != SCHEDULED or params.get("IncludePlannedDeletion")) and all(test(record.doc) for test in tests)
        ]
        if params.get("SortOrder") == "desc":
            kept.reverse()
        if token := params.get("NextToken"):
            places = [place for place, record in enumerate(kept) if record.name == token]
            if not places:
                raise ServiceError("InvalidNextTokenException", "The NextToken value is invalid.")
            kept = kept[places[0] + 1 :]
        size = params.get("MaxResults", PAGE)
        more = {"NextToken": kept[size - 1].name} if len(kept) > size else {}
        return {"SecretList": [{**shown(r), "SecretVersionsToStages": stages(r)} for r in kept[:size]], **more}

    async def delete(self, call: Call) -> dict[str, Any]:
        """At once when forced, which is fine for what is not there too; else after 7 to 30 days."""
        force, days = call.params.get("ForceDeleteWithoutRecovery", False), call.params.get("RecoveryWindowInDays")
        if force and days is not None:
            raise ServiceError("InvalidParameterException", "You can't use ForceDeleteWithoutRecovery in conjunction with RecoveryWindowInDays.")
        if days is not None and not 7 <= days <= WINDOW:
            raise ServiceError("InvalidParameterException", f"The RecoveryWindowInDays value must be between 7 and {WINDOW} days (inclusive).")
        now = self.platform.clock()
        if force:
            name = name_of(call, call.params["SecretId"])
            await self.records.commit(Delete(NOUN, call.scope, name))
            return {"ARN": secret_arn(call, name), "Name": name, "DeletionDate": now}
        record, at = await self.store.find(call), now + (days or WINDOW) * DAY
        await self.platform.reconciler.send(NOUN, record.scope, record.key, Event("Delete", {"At": at}))
        return {"ARN": record.doc["ARN"], "Name": record.name, "DeletionDate": at}

    async def restore(self, call: Call) -> dict[str, Any]:
        record = await self.store.find(call, ended=True)
        after = await self.platform.reconciler.send(NOUN, record.scope, record.key, Event("Restore"))
        if after is None:
            raise NotFound("Secrets Manager can't find the specified secret.")
        return {"ARN": record.doc["ARN"], "Name": record.name}

    async def tag(self, call: Call) -> None:
        await self.store.change(call, lambda doc: {**doc, "Tags": merged(doc["Tags"], call.params["Tags"])})

    async def untag(self, call: Call) -> None:
        gone = set(call.params["TagKeys"])
        await self.store.change(call, lambda doc: {**doc, "Tags": [t for t in doc["Tags"] if t["Key"] not in gone]})


def shown(record: Record) -> dict[str, Any]:
    return {m: record.doc[m] for m in SHOWN if m in record.doc}


def stages(record: Record) -> dict[str, list[str]]:
    return {v: about["Stages"] for v, about in record.doc["_versions"].items() if about["Stages"]}


def merged(old: list[dict[str, str]], new: list[dict[str, str]]) -> list[dict[str, str]]:
    """Tags after more have come. Raises LimitExceeded."""
    tags = {t["Key"]: t for t in (*old, *new)}
    if len(tags) > TAGS:
        raise LimitExceeded(f"A secret has at most {TAGS} tags.")
    return list(tags.values())


def matcher(given: dict[str, Any]) -> Callable[[dict[str, Any]], bool]:
    """Whether a document passes one filter: any of its values, each a prefix, ``!`` before one for its contrary."""
    key = given["Key"]
    texts: dict[str, Callable[[dict[str, Any]], list[str]]] = {
        "name": lambda doc: [doc["Name"]],
        "description": lambda doc: [doc.get("Description", "").lower()],
        "tag-key": lambda doc: [t["Key"] for t in doc["Tags"]],
        "tag-value": lambda doc: [t.get("Value", "") for t in doc["Tags"]],
    }
    if key not in texts:
        raise NotImplementedHere(f"ListSecrets does not filter by {key}.")
    values = [v.lower() if key == "description" else v for v in given["Values"]]

    def passes(doc: dict[str, Any]) -> bool:
        have = texts[key](doc)
        return any(
            not any(text.startswith(value[1:]) for text in have) if value.startswith("!") else any(text.startswith(value) for text in have)
            for value in values
        )

    return passes
