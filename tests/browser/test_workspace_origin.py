"""A workspace's page in a real browser: it works there, and has nothing of Studio's, nor Studio anything of it."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import urlsplit

from sagewright.testing.chromium import Page, chromium
from sagewright.testing.server import TestServer
from sagewright.testing.studio import SLOW, Team

READY = "document.querySelector('.jp-LabShell') !== null"
REQUEST = """
fetch({url}, {{credentials: 'include', mode: {mode}}}).then((a) => a.text().then((t) => [a.type, a.status, t.slice(0, 80)]), (e) => ['failed'])
"""


async def fetched(page: Page, url: str, mode: str = "cors") -> list[object]:
    found: list[object] = await page.value(REQUEST.format(url=json.dumps(url), mode=json.dumps(mode)))
    return found


async def cookies(page: Page) -> set[tuple[str, str]]:
    return {(one["name"], one["domain"]) for one in await page.tab.context.cookies()}


async def test_a_workspace_has_an_origin_of_its_own(server: TestServer, tmp_path: Path) -> None:
    team = Team(server)
    owner = team.profile()
    space = team.space(owner)
    assert team.start(space)["Status"] == "InService"
    url = team.url(space, owner)
    where = f"{urlsplit(url).scheme}://{urlsplit(url).netloc}"
    signed_in = team.sagemaker.create_presigned_domain_url(DomainId=team.domain, UserProfileName=owner)["AuthorizedUrl"]
    async with chromium(tmp_path / "profile") as page:
        # somebody who is signed in to Studio, whose page keeps something in the browser, and has a cookie that scripts may read
        await page.goto(signed_in, "location.pathname.startsWith('/_sagewright/studio/')", SLOW)
        studio = await page.value("location.origin")
        assert studio == server.url
        await page.value("localStorage.setItem('studio', 'secret'); document.cookie = 'plain=of-studio; path=/'")
        assert "sagewright-studio" in {name for name, _ in await cookies(page)}

        await page.goto(url, READY, SLOW)
        assert await page.value("location.origin") == where
        assert await page.value("location.pathname") == "/jupyterlab/default/lab"
        # nothing of Studio's is here: neither what it stored nor a cookie, whichever way a page may ask for them
        assert await page.value("localStorage.getItem('studio')") is None
        assert "of-studio" not in await page.value("document.cookie")
        await page.value("document.cookie = 'tossed=1; path=/; domain=localhost'; document.cookie = 'tossed=1; path=/; domain=127.0.0.1'")
        assert not {domain for name, domain in await cookies(page) if name == "tossed"}
        # the policy lets it talk to nobody but its own origin, Studio and its API least of all
        assert (await fetched(page, f"{studio}/_sagewright/studio/api/session"))[0] == "failed"
        assert (await fetched(page, f"{studio}/_sagewright/studio/api/session", "no-cors"))[0] == "failed"
        assert (await fetched(page, f"{where}/jupyterlab/default/api/status"))[1] == 200
        assert any("connect-src" in said for said in page.complaints)
        page.complaints.clear()

        # its own pages break no rule of that policy
        await page.goto(f"{where}/jupyterlab/default/lab?reset", READY, SLOW)
        assert [said for said in page.complaints if "policy" in said.lower()] == []
        await page.picture(tmp_path / "lab.png")

        # and Studio's page has nothing of the workspace's
        await page.goto(f"{studio}/_sagewright/studio/", "true", SLOW)
        assert await page.value("localStorage.getItem('studio')") == "secret"
        assert "plain=of-studio" in await page.value("document.cookie")
        assert (await fetched(page, f"{where}/jupyterlab/default/api/contents"))[0] == "failed"
        page.requests.clear()  # it was the test that asked across origins, not Studio
        opened = {(name, domain) for name, domain in await cookies(page) if name == "sagewright-workspace"}
        assert opened == {("sagewright-workspace", urlsplit(url).hostname)}
    team.sagemaker.delete_app(**team.where(space))
