"""Print a link that signs a user profile in to Studio, once, within five minutes; or set the profile's password."""

from __future__ import annotations

import argparse
import getpass
import json
import ssl
import sys
import urllib.error
import urllib.request
import webbrowser
from typing import Any
from urllib.parse import parse_qs, urlsplit

from ..output import Problem, as_json
from ..place import Place, client, data_argument, json_argument

NAME, HELP = "studio", "print a link that signs you in to Studio"
PAGES = "/_sagewright/studio/"


def arguments(parser: argparse.ArgumentParser) -> None:
    data_argument(parser)
    json_argument(parser)
    parser.add_argument("--profile", default="owner", metavar="NAME", help="user profile to sign in (default: %(default)s)")
    parser.add_argument("--domain", metavar="ID", help="its domain (default: the one called default, or the only one)")
    parser.add_argument("--open", action="store_true", help="open the link in a browser of this machine, too")
    parser.add_argument("--password", action="store_true", help="ask for a new password of the profile and set it; reads one line when the input is no terminal")


def run(given: argparse.Namespace) -> int:
    place = Place.of(given)
    sagemaker = client(place, "sagemaker")
    domain = given.domain or _domain(sagemaker)
    password = _ask(given.profile) if given.password else ""
    link = _link(sagemaker, domain, given.profile)
    if given.password:
        _set(place, link, password)
        said = {"DomainId": domain, "UserProfileName": given.profile, "Url": link.partition(PAGES)[0] + PAGES}
        if given.json:
            as_json(said)
        else:
            print(f"{given.profile} signs in with the new password at {said['Url']}")
        return 0
    if given.json:
        as_json({"DomainId": domain, "UserProfileName": given.profile, "AuthorizedUrl": link})
    else:
        print(link)
    if given.open and not webbrowser.open(link):
        raise Problem("no browser could be opened on this machine.", "Open the link yourself: it is good once, for five minutes.")
    return 0


def _domain(sagemaker: Any) -> str:
    found = [d for page in sagemaker.get_paginator("list_domains").paginate() for d in page["Domains"]]
    named = [d for d in found if d["DomainName"] == "default"] or found
    if len(named) != 1:
        listed = ", ".join(f"{d['DomainId']} ({d['DomainName']})" for d in found) or "none"
        raise Problem(f"it is not clear which domain is meant; there is {listed}.", "Name one with --domain.")
    return str(named[0]["DomainId"])


def _link(sagemaker: Any, domain: str, profile: str) -> str:
    from botocore.exceptions import ClientError

    try:
        return str(sagemaker.create_presigned_domain_url(DomainId=domain, UserProfileName=profile)["AuthorizedUrl"])
    except ClientError as error:
        raise Problem(
            error.response["Error"]["Message"], "List the profiles with: aws sagemaker list-user-profiles"
        ) from None


def _ask(profile: str) -> str:
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\n")
    password = getpass.getpass(f"New password of {profile}: ")
    if getpass.getpass("Again: ") != password:
        raise Problem("the two are not the same; nothing was changed.")
    return password


def _set(place: Place, link: str, password: str) -> None:
    """By Studio's own endpoints, with a session of the link. Raises Problem."""
    base = place.need().local_url
    token = parse_qs(urlsplit(link).query)["token"][0]
    cookie = _send(place, base, "POST", "session", {"Token": token}).partition(";")[0]
    try:
        _send(place, base, "POST", "password", {"Password": password}, cookie)
    finally:
        _send(place, base, "DELETE", "session", {}, cookie)


def _send(place: Place, base: str, method: str, path: str, body: dict[str, str], cookie: str = "") -> str:
    """The cookie that the answer sets. Never through a proxy."""
    parts = urlsplit(base)
    headers = {"Content-Type": "application/json", "Origin": f"{parts.scheme}://{parts.netloc}", "Cookie": cookie}
    request = urllib.request.Request(f"{base}{PAGES}api/{path}", json.dumps(body).encode(), headers, method=method)
    context = ssl.create_default_context()
    if (authority := place.data / "tls" / "ca.pem").exists():
        context.load_verify_locations(authority)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))
    try:
        with opener.open(request, timeout=30) as answer:
            return str(answer.headers.get("set-cookie", ""))
    except urllib.error.HTTPError as error:
        raise Problem(json.loads(error.read())["message"]) from None
