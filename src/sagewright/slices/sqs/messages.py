"""Messages: send, receive, delete, hide, one by one and in batches."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from ...stores.records import Record
from ...wire.errors import ServiceError
from ...wire.types import Call
from .attributes import attributes_md5, check_batch, check_message, md5, number
from .broker import shown
from .queues import Queues, arns


class Messages:
    """The verbs of messages on one platform."""

    def __init__(self, queues: Queues) -> None:
        self.queues, self.broker = queues, queues.broker

    def install(self) -> None:
        for name, action, verb in (
            ("SendMessage", "SendMessage", self.send), ("SendMessageBatch", "SendMessage", self.send_batch),
            ("ReceiveMessage", "ReceiveMessage", self.receive),
            ("DeleteMessage", "DeleteMessage", self.delete), ("DeleteMessageBatch", "DeleteMessage", self.delete_batch),
            ("ChangeMessageVisibility", "ChangeMessageVisibility", self.hide),
            ("ChangeMessageVisibilityBatch", "ChangeMessageVisibility", self.hide_batch),
        ):
            self.queues.platform.operations.bind("sqs", name, verb, action=f"sqs:{action}", resources=arns)

    async def send(self, call: Call) -> dict[str, Any]:
        queue = await self.queues.find(call)
        check_message(call.params, number(queue.doc["Attributes"], "MaximumMessageSize"))
        (id_,) = await self.broker.send(queue, [call.params], _sender(call))
        return _sent(call.params, id_)

    async def send_batch(self, call: Call) -> dict[str, Any]:
        queue, entries = await self.queues.find(call), call.params["Entries"]
        check_batch(entries)
        good, failed = [], []
        for entry in entries:
            try:
                check_message(entry, number(queue.doc["Attributes"], "MaximumMessageSize"))
                good.append(entry)
            except ServiceError as error:
                failed.append(_failed(entry, error))
        ids = await self.broker.send(queue, good, _sender(call)) if good else []
        done = [{"Id": entry["Id"], **_sent(entry, id_)} for entry, id_ in zip(good, ids, strict=True)]
        return _outcome(done, failed)

    async def receive(self, call: Call) -> dict[str, Any]:
        queue, params = await self.queues.find(call), call.params
        attributes = queue.doc["Attributes"]
        most = _between(params, "MaxNumberOfMessages", 1, 10, 1)
        wait = _between(params, "WaitTimeSeconds", 0, 20, number(attributes, "ReceiveMessageWaitTimeSeconds"))
        hidden = _between(params, "VisibilityTimeout", 0, 43_200, number(attributes, "VisibilityTimeout"))
        system = {*params.get("AttributeNames", ()), *params.get("MessageSystemAttributeNames", ())}
        found = await self.broker.receive(queue, most, hidden, wait)
        messages = [_message(record, handle, system, params.get("MessageAttributeNames", ())) for record, handle in found]
        return {"Messages": messages} if messages else {}

    async def delete(self, call: Call) -> None:
        await self.broker.delete(await self.queues.find(call), call.params["ReceiptHandle"])

    async def delete_batch(self, call: Call) -> dict[str, Any]:
        queue = await self.queues.find(call)
        return await _each(call, lambda entry: self.broker.delete(queue, entry["ReceiptHandle"]))

    async def hide(self, call: Call) -> None:
        seconds = _between(call.params, "VisibilityTimeout", 0, 43_200, 0)
        await self.broker.hide(await self.queues.find(call), call.params["ReceiptHandle"], seconds)

    async def hide_batch(self, call: Call) -> dict[str, Any]:
        queue = await self.queues.find(call)
        return await _each(call, lambda entry: self.broker.hide(
            queue, entry["ReceiptHandle"], _between(entry, "VisibilityTimeout", 0, 43_200, 0)))


async def _each(call: Call, verb: Callable[[dict[str, Any]], Awaitable[None]]) -> dict[str, Any]:
    entries = call.params["Entries"]
    check_batch(entries)
    done, failed = [], []
    for entry in entries:
        try:
            await verb(entry)
            done.append({"Id": entry["Id"]})
        except ServiceError as error:
            failed.append(_failed(entry, error))
    return _outcome(done, failed)


def _outcome(done: list[dict[str, Any]], failed: list[dict[str, Any]]) -> dict[str, Any]:
    return {"Successful": done, "Failed": failed} if failed else {"Successful": done}


def _failed(entry: dict[str, Any], error: ServiceError) -> dict[str, Any]:
    return {"Id": entry["Id"], "SenderFault": True, "Code": error.code, "Message": error.message}


def _sent(message: Mapping[str, Any], id_: str) -> dict[str, Any]:
    answer = {"MessageId": id_, "MD5OfMessageBody": md5(message["MessageBody"])}
    if message.get("MessageAttributes"):
        answer["MD5OfMessageAttributes"] = attributes_md5(message["MessageAttributes"])
    if message.get("MessageSystemAttributes"):
        answer["MD5OfMessageSystemAttributes"] = attributes_md5(message["MessageSystemAttributes"])
    return answer


def _message(record: Record, handle: str, system: set[str], wanted: list[str]) -> dict[str, Any]:
    doc = record.doc
    message: dict[str, Any] = {
        "MessageId": record.key, "ReceiptHandle": handle, "Body": doc["Body"], "MD5OfBody": md5(doc["Body"]),
    }
    about = {
        "SenderId": doc["SenderId"], "SentTimestamp": str(doc["Sent"]), "ApproximateReceiveCount": str(doc["Receives"]),
        "ApproximateFirstReceiveTimestamp": str(doc["First"]),
    }
    about |= {"DeadLetterQueueSourceArn": doc["Source"]} if "Source" in doc else {}
    about |= {"AWSTraceHeader": doc["AWSTraceHeader"]} if "AWSTraceHeader" in doc else {}
    if shown_ := {k: v for k, v in about.items() if "All" in system or k in system}:
        message["Attributes"] = shown_
    given = {k: shown(v) for k, v in doc.get("MessageAttributes", {}).items() if _matches(k, wanted)}
    if given:
        message["MessageAttributes"] = given
        message["MD5OfMessageAttributes"] = attributes_md5(given)
    return message


def _matches(name: str, wanted: list[str]) -> bool:
    """``All``, ``.*``, a name, or a beginning that ends with ``.*``."""
    return any(w in ("All", ".*", name) or (w.endswith(".*") and name.startswith(w[:-2])) for w in wanted)


def _between(params: Mapping[str, Any], name: str, low: int, high: int, default: int) -> int:
    value = params.get(name, default)
    if not low <= value <= high:
        raise ServiceError("InvalidParameterValue", f"Value {value} for parameter {name} is invalid. Reason: Must be >= {low} and <= {high}, if provided.")
    found: int = value
    return found


def _sender(call: Call) -> str:
    return call.principal.user_id or call.principal.name or call.account
