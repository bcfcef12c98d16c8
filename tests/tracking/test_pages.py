"""The pages of a tracking server: a presigned URL opens them once, a cookie keeps them open, nothing else does."""

from __future__ import annotations

import base64
import json
import os
import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from sagewright.testing.chromium import CHROMIUM, chromium

from .conftest import Lab

pytestmark = pytest.mark.xdist_group("mlflow")


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


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
async def test_the_pages_in_a_browser(lab: Lab, tmp_path: Path) -> None:
    """The presigned URL leads to MLflow's own pages: the experiment, its run, its parameters and metrics are there."""
    experiment = lab.make("seen in a browser")
    run = lab.signed("POST", "/api/2.0/mlflow/runs/create", {"experiment_id": experiment, "run_name": "a run to see"}).json()["run"]["info"]["run_id"]
    lab.signed("POST", "/api/2.0/mlflow/runs/log-parameter", {"run_id": run, "key": "depth", "value": "61"})
    lab.signed("POST", "/api/2.0/mlflow/runs/log-metric", {"run_id": run, "key": "rmse", "value": 0.125, "timestamp": 1, "step": 1})
    async with chromium(tmp_path / "profile") as page:
        await page.goto(f"{lab.url()}#/experiments/{experiment}/runs/{run}")
        await page.shows("a run to see", "0.125")
        text = await page.value("document.body.innerText")
        assert "depth" in text
        assert "61" in text
        assert await page.value("location.pathname") == lab.about()["TrackingServerUrl"].removeprefix(lab.server.url) + "/"
        assert await page.value("document.cookie") == ""
        where = Path(os.environ.get("SAGEWRIGHT_PICTURES") or tmp_path)
        await page.picture(where / "mlflow-run.png")
        await page.goto(f"{lab.about()['TrackingServerUrl']}/#/experiments/{experiment}/runs")
        await page.shows("1 matching run")
        assert "not offered" not in await page.value("document.body.innerText")
        await page.picture(where / "mlflow-experiment.png")
