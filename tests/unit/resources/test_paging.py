"""Tokens of lists: those that were never given out are refused, whatever they hold."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from sagewright.resources import paging
from sagewright.slices.tags import _offset
from sagewright.stores.records import Record
from sagewright.wire.errors import Invalid

RECORD = Record("Model", "s", "m", {}, 1, 5.0, 6.0, "InService", "M")


def query(**params: Any) -> Any:
    return paging.query(params, name_member="ModelName", order="Descending")


def test_a_token_leads_to_what_follows() -> None:
    token = paging.token({"NameContains": "a"}, RECORD, "created")
    assert query(NameContains="a", NextToken=token, MaxResults=3).after == (5.0, "m")
    with pytest.raises(Invalid, match="other parameters"):
        query(NameContains="b", NextToken=token)


@pytest.mark.parametrize("said", [b"5", b"null", b"[1]", b"{}", b'["x", {}, "m"]', b'["x", 1, 2]', b"[" * 6000, b"\xff", b""])
def test_what_is_no_token_is_refused(said: bytes) -> None:
    with pytest.raises(Invalid):
        query(NextToken=base64.urlsafe_b64encode(said).decode())


def test_what_a_token_holds_is_looked_at_before_it_is_believed() -> None:
    digest = json.loads(base64.urlsafe_b64decode(paging.token({}, RECORD, "name")))[0]
    with pytest.raises(Invalid):
        query(NextToken=base64.urlsafe_b64encode(json.dumps([digest, {"a": 1}, "m"]).encode()).decode())


@pytest.mark.parametrize("token", ["\u00b2", "\u0663", "9", "-1", "9" * 5000])
def test_tokens_of_tags_are_plain_numbers(token: str) -> None:
    with pytest.raises(Invalid):
        _offset(token, 3)
    assert _offset("3", 3) == 3
