"""Subscriptions of SQS queues to topics."""

from __future__ import annotations

import json
import uuid
from typing import Any

from ...resources.arn import parse
from ...stores.records import Conflict, Delete, Put, Query, Record
from ...wire.errors import DomainError, Invalid, NotFound, NotImplementedHere
from ...wire.types import Call
from . import filters
from .topics import SUBSCRIPTION, TOPIC, Topics, page, topic_arns

ATTRIBUTES = ("RawMessageDelivery", "FilterPolicy", "FilterPolicyScope", "RedrivePolicy", "DeliveryPolicy")
OTHERS = ("http", "https", "email", "email-json", "sms", "application", "lambda", "firehose")


class Subscriptions:
    """The verbs of subscriptions on one platform."""

    def __init__(self, topics: Topics) -> None:
        self.topics, self.platform, self.records = topics, topics.platform, topics.records

    def install(self) -> None:
        bind = self.platform.operations.bind
        bind("sns", "Subscribe", self.subscribe, resources=topic_arns)
        bind("sns", "ListSubscriptionsByTopic", self.of_topic, resources=topic_arns)
        bind("sns", "ListSubscriptions", self.list)
        bind("sns", "Unsubscribe", self.unsubscribe, resources=_topic_of)
        bind("sns", "GetSubscriptionAttributes", self.attributes, resources=_topic_of)
        bind("sns", "SetSubscriptionAttributes", self.set, resources=_topic_of)

    async def subscribe(self, call: Call) -> dict[str, Any]:
        """Subscribing the same queue again gives the same subscription."""
        params = call.params
        topic = await self.topics.find(call, params["TopicArn"])
        protocol, endpoint, attributes = params["Protocol"], params.get("Endpoint", ""), params.get("Attributes", {})
        if protocol in OTHERS:
            raise NotImplementedHere(f"Subscribe with protocol {protocol} is not implemented; sqs is.")
        if protocol != "sqs":
            raise Invalid(f"Invalid parameter: Amazon SNS does not support this protocol string: {protocol}")
        self._check_queue(call, endpoint)
        self._check_attributes(call, attributes)
        while True:
            for old in await self.records.find(SUBSCRIPTION, call.scope, Query(parent=topic.key, limit=1_000_000)):
                if (old.doc["Protocol"], old.doc["Endpoint"]) == (protocol, endpoint):
                    if any(old.doc["Attributes"].get(k) != v for k, v in attributes.items()):
                        raise Invalid("Invalid parameter: Attributes Reason: Subscription already exists with different attributes")
                    return {"SubscriptionArn": old.doc["Arn"]}
            id_ = str(uuid.uuid4())
            doc = {
                "Arn": f"{topic.doc['Arn']}:{id_}", "TopicArn": topic.doc["Arn"], "Protocol": protocol, "Endpoint": endpoint,
                "Owner": call.account, "Principal": call.principal.arn, "Attributes": attributes,
            }
            # the topic is written again as it is, so that two who subscribe at once, or one who deletes it, meet here
            again = Put(TOPIC, topic.scope, topic.key, topic.doc, topic.version)
            try:
                await self.records.commit(Put(SUBSCRIPTION, call.scope, id_, doc, 0, parent=topic.key), again)
            except Conflict:
                topic = await self.topics.find(call, params["TopicArn"])
                continue
            return {"SubscriptionArn": doc["Arn"]}

    def _check_queue(self, call: Call, endpoint: str) -> None:
        """Who subscribes a queue must be allowed to send to it: what is published then goes there in nobody's name."""
        try:
            where = parse(endpoint)
        except DomainError:
            where = None
        if where is None or where.service != "sqs":
            raise Invalid(f"Invalid parameter: SQS endpoint ARN: {endpoint}")
        if where.account != call.account:
            raise NotImplementedHere("Subscribe with a queue of another account is not implemented.")
        if where.resource.endswith(".fifo"):
            raise Invalid("Invalid parameter: Invalid parameter: Endpoint Reason: FIFO SQS Queues can not be subscribed to standard SNS topics")
        if self.platform.authority:
            self.platform.authority.authorize(call.principal, "sqs:SendMessage", endpoint, {})

    def _check_attributes(self, call: Call, attributes: dict[str, str]) -> None:
        for name, value in attributes.items():
            _check(name, value, attributes)
        if redrive := attributes.get("RedrivePolicy"):
            self._check_queue(call, json.loads(redrive)["deadLetterTargetArn"])

    async def unsubscribe(self, call: Call) -> None:
        """A subscription that is not there is fine, as in SNS."""
        try:
            record = await self._find(call)
        except NotFound:
            return
        await self.records.commit(Delete(SUBSCRIPTION, record.scope, record.key))

    async def list(self, call: Call) -> dict[str, Any]:
        found, more = await page(self.records, SUBSCRIPTION, call)
        return {"Subscriptions": [_shown(record) for record in found], **more}

    async def of_topic(self, call: Call) -> dict[str, Any]:
        topic = await self.topics.find(call, call.params["TopicArn"])
        found, more = await page(self.records, SUBSCRIPTION, call, topic.key)
        return {"Subscriptions": [_shown(record) for record in found], **more}

    async def attributes(self, call: Call) -> dict[str, Any]:
        doc = (await self._find(call)).doc
        return {"Attributes": {
            "RawMessageDelivery": "false", **{k: v for k, v in doc["Attributes"].items() if v},
            "SubscriptionArn": doc["Arn"], "TopicArn": doc["TopicArn"], "Protocol": doc["Protocol"], "Endpoint": doc["Endpoint"],
            "Owner": doc["Owner"], "PendingConfirmation": "false", "ConfirmationWasAuthenticated": "true",
            "SubscriptionPrincipal": doc["Principal"],
        }}

    async def set(self, call: Call) -> None:
        name, value = call.params["AttributeName"], call.params.get("AttributeValue", "")
        while True:
            record = await self._find(call)
            attributes = {**record.doc["Attributes"], name: value}
            self._check_attributes(call, attributes)
            doc = {**record.doc, "Attributes": attributes}
            try:
                await self.records.commit(Put(SUBSCRIPTION, record.scope, record.key, doc, record.version, parent=record.parent))
            except Conflict:
                continue
            return

    async def _find(self, call: Call) -> Record:
        where = parse(call.params["SubscriptionArn"])
        record = await self.records.get(SUBSCRIPTION, call.scope, where.resource.rpartition(":")[2])
        if record is None or record.doc["Arn"] != call.params["SubscriptionArn"]:
            raise NotFound("Subscription does not exist")
        return record


