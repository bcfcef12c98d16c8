"""Secrets: which version is current, and the end of one that may be had back."""

from __future__ import annotations

from typing import Any

import pytest

from sagewright.runtime.lifecycle import Event
from sagewright.slices.secrets_manager.lifecycle import SECRETS
from sagewright.slices.secrets_manager.store import VERSIONS, staged
from sagewright.wire.errors import LimitExceeded


def kept(at: float) -> dict[str, Any]:
    return {"At": at, "Stages": []}


def test_stages_move_from_version_to_version() -> None:
    versions: dict[str, Any] = {}
    for n in range(3):
        versions = staged(versions, str(n), kept(n), ["AWSCURRENT"])
    assert {v: about["Stages"] for v, about in versions.items()} == {"0": [], "1": ["AWSPREVIOUS"], "2": ["AWSCURRENT"]}
    versions = staged(versions, "3", kept(3), ["AWSPENDING"])
    assert {v: about["Stages"] for v, about in versions.items()} == {"0": [], "1": ["AWSPREVIOUS"], "2": ["AWSCURRENT"], "3": ["AWSPENDING"]}


def test_old_versions_without_a_stage_go_first() -> None:
    versions: dict[str, Any] = {}
    for n in range(VERSIONS + 5):
        versions = staged(versions, str(n), kept(n), ["AWSCURRENT"])
    assert list(versions) == [str(n) for n in range(5, VERSIONS + 5)]
    full = {str(n): {"At": n, "Stages": [f"S{n}"]} for n in range(VERSIONS)}
    with pytest.raises(LimitExceeded):
        staged(full, "one more", kept(0), ["other"])


def test_a_purge_ends_only_what_was_deleted_for_that_time() -> None:
    doc = SECRETS.begin({}, 0.0)

    def after(name: str, at: float) -> bool:
        """Whether it is gone."""
        nonlocal doc
        stepped = SECRETS.step("k", doc, Event(name, {"At": at}), 0.0)
        if stepped:
            doc = stepped[0]
        return stepped is not None and stepped[1].remove

    after("Delete", 7.0)
    after("Restore", 0.0)
    assert "DeletedDate" not in doc
    assert not after("Purge", 7.0)
    after("Delete", 9.0)
    assert not after("Purge", 7.0)
    assert after("Purge", 9.0)
