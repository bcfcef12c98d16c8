"""Queues: their names, URLs, attributes and tags."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from ...resources.arn import arn, parse
from ...resources.platform import Platform
from ...stores.records import Conflict, Delete, Put, Query, Record
from ...wire.errors import ServiceError
from ...wire.types import Call
from .attributes import COMPUTED, FIFO, KEPT, NUMBERS, check, check_name, redrive
from .broker import QUEUE, Broker

PAGE = 1000
LIMIT = 50
"""Tags a queue may have."""


class Queues:
    """The verbs of queues on one platform."""

    def __init__(self, platform: Platform, broker: Broker) -> None:
        self.platform, self.records, self.broker = platform, platform.records, broker

    def install(self) -> None:
        bind = self.platform.operations.bind
        bind("sqs", "CreateQueue", self.create, resources=_named)
        bind("sqs", "GetQueueUrl", self.url, resources=_named)
        bind("sqs", "ListQueues", self.list)
        for name, verb in (
            ("DeleteQueue", self.delete), ("GetQueueAttributes", self.attributes), ("SetQueueAttributes", self.set),
            ("PurgeQueue", self.purge), ("TagQueue", self.tag), ("UntagQueue", self.untag), ("ListQueueTags", self.tags),
            ("ListDeadLetterSourceQueues", self.sources),
        ):
            bind("sqs", name, verb, resources=arns)

    # -- for the other verbs

    async def find(self, call: Call) -> Record:
        """The queue of ``QueueUrl``. Raises ServiceError QueueDoesNotExist."""
        account, name = _place(call)
        record = await self.records.get(QUEUE, f"{account or call.account}/{call.region}", name)
        if record is None or record.scope != call.scope:
            raise _missing()
        return record

    # -- verbs

    async def create(self, call: Call) -> dict[str, Any]:
        name, now = call.params["QueueName"], self.platform.clock()
        check_name(name)
        attributes = check(call.params.get("Attributes", {}))
        await self._check_redrive(attributes)
        tags = call.params.get("tags", {})
        _check_tags(tags)
        doc = {
            "Id": f"{name}-{int(now * 1e6)}", "Arn": arn("sqs", call.region, call.account, name),
            "Attributes": attributes, "Tags": tags, "Created": now, "Modified": now,
        }
        try:
            await self.records.commit(Put(QUEUE, call.scope, name, doc, 0))
        except Conflict:
            old = await self.records.get(QUEUE, call.scope, name)
            if old is None or any(_value(old, k) != v for k, v in attributes.items()):
                raise ServiceError(
                    "QueueNameExists", "A queue already exists with the same name and a different value for one of its attributes."
                ) from None
        return {"QueueUrl": self._url(call, name)}

    async def url(self, call: Call) -> dict[str, Any]:
        name = call.params["QueueName"]
        if await self.records.get(QUEUE, call.scope, name) is None or call.params.get("QueueOwnerAWSAccountId", call.account) != call.account:
            raise _missing()
        return {"QueueUrl": self._url(call, name)}

    async def list(self, call: Call) -> dict[str, Any]:
        return await self._page(call, "QueueUrls", Query(name_prefix=call.params.get("QueueNamePrefix")))

    async def sources(self, call: Call) -> dict[str, Any]:
        """Queues whose dead letters come here."""
        mine = (await self.find(call)).doc["Arn"]
        found = await self.records.find(QUEUE, call.scope, Query(sort_by="name", descending=False, limit=100_000))
        urls = [self._url(call, q.key) for q in found if (policy := redrive(q.doc["Attributes"])) and policy[0] == mine]
        return {"queueUrls": urls[:PAGE]}

    async def delete(self, call: Call) -> None:
        """Its messages first: a server that dies in between still knows the queue, and the caller asks again."""
        record = await self.find(call)
        await self.broker.purge(record)
        await self.records.commit(Delete(QUEUE, record.scope, record.key))
        await self.broker.purge(record)  # what was being sent meanwhile
        self.broker.forget(record)

    async def purge(self, call: Call) -> None:
        await self.broker.purge(await self.find(call))

    async def attributes(self, call: Call) -> dict[str, Any]:
        record = await self.find(call)
        wanted = call.params.get("AttributeNames", ())
        for name in wanted:
            if name != "All" and name not in (*NUMBERS, *KEPT, *FIFO, *COMPUTED, "RedrivePolicy"):
                raise ServiceError("InvalidAttributeName", f"Unknown Attribute {name}.")
        if not wanted:
            return {}
        ready, flying, delayed = (await self.broker.index(record)).counts(self.platform.clock())
        doc = record.doc
        known = {name: str(default) for name, (_, _, default) in NUMBERS.items() if name != "KmsDataKeyReusePeriodSeconds"}
        known |= {"SqsManagedSseEnabled": "false"} | {k: v for k, v in doc["Attributes"].items() if v}
        known |= {
            "ApproximateNumberOfMessages": str(ready), "ApproximateNumberOfMessagesNotVisible": str(flying),
            "ApproximateNumberOfMessagesDelayed": str(delayed), "CreatedTimestamp": str(int(doc["Created"])),
            "LastModifiedTimestamp": str(int(doc["Modified"])), "QueueArn": doc["Arn"],
        }
        return {"Attributes": known if "All" in wanted else {k: known[k] for k in wanted if k in known}}

    async def set(self, call: Call) -> None:
        attributes = check(call.params["Attributes"])
        await self._check_redrive(attributes)
        await self._change(call, lambda doc: {**doc, "Attributes": {**doc["Attributes"], **attributes}, "Modified": self.platform.clock()})

    async def tag(self, call: Call) -> None:
        def more(doc: dict[str, Any]) -> dict[str, Any]:
            tags = {**doc["Tags"], **call.params["Tags"]}
            _check_tags(tags)
            return {**doc, "Tags": tags}

        await self._change(call, more)

    async def untag(self, call: Call) -> None:
        gone = set(call.params["TagKeys"])
        await self._change(call, lambda doc: {**doc, "Tags": {k: v for k, v in doc["Tags"].items() if k not in gone}})

    async def tags(self, call: Call) -> dict[str, Any]:
        return {"Tags": (await self.find(call)).doc["Tags"]}

    # -- parts

    def _url(self, call: Call, name: str) -> str:
        return f"{call.endpoint or self.platform.endpoint}/{call.account}/{name}"

    async def _page(self, call: Call, member: str, query: Query) -> dict[str, Any]:
        most = min(call.params.get("MaxResults", PAGE), PAGE)
        token = call.params.get("NextToken")
        found = await self.records.find(QUEUE, call.scope, Query(
            name_prefix=query.name_prefix, sort_by="name", descending=False, limit=most, after=(token, token) if token else None))
        answer: dict[str, Any] = {member: [self._url(call, record.key) for record in found]} if found else {}
        if len(found) == most and "MaxResults" in call.params:
            answer["NextToken"] = found[-1].key
        return answer

    async def _check_redrive(self, attributes: dict[str, str]) -> None:
        """A dead-letter queue must exist when it is named."""
        if policy := redrive(attributes):
            where = parse(policy[0])
            if await self.records.get(QUEUE, f"{where.account}/{where.region}", where.name) is None:
                raise ServiceError("InvalidParameterValue", f"Value {attributes['RedrivePolicy']} for parameter RedrivePolicy is invalid. Reason: Dead letter target does not exist.")

    async def _change(self, call: Call, change: Any) -> None:
        while True:
            record = await self.find(call)
            try:
                await self.records.commit(Put(QUEUE, record.scope, record.key, change(record.doc), record.version))
            except Conflict:
                continue
            return


def _place(call: Call) -> tuple[str, str]:
    """(account or empty, name) that a QueueUrl ends with; old clients give the name alone."""
    parts = [part for part in urlsplit(call.params["QueueUrl"]).path.split("/") if part]
    if not parts:
        raise ServiceError("InvalidAddress", f"The address {call.params['QueueUrl']} is not valid for this endpoint.")
    return (parts[-2] if len(parts) > 1 else ""), parts[-1]


def arns(call: Call) -> list[str]:
    """What a call acts on, for policies."""
    account, name = _place(call)
    return [arn("sqs", call.region, account or call.account, name)]


def _named(call: Call) -> list[str]:
    return [arn("sqs", call.region, call.account, call.params["QueueName"])]


def _missing() -> ServiceError:
    return ServiceError("QueueDoesNotExist", "The specified queue does not exist.")


def _value(record: Record, name: str) -> str:
    default = str(NUMBERS[name][2]) if name in NUMBERS else ""
    return str(record.doc["Attributes"].get(name, default))


def _check_tags(tags: dict[str, str]) -> None:
    if len(tags) > LIMIT:
        raise ServiceError("InvalidParameterValue", f"Too many tags added for queue. Maximum number of tags allowed is {LIMIT}.")
