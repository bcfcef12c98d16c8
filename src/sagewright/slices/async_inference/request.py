"""A request as it waits: what InvokeEndpointAsync says, where the answer will be. Pure.

::

    {"EndpointName", "InferenceId", "InputLocation" or "Body" (base64), "ContentType", "Accept", "CustomAttributes",
     "OutputLocation", "FailureLocation", "Ttl", "Timeout" (seconds), "Received" (epoch seconds), "Named"}
"""

from __future__ import annotations

import base64
import hashlib
import json
import uuid
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from ...resources.arn import join, s3_location, s3_uri
from ...wire.errors import DomainError, ServiceError

TTL, TIMEOUT = 21_600, 900
"""Seconds that a request may wait, and be worked on, unless it says otherwise."""
LARGEST_BODY = 128_000
"""Bytes of a request that brings its input itself."""
FORWARDED = {
    "ContentType": "Content-Type",
    "Accept": "Accept",
    "CustomAttributes": "X-Amzn-SageMaker-Custom-Attributes",
    "InferenceId": "X-Amzn-SageMaker-Inference-Id",
}
"""All that a container gets to see of the caller's headers."""


def made(params: Mapping[str, Any], output: Mapping[str, Any], endpoint: str, now: float) -> tuple[str, dict[str, Any]]:
    """The key and the document of a request to the endpoint with the id ``endpoint``.

    The same call again, with an InferenceId of the caller's, has the same key: who got no answer asks again and is not
    served twice.

    Raises:
        ServiceError: ValidationError.
    """
    _check(params)
    named = params.get("InferenceId")
    id_ = named or str(uuid.uuid4())
    doc = {k: params[k] for k in ("EndpointName", "ContentType", "Accept", "CustomAttributes", "InputLocation") if k in params}
    if "Body" in params:
        doc["Body"] = base64.b64encode(params["Body"]).decode()
    doc["InferenceId"] = id_
    name = quote(id_, safe="")
    folder = join(s3_uri(output["S3OutputPath"]), params.get("S3OutputPathExtension", "")).rstrip("/")
    doc["OutputLocation"] = f"{folder}/{params.get('Filename') or f'{name}.out'}"
    if output.get("S3FailurePath"):
        doc["FailureLocation"] = f"{s3_uri(output['S3FailurePath']).rstrip('/')}/{name}-error.out"
    doc["Ttl"], doc["Timeout"] = params.get("RequestTTLSeconds", TTL), params.get("InvocationTimeoutSeconds", TIMEOUT)
    if not named:
        return uuid.uuid4().hex, {**doc, "Received": now}
    digest = hashlib.sha256(json.dumps([endpoint, doc], sort_keys=True).encode()).hexdigest()
    return digest[:32], {**doc, "Received": now, "Named": True}


def _check(params: Mapping[str, Any]) -> None:
    if ("InputLocation" in params) == bool(params.get("Body")):
        raise ServiceError("ValidationError", "Give exactly one of InputLocation and Body.")
    if len(params.get("Body", b"")) > LARGEST_BODY:
        raise ServiceError("ValidationError", f"Body is larger than {LARGEST_BODY} bytes: put it to S3 and give its InputLocation.", 413)
    for member in FORWARDED:
        value = params.get(member, "")
        if not value.isascii() or (value and not value.isprintable()):
            raise ServiceError("ValidationError", f"{member} must be printable ASCII text.")
    if "InputLocation" in params:
        try:
            _, key = s3_location(params["InputLocation"])
        except DomainError as error:
            raise ServiceError("ValidationError", error.message) from None
        if not key:
            raise ServiceError("ValidationError", f"InputLocation {params['InputLocation']} names no object.")


def said(doc: Mapping[str, Any]) -> dict[str, Any]:
    """What its caller hears of it."""
    answer = {"InferenceId": doc["InferenceId"], "OutputLocation": doc["OutputLocation"]}
    return answer | ({"FailureLocation": doc["FailureLocation"]} if "FailureLocation" in doc else {})


def headers(doc: Mapping[str, Any]) -> dict[str, str]:
    """What the container is told."""
    return {header: doc[member] for member, header in FORWARDED.items() if member in doc}
