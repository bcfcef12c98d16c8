"""Git repositories that workspaces have from their start: named ones with their credentials, or bare URLs."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ...resources import paging
from ...resources.desk import Desk
from ...resources.platform import Platform
from ...resources.resource import Resource
from ...stores.records import Conflict, Put, Query, Record
from ...wire.errors import Invalid
from ...wire.types import Call

NOUN = "CodeRepository"
AUTHORITIES = "/opt/ml/workspace/git-authorities.pem"
"""Whom git in a workspace believes besides those that the machine believes."""
EVERY = 100_000
_FOLDER = re.compile(r"[^A-Za-z0-9._-]+")


@dataclass(frozen=True, slots=True)
class Repository:
    """What a workspace clones at its start, unless its folder is there already."""

    url: str
    branch: str = ""
    secret: str = ""
    """ARN of the secret with ``username`` and ``password``; the workspace's role asks for it, whenever git asks."""

    @property
    def folder(self) -> str:
        """What git would call it."""
        name = _FOLDER.sub("-", urlsplit(self.url).path.rstrip("/").rsplit("/", 1)[-1].removesuffix(".git")).strip(".-")
        return name or "repository"


def check_url(url: str) -> None:
    """Raises Invalid for a URL that says who asks: URLs are shown, and kept by git."""
    split = urlsplit(url)
    if "@" in split.netloc:
        raise Invalid("The URL of a repository may hold no user and no password: keep them in a secret, and name it in GitConfig.SecretArn.")
    if not split.hostname or url != url.strip() or any(ord(c) < 32 for c in url):
        raise Invalid(f"This is no URL of a repository: {url!r}")


async def prepare(platform: Platform, call: Call, doc: dict[str, Any]) -> None:
    check_url(doc["GitConfig"]["RepositoryUrl"])
    if doc["GitConfig"].get("Branch", "").startswith("-"):
        raise Invalid("The name of a branch does not begin with a hyphen.")


code_repository = Resource(NOUN, old=True, prepare=prepare, verbs=("Create", "Describe", "Delete"))


class CodeRepositories:
    """The verbs that the model cannot derive, and what names and URLs mean on one platform."""

    def __init__(self, desk: Desk) -> None:
        self.desk, self.platform = desk, desk.platform

    def install(self) -> None:
        self.platform.operations.bind("sagemaker", "ListCodeRepositories", self.show)
        self.platform.operations.bind("sagemaker", "UpdateCodeRepository", self.update, resources=self.desk.arns)

    async def show(self, call: Call) -> dict[str, Any]:
        shape = self.desk.shapes.list(call.operation)
        query = paging.query(call.params, name_member="Name", order=shape.order)
        records = await self.platform.records.find(NOUN, call.scope, query)
        answer: dict[str, Any] = {shape.member: [self.desk.view(r, shape.item) for r in records]}
        if len(records) == query.limit:
            answer["NextToken"] = paging.token(call.params, records[-1], query.sort_by)
        return answer

    async def update(self, call: Call) -> dict[str, Any]:
        """Another secret, from the next start on."""
        while True:
            record = await self.desk.find(call)
            doc = {
                **record.doc, "GitConfig": {**record.doc["GitConfig"], **call.params.get("GitConfig", {})},
                "LastModifiedTime": self.platform.clock(),
            }
            try:
                await self.platform.reconciler.commit(Put(record.kind, record.scope, record.key, doc, record.version, record.status, record.name))
            except Conflict:
                continue
            return {"CodeRepositoryArn": record.doc["CodeRepositoryArn"]}

    # -- for workspaces

    async def check(self, call: Call, given: Iterable[str]) -> None:
        """Raises Invalid for a name that no repository has, or a URL with credentials."""
        for one in given:
            if one.startswith("https://"):
                check_url(one)
            elif await self.platform.records.get(NOUN, call.scope, one.lower()) is None:
                raise self.desk.missing(call, one)

    async def meant(self, scope: str, given: Iterable[str]) -> list[Repository]:
        """Repositories by name or URL, in this order, each once. A URL that a named repository has, has that one's credentials.

        Raises:
            Invalid: a name that no repository has any more.
        """
        known = {record.name.lower(): _repository(record) for record in await self.platform.records.find(NOUN, scope, Query(limit=EVERY))}
        by_url = {one.url: one for one in known.values() if one.secret}
        found: dict[str, Repository] = {}
        for one in given:
            if not one.startswith("https://") and one.lower() not in known:
                raise Invalid(f"The code repository {one} is no more: name another one, or take it away.")
            repository = known[one.lower()] if not one.startswith("https://") else by_url.get(one, Repository(one))
            found.setdefault(repository.url, repository)
        return list(found.values())

    def environment(self, repositories: list[Repository], root: str) -> dict[str, str]:
        """What tells a workspace to clone them into its folder."""
        said, taken = [], set[str]()
        for one in repositories:
            folder = next(name for n in range(len(taken) + 1) if (name := one.folder + (f"-{n + 1}" if n else "")) not in taken)
            taken.add(folder)
            said.append({"url": one.url, "branch": one.branch, "secret": one.secret, "folder": f"{root}/{folder}"})
        return {"SAGEWRIGHT_REPOSITORIES": json.dumps(said)} if said else {}

    def files(self) -> dict[str, str]:
        """Raises Invalid: the file of the setting cannot be read."""
        path = self.platform.settings.git_authorities
        try:
            return {AUTHORITIES: Path(path).read_text()} if path else {}
        except (OSError, UnicodeDecodeError) as error:
            raise Invalid(f"The setting git_authorities names a file that cannot be read: {error}") from None


def named(doc: Mapping[str, Any]) -> list[str]:
    """The repositories of a notebook instance, the default one first."""
    first = doc.get("DefaultCodeRepository")
    return [*([first] if first else []), *(doc.get("AdditionalCodeRepositories") or [])]


def of_settings(settings: Mapping[str, Any], group: str) -> list[str]:
    """The repositories of an app's effective settings."""
    return [one["RepositoryUrl"] for one in settings.get(group, {}).get("CodeRepositories", ())]


def _repository(record: Record) -> Repository:
    git = record.doc["GitConfig"]
    return Repository(git["RepositoryUrl"], git.get("Branch", ""), git.get("SecretArn", ""))
