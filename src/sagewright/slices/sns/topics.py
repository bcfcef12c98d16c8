"""Topics: names, attributes, tags."""

from __future__ import annotations

import json
import re
from typing import Any

from ...resources.arn import arn, parse
from ...resources.platform import Platform
from ...stores.records import Conflict, Delete, Put, Query, Record
from ...wire.errors import Invalid, NotFound, NotImplementedHere, ServiceError
from ...wire.types import Call

TOPIC, SUBSCRIPTION = "Topic", "Subscription"
PAGE = 100
LIMIT = 50
"""Tags a topic may have."""
_NAME = re.compile(r"[A-Za-z0-9_-]{1,256}")
SETTABLE = (
    "DisplayName", "Policy", "DeliveryPolicy", "KmsMasterKeyId", "TracingConfig", "SignatureVersion",
    *(f"{protocol}{what}" for protocol in ("HTTP", "SQS", "Lambda", "Firehose", "Application")
      for what in ("SuccessFeedbackRoleArn", "SuccessFeedbackSampleRate", "FailureFeedbackRoleArn")),
)
"""Kept and shown; none decides anything here."""
FIFO = ("FifoTopic", "ContentBasedDeduplication", "ArchivePolicy", "FifoThroughputScope")


class Topics:
    """The verbs of topics on one platform."""

    def __init__(self, platform: Platform) -> None:
        self.platform, self.records = platform, platform.records

    def install(self) -> None:
        bind = self.platform.operations.bind
        bind("sns", "CreateTopic", self.create, resources=lambda call: [arn("sns", call.region, call.account, call.params["Name"])])
        bind("sns", "ListTopics", self.list)
        for name, verb in (("DeleteTopic", self.delete), ("GetTopicAttributes", self.attributes), ("SetTopicAttributes", self.set)):
            bind("sns", name, verb, resources=topic_arns)
        for name, verb in (("TagResource", self.tag), ("UntagResource", self.untag), ("ListTagsForResource", self.tags)):
            bind("sns", name, verb, resources=lambda call: [call.params["ResourceArn"]])

    # -- for the other verbs

    async def find(self, call: Call, where: str) -> Record:
        """The topic of an ARN. Raises NotFound, Invalid."""
        found = parse(where)
        if found.service != "sns" or not _NAME.fullmatch(found.resource):
            raise Invalid("Invalid parameter: TopicArn")
        record = await self.records.get(TOPIC, f"{found.account}/{found.region}", found.resource)
        if record is None or record.scope != call.scope:
            raise NotFound("Topic does not exist")
        return record

    # -- verbs

    async def create(self, call: Call) -> dict[str, Any]:
        """The topic's ARN; a topic that exists with the same attributes is returned again."""
        name, attributes, tags = call.params["Name"], call.params.get("Attributes", {}), call.params.get("Tags", [])
        if name.endswith(".fifo") or attributes.get("FifoTopic", "false").lower() == "true":
            raise NotImplementedHere("CreateTopic of a FIFO topic is not implemented.")
        if not _NAME.fullmatch(name):
            raise Invalid("Invalid parameter: Topic Name")
        if "DataProtectionPolicy" in call.params:
            raise NotImplementedHere("CreateTopic with DataProtectionPolicy is not implemented.")
        for attribute, value in attributes.items():
            _check(attribute, value)
        where = arn("sns", call.region, call.account, name)
        doc = {"Arn": where, "Attributes": attributes, "Tags": _merged([], tags)}
        try:
            await self.records.commit(Put(TOPIC, call.scope, name, doc, 0))
        except Conflict:
            old = (await self.find(call, where)).doc
            if any(old["Attributes"].get(k) != v for k, v in attributes.items()):
                raise Invalid("Invalid parameter: Attributes Reason: Topic already exists with different attributes") from None
            if tags and _merged([], tags) != old["Tags"]:
                raise Invalid("Invalid parameter: Tags Reason: Topic already exists with different tags") from None
        return {"TopicArn": where}

    async def list(self, call: Call) -> dict[str, Any]:
        found, more = await page(self.records, TOPIC, call)
        return {"Topics": [{"TopicArn": record.doc["Arn"]} for record in found], **more}

    async def delete(self, call: Call) -> None:
        """The topic and its subscriptions; deleting what is not there is fine, as in SNS."""
        try:
            record = await self.find(call, call.params["TopicArn"])
        except NotFound:
            return
        subscribed = await self.records.find(SUBSCRIPTION, call.scope, Query(parent=record.key, limit=1_000_000))
        gone = (Delete(SUBSCRIPTION, call.scope, one.key) for one in subscribed)
        await self.records.commit(*gone, Delete(TOPIC, call.scope, record.key))

    async def attributes(self, call: Call) -> dict[str, Any]:
        record = await self.find(call, call.params["TopicArn"])
        confirmed = await self.records.count(SUBSCRIPTION, call.scope, Query(parent=record.key))
        where = record.doc["Arn"]
        return {"Attributes": {
            "DisplayName": "", "Policy": _policy(where, call.account), **record.doc["Attributes"],
            "TopicArn": where, "Owner": call.account, "SubscriptionsConfirmed": str(confirmed),
            "SubscriptionsPending": "0", "SubscriptionsDeleted": "0",
        }}

    async def set(self, call: Call) -> None:
        name, value = call.params["AttributeName"], call.params.get("AttributeValue", "")
        _check(name, value)
        await self._change(call, call.params["TopicArn"], lambda doc: {**doc, "Attributes": {**doc["Attributes"], name: value}})

    async def tag(self, call: Call) -> dict[str, Any]:
        def more(doc: dict[str, Any]) -> dict[str, Any]:
            tags = _merged(doc["Tags"], call.params["Tags"])
            if len(tags) > LIMIT:
                raise ServiceError("TagLimitExceededException", f"A topic can have at most {LIMIT} tags.")
            return {**doc, "Tags": tags}

        await self._change_tagged(call, more)
        return {}

    async def untag(self, call: Call) -> dict[str, Any]:
        gone = set(call.params["TagKeys"])
        await self._change_tagged(call, lambda doc: {**doc, "Tags": [t for t in doc["Tags"] if t["Key"] not in gone]})
        return {}

    async def tags(self, call: Call) -> dict[str, Any]:
        try:
            return {"Tags": (await self.find(call, call.params["ResourceArn"])).doc["Tags"]}
        except NotFound:
            raise _untaggable() from None

    # -- parts

    async def _change_tagged(self, call: Call, change: Any) -> None:
        try:
            await self._change(call, call.params["ResourceArn"], change)
        except NotFound:
            raise _untaggable() from None

    async def _change(self, call: Call, where: str, change: Any) -> None:
        while True:
            record = await self.find(call, where)
            try:
                await self.records.commit(Put(TOPIC, record.scope, record.key, change(record.doc), record.version))
            except Conflict:
                continue
            return


