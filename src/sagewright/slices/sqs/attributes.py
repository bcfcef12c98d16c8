"""Queue attributes and message attributes: what may be said, and their digests. Pure."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

from ...resources.arn import parse
from ...wire.errors import DomainError, NotImplementedHere, ServiceError

LARGEST = 2**20
"""Bytes of a message, and of a batch."""
NUMBERS = {
    # (least, most, default)
    "DelaySeconds": (0, 900, 0),
    "MaximumMessageSize": (1024, LARGEST, LARGEST),
    "MessageRetentionPeriod": (60, 1_209_600, 345_600),
    "ReceiveMessageWaitTimeSeconds": (0, 20, 0),
    "VisibilityTimeout": (0, 43_200, 30),
    "KmsDataKeyReusePeriodSeconds": (60, 86_400, 300),
}
KEPT = ("Policy", "RedriveAllowPolicy", "KmsMasterKeyId", "SqsManagedSseEnabled")
"""Kept and shown; they decide nothing here."""
FIFO = ("FifoQueue", "ContentBasedDeduplication", "DeduplicationScope", "FifoThroughputLimit")
COMPUTED = (
    "ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible", "ApproximateNumberOfMessagesDelayed",
    "CreatedTimestamp", "LastModifiedTimestamp", "QueueArn",
)
_NAME = re.compile(r"[A-Za-z0-9_-]{1,80}")
_BATCH_ID = re.compile(r"[A-Za-z0-9_-]{1,80}")
# https://www.w3.org/TR/REC-xml/#charsets
_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def check_name(name: str) -> None:
    """Raises ServiceError or NotImplementedHere unless the name is one of a standard queue."""
    if name.endswith(".fifo"):
        raise NotImplementedHere("CreateQueue of a FIFO queue is not implemented.")
    if not _NAME.fullmatch(name):
        raise ServiceError(
            "InvalidParameterValue", "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length"
        )


def check(given: Mapping[str, str]) -> dict[str, str]:
    """The attributes as they are kept. Raises ServiceError (InvalidAttributeName, InvalidAttributeValue)."""
    kept = {}
    for name, value in given.items():
        if name in FIFO:
            if name == "FifoQueue" and value.lower() == "false":
                continue
            raise NotImplementedHere(f"The queue attribute {name} is not implemented: there are no FIFO queues here.")
        if name in NUMBERS:
            low, high, _ = NUMBERS[name]
            if not value.isascii() or not value.isdigit() or not low <= int(value) <= high:
                raise _value(name)
            value = str(int(value))
        elif name == "RedrivePolicy":
            value = _redrive(value)
        elif name not in KEPT:
            raise ServiceError("InvalidAttributeName", f"Unknown Attribute {name}.")
        kept[name] = value
    return kept


def _redrive(text: str) -> str:
    if not text:
        return ""
    try:
        policy = json.loads(text)
        arn, most = parse(str(policy["deadLetterTargetArn"])), int(policy["maxReceiveCount"])
    except (ValueError, LookupError, TypeError, DomainError):
        raise _value("RedrivePolicy") from None
    if arn.service != "sqs" or not 1 <= most <= 1000:
        raise _value("RedrivePolicy")
    return json.dumps({"deadLetterTargetArn": policy["deadLetterTargetArn"], "maxReceiveCount": most})


def redrive(attributes: Mapping[str, str]) -> tuple[str, int] | None:
    """(ARN of the dead-letter queue, receives after which a message goes there)."""
    if not attributes.get("RedrivePolicy"):
        return None
    policy = json.loads(attributes["RedrivePolicy"])
    return policy["deadLetterTargetArn"], policy["maxReceiveCount"]


def number(attributes: Mapping[str, str], name: str) -> int:
    return int(attributes.get(name, NUMBERS[name][2]))


def _value(name: str) -> ServiceError:
    return ServiceError("InvalidAttributeValue", f"Invalid value for the parameter {name}.")


# -- messages


def check_message(message: Mapping[str, Any], largest: int) -> None:
    """Raises ServiceError unless the message may be sent."""
    body = message["MessageBody"]
    if not body:
        raise ServiceError("MissingParameter", "The request must contain the parameter MessageBody.")
    if _FORBIDDEN.search(body):
        raise ServiceError("InvalidMessageContents", "The message contains characters outside the allowed set.")
    for member in ("MessageGroupId", "MessageDeduplicationId"):
        if member == "MessageDeduplicationId" and member in message:
            raise ServiceError("InvalidParameterValue", f"The request includes parameter {member}, which is for FIFO queues only.")
    delay = message.get("DelaySeconds", 0)
    if not 0 <= delay <= 900:
        raise ServiceError("InvalidParameterValue", f"Value {delay} for parameter DelaySeconds is invalid. Reason: DelaySeconds must be >= 0 and <= 900.")
    given = message.get("MessageAttributes", {})
    if len(given) > 10:
        raise ServiceError("InvalidParameterValue", "Number of message attributes exceeds the allowed maximum of 10.")
    for name, value in given.items():
        _check_attribute(name, value)
    if size(message) > largest:
        raise ServiceError("InvalidParameterValue", f"One or more parameters are invalid. Reason: Message must be shorter than {largest} bytes.")


def _check_attribute(name: str, value: Mapping[str, Any]) -> None:
    kind = value["DataType"].partition(".")[0]
    if kind not in ("String", "Number", "Binary"):
        raise ServiceError("InvalidParameterValue", f"The message attribute '{name}' has an invalid message attribute type, the set of supported type prefixes is Binary, Number, and String.")
    if not value.get("BinaryValue" if kind == "Binary" else "StringValue"):
        raise ServiceError("InvalidParameterValue", f"Message (user) attribute '{name}' must contain a non-empty value of type '{kind}'.")


def size(message: Mapping[str, Any]) -> int:
    """Bytes that a message counts: body, and names, types and values of its attributes."""
    total = len(message["MessageBody"].encode())
    for name, value in message.get("MessageAttributes", {}).items():
        total += len(name.encode()) + len(value["DataType"].encode()) + len(_bytes(value))
    return total


def _bytes(value: Mapping[str, Any]) -> bytes:
    if "BinaryValue" in value:
        return bytes(value["BinaryValue"])
    return str(value.get("StringValue", "")).encode()


def md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def attributes_md5(attributes: Mapping[str, Mapping[str, Any]]) -> str:
    """The digest that clients compare.

    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-message-metadata.html
    """
    digest = hashlib.md5(usedforsecurity=False)
    for name in sorted(attributes):
        value = attributes[name]
        data = _bytes(value)
        for part in (name.encode(), value["DataType"].encode()):
            digest.update(len(part).to_bytes(4, "big") + part)
        digest.update(b"\x02" if "BinaryValue" in value else b"\x01")
        digest.update(len(data).to_bytes(4, "big") + data)
    return digest.hexdigest()


def check_batch(entries: list[dict[str, Any]]) -> None:
    """Raises ServiceError unless the entries make a batch."""
    if not entries:
        raise ServiceError("EmptyBatchRequest", "There should be at least one entry in the request.")
    if len(entries) > 10:
        raise ServiceError("TooManyEntriesInBatchRequest", "Maximum number of entries per request are 10.")
    ids = [entry["Id"] for entry in entries]
    for one in ids:
        if not _BATCH_ID.fullmatch(one):
            raise ServiceError("InvalidBatchEntryId", "A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at most 80 letters long.")
    if len(set(ids)) < len(ids):
        twice = next(one for one in ids if ids.count(one) > 1)
        raise ServiceError("BatchEntryIdsNotDistinct", f"Id {twice} repeated.")
    if sum(size(entry) for entry in entries if "MessageBody" in entry) > LARGEST:
        raise ServiceError("BatchRequestTooLong", f"Batch requests cannot be longer than {LARGEST} bytes.")
