"""Who may what, why a call is denied, and who did what: with a profile whose role may read that, and with one whose role may not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sagewright.testing.chromium import Page, chromium
from sagewright.testing.names import unique
from sagewright.testing.server import TestServer
from sagewright.testing.studio import Team, default_domain
from sagewright.testing.waiting import until

from .calls import STUDIO
from .looks import Looks

pytestmark = pytest.mark.xdist_group("browser")
TRUST = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "sagemaker.amazonaws.com"}}]}


def policy(effect: str, action: str, resource: str, sid: str) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [{"Sid": sid, "Effect": effect, "Action": action, "Resource": resource}]})


def auditor(server: TestServer) -> tuple[str, str]:
    """(role, one-time link) of a profile that may read all of it; its role may read buckets, but nothing of ``secrets``."""
    iam, sagemaker, name = server.client("iam"), server.client("sagemaker"), unique("auditor")
    arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(TRUST))["Role"]["Arn"]
    for given in ("IAMReadOnlyAccess", "AmazonS3ReadOnlyAccess", "AmazonSageMakerFullAccess"):
        iam.attach_role_policy(RoleName=name, PolicyArn=f"arn:aws:iam::aws:policy/{given}")
    iam.put_role_policy(RoleName=name, PolicyName="trail", PolicyDocument=policy("Allow", "cloudtrail:LookupEvents", "*", "Trail"))
    iam.put_role_policy(RoleName=name, PolicyName="no-secrets", PolicyDocument=policy("Deny", "s3:*", "arn:aws:s3:::secrets/*", "NeverSecrets"))
    domain = default_domain(server)
    sagemaker.create_user_profile(DomainId=domain, UserProfileName=name, UserSettings={"ExecutionRole": arn})
    until(lambda: sagemaker.describe_user_profile(DomainId=domain, UserProfileName=name)["Status"] == "InService")
    return name, str(sagemaker.create_presigned_domain_url(DomainId=domain, UserProfileName=name)["AuthorizedUrl"])


@pytest.mark.timeout(300)
async def test_a_denial_is_explained_by_the_statement_that_decides(server: TestServer, tmp_path: Path, pictures: Path) -> None:
    role, link = auditor(server)
    async with chromium(tmp_path / "profile") as page:
        looks = Looks(page, pictures)
        await page.goto(link)
        await page.shows("Overview", "Recent work")
        await page.follow(f"{STUDIO}/access")
        await page.shows("Roles", role)
        await looks.at("access")
        await page.follow(f"{STUDIO}/access/roles/{role}")
        await page.shows("AmazonS3ReadOnlyAccess", "NeverSecrets", "arn:aws:s3:::secrets/*")
        await looks.at("access-role")
        await page.click("Explain a denial", "button")
        await page.shows("Who wants to do what", role)
        await page.fill("Does", "s3:GetObject")
        await page.fill("On", "arn:aws:s3:::secrets/key")
        await page.press("Enter")  # the whole form works by keyboard
        await page.shows("It may not: a statement denies it", "NeverSecrets", "decides")
        assert await page.value("document.querySelectorAll('tr.decides').length") == 1
        await looks.at("access-explain")
        await page.fill("On", "arn:aws:s3:::open/key")
        await page.press("Enter")
        await page.shows("It may.", "AmazonS3ReadOnlyAccess")
        await page.follow(f"{STUDIO}/access/explain?action=dynamodb:GetItem")
        await page.shows("no statement allows it")
        await page.follow(f"{STUDIO}/access/policy?arn=arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess")
        await page.click("Attached to", '[role="tab"]')
        await page.shows(f"Role {role}")
        await page.follow(f"{STUDIO}/access/trail?by=EventName&value=CreateUserProfile")
        await page.shows("CreateUserProfile", "operator", "Succeeded")
        await looks.at("access-trail")
        assert page.complaints == []
    assert looks.faults == {}


async def test_who_may_not_read_it_is_told_what_to_do(server: TestServer, tmp_path: Path) -> None:
    """A profile with the role that jobs run with."""
    profile = Team(server).profile()
    url = str(server.client("sagemaker").create_presigned_domain_url(DomainId=default_domain(server), UserProfileName=profile)["AuthorizedUrl"])
    async with chromium(tmp_path / "profile") as page:
        await page.goto(url)
        await page.shows("Overview", "Recent work")
        await page.follow(f"{STUDIO}/access?show=users")
        await page.shows("AccessDenied", "iam:ListUsers", "aws iam attach-role-policy")
        await page.click("Explain this denial", "a")
        await page.shows("Explain a denial", "It cannot be explained", "is not authorized to perform: iam:")
        assert page.complaints == []


async def test_the_owner_sees_who_may_what(studio: Page) -> None:
    """Who signs in by ``sagewright studio`` reads users, roles and the trail without granting jobs anything."""
    await studio.follow(f"{STUDIO}/access?show=users")
    await studio.shows("People and programs with keys of their own")
    await studio.until("document.body.innerText.includes('There is no user yet') || document.querySelector('td .name-link, th .name-link')")
    assert "AccessDenied" not in await studio.text()
    await studio.follow(f"{STUDIO}/access")
    await studio.shows("SagewrightOwner", "SagewrightExecutionRole")
    await studio.follow(f"{STUDIO}/access/trail?by=EventName&value=CreateDomain")
    await studio.shows("CreateDomain", "Succeeded")
    await studio.follow(f"{STUDIO}/training-jobs/create")
    await studio.click("Role, network, environment", "button, [role=button]")
    await studio.until("sw.find('input', 'Execution role')?.value.endsWith(':role/SagewrightExecutionRole')")
