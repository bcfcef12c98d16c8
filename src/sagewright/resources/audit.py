"""The audit trail: one CloudTrail-shaped record per call that changes something. Pure; the caller stores the record.

What must not be kept is replaced by ``HIDDEN``: environments, contents, secrets. Calls of the data plane
(InvokeEndpoint, PutObject, PutRecord, PutMetricData ...) are no management events and leave no record.
"""

from __future__ import annotations

import math
import re
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from ..stores.records import Append
from ..wire.errors import DomainError
from ..wire.types import Call, Reply

KIND = "AuditEvent"
HIDDEN = "HIDDEN_DUE_TO_SECURITY_REASONS"
LONGEST = 4096
"""Characters kept of one text."""
DEEPEST = 40
"""Levels kept of one document: refused calls are kept too, whatever they say."""

_READS = re.compile(
    r"(?:Describe|List|Get|Search|Query|BatchGet|BatchDescribe|Head|Lookup|Filter|Simulate|Select|Render|Estimate|Check|Test"
    r"|Discover|Preview|Validate|Receive|StartQuery|StopQuery|StartLiveTail)(?=[A-Z]|$)"
)
_DATA_PLANE = {
    "sagemaker-runtime", "sagemaker-featurestore-runtime", "sagemaker-metrics", "sagemaker-edge", "sagemaker-a2i-runtime",
}  # fmt: skip
_DATA_CALLS = {
    "logs": re.compile("PutLogEvents|CreateLogStream"),
    "cloudwatch": re.compile("PutMetricData"),
    "s3": re.compile(".*Object.*|.*Multipart.*|UploadPart.*"),
    "sqs": re.compile(".*Message.*"),
    "sns": re.compile("Publish.*"),
    "kms": re.compile("Encrypt|Decrypt|ReEncrypt|Generate.*|Sign|Verify.*"),
    "dynamodb": re.compile(".*Item.*|Transact.*|Execute.*"),
    "lambda": re.compile("Invoke.*"),
    "sts": re.compile("DecodeAuthorizationMessage"),
}
_HIDDEN = re.compile(
    r"Environment|.*EnvironmentVariables|Content|.*LifecycleConfigContent|.*Secret(?:AccessKey|String|Binary)?|.*Password"
    r"|.*PrivateKey|.*SessionToken|.*AuthToken|WebIdentityToken|SAMLAssertion|TokenCode|Plaintext|CiphertextBlob"
    r"|AuthorizedUrl|.*PresignedUrl|OnCreate|OnStart|ModelCardContent",
    re.IGNORECASE,
)
# Members whose keys are the user's own words, not members of a shape.
_MAPS = re.compile(
    r".*HyperParameters|Properties|Parameters|Metadata|.*MetadataProperties|Options|Attributes", re.IGNORECASE
)
_NAMING = re.compile(r"(?:Name|Arn)$")
_SOURCES = {"cloudwatch": "monitoring", "cloudtrail": "cloudtrail", "application-autoscaling": "autoscaling"}
_TYPES = {"sagemaker": "SageMaker", "iam": "IAM", "s3": "S3", "logs": "Logs", "cloudwatch": "CloudWatch", "sts": "STS"}
_GLOBAL_TYPES = {"RoleArn": "AWS::IAM::Role", "PolicyArn": "AWS::IAM::Policy", "KmsKeyId": "AWS::KMS::Key"}


@lru_cache(maxsize=4096)
def mutating(operation: str) -> bool:
    """Whether an operation changes something, by its verb."""
    return _READS.match(operation) is None


@lru_cache(maxsize=4096)
def audited(service: str, operation: str) -> bool:
    """Whether a call belongs in the trail: it changes something, and it is not the data plane."""
    if service in _DATA_PLANE or not mutating(operation):
        return False
    data = _DATA_CALLS.get(service)
    return data is None or data.fullmatch(operation) is None


