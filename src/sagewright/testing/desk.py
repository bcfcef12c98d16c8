"""Studio's sign-in as a browser has it, which here is httpx with cookies: a profile's links, its sessions, the keys that they give."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import boto3
import httpx

from .names import unique
from .server import TestServer
from .studio import default_domain
from .waiting import until

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


def asked(browser: httpx.Client, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
    """What an endpoint of Studio answers."""
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


def command(server: TestServer, *more: str, given: str = "") -> subprocess.CompletedProcess[str]:
    """``sagewright studio`` beside the server; ``given`` is typed."""
    line = [sys.executable, "-m", "sagewright", "studio", "--data", str(server.data), *more]
    return subprocess.run(line, input=given, capture_output=True, text=True, timeout=60, check=False)
