"""Whose Describe is held."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from sagewright.resources.patience import patient
from sagewright.stores.records import Record
from sagewright.wire.types import Call, Principal

SDK = "AWS-SageMaker-Python-SDK/2.257.7 Python/3.11"


async def held(agent: str, key: str, doc: dict[str, Any]) -> bool:
    """Whether a change of the record is waited for."""
    waited = []
    record = Record("TrainingJob", "1/r", "j", doc, 1, 0.0, 0.0, "InProgress")

    async def wait(*_: object) -> bool:
        waited.append(True)
        return False

    async def get(*_: object) -> Record:
        return record

    platform: Any = SimpleNamespace(
        reconciler=SimpleNamespace(settled=lambda _: False, changes=SimpleNamespace(waiter=lambda *_: None, wait=wait)),
        records=SimpleNamespace(get=get), clock=lambda: 0.0, settings=SimpleNamespace(patience=1.0),
    )
    call = Call("sagemaker", "DescribeTrainingJob", {}, Principal("arn", "1", "role", access_key=key), "1", "r", "id", user_agent=agent)
    assert await patient(platform, call, record) is record
    return bool(waited)


@pytest.mark.parametrize(("agent", "key", "expected"), [
    (SDK, "ASIAUSER", True), (SDK, "ASIAJOB", False), ("Boto3/1.42 m/B,b", "ASIAUSER", True), ("Boto3/1.42 m/b", "ASIAUSER", False),
])  # fmt: skip
async def test_who_polls_is_held_but_not_the_job_itself(agent: str, key: str, expected: bool) -> None:
    assert await held(agent, key, {"_access_keys": ["ASIAFIRST", "ASIAJOB"]}) is expected


async def test_without_keys_nobody_is_the_job() -> None:
    assert await held(SDK, "", {})
