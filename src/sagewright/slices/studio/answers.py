"""What every answer of the pages says to the browser, and how errors look."""

from __future__ import annotations

import json
from typing import Any

from ...wire.errors import AccessDenied, DomainError, Invalid, NotFound, ServiceError
from ...wire.http import Answer

ALONE = {
    "x-content-type-options": "nosniff", "referrer-policy": "no-referrer", "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}  # fmt: skip
SECRET = {"cache-control": "no-store"}


def policy(nonce: str = "") -> str:
    """The Content-Security-Policy. ``nonce``: of the style elements that a start page may make."""
    style = f"'self' 'nonce-{nonce}'" if nonce else "'self'"
    return (
        f"default-src 'none'; script-src 'self'; style-src {style}; connect-src 'self'; img-src 'self' data: blob:; font-src 'self'; "
        "worker-src 'self'; manifest-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
    )


def guarded(answer: Answer, nonce: str = "") -> Answer:
    """The answer with the headers that all have."""
    answer.headers |= {"content-security-policy": policy(nonce), **ALONE}
    return answer


def said(result: dict[str, Any] | None, **headers: str) -> Answer:
    """A JSON answer; 204 for None."""
    if result is None:
        return Answer(204, {**SECRET, **headers})
    return Answer(200, {"content-type": "application/json", **SECRET, **headers}, json.dumps(result).encode())


def refused(error: DomainError, request_id: str) -> Answer:
    """An error in the form of these endpoints."""
    code, status = next(((c, s) for kind, c, s in _KINDS if isinstance(error, kind)), ("InternalFailure", 500))
    if isinstance(error, ServiceError):
        code, status = error.code, error.status
    headers = {"content-type": "application/json", **SECRET}
    if "RetryAfter" in error.members:
        headers["retry-after"] = str(error.members["RetryAfter"])
    if "Allow" in error.members:
        headers["allow"] = error.members["Allow"]
    return Answer(status, headers, json.dumps({"__type": code, "message": error.message, "RequestId": request_id}).encode())


_KINDS: tuple[tuple[type[DomainError], str, int], ...] = (
    (Invalid, "ValidationException", 400), (AccessDenied, "AccessDeniedException", 403), (NotFound, "NotFound", 404),
)  # fmt: skip
