"""The pages of a tracking server: a presigned URL opens them once, a cookie keeps them open, nothing else does."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from .conftest import Lab

pytestmark = pytest.mark.xdist_group("mlflow")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture
def browser(lab: Lab) -> Iterator[httpx.Client]:
    """A client that keeps cookies, with a session."""
    with httpx.Client(follow_redirects=True, timeout=60) as client:
        assert client.get(lab.url()).status_code == 200
        yield client


def test_a_presigned_url_works_once(lab: Lab) -> None:
    url = lab.url()
    first = httpx.get(url)
    assert first.status_code == 303
    cookie = first.headers["set-cookie"]
    home = first.headers["location"]
    assert re.fullmatch(rf"sagewright-mlflow=[\w.-]+; Path={home}; Max-Age=43200; HttpOnly; SameSite=Lax", cookie)
    assert httpx.get(url).status_code == 403
    with ThreadPoolExecutor(8) as pool:
        again = lab.url()
        statuses = sorted(pool.map(lambda _: httpx.get(again).status_code, range(8)))
    assert statuses == [303] + [403] * 7


def test_a_presigned_url_expires(lab: Lab) -> None:
    url = lab.url(ExpiresInSeconds=5, SessionExpirationDurationInSeconds=1800)
    time.sleep(5.1)  # the expiry itself is what is tested
    assert httpx.get(url).status_code == 403
    fresh = httpx.get(lab.url(ExpiresInSeconds=5, SessionExpirationDurationInSeconds=1800))
    assert "Max-Age=1800;" in fresh.headers["set-cookie"]


def test_without_a_session_nothing_is_shown(lab: Lab) -> None:
    base = lab.about()["TrackingServerUrl"]
    for path in ("/", "/ajax-api/2.0/mlflow/experiments/search", "/static-files/index.html", "/health", "/get-artifact?path=x"):
        for headers in ({}, {"cookie": "sagewright-mlflow=x.y"}, {"authorization": "Bearer x.y"}, {"authorization": "Bearer ."}):
            answer = httpx.get(base + path, headers={**headers, "accept": "text/html"})
            assert answer.status_code == 403, (path, headers)
            assert "mlflow" not in answer.headers.get("set-cookie", "")
    assert httpx.get(base.rsplit("/", 1)[0] + "/t-0123456789abcdef/").status_code == 403
    assert httpx.get(base.rsplit("/", 1)[0] + "/").status_code == 403
    assert httpx.get(base + "/auth?authToken=guess").status_code == 403
    assert httpx.get(base + "/auth").status_code == 403


def test_a_session_is_for_one_server(lab: Lab, browser: httpx.Client) -> None:
    other = Lab(lab.server, "other").create()
    session = browser.cookies["sagewright-mlflow"]
    assert httpx.get(f"{lab.about()['TrackingServerUrl']}/health", cookies={"sagewright-mlflow": session}).status_code == 200
    assert httpx.get(f"{other.about()['TrackingServerUrl']}/health", cookies={"sagewright-mlflow": session}).status_code == 403
    text, _, signature = session.partition(".")
    about = json.loads(base64.urlsafe_b64decode(text + "=="))
    forged = base64.urlsafe_b64encode(json.dumps({**about, "Until": about["Until"] + 1}).encode()).decode().rstrip("=")
    assert httpx.get(f"{lab.about()['TrackingServerUrl']}/health", cookies={"sagewright-mlflow": f"{forged}.{signature}"}).status_code == 403


def test_pages_of_other_sites_change_nothing(lab: Lab, browser: httpx.Client) -> None:
    base = lab.about()["TrackingServerUrl"]
    create = f"{base}/ajax-api/2.0/mlflow/experiments/create"
    for headers in ({"origin": "https://evil.example"}, {"origin": "null"}, {"sec-fetch-site": "cross-site"}, {"sec-fetch-site": "same-site"}):
        assert browser.post(create, json={"name": "evil"}, headers=headers).status_code == 403
    assert "evil" not in lab.experiments()
    own = {"origin": lab.server.url, "sec-fetch-site": "same-origin"}
    assert browser.post(create, json={"name": "mine"}, headers=own).status_code == 200
    assert "mine" in lab.experiments()
    listed = browser.get(f"{base}/ajax-api/2.0/mlflow/experiments/search?max_results=5", headers={"origin": "https://evil.example"})
    assert not [h for h in listed.headers if h.startswith("access-control-")]


def test_somebody_elses_file_is_no_page_of_ours(lab: Lab, browser: httpx.Client) -> None:
    experiment = lab.make("files")
    run = lab.signed("POST", "/api/2.0/mlflow/runs/create", {"experiment_id": experiment}).json()["run"]["info"]["run_id"]
    lab.s3.put_object(Bucket=lab.bucket, Key=f"mlflow/{experiment}/{run}/artifacts/x.html", Body=b"<script>alert(1)</script>")
    shown = browser.get(f"{lab.about()['TrackingServerUrl']}/get-artifact", params={"run_uuid": run, "path": "x.html"})
    assert shown.status_code == 200, shown.text
    assert shown.content == b"<script>alert(1)</script>"
    assert shown.headers["content-security-policy"].startswith("sandbox;")
    assert shown.headers["x-content-type-options"] == "nosniff"


# -- a real browser


class Tab:
    """As much of Chromium's remote control as a page needs: open, evaluate, take a picture."""

    def __init__(self, socket: Any) -> None:
        self.socket, self.number = socket, 0

    async def call(self, method: str, **params: Any) -> dict[str, Any]:
        self.number += 1
        await self.socket.send(json.dumps({"id": self.number, "method": method, "params": params}))
        while (said := json.loads(await self.socket.recv())).get("id") != self.number:
            pass
        assert "error" not in said, said
        return said["result"]  # type: ignore[no-any-return]

    async def value(self, script: str) -> Any:
        return (await self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True))["result"].get("value")

    async def until(self, script: str, seconds: float = 60.0) -> Any:
        end = time.monotonic() + seconds
        while not (found := await self.value(script)):
            assert time.monotonic() < end, await self.value("document.body.innerText")
            await asyncio.sleep(0.1)  # a page says nothing when it is done
        return found


