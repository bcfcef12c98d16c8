"""Signing in to Studio, what a session gives and where it ends, and the stream of changes. Browsers here are httpx with cookies."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import parse_qs, urlsplit

import boto3
import httpx
import pytest
from botocore.exceptions import ClientError

from sagewright.adapters.sqlite.records import SqliteRecords
from sagewright.stores.records import Delete
from sagewright.testing.names import unique
from sagewright.testing.server import TestServer
from sagewright.testing.studio import default_domain
from sagewright.testing.waiting import until

HOME = "/_sagewright/studio/"
TRUST = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "sagemaker.amazonaws.com"}, "Action": "sts:AssumeRole"}]})


class Desk:
    """A user profile in the default domain, with a role of its own, and browsers to sign it in."""

    def __init__(self, server: TestServer, *allowed: str) -> None:
        self.server, self.sagemaker, self.name = server, server.client("sagemaker"), unique("ada")
        self.domain = default_domain(self.server)
        settings = {"UserSettings": {"ExecutionRole": self.role(*allowed)}} if allowed else {}
        self.sagemaker.create_user_profile(DomainId=self.domain, UserProfileName=self.name, **settings)
        self.until_in_service()

    def until_in_service(self) -> None:
        about = {"DomainId": self.domain, "UserProfileName": self.name}
        until(lambda: self.sagemaker.describe_user_profile(**about)["Status"] == "InService")

    def role(self, *allowed: str) -> str:
        iam = self.server.client("iam")
        made: str = iam.create_role(RoleName=self.name, AssumeRolePolicyDocument=TRUST)["Role"]["Arn"]
        document = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": list(allowed), "Resource": "*"}]}
        iam.put_role_policy(RoleName=self.name, PolicyName="p", PolicyDocument=json.dumps(document))
        return made

    def link(self, **more: Any) -> str:
        found: str = self.sagemaker.create_presigned_domain_url(DomainId=self.domain, UserProfileName=self.name, **more)["AuthorizedUrl"]
        return found

    def browser(self) -> httpx.Client:
        """With the headers that a page's ``fetch`` has."""
        return httpx.Client(base_url=self.server.url, headers={"origin": self.server.url, "sec-fetch-site": "same-origin"}, timeout=30)

    def signed_in(self, **more: Any) -> httpx.Client:
        browser = self.browser()
        assert browser.get(self.link(**more)).status_code == 303
        return browser


@pytest.fixture
def desk(server: TestServer) -> Desk:
    return Desk(server)


