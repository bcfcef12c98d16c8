"""A record of the trail is stored once, and with the change where the operation can do that."""

from __future__ import annotations

from typing import Any

from sagewright.resources.auditor import Auditor
from sagewright.stores.records import Change
from sagewright.wire.types import Call, Principal, Reply

WHO = Principal("arn:aws:sts::123456789012:assumed-role/Job/one", "123456789012", "role", name="Job")


class Kept:
    """Records that only remember what is written."""

    def __init__(self) -> None:
        self.changes: list[Change] = []

    async def commit(self, *changes: Change) -> None:
        self.changes += changes


def call(operation: str, **params: Any) -> Call:
    return Call("sagemaker", operation, params, WHO, "123456789012", "us-east-1", "id")


async def test_one_record_a_call() -> None:
    kept = Kept()
    auditor = Auditor(kept, lambda: 1.7e9)  # type: ignore[arg-type]
    made = call("CreateModel", ModelName="m")
    put = auditor.change(made, {"ModelArn": "arn:aws:sagemaker:us-east-1:123456789012:model/m"})
    assert put is not None
    assert put.doc["responseElements"] == {"modelArn": "arn:aws:sagemaker:us-east-1:123456789012:model/m"}
    await auditor(made, None, Reply({}, audited=True))
    assert kept.changes == []
    await auditor(made, None, Reply({}))
    await auditor(made, RuntimeError("x"), None)
    assert len(kept.changes) == 2


def test_reading_leaves_no_record() -> None:
    assert Auditor(Kept(), lambda: 0.0).change(call("DescribeModel", ModelName="m"), {}) is None  # type: ignore[arg-type]
