"""What a request becomes, and what is told of its answer."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sagewright.slices.async_inference import gauges, notice
from sagewright.slices.async_inference.crew import Crew, Instance
from sagewright.slices.async_inference.notice import Outcome
from sagewright.slices.async_inference.request import made, said
from sagewright.wire.errors import ServiceError

OUTPUT = {"S3OutputPath": "s3://b/out/", "S3FailurePath": "https://box.s3.us-east-1.amazonaws.com/failed"}


def request(**more: Any) -> tuple[str, dict[str, Any]]:
    return made({"EndpointName": "e", "InputLocation": "s3://b/in", **more}, OUTPUT, "e-1", 100.0)


def test_where_answers_go() -> None:
    _, doc = request(InferenceId="i")
    assert said(doc) == {"InferenceId": "i", "OutputLocation": "s3://b/out/i.out", "FailureLocation": "s3://box/failed/i-error.out"}
    _, doc = request(InferenceId="../x", S3OutputPathExtension="/a/b/", Filename="f")
    assert doc["OutputLocation"] == "s3://b/out/a/b/f"
    assert doc["FailureLocation"] == "s3://box/failed/..%2Fx-error.out"
    assert (doc["Ttl"], doc["Timeout"], doc["Received"]) == (21_600, 900, 100.0)


def test_the_same_request_has_the_same_key() -> None:
    assert request(InferenceId="i")[0] == request(InferenceId="i")[0]
    keys = {request(InferenceId="i")[0], request(InferenceId="j")[0], request(InferenceId="i", Accept="text/csv")[0]}
    keys |= {made({"EndpointName": "e", "InputLocation": "s3://b/in", "InferenceId": "i"}, OUTPUT, "e-2", 100.0)[0]}
    assert len(keys) == 4
    assert request()[0] != request()[0]
    assert request()[1]["InferenceId"] != request()[1]["InferenceId"]


@pytest.mark.parametrize("more", [{"InputLocation": "nowhere"}, {"Body": b"x"}, {"Accept": "a\nb"}, {"InferenceId": "ü"}])
def test_what_is_refused(more: dict[str, Any]) -> None:
    with pytest.raises(ServiceError) as caught:
        request(**more)
    assert caught.value.code == "ValidationError"


def told(outcome: Outcome, **output: Any) -> dict[str, Any]:
    _, doc = request(InferenceId="i", ContentType="text/csv")
    found: dict[str, Any] = json.loads(notice.message(doc, {"NotificationConfig": output}, outcome, "eu-west-1", 1.5))
    return found


def test_notices() -> None:
    good = told(Outcome(content_type="text/csv", body=b"1"))
    assert good["responseParameters"] == {"contentType": "text/csv", "outputLocation": "s3://b/out/i.out"}
    assert (good["eventTime"], good["receivedTime"]) == ("1970-01-01T00:00:01.500Z", "1970-01-01T00:01:40.000Z")
    assert "responseBody" not in good
    both = ["SUCCESS_NOTIFICATION_TOPIC", "ERROR_NOTIFICATION_TOPIC"]
    assert told(Outcome(body=b"1"), IncludeInferenceResponseIn=both)["responseBody"] == {"content": "MQ==", "encoding": "BASE64"}
    assert "responseBody" not in told(Outcome(body=b"1" * 131_073), IncludeInferenceResponseIn=both)
    bad = told(Outcome("it broke", body=b"why"), IncludeInferenceResponseIn=both)
    assert (bad["invocationStatus"], bad["failureReason"], bad["failureLocation"]) == ("Failed", "it broke", "s3://box/failed/i-error.out")
    assert "responseParameters" not in bad


def test_topics() -> None:
    output = {"NotificationConfig": {"SuccessTopic": "s"}}
    assert notice.topic(output, Outcome()) == "s"
    assert notice.topic(output, Outcome("bad")) == ""
    assert notice.topic({}, Outcome()) == ""


def test_gauges() -> None:
    crew = Crew()
    values = {s.name: s.value for s in gauges.samples("e", crew, 6, 90.0, 100.0)}
    assert values == {
        "ApproximateBacklogSize": 6, "ApproximateBacklogSizePerInstance": 6, "ApproximateAgeOfOldestRequest": 10, "HasBacklogWithoutCapacity": 1,
    }
    assert gauges.pause(crew, 6) == gauges.EVERY
    assert gauges.pause(crew, 0) is None
    for n in "ab":
        crew.instances[n] = Instance(n, "v", 1.0, None, ["s"], 1)
    values = {s.name: s.value for s in gauges.samples("e", crew, 6, None, 100.0)}
    assert (values["ApproximateBacklogSizePerInstance"], values["HasBacklogWithoutCapacity"]) == (3, 0)
    assert gauges.pause(crew, 0) == gauges.IDLE