def asked(browser: httpx.Client, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
    content = None if method == "GET" else json.dumps({} if body is None else body)
    given = {} if method == "GET" else {"content-type": "application/json"}
    return browser.request(method, f"{HOME}api/{path}", content=content, headers={**given, **headers})


def keys(browser: httpx.Client, server: TestServer, service: str) -> Any:
    """A client with the keys that the session gives."""
    got = asked(browser, "POST", "credentials").json()
    return boto3.client(
        service, endpoint_url=server.url, region_name="us-east-1", aws_access_key_id=got["AccessKeyId"],
        aws_secret_access_key=got["SecretAccessKey"], aws_session_token=got["SessionToken"],
    )  # fmt: skip


# -- links and sessions


def test_a_link_signs_in_once(desk: Desk) -> None:
    link, browser = desk.link(), desk.browser()
    first = browser.get(link)
    assert (first.status_code, first.headers["location"]) == (303, HOME)
    cookie = first.headers["set-cookie"]
    assert cookie.startswith("sagewright-studio=")
    assert cookie.partition("; ")[2] == f"Path={HOME}; Max-Age=43200; HttpOnly; SameSite=Strict"
    assert desk.browser().get(link).status_code == 403
    again = desk.link()
    with ThreadPoolExecutor(6) as pool:
        statuses = sorted(pool.map(lambda _: httpx.get(again).status_code, range(6)))
    assert statuses == [303] + [403] * 5


def test_the_session_says_who_and_where(desk: Desk) -> None:
    browser = desk.signed_in(SessionExpirationDurationInSeconds=1800)
    about = asked(browser, "GET", "session").json()
    assert {m: about[m] for m in ("DomainId", "DomainName", "UserProfileName", "Region", "Account", "Endpoint", "HasPassword", "MaySetPassword")} == {
        "DomainId": desk.domain, "DomainName": "default", "UserProfileName": desk.name, "Region": "us-east-1", "Account": "123456789012",
        "Endpoint": desk.server.url, "HasPassword": False, "MaySetPassword": True,
    }  # fmt: skip
    assert about["UserProfileArn"] == f"arn:aws:sagemaker:us-east-1:123456789012:user-profile/{desk.domain}/{desk.name}"
    assert about["Expires"] - about["Opened"] == 1800


def test_a_token_signs_in_by_post_too(desk: Desk) -> None:
    token = parse_qs(urlsplit(desk.link()).query)["token"][0]
    browser = desk.browser()
    got = asked(browser, "POST", "session", {"Token": token})
    assert (got.status_code, got.json()["UserProfileName"]) == (200, desk.name)
    assert asked(browser, "GET", "session").status_code == 200
    assert asked(desk.browser(), "POST", "session", {"Token": token}).status_code == 403


def test_a_link_names_a_space_and_a_page(desk: Desk) -> None:
    desk.sagemaker.create_space(DomainId=desk.domain, SpaceName=desk.name)
    until(lambda: desk.sagemaker.describe_space(DomainId=desk.domain, SpaceName=desk.name)["Status"] == "InService")
    browser = desk.browser()
    first = browser.get(desk.link(SpaceName=desk.name, LandingUri="studio::jobs/training"))
    assert first.headers["location"] == f"{HOME}jobs/training"
    assert asked(browser, "GET", "session").json()["SpaceName"] == desk.name
    with pytest.raises(ClientError) as error:
        desk.link(SpaceName="none")
    assert error.value.response["Error"]["Code"] == "ResourceNotFound"


def test_signing_out_ends_the_session_and_its_keys(desk: Desk) -> None:
    browser = desk.signed_in()
    stolen = browser.cookies["sagewright-studio"]
    s3 = keys(browser, desk.server, "s3")
    s3.list_buckets()
    assert asked(browser, "DELETE", "session").status_code == 204
    assert "sagewright-studio" not in browser.cookies
    assert httpx.get(f"{desk.server.url}{HOME}api/session", headers={"cookie": f"sagewright-studio={stolen}"}).status_code == 401

    def refused() -> bool:
        try:
            s3.list_buckets()
        except ClientError as error:
            return error.response["ResponseMetadata"]["HTTPStatusCode"] == 403
        return False

    until(refused)


def test_sessions_end_with_their_profile(desk: Desk) -> None:
    browser = desk.signed_in()
    desk.sagemaker.delete_user_profile(DomainId=desk.domain, UserProfileName=desk.name)
    until(lambda: asked(browser, "GET", "session").status_code == 401)
    # another profile of that name is somebody else
    until(lambda: not desk.sagemaker.list_user_profiles(UserProfileNameContains=desk.name)["UserProfiles"])
    desk.sagemaker.create_user_profile(DomainId=desk.domain, UserProfileName=desk.name)
    desk.until_in_service()
    assert asked(browser, "GET", "session").status_code == 401


def test_sessions_outlive_a_killed_server(own_server: TestServer) -> None:
    desk = Desk(own_server)
    browser, link = desk.signed_in(), desk.link()
    own_server.kill()
    own_server.start()
    assert asked(browser, "GET", "session").status_code == 200
    assert desk.browser().get(link).status_code == 303
    assert desk.browser().get(link).status_code == 403
    names = [d["DomainName"] for d in own_server.client("sagemaker").list_domains()["Domains"]]
    assert names == ["default"]


def test_a_first_start_that_was_killed_is_finished_by_the_next(own_server: TestServer) -> None:
    """Killed after the domain was made and before that was noted: there is still one, with its owner. Later, none comes back."""

    def forget() -> None:
        own_server.kill()

        async def clear() -> None:
            records = SqliteRecords(own_server.data / "records.sqlite", durable=False)
            await records.commit(Delete("StudioDefaults", "123456789012/us-east-1", "made"))
            await records.close()

        asyncio.run(clear())
        own_server.start()

    forget()
    sagemaker = own_server.client("sagemaker")
    (domain,) = [d["DomainId"] for d in sagemaker.list_domains()["Domains"]]
    assert [p["UserProfileName"] for p in sagemaker.list_user_profiles(DomainIdEquals=domain)["UserProfiles"]] == ["owner"]
    sagemaker.delete_user_profile(DomainId=domain, UserProfileName="owner")
    until(lambda: not sagemaker.list_user_profiles()["UserProfiles"])
    own_server.kill()
    own_server.start()
    assert sagemaker.list_user_profiles()["UserProfiles"] == []


# -- what others may not


def test_without_a_session_nothing_is_told(desk: Desk) -> None:
    for method, path in (("GET", "session"), ("DELETE", "session"), ("POST", "password"), ("POST", "credentials"), ("GET", "events")):
        for cookie in ("", "sagewright-studio=", "sagewright-studio=x", "sagewright-studio=../x; sagewright-studio=y"):
            got = asked(desk.browser(), method, path, {"Password": "a long password"}, cookie=cookie)
            assert (got.status_code, got.json()["__type"]) == (401, "NotSignedIn"), (method, path, cookie)
            assert "set-cookie" not in got.headers
    for path in ("", "sessions", "session/", "session/x", "Session", "%73ession"):
        assert asked(desk.browser(), "GET", path).status_code == 404, path
    for path in ("auth", "auth?token=", "auth?token=guess"):
        assert desk.browser().get(HOME + path).status_code == 403


@pytest.mark.parametrize("headers", [
    {"origin": "https://evil.example"}, {"origin": "null"}, {"origin": "http://localhost:1"}, {"origin": "", "sec-fetch-site": "cross-site"},
    {"sec-fetch-site": "cross-site"}, {"sec-fetch-site": "same-site"},
])  # fmt: skip
def test_pages_of_others_change_nothing(desk: Desk, headers: dict[str, str]) -> None:
    browser = desk.signed_in()
    token = parse_qs(urlsplit(desk.link()).query)["token"][0]
    for method, path, body in (
        ("POST", "credentials", {}), ("DELETE", "session", {}), ("POST", "password", {"Password": "a long password"}), ("POST", "session", {"Token": token}),
    ):  # fmt: skip
        assert asked(browser, method, path, body, **headers).status_code == 403, (method, path)
    about = asked(browser, "GET", "session").json()
    assert about["HasPassword"] is False
    assert asked(desk.browser(), "POST", "session", {"Token": token}).status_code == 200


def test_a_change_needs_an_origin_and_json(desk: Desk) -> None:
    browser = desk.signed_in()
    del browser.headers["origin"]
    assert asked(browser, "POST", "credentials").status_code == 403
    browser.headers["origin"] = desk.server.url
    for content_type in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=b", ""):
        got = asked(browser, "POST", "credentials", **{"content-type": content_type})
        assert (got.status_code, got.json()["__type"]) == (415, "UnsupportedMediaType"), content_type
    assert asked(browser, "POST", "credentials", **{"content-type": "Application/JSON; charset=utf-8"}).status_code == 200
    got = asked(browser, "PUT", "session")
    assert (got.status_code, got.headers["allow"]) == (405, "POST, GET, DELETE")


@pytest.mark.parametrize(("body", "status"), [
    (b"", 400), (b"[]", 400), (b"{", 400), (b'{"Token": 1}', 400), (b'{"Token": ""}', 400), (b'{"UserProfileName": "owner"}', 400),
    (b'{"Token": "x"}', 403), (b'{"Token": "' + b"x" * 20_000 + b'"}', 413), (b"\xff\xfe", 400),
])  # fmt: skip
def test_bodies_that_mean_nothing(desk: Desk, body: bytes, status: int) -> None:
    got = desk.browser().post(f"{HOME}api/session", content=body, headers={"content-type": "application/json"})
    assert got.status_code == status
    assert set(got.json()) == {"__type", "message", "RequestId"}


def test_every_answer_is_guarded(desk: Desk) -> None:
    browser = desk.signed_in()
    for got in (
        asked(browser, "GET", "session"), asked(browser, "GET", "nothing"), asked(desk.browser(), "GET", "session"), browser.get(HOME), browser.get(HOME[:-1]),
        browser.get(f"{HOME}auth?token=x"), browser.get(f"{HOME}assets/none.js"),
    ):  # fmt: skip
        assert got.headers["content-security-policy"].startswith("default-src 'none'; script-src 'self'; "), got.url
        assert "unsafe" not in got.headers["content-security-policy"]
        for name, value in {"x-content-type-options": "nosniff", "referrer-policy": "no-referrer", "cross-origin-opener-policy": "same-origin"}.items():
            assert got.headers[name] == value, got.url
    assert asked(browser, "GET", "session").headers["cache-control"] == "no-store"


def test_a_browser_at_the_bare_address_is_sent_to_the_pages(server: TestServer) -> None:
    page = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
    for path in ("/", "/studio"):
        got = httpx.get(server.url + path, headers=page)
        assert (got.status_code, got.headers["location"]) == (303, HOME)
        assert httpx.get(server.url + path).status_code == 403
        assert httpx.get(server.url + path, headers={**page, "authorization": "AWS x:y"}).status_code == 403
    assert httpx.get(f"{server.url}/studio?versioning", headers=page).status_code == 403
    assert httpx.get(f"{server.url}/studio/key", headers=page).status_code == 403
    assert httpx.post(f"{server.url}/", headers=page).status_code == 405
    assert httpx.get(server.url + HOME[:-1]).headers["location"] == HOME


# -- what the role may


def test_keys_are_those_of_the_profiles_role(server: TestServer) -> None:
    desk = Desk(server, "sagemaker:ListModels")
    browser = desk.signed_in()
    got = asked(browser, "POST", "credentials").json()
    assert got["RoleArn"] == f"arn:aws:iam::123456789012:role/{desk.name}"
    assert got["PrincipalArn"] == f"arn:aws:sts::123456789012:assumed-role/{desk.name}/{desk.name}"
    assert 3500 < got["Expiration"] - time.time() <= 3600
    client = keys(browser, server, "sagemaker")
    client.list_models()
    with pytest.raises(ClientError) as error:
        client.list_training_jobs()
    assert error.value.response["Error"]["Code"] == "AccessDeniedException"
    assert "sagemaker:ListTrainingJobs" in error.value.response["Error"]["Message"]
    assert asked(browser, "GET", "session").json()["ExecutionRole"] == got["RoleArn"]
    with pytest.raises(ClientError) as error:
        client.create_presigned_domain_url(DomainId=desk.domain, UserProfileName="owner")
    assert error.value.response["Error"]["Code"] == "AccessDeniedException"


def test_keys_end_with_a_session_that_is_shorter(desk: Desk) -> None:
    browser = desk.signed_in(SessionExpirationDurationInSeconds=1800)
    assert asked(browser, "POST", "credentials").json()["Expiration"] - time.time() <= 1800


def test_a_role_that_is_gone_gives_no_keys(server: TestServer) -> None:
    desk = Desk(server, "sagemaker:*")
    browser = desk.signed_in()
    iam = server.client("iam")
    iam.delete_role_policy(RoleName=desk.name, PolicyName="p")
    iam.delete_role(RoleName=desk.name)
    got = asked(browser, "POST", "credentials")
    assert got.status_code == 403
    assert "Could not assume role" in got.json()["message"]


# -- passwords


GOOD = "correct horse battery"


def test_a_password_signs_in(desk: Desk) -> None:
    browser = desk.signed_in()
    assert asked(browser, "POST", "password", {"Password": "short"}).status_code == 400
    assert asked(browser, "POST", "password", {"Password": GOOD}).status_code == 204
    assert asked(browser, "GET", "session").json()["HasPassword"] is True
    other = desk.browser()
    given = {"UserProfileName": desk.name.upper(), "Password": GOOD}
    got = asked(other, "POST", "session", given)
    assert (got.status_code, got.json()["UserProfileName"], got.json()["MaySetPassword"]) == (200, desk.name, False)
    assert asked(desk.browser(), "POST", "session", {**given, "DomainId": desk.domain}).status_code == 200
    assert asked(desk.browser(), "POST", "session", {**given, "DomainId": "d-none"}).status_code == 403
    # a session that a password opened needs the current one, and a new password ends the sessions of the old one
    assert asked(other, "POST", "password", {"Password": GOOD + "!"}).status_code == 400
    assert asked(other, "POST", "password", {"Password": GOOD + "!", "Current": "wrong"}).status_code == 403
    assert asked(browser, "POST", "password", {"Password": GOOD + "!"}).status_code == 204
    assert asked(other, "GET", "session").status_code == 401
    assert asked(browser, "GET", "session").status_code == 200
    assert asked(desk.browser(), "POST", "session", given).status_code == 403


def test_wrong_passwords_are_counted_also_when_they_come_at_once(desk: Desk) -> None:
    asked(desk.signed_in(), "POST", "password", {"Password": GOOD})

    def attempt(number: int) -> tuple[int, str]:
        got = asked(desk.browser(), "POST", "session", {"UserProfileName": desk.name, "Password": f"wrong {number}"})
        return got.status_code, got.headers.get("retry-after", "")

    with ThreadPoolExecutor(8) as pool:
        tried = sorted(pool.map(attempt, range(8)))
    assert [status for status, _ in tried] == [403] * 5 + [429] * 3
    assert all(600 <= int(wait) <= 901 for status, wait in tried if status == 429)
    right = {"UserProfileName": desk.name, "Password": GOOD}
    assert asked(desk.browser(), "POST", "session", right).status_code == 429
    # a link works all the same, and a new password takes the block away
    asked(desk.signed_in(), "POST", "password", {"Password": GOOD})
    assert asked(desk.browser(), "POST", "session", right).status_code == 200


def test_nobody_learns_which_profiles_there_are(desk: Desk) -> None:
    known = asked(desk.browser(), "POST", "session", {"UserProfileName": desk.name, "Password": "wrong"})
    stranger = {"UserProfileName": unique("nobody"), "Password": "wrong"}
    tried = [asked(desk.browser(), "POST", "session", stranger) for _ in range(6)]
    assert tried[0].json()["message"] == known.json()["message"]
    assert [got.status_code for got in tried] == [known.status_code] * 5 + [429]


def test_a_profiles_password_goes_with_it(desk: Desk) -> None:
    asked(desk.signed_in(), "POST", "password", {"Password": GOOD})
    desk.sagemaker.delete_user_profile(DomainId=desk.domain, UserProfileName=desk.name)
    until(lambda: not desk.sagemaker.list_user_profiles(UserProfileNameContains=desk.name)["UserProfiles"])
    desk.sagemaker.create_user_profile(DomainId=desk.domain, UserProfileName=desk.name)
    desk.until_in_service()
    assert asked(desk.browser(), "POST", "session", {"UserProfileName": desk.name, "Password": GOOD}).status_code == 403


def test_who_signed_in_and_who_tried_is_in_the_audit_trail(desk: Desk) -> None:
    browser = desk.signed_in()
    asked(browser, "POST", "password", {"Password": GOOD})
    for password in ("wrong", GOOD):
        asked(desk.browser(), "POST", "session", {"UserProfileName": desk.name, "Password": password})
    trail = desk.server.client("cloudtrail")

    def events(name: str) -> list[dict[str, Any]]:
        pages = trail.get_paginator("lookup_events").paginate(LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": name}])
        found = [json.loads(e["CloudTrailEvent"]) for page in pages for e in page["Events"]]
        return [e for e in found if (e["requestParameters"] or {}).get("userProfileName") == desk.name]

    logins = [(e["requestParameters"]["method"], e["responseElements"]["consoleLogin"]) for e in events("ConsoleLogin")]
    assert sorted(logins) == [("link", "Success"), ("password", "Failure"), ("password", "Success")]
    assert all(e["eventSource"] == "signin.amazonaws.com" for e in events("ConsoleLogin"))
    (change,) = events("ChangePassword")
    assert change["userIdentity"]["arn"].endswith(f"/{desk.name}")
    (presigned,) = events("CreatePresignedDomainUrl")
    assert presigned["responseElements"] == {"authorizedUrl": "HIDDEN_DUE_TO_SECURITY_REASONS"}


# -- the stream


class Stream:
    """Server-sent events of a session."""

    def __init__(self, browser: httpx.Client, last: str = "") -> None:
        headers = {"last-event-id": last} if last else {}
        self._open = browser.stream("GET", f"{HOME}api/events", headers=headers, timeout=60)
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


# -- the command


def command(server: TestServer, *more: str, given: str = "") -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "sagewright", "studio", "--data", str(server.data), *more]
    return subprocess.run(line, input=given, capture_output=True, text=True, timeout=60, check=False)


def test_the_command_prints_a_link(desk: Desk) -> None:
    done = command(desk.server, "--profile", desk.name)
    assert done.returncode == 0, done.stderr
    browser = desk.browser()
    assert browser.get(done.stdout.strip()).status_code == 303
    assert asked(browser, "GET", "session").json()["UserProfileName"] == desk.name
    wrong = command(desk.server, "--profile", "nobody", "--json")
    assert (wrong.returncode, wrong.stdout) == (1, "")
    assert "Could not find user profile" in wrong.stderr


def test_the_command_sets_a_password_and_nothing_of_it_is_logged(desk: Desk) -> None:
    secret = unique("a password of mine")
    done = command(desk.server, "--profile", desk.name, "--password", "--json", given=f"{secret}\n")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"DomainId": desk.domain, "UserProfileName": desk.name, "Url": desk.server.url + HOME}
    assert asked(desk.browser(), "POST", "session", {"UserProfileName": desk.name, "Password": secret}).status_code == 200
    log = (desk.server.data / "test-server.log").read_text(errors="replace")
    assert secret not in log
    assert "token=" not in log
