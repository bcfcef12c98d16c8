"""Repositories, their tags, and the token to push and pull with."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from ...resources.arn import parse
from ...resources.platform import Platform
from ...stores.image_registry import Repository
from ...wire.errors import ServiceError
from ...wire.types import Call
from . import common
from .tokens import USER, Tokens

LIMIT = 50
"""Tags a repository may have."""


class Repositories:
    """The operations of one platform."""

    def __init__(self, platform: Platform, tokens: Tokens) -> None:
        self.platform, self.tokens = platform, tokens

    def install(self) -> None:
        bind = self.platform.operations.bind
        for name, handler in (("CreateRepository", self.create), ("DeleteRepository", self.delete),
                              ("PutImageTagMutability", self.mutability)):
            bind("ecr", name, handler, resources=common.resources)
        bind("ecr", "DescribeRepositories", self.describe, resources=_named)
        bind("ecr", "GetAuthorizationToken", self.token)
        bind("ecr", "TagResource", self.tag, resources=_of_arn)
        bind("ecr", "UntagResource", self.untag, resources=_of_arn)
        bind("ecr", "ListTagsForResource", self.list_tags, resources=_of_arn)

    async def create(self, call: Call) -> dict[str, Any]:
        common.check_registry(call)
        params = call.params
        about = {
            "imageScanningConfiguration": params.get("imageScanningConfiguration", {"scanOnPush": False}),
            "encryptionConfiguration": params.get("encryptionConfiguration", {"encryptionType": "AES256"}),
            "tags": params.get("tags", []), "mutability": params.get("imageTagMutability", "MUTABLE"),
        }
        made = Repository(params["repositoryName"], self.platform.clock(), about["mutability"].startswith("IMMUTABLE"), about)
        await common.run(call, common.store(self.platform).create_repository, made)
        return {"repository": self._shown(call, made)}

    async def describe(self, call: Call) -> dict[str, Any]:
        common.check_registry(call)
        store, names = common.store(self.platform), call.params.get("repositoryNames")
        if names:
            return {"repositories": [self._shown(call, await common.run(call, store.repository, name)) for name in names]}
        shown, token = common.page(call, await common.run(call, store.repositories), lambda r: r.name)
        return {"repositories": [self._shown(call, r) for r in shown], **({"nextToken": token} if token else {})}

    async def delete(self, call: Call) -> dict[str, Any]:
        common.check_registry(call)
        store, name = common.store(self.platform), call.params["repositoryName"]
        gone = await common.run(call, store.repository, name)
        await common.run(call, store.delete_repository, name, call.params.get("force", False))
        return {"repository": self._shown(call, gone)}

    async def mutability(self, call: Call) -> dict[str, Any]:
        common.check_registry(call)
        store, wanted = common.store(self.platform), call.params["imageTagMutability"]
        found = await common.run(call, store.repository, call.params["repositoryName"])
        changed = replace(found, immutable=wanted.startswith("IMMUTABLE"), about={**found.about, "mutability": wanted})
        await common.run(call, store.update_repository, changed)
        return {"registryId": call.account, "repositoryName": found.name, "imageTagMutability": wanted}

    async def token(self, call: Call) -> dict[str, Any]:
        password, end = self.tokens.make(call.principal)
        data = {
            "authorizationToken": base64.b64encode(f"{USER}:{password}".encode()).decode(),
            "expiresAt": end,
            "proxyEndpoint": self._base(call),
        }
        return {"authorizationData": [data for _ in call.params.get("registryIds", [call.account])]}

    # -- tags

    async def tag(self, call: Call) -> None:
        new = {t["Key"]: t for t in call.params["tags"]}
        found = await self._of_arn(call)
        tags = [*(t for t in found.about.get("tags", []) if t["Key"] not in new), *new.values()]
        if len(tags) > LIMIT:
            raise ServiceError("TooManyTagsException", f"A repository can have at most {LIMIT} tags.", 400)
        await self._update(call, found, tags)

    async def untag(self, call: Call) -> None:
        found = await self._of_arn(call)
        await self._update(call, found, [t for t in found.about.get("tags", []) if t["Key"] not in call.params["tagKeys"]])

    async def list_tags(self, call: Call) -> dict[str, Any]:
        return {"tags": (await self._of_arn(call)).about.get("tags", [])}

    async def _of_arn(self, call: Call) -> Repository:
        return await common.run(call, common.store(self.platform).repository, parse(call.params["resourceArn"]).name)

    async def _update(self, call: Call, found: Repository, tags: list[Any]) -> None:
        changed = replace(found, about={**found.about, "tags": tags})
        await common.run(call, common.store(self.platform).update_repository, changed)

    # -- as answers show it

    def _base(self, call: Call) -> str:
        return call.endpoint or self.platform.endpoint

    def _shown(self, call: Call, repository: Repository) -> dict[str, Any]:
        """A repository's URI is one that pushes come here with: our own address, not AWS's."""
        about = repository.about
        return {
            "repositoryArn": common.repository_arn(call.region, call.account, repository.name),
            "registryId": call.account,
            "repositoryName": repository.name,
            "repositoryUri": f"{urlsplit(self._base(call)).netloc}/{repository.name}",
            "createdAt": repository.created,
            "imageTagMutability": about.get("mutability", "IMMUTABLE" if repository.immutable else "MUTABLE"),
            "imageScanningConfiguration": about.get("imageScanningConfiguration", {"scanOnPush": False}),
            "encryptionConfiguration": about.get("encryptionConfiguration", {"encryptionType": "AES256"}),
        }


def _of_arn(call: Call) -> list[str]:
    return [call.params["resourceArn"]]


def _named(call: Call) -> list[str]:
    names = call.params.get("repositoryNames") or ["*"]
    return [common.repository_arn(call.region, call.account, name) for name in names]
