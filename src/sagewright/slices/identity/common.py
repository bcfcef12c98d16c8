"""What the IAM operations share: pages, tags, names in messages, documents on the way out."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import quote

from ...stores.records import Record
from ...wire.errors import ServiceError
from ...wire.types import Call
from .authority import LocalAuthority
from .directory import GROUP, POLICY, ROLE, USER, Directory

NOUN = {USER: "user", ROLE: "role", GROUP: "group", POLICY: "policy"}
MAX_TAGS = 50


def no_such(message: str) -> ServiceError:
    return ServiceError("NoSuchEntity", message, 404)


def exists(message: str) -> ServiceError:
    return ServiceError("EntityAlreadyExists", message, 409)


def delete_conflict(message: str) -> ServiceError:
    return ServiceError("DeleteConflict", message, 409)


def limit_exceeded(what: str, limit: int) -> ServiceError:
    return ServiceError("LimitExceeded", f"Cannot exceed quota for {what}: {limit}", 409)


def invalid(message: str) -> ServiceError:
    return ServiceError("InvalidInput", message, 400)


def encoded(document: str) -> str:
    """A policy document as IAM answers with it: percent-encoded (RFC 3986); clients decode it."""
    return quote(document, safe="-_.~")


def page(call: Call, member: str, items: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """One page of (unique sort key, item), with IAM's Marker and IsTruncated.

    The marker holds the last key seen and a digest of the request, so that it survives changes in between and is not
    taken for another request.
    """
    request = {k: v for k, v in call.params.items() if k not in {"Marker", "MaxItems"}}
    said = json.dumps([call.operation, request], sort_keys=True, default=str)
    digest = hashlib.sha256(said.encode()).hexdigest()[:16]
    after = ""
    if marker := call.params.get("Marker"):
        try:
            theirs, after = json.loads(base64.urlsafe_b64decode(marker.encode()))
        except (ValueError, binascii.Error, TypeError):
            theirs = None
        if theirs != digest:
            raise ServiceError("ValidationError", "Invalid Marker.", 400)
    size = int(call.params.get("MaxItems", 100))
    rest = [(key, item) for key, item in sorted(items, key=lambda i: i[0]) if key > after or not marker]
    answer: dict[str, Any] = {member: [item for _, item in rest[:size]], "IsTruncated": len(rest) > size}
    if len(rest) > size:
        answer["Marker"] = base64.urlsafe_b64encode(json.dumps([digest, rest[size - 1][0]]).encode()).decode()
    return answer


def merge_tags(old: list[dict[str, str]], new: list[dict[str, str]]) -> list[dict[str, str]]:
    """Tag keys compare without case, as IAM's do; the newer spelling and value win."""
    if any(t["Key"].lower().startswith("aws:") for t in new):
        raise ServiceError("InvalidInput", "aws: prefixed tag key names are not allowed for external use.")
    merged = {t["Key"].lower(): {"Key": t["Key"], "Value": t.get("Value", "")} for t in (*old, *new)}
    if len(merged) > MAX_TAGS:
        raise limit_exceeded("TagsPerResource", MAX_TAGS)
    return list(merged.values())


class Base:
    """Operations on the directory, with the look-ups all of them need."""

    def __init__(self, authority: LocalAuthority) -> None:
        self.authority = authority
        self.directory: Directory = authority.directory
        self.account = authority.account

    async def entity(self, kind: str, name: str) -> Record:
        """Raises NoSuchEntity in AWS's words."""
        record = self.directory.get(kind, name)
        if record is None:
            raise no_such(f"The {NOUN[kind]} with name {name} cannot be found.")
        return record

    def arn(self, kind: str, path: str, name: str) -> str:
        return f"arn:aws:iam::{self.account}:{NOUN[kind]}{path}{name}"

    def about(self, kind: str, member: str) -> Callable[[Call], list[str]]:
        """The ARN a call acts on, for policies: the entity's own where it exists."""

        def arns(call: Call) -> list[str]:
            name = call.params.get(member) or (call.principal.name if kind == USER else "")
            record = self.directory.get(kind, name)
            return [record.doc["Arn"] if record else self.arn(kind, call.params.get("Path", "/"), name or "*")]

        return arns

    def own_user(self, call: Call) -> str:
        """The user a call means when it names none: the caller."""
        name: str | None = call.params.get("UserName")
        if name:
            return name
        if call.principal.kind != "user":
            raise ServiceError("ValidationError", "Must specify userName when calling with non-User credentials", 400)
        return call.principal.name


def view(record: Record, *members: str) -> dict[str, Any]:
    """The members of a document that it has and an answer may show."""
    doc: Mapping[str, Any] = record.doc
    return {m: doc[m] for m in members if doc.get(m) not in (None, [])}
