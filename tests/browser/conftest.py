"""Studio in a real browser, against a real server with real jobs."""

from __future__ import annotations

import os
import re
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import pytest_asyncio

from sagewright.testing.jobs import Jobs
from sagewright.testing.server import TestServer
from sagewright.testing.studio import default_domain

from .chromium import CHROMIUM, Page, chromium

REPOSITORY = Path(__file__).parent.parent.parent
BUNDLE = REPOSITORY / "src" / "sagewright" / "slices" / "studio" / "web" / "index.html"
AXE = REPOSITORY / "web" / "node_modules" / "axe-core" / "axe.min.js"
STUDIO = "/_sagewright/studio"


@pytest.fixture(scope="session", autouse=True)
def equipped() -> None:
    """A browser and the built pages; in CI their lack is a failure, elsewhere nobody can be asked to have a browser."""
    lacking = [what for what, there in (("Chromium", CHROMIUM), ("the built pages: make web", BUNDLE.exists()), ("axe-core: make web", AXE.exists())) if not there]
    if lacking and os.environ.get("CI"):
        pytest.fail(f"lacking {', '.join(lacking)}")
    if lacking:
        pytest.skip(f"lacking {', '.join(lacking)}")


@pytest.fixture(scope="session")
def jobs(server: TestServer) -> Jobs:
    return Jobs(server, bucket=f"studio-{uuid.uuid4().hex[:8]}")


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the pictures go: SAGEWRIGHT_PICTURES, or the run's own folder."""
    folder = Path(os.environ.get("SAGEWRIGHT_PICTURES") or tmp_path_factory.mktemp("pictures")) / "studio"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def link(server: TestServer) -> str:
    """A one-time link for the first profile."""
    url = server.client("sagemaker").create_presigned_domain_url(DomainId=default_domain(server), UserProfileName="owner")["AuthorizedUrl"]
    return str(url)


@pytest_asyncio.fixture
async def studio(server: TestServer, tmp_path: Path) -> AsyncIterator[Page]:
    """A signed-in tab on the overview. In the end nothing may have been complained of, and no request may have been a private one."""
    async with chromium(tmp_path / "profile") as page:
        await page.goto(link(server))
        await page.shows("Overview", "Recent work")
        yield page
        assert page.complaints == []
        assert [r for r in page.requests if not allowed(r, server.url)] == []


def documented() -> set[str]:
    """"METHOD path" of Studio's endpoints as the reference lists them."""
    text = (REPOSITORY / "docs" / "reference" / "studio-endpoints.md").read_text()
    return {f"{method} {STUDIO}/{path}" for method, path in re.findall(r"^\| `(GET|POST|DELETE) (api/[a-z-]+|auth)", text, re.M)}


def allowed(request: dict, origin: str) -> bool:  # type: ignore[type-arg]
    """Whether a request is one of the pages' files, a documented endpoint, or a signed call of the public API."""
    url = urlsplit(request["url"])
    if url.scheme in ("blob", "about", "data"):
        return True
    if f"{url.scheme}://{url.netloc}" != origin:
        return False
    if f"{request['method']} {url.path}" in documented():
        return True
    if url.path.startswith(f"{STUDIO}/"):
        return request["method"] == "GET" and not url.path.startswith(f"{STUDIO}/api/")
    headers = {k.lower(): v for k, v in request["headers"].items()}
    return headers.get("authorization", "").startswith("AWS4-HMAC-SHA256 Credential=ASIA")
