"""The same request twice at once, as a client sends it that has waited too long for the first answer."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sagewright.adapters.sqlite.records import SqliteRecords
from sagewright.slices.identity.vault import Vault
from sagewright.slices.secrets_manager.lifecycle import NOUN, SECRETS
from sagewright.slices.secrets_manager.store import Store
from sagewright.slices.secrets_manager.values import Values
from sagewright.stores.records import Put, Record
from sagewright.wire.errors import ServiceError
from sagewright.wire.types import Call, Principal

SCOPE = "123456789012/us-east-1"


class Crossed:
    """Records, where another request is carried out after the first look of this one."""

    def __init__(self, records: SqliteRecords) -> None:
        self.records, self.meanwhile = records, None

    async def get(self, *what: str) -> Record | None:
        found = await self.records.get(*what)
        if (meanwhile := self.meanwhile) is not None:
            self.meanwhile = None
            await meanwhile()
        return found

    def __getattr__(self, name: str) -> Any:
        return getattr(self.records, name)


@pytest.fixture
async def values(tmp_path: Path) -> AsyncIterator[Values]:
    records = SqliteRecords(tmp_path / "r.sqlite")
    doc = SECRETS.begin({"Name": "s", "ARN": "arn", "Tags": [], "_versions": {}}, 0.0)
    await records.commit(Put(NOUN, SCOPE, "s", doc, 0, "Active"))
    platform: Any = SimpleNamespace(records=Crossed(records), vault=Vault(tmp_path), clock=lambda: 1.0)
    yield Values(Store(platform))
    await records.close()


def put(text: str) -> Call:
    about = {"SecretId": "s", "SecretString": text, "ClientRequestToken": "t" * 32}
    return Call("secretsmanager", "PutSecretValue", about, Principal("", "123456789012", "a"), "123456789012", "us-east-1", "r")


async def test_both_are_answered_alike(values: Values) -> None:
    first: list[Any] = []

    async def other() -> None:
        first.append(await values.put(put("one")))

    values.platform.records.meanwhile = other  # type: ignore[attr-defined]
    assert await values.put(put("one")) == first[0]


async def test_another_value_is_refused(values: Values) -> None:
    async def other() -> None:
        await values.put(put("one"))

    values.platform.records.meanwhile = other  # type: ignore[attr-defined]
    with pytest.raises(ServiceError) as refused:
        await values.put(put("two"))
    assert refused.value.code == "ResourceExistsException"
