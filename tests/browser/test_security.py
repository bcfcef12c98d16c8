"""Hostile text everywhere, and what a profile may not: nothing runs, nothing breaks a page, nothing is reached past the role."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import boto3
import pytest
from botocore.exceptions import ClientError

from sagewright.testing.chromium import Page, chromium, opened
from sagewright.testing.jobs import Jobs
from sagewright.testing.names import unique
from sagewright.testing.server import TestServer
from sagewright.testing.studio import default_domain
from sagewright.testing.waiting import until

from .calls import STUDIO, operation, private
from .conftest import link
from .hostile import ALL, ATTRIBUTE, EVERY, FRAME, IMG, INTRUDERS, LINK, SCRIPT, SHORT, SVG, Hostile, role, spread
from .test_access import TRUST, auditor

pytestmark = pytest.mark.xdist_group("browser")


async def harmless(page: Page, where: str, *texts: str) -> None:
    """The texts are on the page, as text; nothing ran, and nothing is there that none of our pages has."""
    await page.quiet()
    shown = "document.body.innerText + [...document.querySelectorAll('input, textarea')].map((e) => e.value).join(' ')"
    plain = json.dumps([" ".join(text.split()) for text in texts])
    await page.until(f"{plain}.every((t) => ({shown}).replace(/\\s+/g, ' ').includes(t))")
    assert await page.value("window.pwned") is None, where
    assert await page.value(INTRUDERS) == [], where
    assert "Unexpected Application Error" not in await page.text(), where
    assert page.complaints == [], where


def pages(it: Hostile, bucket: str) -> dict[str, tuple[str, ...]]:
    """Path → what it has to show, as text."""
    inside = {"prefix": it.prefix}
    job, search = f"/training-jobs/{it.job}", f"/tuning-jobs/{it.tuning}"
    return {
        f"/data/{bucket}?{urlencode(inside)}": ("rows.csv", f"{IMG}.csv"),
        **{f"/data/{bucket}?{urlencode({**inside, 'object': key})}": () for key in it.files},
        f"/data/{bucket}?{urlencode({**inside, 'object': it.prefix + 'rows.csv'})}": (ATTRIBUTE, IMG, SCRIPT),
        f"/data/{bucket}?{urlencode({**inside, 'object': it.prefix + 'tree.json'})}": (ALL[:200],),
        f"/data/{bucket}?{urlencode({**inside, 'object': it.prefix + 'page.html'})}": (IMG, SCRIPT),
        f"/data/{bucket}?{urlencode({**inside, 'object': it.prefix + 'drawing.svg'})}": ("<script>window.pwned=1</script>",),
        f"/data/{bucket}?{urlencode({**inside, 'object': it.prefix + 'lines.jsonl'})}": (IMG,),
        job: (IMG, ATTRIBUTE, "Failed"), f"{job}?tab=metrics": (), f"{job}?tab=log": (IMG, SVG), f"{job}?tab=data": (SHORT,), f"{job}?tab=code": (IMG,),
        f"{job}?tab=document": (IMG,), f"/training-jobs?q={it.job}&selected={it.job}": (it.job, IMG), f"/training-jobs/create?from={it.job}": (IMG, ATTRIBUTE),
        f"/training-jobs/compare?of={it.job},{it.clone}&show=all": (IMG, ATTRIBUTE), f"/processing-jobs/{it.processing}": (IMG,),
        search: (SHORT, SVG, IMG), f"{search}?tab=search": (SHORT, ATTRIBUTE, LINK), f"{search}?tab=code": (IMG,), f"{search}?tab=document": (IMG,), f"/tuning-jobs?q={it.tuning}&selected={it.tuning}": (it.tuning,),
        f"/tuning-jobs/create?from={it.tuning}": (IMG, SHORT), f"/resources/HyperParameterTuningJob/{it.tuning}": (IMG,),
        f"/processing-jobs/{it.processing}?tab=log": (IMG,), "/experiments": (), f"/experiments/{it.experiment}": (IMG, LINK),
        f"/resources/ModelPackageGroup?q={it.group}": (IMG,), f"/resources/ModelPackageGroup/{it.group}": (IMG, SCRIPT),
        f"/resources/ModelPackageGroup/{it.group}-arn": (IMG,), f"/resources/Experiment/{it.experiment}": (IMG, SCRIPT), f"/endpoints/{it.endpoint}": (),
    }


def addresses() -> list[str]:
    """Hostile text in the address itself: names, searches, tabs, orders, tokens, and a path that leads elsewhere."""
    evil, params = quote(ALL, safe=""), ("q", "status", "sort", "order", "page", "token", "selected", "tab", "show", "of", "from", "prefix", "object", "runs", "metric", "baseline")
    query = urlencode(dict.fromkeys(params, SHORT))
    return [
        f"/training-jobs/{evil}", f"/training-jobs?{query}", f"/training-jobs/compare?{query}", f"/training-jobs/create?{query}", f"/data/{evil}", f"/data/nowhere?{query}",
        f"/experiments/{evil}", f"/endpoints/{evil}?{query}", f"/models/create?job={evil}", f"/endpoints/create?model={evil}", f"/resources/{evil}", f"/resources/Model/{evil}",
        "/resources/constructor", "/resources/__proto__/x", f"/access/policy?arn={evil}", f"/access/explain?principal={evil}&action={evil}&resource={evil}", f"/{evil}", f"/{quote(LINK)}", "//example.invalid/",
    ]


@pytest.mark.timeout(600)
async def test_hostile_text_is_text_on_every_page(studio: Page, jobs: Jobs) -> None:
    it = spread(jobs)
    for path, texts in pages(it, jobs.bucket).items():
        await studio.follow(STUDIO + path)
        await harmless(studio, path, *texts)
    # what opens over a page: a question about a file of that name, the palette's finds
    await studio.follow(f"{STUDIO}/data/{jobs.bucket}?{urlencode({'prefix': it.prefix})}")
    await studio.click(f"Choose {IMG}.csv", "input")
    await studio.click("Delete", "button", exact=True)
    await studio.until(f"[...document.querySelectorAll('[role=dialog]')].some((d) => sw.visible(d) && d.innerText.includes({json.dumps(IMG)}))")
    await harmless(studio, "a dialog")
    await studio.click("Cancel", '[role="dialog"] button', exact=True)
    await studio.press("Control+k")
    await studio.until("document.activeElement?.getAttribute('role') === 'combobox'")
    await studio.write(ALL)
    await studio.shows("Nothing has that name.")
    await harmless(studio, "the palette")
    await studio.press("Escape")
    # an answer that says it is HTML, and a refusal that has the caller's words
    await studio.follow(f"{STUDIO}/endpoints/{it.endpoint}?tab=test")
    await studio.fill("Body", "\n".join(EVERY))
    await studio.fill("Content type", "text/html")
    await studio.click("Invoke", "button")
    await studio.until(f"document.querySelector('pre[aria-label=Answer]')?.textContent.includes({json.dumps(IMG)})")
    await harmless(studio, "an answer", IMG, SCRIPT)


@pytest.mark.timeout(300)
async def test_a_hostile_address_leads_to_a_page(studio: Page) -> None:
    for path in addresses():
        await studio.follow(STUDIO + path)
        await harmless(studio, path)
        assert (await studio.value("location.origin + location.pathname")).startswith(str(await studio.value("location.origin")) + STUDIO), path


@pytest.mark.timeout(300)
async def test_hostile_policies_and_calls_are_text(server: TestServer, jobs: Jobs, tmp_path: Path) -> None:
    name = role(jobs)
    found = server.client("iam").get_role(RoleName=name)["Role"]
    policy = f"arn:aws:iam::123456789012:policy/{name}"
    shown = {
        "/access": (name,), f"/access?q={name}": (name,), f"/access/roles/{name}": (IMG, SVG, LINK), f"/access/roles/{name}?tab=document": (SVG,),
        f"/access/policy?arn={quote(policy)}": (IMG, FRAME), "/access/trail?by=EventName&value=PutRolePolicy": (name,),
        f"/access/explain?{urlencode({'principal': found['Arn'], 'action': 's3:GetObject', 'resource': '*'})}": (SVG, ATTRIBUTE),
        f"/access/explain?{urlencode({'principal': found['Arn'], 'action': IMG + ':' + SCRIPT, 'resource': ALL})}": (),
    }
    async with chromium(tmp_path / "profile") as page:
        await page.goto(auditor(server)[1])
        await page.shows("Overview", "Recent work")
        for path, texts in shown.items():
            await page.follow(STUDIO + path)
            await harmless(page, path, *texts)


async def test_what_got_through_would_be_seen_and_stopped(studio: Page) -> None:
    """The other tests can fail; and even where a page took text for more, the policy of the pages lets nothing run."""
    for text in EVERY:
        await studio.value(f"document.body.insertAdjacentHTML('beforeend', {json.dumps('<p>' + text)}), true")
    await studio.value(f"document.body.insertAdjacentHTML('beforeend', '<a id=evil href={json.dumps(LINK)}>x</a>'), document.getElementById('evil').click(), true")
    intruders = await studio.value(INTRUDERS)
    assert {"sw-ev", "<img ", "<svg ", "<ifra"} <= {text.replace("<sw", "sw")[:5] for text in intruders}
    assert await studio.value("window.pwned") is None
    assert any(said.startswith("policy: ") for said in studio.complaints)
    studio.complaints.clear()


async def test_a_back_door_would_be_seen(studio: Page, server: TestServer) -> None:
    """Requests that no page may make, made on purpose: the recorder of every test tells of each."""
    await studio.quiet()
    before = len(studio.requests)
    for path in ("/health", "/_sagewright/studio/api/secrets", "/nowhere/key"):
        await studio.value(f"fetch({json.dumps(path)}).then(() => true, () => true)")
    made = studio.requests[before:]
    made.append({"method": "GET", "url": "https://example.invalid/", "headers": {}})
    assert len(list(private(made, server.url))) == len(made) == 4
    scope = {"authorization": "AWS4-HMAC-SHA256 Credential=ASIA1/20260101/us-east-1/sagemaker/aws4_request"}
    for target, fine in (("SageMaker.ListTrainingJobs", True), ("SageMaker.CreateHub", False), ("SageMaker.Backdoor", False), ("Other.ListTrainingJobs", False)):
        call = {"method": "POST", "url": f"{server.url}/", "headers": {**scope, "x-amz-target": target}}
        assert (list(private([call], server.url)) == []) == fine, target
    known = {operation(r) for r in studio.requests} - {None}
    assert {("sagemaker", "ListTrainingJobs"), ("s3", "ListBuckets")} <= known
    opened.clear()  # it was the test that asked
    studio.complaints.clear()


async def test_what_no_tab_tells_of_is_the_stream_alone(server: TestServer, jobs: Jobs, tmp_path: Path) -> None:
    """A shared worker belongs to no tab: the network log of the whole browser has its requests, too."""
    name, log = unique("logged"), tmp_path / "net.json"
    async with chromium(tmp_path / "profile", 1400, 900, f"--log-net-log={log}") as page:
        await page.goto(link(server))
        await page.shows("Overview", "Recent work")
        await page.follow(f"{STUDIO}/resources/ModelPackageGroup?q={name}")
        await page.shows("Nothing matches", "Live")
        jobs.sagemaker.create_model_package_group(ModelPackageGroupName=name)
        await page.shows(name)
        await page.quiet()
    said = json.loads(log.read_text())
    begun = said["constants"]["logEventTypes"]["URL_REQUEST_START_JOB"]
    # what the browser asks for itself, updates and the like, is no origin's
    asked = {(e["params"]["method"], e["params"]["url"].partition("?after=")[0]) for e in said["events"] if e["type"] == begun and e.get("params", {}).get("initiator") == server.url}
    assert asked - {(r["method"], r["url"]) for r in page.requests} == {("GET", f"{server.url}{STUDIO}/api/events")}


def refused(client: Any, name: str, **given: Any) -> str:
    with pytest.raises(ClientError) as error:
        getattr(client, name)(**given)
    return str(error.value.response["Error"]["Code"])


@pytest.mark.timeout(300)
async def test_a_profile_reaches_nothing_that_its_role_denies(server: TestServer, jobs: Jobs, tmp_path: Path) -> None:
    """Neither by any page nor by any call with the keys that its browser holds."""
    iam, sagemaker, name = server.client("iam"), server.client("sagemaker"), unique("narrow")
    arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(TRUST))["Role"]["Arn"]
    allowed = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:ListAllMyBuckets", "Resource": "*"}]}
    iam.put_role_policy(RoleName=name, PolicyName="little", PolicyDocument=json.dumps(allowed))
    domain = default_domain(server)
    sagemaker.create_user_profile(DomainId=domain, UserProfileName=name, UserSettings={"ExecutionRole": arn})
    until(lambda: sagemaker.describe_user_profile(DomainId=domain, UserProfileName=name)["Status"] == "InService")
    jobs.put("secret.txt", "secret")
    async with chromium(tmp_path / "profile") as page:
        await page.goto(sagemaker.create_presigned_domain_url(DomainId=domain, UserProfileName=name)["AuthorizedUrl"])
        await page.shows("Overview", name)
        links = await page.value("[...document.querySelectorAll('nav a[href]')].map((a) => a.getAttribute('href'))")
        for path in [*links, f"/data/{jobs.bucket}?object=secret.txt", "/training-jobs/create", "/resources/UserProfile"]:
            await page.follow(STUDIO + path.removeprefix(STUDIO))
            await page.quiet()
        asked = {(called, r.get("status")) for r in page.requests if (called := operation(r))}
        assert ("sagemaker", "ListTrainingJobs") in {called for called, _ in asked}
        assert {called for called, status in asked if status == 200} == {("s3", "ListBuckets")}, asked
        assert {status for called, status in asked if called != ("s3", "ListBuckets")} <= {403, None}, asked
        # asking for somebody else's keys gets one's own
        script = "fetch('/_sagewright/studio/api/credentials', {method: 'POST', headers: {'content-type': 'application/json'}, body: JSON.stringify({UserProfileName: 'owner', RoleArn: 'any'})}).then((a) => a.json())"
        keys = await page.value(script)
    own = {"aws_access_key_id": keys["AccessKeyId"], "aws_secret_access_key": keys["SecretAccessKey"], "aws_session_token": keys["SessionToken"]}

    def client(service: str) -> Any:
        return boto3.client(service, endpoint_url=server.url, region_name="us-east-1", **own)

    assert name in client("sts").get_caller_identity()["Arn"]
    assert refused(client("s3"), "get_object", Bucket=jobs.bucket, Key="secret.txt") == "AccessDenied"
    assert refused(client("s3"), "put_object", Bucket=jobs.bucket, Key="secret.txt", Body=b"") == "AccessDenied"
    assert "AccessDenied" in refused(client("sagemaker"), "list_training_jobs")
    assert "AccessDenied" in refused(client("sagemaker"), "create_presigned_domain_url", DomainId=domain, UserProfileName="owner")
    assert "AccessDenied" in refused(client("sts"), "assume_role", RoleArn=jobs.role, RoleSessionName="more")
    assert "AccessDenied" in refused(client("iam"), "attach_role_policy", RoleName=name, PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess")
