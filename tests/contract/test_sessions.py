"""Stateful sessions: opened by a container, kept by whoever opened them, closed, over, and lost."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sagewright.testing.models import Models
from sagewright.testing.server import TestServer

STATEFUL = """
    import json, time

    def model_fn(model_dir):
        return {}

    def predict_fn(asked, sessions, context):
        what = asked["do"]
        if what == "announce":
            context.set_response_header(0, asked["header"], asked["value"])
            return "announced"
        if context.wants_session:
            sessions[context.open_session(asked.get("seconds", 600))] = []
            return "welcome"
        if what == "close":
            del sessions[context.session_id]
            context.close_session()
            return "bye"
        if what == "stateless":
            return context.session_id
        sessions[context.session_id].append(asked["word"])
        return sessions[context.session_id]

    def input_fn(body, content_type):
        return json.loads(body)

    def output_fn(answer, accept, context):
        if isinstance(answer, list):
            return (word + " " for word in answer), "text/plain"
        return json.dumps(answer), "application/json"
"""


@pytest.fixture(scope="module")
def endpoint(models: Models) -> Iterator[str]:
    """Two variants of two instances each, of one process each."""
    made = [models.model(STATEFUL) for _ in range(2)]
    name = models.endpoint(models.config(*made, count=2))
    assert models.settled(name)["EndpointStatus"] == "InService"
    yield name
    models.delete(name)


def ask(models: Models, endpoint: str, do: str, session: str | None = None, **asked: Any) -> dict[str, Any]:
    given = {"SessionId": session} if session else {}
    given |= {"TargetVariant": asked.pop("variant")} if "variant" in asked else {}
    return models.invoke(endpoint, json.dumps({"do": do, **asked}), ContentType="application/json", **given)


def opened(models: Models, endpoint: str, **asked: Any) -> str:
    said = ask(models, endpoint, "open", "NEW_SESSION", **asked)["NewSessionId"]
    session, _, ends = said.partition("; Expires=")
    time.strptime(ends, "%Y-%m-%dT%H:%M:%SZ")
    return str(session)


def refused(models: Models, endpoint: str, session: str, **asked: Any) -> str:
    with pytest.raises(ClientError) as caught:
        ask(models, endpoint, "say", session, word="x", **asked)
    error = caught.value.response
    assert (error["Error"]["Code"], error["ResponseMetadata"]["HTTPStatusCode"]) == ("ValidationError", 400)
    return str(error["Error"]["Message"])


def test_requests_of_a_session_reach_the_one_who_has_it(models: Models, endpoint: str) -> None:
    """Four processes, none of which knows the others' sessions."""
    sessions = [opened(models, endpoint) for _ in range(6)]
    assert len(set(sessions)) == 6
    for word in "abc":
        for number, session in enumerate(sessions):
            answer = ask(models, endpoint, "say", session, word=f"{word}{number}")
    assert answer["Body"] == b"a5 b5 c5 "
    assert "NewSessionId" not in answer
    for number, session in enumerate(sessions):
        assert ask(models, endpoint, "say", session, word="d")["Body"].decode() == f"a{number} b{number} c{number} d "
        assert ask(models, endpoint, "close", session)["ClosedSessionId"] == session
        assert "does not exist or has expired" in refused(models, endpoint, session)


def test_a_session_that_nobody_opened(models: Models, endpoint: str) -> None:
    assert "Session s-1 of endpoint" in refused(models, endpoint, "s-1")


def test_a_session_ends_when_its_container_said(models: Models, endpoint: str) -> None:
    session, end = opened(models, endpoint, seconds=2), time.monotonic() + 10
    assert ask(models, endpoint, "say", session, word="a")["Body"] == b"a "
    while time.monotonic() < end:
        try:
            ask(models, endpoint, "say", session, word="a")
        except ClientError:
            break
        time.sleep(0.02)  # until the clock has it
    assert "does not exist or has expired" in refused(models, endpoint, session)


