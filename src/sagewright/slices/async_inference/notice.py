"""The notification of an answer, as SNS carries it. Pure."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

INCLUDED = 128 * 1024
"""Bytes; the largest answer that a notification carries itself."""


@dataclass(slots=True)
class Outcome:
    """What came of a request."""

    reason: str = ""
    """Why there is no answer; empty when there is one."""
    content_type: str = ""
    body: bytes | None = None
    """The answer, or the container's error, where it is small enough to be told."""
    metric: str = ""
    """What is counted besides the outcome itself."""

    @property
    def failed(self) -> bool:
        return bool(self.reason)


def topic(output: Mapping[str, Any], outcome: Outcome) -> str:
    """The topic that is told; empty if none is."""
    config = output.get("NotificationConfig", {})
    return str(config.get("ErrorTopic" if outcome.failed else "SuccessTopic", ""))


def message(doc: Mapping[str, Any], output: Mapping[str, Any], outcome: Outcome, region: str, now: float) -> str:
    """The JSON of a notification."""
    given = {"contentType": "ContentType", "accept": "Accept", "customAttributes": "CustomAttributes",
             "endpointName": "EndpointName", "inputLocation": "InputLocation"}
    told: dict[str, Any] = {
        "awsRegion": region,
        "eventTime": _time(now),
        "receivedTime": _time(doc["Received"]),
        "invocationStatus": "Failed" if outcome.failed else "Completed",
        "requestParameters": {name: doc[member] for name, member in given.items() if member in doc},
    }
    if outcome.failed:
        told["failureReason"] = outcome.reason
        if "FailureLocation" in doc:
            told["failureLocation"] = doc["FailureLocation"]
    else:
        told["responseParameters"] = {"contentType": outcome.content_type, "outputLocation": doc["OutputLocation"]}
    wanted = "ERROR_NOTIFICATION_TOPIC" if outcome.failed else "SUCCESS_NOTIFICATION_TOPIC"
    included = output.get("NotificationConfig", {}).get("IncludeInferenceResponseIn", ())
    if wanted in included and outcome.body is not None and len(outcome.body) <= INCLUDED:
        told["responseBody"] = {"content": base64.b64encode(outcome.body).decode(), "encoding": "BASE64"}
    told |= {
        "inferenceId": doc["InferenceId"], "eventVersion": "1.0", "eventSource": "aws:sagemaker", "eventName": "InferenceResult",
    }
    return json.dumps(told)


def _time(seconds: float) -> str:
    at = datetime.fromtimestamp(seconds, UTC)
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03d}Z"