async def page(records: Any, kind: str, call: Call, parent: str | None = None) -> tuple[list[Record], dict[str, str]]:
    """One page of a listing by name, and its NextToken if there may be more."""
    token = call.params.get("NextToken")
    after = (token, token) if token else None
    found = await records.find(kind, call.scope, Query(parent=parent, sort_by="name", descending=False, after=after, limit=PAGE))
    return found, {"NextToken": found[-1].key} if len(found) == PAGE else {}


def topic_arns(call: Call) -> list[str]:
    """What a call acts on, for policies."""
    return [call.params.get("TopicArn") or call.params.get("TargetArn") or "*"]


def _check(name: str, value: str) -> None:
    if name in FIFO:
        if name == "FifoTopic" and value.lower() == "false":
            return
        raise NotImplementedHere(f"The topic attribute {name} is not implemented: there are no FIFO topics here.")
    if name not in SETTABLE:
        raise Invalid(f"Invalid parameter: AttributeName Reason: {name} is no attribute of a topic that can be set")
    if name in ("Policy", "DeliveryPolicy") and value:
        try:
            json.loads(value)
        except ValueError:
            raise Invalid(f"Invalid parameter: {name} Reason: it is not JSON") from None


def _merged(old: list[dict[str, str]], new: list[dict[str, str]]) -> list[dict[str, str]]:
    tags = {t["Key"]: t for t in (*old, *new)}
    return list(tags.values())


def _untaggable() -> ServiceError:
    return ServiceError("ResourceNotFoundException", "Resource does not exist", 404)


def _policy(where: str, account: str) -> str:
    """What a topic's policy says until somebody says otherwise: its own account may use it."""
    actions = ["Publish", "Subscribe", "GetTopicAttributes", "SetTopicAttributes", "DeleteTopic", "ListSubscriptionsByTopic"]
    return json.dumps({"Version": "2008-10-17", "Id": "__default_policy_ID", "Statement": [{
        "Sid": "__default_statement_ID", "Effect": "Allow", "Principal": {"AWS": "*"}, "Action": [f"SNS:{a}" for a in actions],
        "Resource": where, "Condition": {"StringEquals": {"AWS:SourceOwner": account}},
    }]})
