"""Passwords of Studio: what a good one opens, what wrong ones cost, and that nobody learns of either."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from sagewright.testing.desk import HOME, Desk, asked, command
from sagewright.testing.names import unique
from sagewright.testing.server import TestServer
from sagewright.testing.waiting import until

GOOD = "correct horse battery"


@pytest.fixture
def desk(server: TestServer) -> Desk:
    return Desk(server)


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


def test_the_command_sets_a_password_and_nothing_of_it_is_logged(desk: Desk) -> None:
    secret = unique("a password of mine")
    done = command(desk.server, "--profile", desk.name, "--password", "--json", given=f"{secret}\n")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"DomainId": desk.domain, "UserProfileName": desk.name, "Url": desk.server.url + HOME}
    assert asked(desk.browser(), "POST", "session", {"UserProfileName": desk.name, "Password": secret}).status_code == 200
    log = (desk.server.data / "test-server.log").read_text(errors="replace")
    assert secret not in log
    assert "token=" not in log
