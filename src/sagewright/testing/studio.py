"""What tests of workspaces make in a server's default domain."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .browser import Browser
from .names import unique
from .server import TestServer
from .waiting import until

BASE = "/jupyterlab/default/"
SLOW = 600.0
"""Seconds for the first app of a fresh clone: its environment may have to be built."""


def default_domain(server: TestServer) -> str:
    """The id of the domain that every server has; other tests make more."""
    pages = server.client("sagemaker").get_paginator("list_domains").paginate()
    return str(next(d["DomainId"] for page in pages for d in page["Domains"] if d["DomainName"] == "default"))


@dataclass
class Team:
    """A server's default domain, with what the tests make in it."""

    server: TestServer

    def __post_init__(self) -> None:
        self.sagemaker = self.server.client("sagemaker")
        self.domain = default_domain(self.server)
        self.role = f"arn:aws:iam::123456789012:role/{self.server.execution_role()}"

    def profile(self) -> str:
        name = unique("ada")
        self.sagemaker.create_user_profile(DomainId=self.domain, UserProfileName=name, UserSettings={"ExecutionRole": self.role})
        until(lambda: self.sagemaker.describe_user_profile(DomainId=self.domain, UserProfileName=name)["Status"] == "InService")
        return name

    def space(self, owner: str, sharing: str = "Private", **settings: Any) -> str:
        name = unique("space")
        self.sagemaker.create_space(
            DomainId=self.domain, SpaceName=name, SpaceSettings={"AppType": "JupyterLab", **settings},
            OwnershipSettings={"OwnerUserProfileName": owner}, SpaceSharingSettings={"SharingType": sharing},
        )
        until(lambda: self.sagemaker.describe_space(DomainId=self.domain, SpaceName=name)["Status"] == "InService")
        return name

    def where(self, space: str) -> dict[str, str]:
        return {"DomainId": self.domain, "SpaceName": space, "AppType": "JupyterLab", "AppName": "default"}

    def app(self, space: str) -> dict[str, Any]:
        found: dict[str, Any] = self.sagemaker.describe_app(**self.where(space))
        return found

    def start(self, space: str, **more: Any) -> dict[str, Any]:
        """Start a space's app; its description once it is over Pending."""
        self.sagemaker.create_app(**self.where(space), **more)
        until(lambda: self.app(space)["Status"] != "Pending", SLOW, lambda: f"{self.app(space)} {self.server.log()}")
        return self.app(space)

    def url(self, space: str, profile: str, path: str = "") -> str:
        said = self.sagemaker.create_presigned_domain_url(
            DomainId=self.domain, UserProfileName=profile, SpaceName=space, LandingUri=f"app:JupyterLab:{path}"
        )
        return str(said["AuthorizedUrl"])

    def browser(self, space: str, profile: str) -> Browser:
        return Browser.opened(self.url(space, profile))

    def log(self, stream: str) -> list[str]:
        said = self.server.client("logs").get_log_events(logGroupName="/aws/sagemaker/studio", logStreamName=stream, startFromHead=True)
        return [event["message"] for event in said["events"]]