def _check(name: str, value: str, attributes: dict[str, str]) -> None:
    if name not in ATTRIBUTES:
        raise Invalid(f"Invalid parameter: AttributeName Reason: {name} is no attribute of a subscription that can be set")
    if name == "RawMessageDelivery" and value.lower() not in ("true", "false"):
        raise Invalid("Invalid parameter: RawMessageDelivery Reason: it must be true or false")
    if name == "FilterPolicyScope" and value not in ("MessageAttributes", "MessageBody"):
        raise Invalid("Invalid parameter: FilterPolicyScope Reason: it must be MessageAttributes or MessageBody")
    if name == "FilterPolicy":
        filters.check(value, attributes.get("FilterPolicyScope", "MessageAttributes"))
    if name == "RedrivePolicy" and value:
        try:
            good = parse(json.loads(value)["deadLetterTargetArn"]).service == "sqs"
        except (ValueError, LookupError, TypeError, DomainError):
            good = False
        if not good:
            raise Invalid("Invalid parameter: RedrivePolicy Reason: deadLetterTargetArn must be the ARN of a queue")


def _shown(record: Record) -> dict[str, str]:
    doc = record.doc
    return {"SubscriptionArn": doc["Arn"], **{k: doc[k] for k in ("Owner", "Protocol", "Endpoint", "TopicArn")}}


def _topic_of(call: Call) -> list[str]:
    return [call.params["SubscriptionArn"].rpartition(":")[0] or "*"]
