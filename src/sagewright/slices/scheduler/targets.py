"""What a target means: a call of the API. Pure.

Universal targets name an operation, ``arn:aws:scheduler:::aws-sdk:sagemaker:createTrainingJob``, and ``Input`` is its request.
Templated targets name a resource; ``Input`` is the message. https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-targets.html
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ...wire.errors import Invalid, NotImplementedHere

_UNIVERSAL = re.compile(r"arn:aws[a-z-]*:scheduler:::aws-sdk:(?P<service>[a-z0-9]+):(?P<action>[a-z][A-Za-z0-9]*)")
_TEMPLATED = re.compile(r"arn:aws[a-z-]*:(?P<service>[a-z0-9-]+):(?P<region>[a-z0-9-]*):(?P<account>\d*):(?P<resource>.+)")
_READS = re.compile(
    "get|describe|list|poll|receive|search|scan|query|select|read|lookup|discover|validate|batchGet|batchDescribe|batchRead"
    "|transactGet|adminGet|adminList|testMigration|retrieve|testConnection|translateDocument|isAuthorized|invokeModel"
)
"""What AWS does not let schedules call."""
SERVICES = ("sagemaker", "sqs", "sns")
"""Universal targets here: those whose requests are plain JSON, without times and bytes."""
_WORD = re.compile(r"<aws\.scheduler\.(schedule-arn|scheduled-time|execution-id|attempt-number)>")
Bound = Callable[[str, str], bool]


@dataclass(frozen=True, slots=True)
class Request:
    """One call of the API."""

    service: str
    operation: str
    params: dict[str, Any]


def check(target: Mapping[str, Any], bound: Bound) -> None:
    """The target can be called, as far as one can say now. Raises Invalid, or NotImplementedHere for what is not built.

    Args:
        target: as CreateSchedule has it.
        bound: whether an operation of a service exists here.
    """
    found = request(target, _filled(target.get("Input"), {}), "http://queues")
    if not bound(found.service, found.operation):
        raise NotImplementedHere(f"The target {target['Arn']} is not implemented: {found.service} {found.operation} does not exist here.")


def request(target: Mapping[str, Any], text: str | None, endpoint: str, id_: str = "") -> Request:
    """What to call.

    Args:
        target: as CreateSchedule has it.
        text: the target's input, filled in.
        endpoint: base URL of queues.
        id_: of this moment: a call that was cut short and is made again does nothing twice.
    """
    where = target["Arn"]
    if match := _UNIVERSAL.fullmatch(where):
        return _universal(match["service"], match["action"], where, text)
    match = _TEMPLATED.fullmatch(where)
    if match is None or match["service"] == "scheduler":
        raise Invalid(f"Provided Arn is not in correct format: {where}.")
    if match["service"] == "sqs":
        if target.get("SqsParameters", {}).get("MessageGroupId"):
            raise NotImplementedHere("SqsParameters are not implemented: there are no FIFO queues here.")
        return Request("sqs", "SendMessage", {"QueueUrl": f"{endpoint}/{match['account']}/{match['resource']}", "MessageBody": text or ""})
    if match["service"] == "sns":
        return Request("sns", "Publish", {"TopicArn": where, "Message": text or ""})
    if match["service"] == "sagemaker" and match["resource"].startswith("pipeline/"):
        given = target.get("SageMakerPipelineParameters", {}).get("PipelineParameterList", [])
        started = {"PipelineName": match["resource"].removeprefix("pipeline/"), "ClientRequestToken": id_}
        return Request("sagemaker", "StartPipelineExecution", started | ({"PipelineParameters": given} if given else {}))
    raise NotImplementedHere(f"Targets such as {where} are not implemented; queues, topics, pipelines and universal targets are.")


def _universal(service: str, action: str, where: str, text: str | None) -> Request:
    if _READS.match(action):
        raise Invalid(f"{where} is not a valid target: schedules cannot call operations that only read.")
    if service not in SERVICES:
        raise NotImplementedHere(f"The target {where} is not implemented: universal targets are those of {', '.join(SERVICES)}.")
    try:
        params = json.loads(text) if text else {}
    except ValueError as error:
        raise Invalid(f"Invalid RequestJson provided. Reason: {error}.") from None
    if not isinstance(params, dict):
        raise Invalid("Invalid RequestJson provided. Reason: it is not a JSON object.")
    return Request(service, action[0].upper() + action[1:], params)


def filled(target: Mapping[str, Any], words: Mapping[str, str], default: str) -> str | None:
    """The target's input with what stands for the context replaced; ``default`` for a templated target that has none.

    Args:
        target: as CreateSchedule has it.
        words: ``execution-id`` and so on → what stands for them.
        default: the scheduler's own notification.
    """
    text = target.get("Input")
    if text is None and _UNIVERSAL.fullmatch(target["Arn"]) is None:
        return default
    return _filled(text, words)


def _filled(text: str | None, words: Mapping[str, str]) -> str | None:
    return _WORD.sub(lambda m: words.get(m[1], ""), text) if text else text