def test_streams_join_a_session_and_open_none(models: Models, endpoint: str) -> None:
    session = opened(models, endpoint)
    ask(models, endpoint, "say", session, word="one")
    answer = models.runtime.invoke_endpoint_with_response_stream(
        EndpointName=endpoint, Body=json.dumps({"do": "say", "word": "two"}), ContentType="application/json", SessionId=session)
    assert b"".join(event["PayloadPart"]["Bytes"] for event in answer["Body"]) == b"one two "
    with pytest.raises(ClientError) as caught:
        models.runtime.invoke_endpoint_with_response_stream(EndpointName=endpoint, Body=b"{}", SessionId="NEW_SESSION")
    assert caught.value.response["Error"]["Code"].startswith("Validation")
    with pytest.raises(ClientError, match="does not exist"):
        models.runtime.invoke_endpoint_with_response_stream(EndpointName=endpoint, Body=b"{}", SessionId="none")
    closed = models.runtime.invoke_endpoint_with_response_stream(
        EndpointName=endpoint, Body=json.dumps({"do": "close"}), ContentType="application/json", SessionId=session)
    assert b"".join(event["PayloadPart"]["Bytes"] for event in closed["Body"]) == b'"bye"'
    refused(models, endpoint, session)


def test_a_session_belongs_to_its_variant(models: Models, endpoint: str) -> None:
    session = opened(models, endpoint, variant="v1")
    assert ask(models, endpoint, "say", session, word="a", variant="v1")["InvokedProductionVariant"] == "v1"
    assert ask(models, endpoint, "say", session, word="b")["InvokedProductionVariant"] == "v1"
    assert "belongs to variant v1" in refused(models, endpoint, session, variant="v0")


@pytest.mark.parametrize("header", ["X-Amzn-SageMaker-New-Session-Id", "X-Amzn-SageMaker-Session-Id"])
def test_containers_announce_sessions_by_headers(models: Models, endpoint: str, header: str) -> None:
    """Those of DJL and TorchServe by the second."""
    mine = "own-" + header.split("-")[3].lower()
    answer = ask(models, endpoint, "announce", "NEW_SESSION", header=header, value=f"{mine}; Expires=2099-01-01T00:00:00Z")
    assert answer["NewSessionId"] == f"{mine}; Expires=2099-01-01T00:00:00Z"
    assert json.loads(ask(models, endpoint, "stateless", mine)["Body"]) == mine


def test_an_announcement_that_is_none_is_the_models_error(models: Models, endpoint: str) -> None:
    with pytest.raises(ClientError, match="is not of the form") as caught:
        ask(models, endpoint, "announce", "NEW_SESSION", header="X-Amzn-SageMaker-New-Session-Id", value="one; Expires=tomorrow")
    assert caught.value.response["Error"]["Code"] == "ModelError"


def test_who_asks_for_no_session_gets_none(models: Models, endpoint: str) -> None:
    value = "never; Expires=2099-01-01T00:00:00Z"
    answer = ask(models, endpoint, "announce", header="X-Amzn-SageMaker-New-Session-Id", value=value)
    assert "NewSessionId" not in answer
    refused(models, endpoint, "never")


def test_an_update_ends_sessions(models: Models) -> None:
    model = models.model(STATEFUL)
    name = models.endpoint(models.config(model))
    models.settled(name)
    session = opened(models, name)
    models.sagemaker.update_endpoint(EndpointName=name, EndpointConfigName=models.config(model))
    models.settled(name)
    assert "does not exist or has expired" in refused(models, name, session)
    models.delete(name)


def test_sessions_outlive_the_server(own_server: TestServer) -> None:
    """Their instance does, and knows them still."""
    models = Models(own_server)
    name = models.endpoint(models.config(models.model(STATEFUL), count=2))
    models.settled(name)
    sessions = [opened(models, name) for _ in range(3)]
    for session in sessions:
        ask(models, name, "say", session, word=session)
    own_server.kill()
    own_server.start()
    again = Models(own_server)
    for session in sessions:
        assert ask(again, name, "say", session, word="more")["Body"].decode() == f"{session} more "
