"""Publish: a message to every queue that wants it, before the caller hears that it is published."""

from __future__ import annotations

import base64
import json
import logging
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from ...resources.arn import parse
from ...stores.records import Query, Record
from ...wire.errors import DomainError, Invalid, NotImplementedHere, ServiceError
from ...wire.types import Call, Principal
from . import filters
from .topics import SUBSCRIPTION, Topics, topic_arns

log = logging.getLogger(__name__)

LARGEST = 262_144
"""Bytes of a message with its attributes, and of a batch."""


class Publisher:
    """The verbs of publishing on one platform."""

    def __init__(self, topics: Topics) -> None:
        self.topics, self.platform = topics, topics.platform

    def install(self) -> None:
        for name, verb in (("Publish", self.publish), ("PublishBatch", self.batch)):
            self.platform.operations.bind("sns", name, verb, action="sns:Publish", resources=topic_arns)

    async def publish(self, call: Call) -> dict[str, Any]:
        params = call.params
        if "PhoneNumber" in params:
            raise NotImplementedHere("Publish to a PhoneNumber is not implemented.")
        where = params.get("TopicArn") or params.get("TargetArn")
        if not where:
            raise Invalid("Invalid parameter: TopicArn or TargetArn Reason: no value for required parameter")
        topic = await self.topics.find(call, where)
        _check(params)
        return {"MessageId": await self._deliver(call, topic, params)}

    async def batch(self, call: Call) -> dict[str, Any]:
        topic, entries = await self.topics.find(call, call.params["TopicArn"]), call.params["PublishBatchRequestEntries"]
        _check_batch(entries)
        done, failed = [], []
        for entry in entries:
            try:
                _check(entry)
                done.append({"Id": entry["Id"], "MessageId": await self._deliver(call, topic, entry)})
            except DomainError as error:
                failed.append({"Id": entry["Id"], "Code": "InvalidParameter", "Message": error.message, "SenderFault": True})
        return {"Successful": done, "Failed": failed}

    async def _deliver(self, call: Call, topic: Record, message: Mapping[str, Any]) -> str:
        """The message's id. What a queue does not take goes to the subscription's dead letters, if it has any."""
        id_ = str(uuid.uuid4())
        text = message["Message"]
        if message.get("MessageStructure") == "json":
            by_protocol = json.loads(text)
            text = by_protocol.get("sqs", by_protocol["default"])
        given = message.get("MessageAttributes", {})
        for subscription in await self.topics.records.find(SUBSCRIPTION, topic.scope, Query(parent=topic.key, limit=1_000_000)):
            about = subscription.doc["Attributes"]
            policy = json.loads(about["FilterPolicy"]) if about.get("FilterPolicy") else None
            if not filters.wants(policy, about.get("FilterPolicyScope", "MessageAttributes"), text, given):
                continue
            if about.get("RawMessageDelivery", "false").lower() == "true":
                sent: dict[str, Any] = {"MessageBody": text, "MessageAttributes": given}
            else:
                sent = {"MessageBody": self._envelope(call, topic, subscription, id_, text, message)}
            await self._send(topic, subscription, sent)
        return id_

    async def _send(self, topic: Record, subscription: Record, message: dict[str, Any]) -> None:
        targets = [subscription.doc["Endpoint"]]
        if redrive := subscription.doc["Attributes"].get("RedrivePolicy"):
            targets.append(json.loads(redrive)["deadLetterTargetArn"])
        for target in targets:
            where = parse(target)
            principal = Principal("sns.amazonaws.com", where.account, "service", "sns.amazonaws.com")
            url = f"{self.platform.endpoint}/{where.account}/{where.resource}"
            try:
                await self.platform.api.call("sqs", "SendMessage", {"QueueUrl": url, **message}, principal, where.region, topic.doc["Arn"])
            except DomainError as error:
                log.warning("%s: %s does not take a message: %s", topic.doc["Arn"], target, error.message)
            else:
                return

    def _envelope(
        self, call: Call, topic: Record, subscription: Record, id_: str, text: str, message: Mapping[str, Any]
    ) -> str:
        """The JSON around a message that is not delivered raw. It carries no signature: nothing here could be its witness."""
        now = datetime.fromtimestamp(self.platform.clock(), UTC)
        base = call.endpoint or self.platform.endpoint
        envelope: dict[str, Any] = {"Type": "Notification", "MessageId": id_, "TopicArn": topic.doc["Arn"]}
        if "Subject" in message:
            envelope["Subject"] = message["Subject"]
        envelope |= {
            "Message": text, "Timestamp": f"{now:%Y-%m-%dT%H:%M:%S}.{now.microsecond // 1000:03d}Z",
            "UnsubscribeURL": f"{base}/?Action=Unsubscribe&SubscriptionArn={quote(subscription.doc['Arn'], safe='')}",
        }
        if given := message.get("MessageAttributes"):
            envelope["MessageAttributes"] = {name: {"Type": v["DataType"], "Value": _text(v)} for name, v in given.items()}
        return json.dumps(envelope)


