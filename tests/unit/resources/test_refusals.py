"""What a role may read, asked before a job reads it."""

from __future__ import annotations

from fnmatch import fnmatchcase
from types import SimpleNamespace
from typing import Any

import pytest

from sagewright.resources.jobs import object_refusal, read_refusal


def platform(allowed: str, denied: str = "-") -> Any:
    """One whose roles may do something with the ARNs that match the one, and not the other."""

    async def check(role: str, action: str, resource: str) -> str:
        return "" if fnmatchcase(resource, allowed) and not fnmatchcase(resource, denied) else f"no {action} on {resource}"

    return SimpleNamespace(identity=SimpleNamespace(allowed=check))


B = "arn:aws:s3:::b/"


@pytest.mark.parametrize(("allowed", "denied", "prefix", "one"), [
    (f"{B}*", "-", True, True), ("*", f"{B}data*", False, False), ("*", f"{B}data", False, False), ("*", f"{B}data/x", True, True),
    (f"{B}data", "-", False, True), (f"{B}data*", "-", True, True), (f"{B}other*", "-", False, False),
])
async def test_a_statement_about_one_object(allowed: str, denied: str, prefix: bool, one: bool) -> None:
    """Denied, it is not read as the start of others; allowed, it is not enough for those."""
    assert (not await read_refusal(platform(allowed, denied), "role", "s3://b/data")) is prefix
    assert (not await object_refusal(platform(allowed, denied), "role", "s3://b/data")) is one
