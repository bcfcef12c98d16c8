"""A request on its way to MLflow and back, over its Unix socket. Who may send it has been decided before."""

from __future__ import annotations

import json
from collections.abc import AsyncIterable, Mapping
from typing import Any

from ...gateway.answer import Broken
from ...wire.errors import AccessDenied, DomainError, Invalid, NotFound, ServiceError
from ...wire.http import Answer
from .access import check_body, is_artifact, shows_a_file
from .servers import Server

SECONDS = 300.0
"""Until MLflow begins to answer: a large artifact is on its way to S3 first."""
TOTAL = 3_600.0
SMALL = 2**20
"""Bytes up to which an artifact is read whole before it is sent on."""
_SENT = ("content-type", "accept", "accept-encoding", "accept-language", "user-agent", "range", "if-none-match", "if-modified-since", "if-range",
         "x-requested-with", "content-encoding")
_DROPPED = {"connection", "keep-alive", "transfer-encoding", "server", "date", "set-cookie"}
SANDBOX = "sandbox; default-src 'none'; img-src 'self' data:; style-src 'unsafe-inline'; media-src 'self'"


async def forward(
    server: Server, method: str, path: str, query: str, headers: Mapping[str, str], body: AsyncIterable[bytes], length: int | None,
    *, decoded: str, limit: int,
) -> Answer:
    """MLflow's answer, its body still on its way.

    Args:
        path: raw, below the server's own address; ``decoded`` is what it says.
        limit: bytes that a request may hold unless it carries an artifact.

    Raises:
        ServiceError: MLflow is not there (503: clients try again), or the request is too large.
        AccessDenied, Invalid: see ``check_body``.
    """
    content: bytes | AsyncIterable[bytes]
    if is_artifact(decoded) and (length is None or length > SMALL):
        content = body
    else:
        content = await _whole(body, limit)
        check_body(decoded, content)
    worker = server.worker
    if worker is None:
        raise unavailable(server)
    sent = {k: v for k, v in headers.items() if k in _SENT or (k.startswith("x-mlflow-") and not k.startswith("x-mlflow-sm-"))}
    try:
        answer, chunks = await worker.stream(
            method, f"{path}?{query}" if query else path, sent, content, seconds=SECONDS, total=TOTAL
        )
    except (Broken, TimeoutError) as error:
        raise ServiceError("TEMPORARILY_UNAVAILABLE", f"{server.arn} does not answer: {error}. Try again.", 503) from None
    except ValueError as error:
        raise Invalid(str(error)) from None
    kept = {k: v for k, v in answer.headers.items() if k not in _DROPPED and not k.startswith("access-control-")}
    kept |= {"x-content-type-options": "nosniff", "x-frame-options": "SAMEORIGIN"}
    if shows_a_file(decoded):
        kept["content-security-policy"] = SANDBOX
    if method == "HEAD" or answer.status in (204, 304):
        await chunks.aclose()
        return Answer(answer.status, kept)
    return Answer(answer.status, kept, chunks)


def unavailable(server: Server) -> ServiceError:
    """Why a server without a task does not answer: clients try 503 again, and give up at once otherwise."""
    state = server.doc["_state"]
    if server.doc.get("_task") or state in ("Updating", "Starting", "Creating"):
        return ServiceError("TEMPORARILY_UNAVAILABLE", f"{server.arn} is {state} and does not answer yet. Try again.", 503)
    return ServiceError("INVALID_STATE", f"{server.arn} is {state}. Start it with StartMlflowTrackingServer.", 400)


def refusal(status: int, code: str, message: str) -> Answer:
    """An error in the form that MLflow's client reads; AWS's clients find theirs in it too."""
    body = json.dumps({"error_code": code, "message": message, "__type": code}).encode()
    return Answer(status, {"content-type": "application/json"}, body)


def refused(error: DomainError) -> Answer:
    """The answer to a request that ended with an error of ours."""
    if isinstance(error, ServiceError):
        return refusal(error.status, error.code, error.message)
    if isinstance(error, AccessDenied):
        return refusal(403, "PERMISSION_DENIED", error.message)
    if isinstance(error, NotFound):
        return refusal(404, "RESOURCE_DOES_NOT_EXIST", error.message)
    return refusal(400, "INVALID_PARAMETER_VALUE", error.message)


async def ask(server: Server, method: str, path: str, document: dict[str, Any] | None = None) -> dict[str, Any]:
    """MLflow's answer to a request of ours. Raises ServiceError for anything but success."""
    if server.worker is None:
        raise unavailable(server)
    body = json.dumps(document).encode() if document is not None else b""
    try:
        answer = await server.worker.request(method, path, {"Content-Type": "application/json"}, body, seconds=60.0)
    except (Broken, TimeoutError) as error:
        raise ServiceError("TEMPORARILY_UNAVAILABLE", f"{server.arn} does not answer: {error}", 503) from None
    try:
        said: dict[str, Any] = json.loads(answer.body or b"{}")
    except ValueError:
        said = {"message": answer.body[:200].decode("utf-8", "replace")}
    if answer.status != 200:
        raise ServiceError(str(said.get("error_code", "INTERNAL_ERROR")), str(said.get("message", "")), answer.status)
    return said


async def _whole(body: AsyncIterable[bytes], limit: int) -> bytes:
    pieces, size = [], 0
    async for piece in body:
        size += len(piece)
        if size > limit:
            raise ServiceError("REQUEST_LIMIT_EXCEEDED", f"The request body is larger than {limit} bytes.", 413)
        pieces.append(piece)
    return b"".join(pieces)
