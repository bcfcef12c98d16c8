"""Callback steps: a message to a queue, and the answer to its token."""

from __future__ import annotations

import json
import math
import secrets
import string
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from ...resources.platform import Platform
from ...stores.records import Put
from .definition import Step
from .expressions import resolve, text
from .parameters import LARGEST
from .records import CALLBACK

if TYPE_CHECKING:
    from .driver import Driver


_LETTERS = string.ascii_letters + string.digits


async def begin(driver: Driver, step: Step) -> None:
    """Write the token down with the step, before anybody can hear of it. Raises Unresolved."""
    token = "".join(secrets.choice(_LETTERS) for _ in range(10))  # who has it may answer: not to be guessed
    arguments = await resolve(step.arguments, driver.scope)
    queue = text(await resolve(step.raw["SqsQueueUrl"], driver.scope))
    metadata = {"Callback": {"CallbackToken": token, "SqsQueueUrl": queue}}
    record = driver.job.record
    doc = {"Execution": record.key, "PipelineExecutionArn": driver.arn, "StepName": step.name}
    known = Put(CALLBACK, record.scope, token, doc, 0, parent=record.parent)
    await driver.written({**driver.steps[step.name], "Metadata": metadata, "_arguments": arguments}, known)


async def send(driver: Driver, step: str, status: str) -> None:
    """The message that asks for an answer, or tells that none is wanted any more. Raises DomainError."""
    doc = driver.steps[step]
    callback = doc["Metadata"]["Callback"]
    body = {
        "token": callback["CallbackToken"], "pipelineExecutionArn": driver.arn, "arguments": doc["_arguments"], "status": status,
    }
    await driver.ask("SendMessage", {"QueueUrl": callback["SqsQueueUrl"], "MessageBody": json.dumps(body)}, "sqs")


async def answer(platform: Platform, scope: str, token: str) -> Mapping[str, Any] | None:
    """What was answered: ``{"Success", "OutputParameters" or "FailureReason"}``; None if nothing was yet."""
    known = await platform.records.get(CALLBACK, scope, token)
    return known.doc.get("Answer") if known is not None else None


def outputs(declared: Mapping[str, str], given: Iterable[Mapping[str, str]]) -> dict[str, Any]:
    """Output parameters by name, of the types that the step declares; a text that is none of its type stays one."""
    found: dict[str, Any] = {}
    for each in given:
        value: Any = each["Value"]
        try:
            match declared.get(each["Name"], "String"):
                case "Integer":
                    value = int(value) if abs(int(value)) < LARGEST else value
                case "Float":
                    value = float(value) if math.isfinite(float(value)) else value
                case "Boolean":
                    value = {"true": True, "false": False}.get(value.lower(), value)
        except ValueError:
            pass
        found[each["Name"]] = value
    return found
