"""The stream of changes that keeps Studio's pages up to date."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from sagewright.testing.desk import HOME, Desk, asked
from sagewright.testing.names import unique
from sagewright.testing.server import TestServer


@pytest.fixture
def desk(server: TestServer) -> Desk:
    return Desk(server)


class Stream:
    """Server-sent events of a session."""

    def __init__(self, browser: httpx.Client, last: str = "", path: str = "events") -> None:
        headers = {"last-event-id": last} if last else {}
        self._open = browser.stream("GET", f"{HOME}api/{path}", headers=headers, timeout=60)
        self.answer = self._open.__enter__()
        self._lines = self.answer.iter_lines()

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *_: Any) -> None:
        self._open.__exit__(None, None, None)

    def events(self) -> Iterator[tuple[str, dict[str, Any], str]]:
        """(name, data, id)."""
        found: dict[str, str] = {}
        for line in self._lines:
            if not line and "event" in found:
                yield found["event"], json.loads(found["data"]), found["id"]
            if not line:
                found = {}
            elif not line.startswith(":"):
                name, _, value = line.partition(": ")
                found[name] = value

    def seen(self, kind: str, name: str, **members: Any) -> tuple[dict[str, Any], str]:
        """(data, id) of the first change that has them."""
        for event, data, number in self.events():
            if event == "change" and (data["Kind"], data["Name"]) == (kind, name) and members.items() <= data.items():
                return data, number
        raise AssertionError("the stream ended")


def model(server: TestServer, name: str) -> str:
    role = f"arn:aws:iam::123456789012:role/{server.execution_role()}"
    found: str = server.client("sagemaker").create_model(ModelName=name, ExecutionRoleArn=role, PrimaryContainer={
        "Image": "123456789012.dkr.ecr.us-east-1.amazonaws.com/x:1",
    })["ModelArn"]  # fmt: skip
    return found


def test_a_change_is_told(desk: Desk) -> None:
    with Stream(desk.signed_in()) as stream:
        assert stream.answer.headers["content-type"] == "text/event-stream"
        assert next(stream.events())[0] == "ready"
        desk.sagemaker.create_space(DomainId=desk.domain, SpaceName=desk.name)
        data, _ = stream.seen("Space", desk.name, Status="InService")
        assert data["Arn"] == f"arn:aws:sagemaker:us-east-1:123456789012:space/{desk.domain}/{desk.name}"
        assert data["Version"] >= 2
        desk.sagemaker.delete_space(DomainId=desk.domain, SpaceName=desk.name)
        data, _ = stream.seen("Space", desk.name, Deleted=True)
        assert set(data) == {"Kind", "Name", "Arn", "Deleted", "Time"}


def test_documents_without_a_lifecycle_are_told_too(desk: Desk) -> None:
    name = unique("told")
    with Stream(desk.signed_in()) as stream:
        assert next(stream.events())[0] == "ready"
        where = model(desk.server, name)
        data, _ = stream.seen("Model", name)
        assert (data["Arn"], "Status" in data) == (where, False)
        desk.sagemaker.delete_model(ModelName=name)
        stream.seen("Model", name, Deleted=True)


def test_what_is_changed_without_a_lifecycle_is_told_each_time(desk: Desk) -> None:
    """Packages of the registry, and runs that join an experiment."""
    sagemaker, name = desk.sagemaker, unique("told")
    with Stream(desk.signed_in()) as stream:
        sagemaker.create_model_package_group(ModelPackageGroupName=name)
        stream.seen("ModelPackageGroup", name)
        where = sagemaker.create_model_package(ModelPackageGroupName=name)["ModelPackageArn"]
        made, _ = stream.seen("ModelPackage", name)
        assert (made["Arn"], made["Version"]) == (where, 1)
        sagemaker.update_model_package(ModelPackageArn=where, ModelApprovalStatus="Approved")
        stream.seen("ModelPackage", name, Version=2)
        sagemaker.delete_model_package(ModelPackageName=where)
        gone, _ = stream.seen("ModelPackage", "1", Deleted=True)
        assert gone["Arn"] == where
        sagemaker.delete_model_package_group(ModelPackageGroupName=name)
        stream.seen("ModelPackageGroup", name, Deleted=True)
        sagemaker.create_experiment(ExperimentName=name)
        sagemaker.create_trial(ExperimentName=name, TrialName=name)
        sagemaker.create_trial_component(TrialComponentName=name)
        run, _ = stream.seen("TrialComponent", name)
        sagemaker.associate_trial_component(TrialComponentName=name, TrialName=name)
        stream.seen("TrialComponent", name, Version=run["Version"] + 1)
        sagemaker.disassociate_trial_component(TrialComponentName=name, TrialName=name)
        sagemaker.delete_trial_component(TrialComponentName=name)
        stream.seen("TrialComponent", name, Deleted=True)


def test_only_what_the_role_may_describe_is_told(server: TestServer) -> None:
    desk, hidden = Desk(server, "sagemaker:DescribeSpace"), unique("hidden")
    with Stream(desk.signed_in()) as stream:
        kinds = set()
        assert next(stream.events())[0] == "ready"
        model(server, hidden)
        desk.sagemaker.create_space(DomainId=desk.domain, SpaceName=desk.name)
        for event, data, _ in stream.events():
            assert event == "change"
            kinds.add(data["Kind"])
            if data["Name"] == desk.name:
                break
        assert kinds == {"Space"}


def test_a_stream_begins_after_what_the_session_said(desk: Desk) -> None:
    browser, name = desk.signed_in(), unique("between")
    after = asked(browser, "GET", "session").json()["LastEvent"]
    model(desk.server, name)
    with Stream(browser, path=f"events?after={after}") as stream:
        assert next(stream.events())[0] == "ready"
        _, told = stream.seen("Model", name)
    model(desk.server, name + "-2")
    with Stream(browser, last=told, path=f"events?after={after}") as stream:  # taken up again: what was told is not told again
        assert next(stream.events())[0] == "ready"
        assert name not in [data["Name"] for _, data, _ in until_told(stream, name + "-2")]


def until_told(stream: Stream, name: str) -> Iterator[tuple[str, dict[str, Any], str]]:
    for event in stream.events():
        yield event
        if event[1].get("Name") == name:
            return


def test_a_stream_that_was_cut_goes_on_where_it_was(desk: Desk) -> None:
    browser, name = desk.signed_in(), unique("missed")
    with Stream(browser) as stream:
        _, _, last = next(stream.events())
    model(desk.server, name)
    with Stream(browser, last) as stream:
        assert next(stream.events())[0] == "ready"
        stream.seen("Model", name)
    for stale in ("0-1", "nonsense", last.partition("-")[0] + "-999999999", last.partition("-")[0] + "-x"):
        with Stream(browser, stale) as stream:
            assert next(stream.events())[0] == "resync", stale


def test_streams_are_released_at_shutdown(own_server: TestServer) -> None:
    desk = Desk(own_server)
    browser = desk.signed_in()
    with Stream(browser) as left:
        assert next(left.events())[0] == "ready"
    with Stream(browser) as stream:
        assert next(stream.events())[0] == "ready"
        model(own_server, unique("told"))
        assert next(stream.events())[0] == "change"
        assert own_server.process is not None
        own_server.process.terminate()
        assert list(stream.events()) == []
    assert own_server.process.wait(60) == 0
    assert "Traceback" not in own_server.log()