def _text(value: Mapping[str, Any]) -> str:
    if "BinaryValue" in value:
        return base64.b64encode(value["BinaryValue"]).decode()
    return str(value.get("StringValue", ""))


def _size(message: Mapping[str, Any]) -> int:
    given = message.get("MessageAttributes", {})
    return len(message["Message"].encode()) + sum(len(k) + len(v["DataType"]) + len(_text(v)) for k, v in given.items())


def _check(message: Mapping[str, Any]) -> None:
    """Raises Invalid unless the message may be published."""
    if not message["Message"]:
        raise Invalid("Invalid parameter: Empty message")
    if _size(message) > LARGEST:
        raise Invalid("Invalid parameter: Message too long")
    for member in ("MessageGroupId", "MessageDeduplicationId"):
        if member == "MessageDeduplicationId" and member in message:
            raise Invalid(f"Invalid parameter: {member} Reason: The request includes {member} parameter that is not valid for this topic type")
    subject = message.get("Subject")
    if subject is not None and (not 0 < len(subject) <= 100 or "\n" in subject or "\r" in subject):
        raise Invalid("Invalid parameter: Subject")
    for name, value in message.get("MessageAttributes", {}).items():
        kind = value["DataType"].partition(".")[0]
        if kind not in ("String", "Number", "Binary"):
            raise Invalid(f"Invalid parameter: MessageAttributes Reason: {name} has the data type {value['DataType']}")
        if not value.get("BinaryValue" if kind == "Binary" else "StringValue"):
            raise Invalid(f"Invalid parameter: MessageAttributes Reason: The message attribute '{name}' must contain non-empty message attribute value for message attribute type '{value['DataType']}'.")
    structure = message.get("MessageStructure")
    if structure is None:
        return
    if structure != "json":
        raise Invalid("Invalid parameter: MessageStructure")
    try:
        parts = json.loads(message["Message"])
    except ValueError:
        parts = None
    if not isinstance(parts, dict) or not isinstance(parts.get("default"), str) or not isinstance(parts.get("sqs", ""), str):
        raise Invalid("Invalid parameter: Message Structure - No default entry in JSON message body")


def _check_batch(entries: list[dict[str, Any]]) -> None:
    if not entries:
        raise ServiceError("EmptyBatchRequestException", "The batch request doesn't contain any entries.")
    if len(entries) > 10:
        raise ServiceError("TooManyEntriesInBatchRequestException", "The batch request contains more entries than permissible (more than 10).")
    if len({entry["Id"] for entry in entries}) < len(entries):
        raise ServiceError("BatchEntryIdsNotDistinctException", "Two or more batch entries in the request have the same Id.")
    if sum(map(_size, entries)) > LARGEST:
        raise ServiceError("BatchRequestTooLongException", "The length of all the batch messages put together is more than the limit.")