def audit_record(
    call: Call, error: BaseException | None, reply: Mapping[str, Any] | Reply | None, *, now: float, code: str = ""
) -> dict[str, Any]:
    """Who did what, when, from where, and what came of it.

    Args:
        call: the call.
        error: what it failed with; None when it worked.
        reply: its result; None when it failed.
        now: epoch seconds.
        code: the error code that the caller saw; the error's class name when empty.
    """
    result = reply.result if isinstance(reply, Reply) else reply
    record: dict[str, Any] = {
        "eventVersion": "1.11",
        "eventID": str(uuid.uuid4()),
        "eventTime": datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "eventSource": f"{_SOURCES.get(call.service, call.service)}.amazonaws.com",
        "eventName": call.operation,
        "awsRegion": call.region,
        "sourceIPAddress": call.source_ip or "sagewright.internal",
        "userAgent": call.user_agent[:LONGEST] or "sagewright.internal",
        "userIdentity": _identity(call),
        "requestParameters": _clean(call.params) or None,
        "responseElements": _clean(result) or None if result and mutating(call.operation) else None,
        "requestID": call.request_id,
        "readOnly": not mutating(call.operation),
        "resources": _resources(call, result or {}),
        "eventType": "AwsApiCall",
        "managementEvent": True,
        "recipientAccountId": call.account,
        "eventCategory": "Management",
    }
    if isinstance(error, DomainError):
        record["errorCode"] = code or getattr(error, "code", "") or type(error).__name__
        record["errorMessage"] = error.message[:LONGEST]
    elif error is not None:
        record["errorCode"] = code or "InternalFailure"
        record["errorMessage"] = "An internal error occurred."  # its text may hold anything; the server's log has it
    return record


def audit_put(call: Call, record: Mapping[str, Any], now: float) -> Append:
    """The change that stores a record, ready for ``Records.commit``."""
    doc = {**record, "_username": username(record)}
    return Append(KIND, call.scope, record["eventID"], doc, now)


def username(record: Mapping[str, Any]) -> str:
    """Whom LookupEvents names: the user, or the session of a role."""
    who = record["userIdentity"]
    return str(who.get("userName") or who.get("invokedBy") or who.get("arn", "").rsplit("/", 1)[-1])


def _identity(call: Call) -> dict[str, Any]:
    who = call.principal
    if who.kind == "service":
        return {"type": "AWSService", "invokedBy": who.name or "sagemaker.amazonaws.com"}
    if who.kind == "anonymous":
        return {"type": "Unknown"}
    identity = {
        "type": "IAMUser" if who.kind == "user" else "AssumedRole",
        "principalId": who.user_id,
        "arn": who.arn,
        "accountId": who.account,
        "accessKeyId": who.access_key,
    }
    if who.kind == "user":
        return {**identity, "userName": who.name}
    issuer = {
        "type": "Role",
        "principalId": who.user_id.partition(":")[0],
        "accountId": who.account,
        "userName": who.name,
    }
    return {**identity, "sessionContext": {"sessionIssuer": issuer}}


def _clean(value: Any, camel: bool = True, depth: int = 0) -> Any:
    """A value without secrets, in plain JSON, members in CloudTrail's lowerCamelCase."""
    if depth > DEEPEST:
        return "..."
    if isinstance(value, Mapping):
        found: dict[str, Any] = {}
        for key, v in value.items():
            if v is not None:
                name, hidden, inner = _member(str(key), camel)
                found[name] = HIDDEN if hidden else _clean(v, inner, depth + 1)
        return found
    if isinstance(value, list | tuple):
        return [_clean(v, camel, depth + 1) for v in value]
    if isinstance(value, str):
        return value if len(value) <= LONGEST else value[:LONGEST] + "..."
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, bool | int | float):
        return value
    if isinstance(value, datetime):
        return value.isoformat()
    return HIDDEN  # bytes and streams: contents


@lru_cache(maxsize=4096)
def _member(name: str, camel: bool) -> tuple[str, bool, bool]:
    """(name in the trail, whether its value is hidden, whether the names inside its value are members too).

    ``TrainingJobName`` → ``trainingJobName``, ``KMSKeyId`` → ``kMSKeyId``, as CloudTrail has it.
    """
    shown = name[:1].lower() + name[1:] if camel else name
    return shown, _HIDDEN.fullmatch(name) is not None, camel and _MAPS.fullmatch(name) is None


@lru_cache(maxsize=4096)
def _stem(member: str) -> str:
    """``ModelArn`` → ``Model``."""
    return _NAMING.sub("", member)


def _resources(call: Call, result: Mapping[str, Any]) -> list[dict[str, str]]:
    """What the call was about: the names and ARNs at the top of its request, the ARNs at the top of its answer."""
    found: dict[str, dict[str, str]] = {}
    for source in (call.params, result):
        for member, value in source.items():
            stem = _stem(member)
            if not isinstance(value, str) or not value or (stem == member and member not in {"Bucket", "KmsKeyId"}):
                continue
            family = _TYPES.get(call.service, call.service.title().replace("-", ""))
            kind = _GLOBAL_TYPES.get(member) or f"AWS::{family}::{stem or 'Resource'}"
            found.setdefault(value, {"accountId": call.account, "type": kind, "ARN": value})
    return list(found.values())
