"""Signing in to Studio, what a session gives, what others may not, and where it ends. Browsers here are httpx with cookies."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from botocore.exceptions import ClientError

from sagewright.adapters.sqlite.records import SqliteRecords
from sagewright.stores.records import Delete
from sagewright.testing.desk import HOME, Desk, asked, command, keys
from sagewright.testing.server import TestServer
from sagewright.testing.waiting import until


@pytest.fixture
def desk(server: TestServer) -> Desk:
    return Desk(server)


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
    assert {"AppType": "JupyterLab", "Lacks": ""} in about["AppTypes"]


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
    (b'{"UserProfileName": "\\ud800", "Password": "x"}', 400), (b'{"UserProfileName": "owner", "Password": "\\udfff"}', 400),
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


# -- the command


def test_the_command_prints_a_link(desk: Desk) -> None:
    done = command(desk.server, "--profile", desk.name)
    assert done.returncode == 0, done.stderr
    browser = desk.browser()
    assert browser.get(done.stdout.strip()).status_code == 303
    assert asked(browser, "GET", "session").json()["UserProfileName"] == desk.name
    wrong = command(desk.server, "--profile", "nobody", "--json")
    assert (wrong.returncode, wrong.stdout) == (1, "")
    assert "Could not find user profile" in wrong.stderr