@asynccontextmanager
async def chromium(folder: Path) -> AsyncIterator[Tab]:
    websockets = pytest.importorskip("websockets.asyncio.client")
    assert CHROMIUM is not None
    process = subprocess.Popen(  # noqa: ASYNC220  (started once, watched by its file)
        [CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--remote-debugging-port=0", "--no-first-run",
         "--window-size=1400,900", f"--user-data-dir={folder}", "about:blank"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )
    try:
        port = folder / "DevToolsActivePort"
        end = time.monotonic() + 60
        while not port.exists() or "\n" not in port.read_text():
            assert process.poll() is None
            assert time.monotonic() < end
            await asyncio.sleep(0.05)  # the file is the first sign of it
        number = port.read_text().splitlines()[0]
        async with httpx.AsyncClient() as http:
            pages = (await http.get(f"http://127.0.0.1:{number}/json")).json()
        page = next(t for t in pages if t["type"] == "page")
        async with websockets.connect(page["webSocketDebuggerUrl"], max_size=2**26) as socket:
            yield Tab(socket)
    finally:
        os.killpg(process.pid, 9)
        process.wait()


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
async def test_the_pages_in_a_browser(lab: Lab, tmp_path: Path) -> None:
    """The presigned URL leads to MLflow's own pages: the experiment, its run, its parameters and metrics are there."""
    experiment = lab.make("seen in a browser")
    run = lab.signed("POST", "/api/2.0/mlflow/runs/create", {"experiment_id": experiment, "run_name": "a run to see"}).json()["run"]["info"]["run_id"]
    lab.signed("POST", "/api/2.0/mlflow/runs/log-parameter", {"run_id": run, "key": "depth", "value": "61"})
    lab.signed("POST", "/api/2.0/mlflow/runs/log-metric", {"run_id": run, "key": "rmse", "value": 0.125, "timestamp": 1, "step": 1})
    async with chromium(tmp_path / "profile") as tab:
        await tab.call("Page.enable")
        await tab.call("Page.navigate", url=f"{lab.url()}#/experiments/{experiment}/runs/{run}")
        await tab.until("document.body && document.body.innerText.includes('a run to see') && document.body.innerText.includes('0.125')")
        text = await tab.value("document.body.innerText")
        assert "depth" in text
        assert "61" in text
        assert await tab.value("location.pathname") == lab.about()["TrackingServerUrl"].removeprefix(lab.server.url) + "/"
        assert await tab.value("document.cookie") == ""
        picture = base64.b64decode((await tab.call("Page.captureScreenshot"))["data"])
        (tmp_path / "run.png").write_bytes(picture)
        await tab.call("Page.navigate", url=f"{lab.about()['TrackingServerUrl']}/#/experiments/{experiment}/runs")
        await tab.until("document.body.innerText.includes('1 matching run')")
        assert "not offered" not in await tab.value("document.body.innerText")
        if where := os.environ.get("SAGEWRIGHT_PICTURES"):
            Path(where, "mlflow-run.png").write_bytes(picture)
            Path(where, "mlflow-experiment.png").write_bytes(base64.b64decode((await tab.call("Page.captureScreenshot"))["data"]))
