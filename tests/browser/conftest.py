"""Studio in a real browser, against a real server with real jobs."""

from __future__ import annotations

import os
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import pytest_asyncio

from sagewright.testing.chromium import CHROMIUM, Page, chromium, opened
from sagewright.testing.jobs import Jobs
from sagewright.testing.server import TestServer
from sagewright.testing.studio import default_domain

from .calls import STUDIO, private
from .looks import AXE, REPOSITORY, Looks

BUNDLE = REPOSITORY / "src" / "sagewright" / "slices" / "studio" / "web" / "index.html"


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


@pytest.fixture(autouse=True)
def no_back_door() -> Iterator[None]:
    """Whatever a test does in Studio, its pages ask for nothing but files, documented endpoints, and signed calls of operations that are built."""
    opened.clear()
    yield
    said = []
    for page in opened:
        for request in page.requests:
            document = urlsplit(request["document"])
            # workspaces' pages are not Studio's: they have origins and rules of their own
            if document.path.startswith(f"{STUDIO}/"):
                said += private([request], f"{document.scheme}://{document.netloc}")
    assert said == []


def link(server: TestServer) -> str:
    """A one-time link for the first profile."""
    url = server.client("sagemaker").create_presigned_domain_url(DomainId=default_domain(server), UserProfileName="owner")["AuthorizedUrl"]
    return str(url)


@pytest_asyncio.fixture
async def studio(server: TestServer, tmp_path: Path) -> AsyncIterator[Page]:
    """A signed-in tab on the overview. In the end nothing may have been complained of."""
    async with chromium(tmp_path / "profile") as page:
        await page.goto(link(server))
        await page.shows("Overview", "Recent work")
        yield page
        assert page.complaints == []


@pytest.fixture
def looks(studio: Page, pictures: Path) -> Looks:
    """Of the signed-in tab."""
    return Looks(studio, pictures)
