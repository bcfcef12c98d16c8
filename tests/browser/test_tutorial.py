"""docs/tutorial.md as its reader does it: by clicks in Studio, with the pictures that the page has, then by the code that Studio showed.

    make pictures          # takes the pictures of the page anew
"""

from __future__ import annotations

import io
import re
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from sagewright.testing.chromium import Page, chromium
from sagewright.testing.server import TestServer

from .calls import STUDIO
from .conftest import link
from .looks import REPOSITORY, colours

pytestmark = pytest.mark.xdist_group("browser")
DOCS = REPOSITORY / "docs"
PAGE = (DOCS / "tutorial.md").read_text()
SHOWN = set(re.findall(r"!\[[^\]]+\]\(pictures/tutorial/([\w-]+\.png)\)", PAGE))
FLAT, RENT = "60,2,3,20,4", 200 + 11 * 60 + 60 * 2 + 10 * 3 - 2 * 20 - 18 * 4
"""A flat of the tutorial, and its rent by the rule that docs/flats.csv was made with."""
HEAVIEST = 80_000
"""Bytes that a picture of the docs may have."""
BUILD = 300


class Album:
    """Pictures in few colours, which is all that a page of text and lines needs."""

    def __init__(self, page: Page, folder: Path) -> None:
        self.page, self.folder, self.taken = page, folder, set[str]()

    async def take(self, name: str, at: str = "body") -> None:
        await self.page.value("document.querySelectorAll('button[aria-label^=\"Put away\"]').forEach((b) => b.click()), true")
        await self.page.quiet()
        await self.page.until("!document.querySelector('[class*=awsui_flash-list] li')")  # it fades away
        await self.page.value(f"document.activeElement?.blur(), document.querySelector('{at}').scrollIntoView(), scrollBy(0, {0 if at == 'body' else -80}), true")
        path = self.folder / f"{name}.png"
        await self.page.picture(path)
        small = io.BytesIO()
        Image.open(path).convert("RGB").quantize(96, dither=Image.Dither.NONE).save(small, "png", optimize=True)
        path.write_bytes(small.getvalue())
        self.taken.add(path.name)


async def shown_code(page: Page) -> str:
    """The clients and calls of the code that the page shows, without what it imports."""
    text = str(await page.until("[...document.querySelectorAll('.code-panel pre')].filter(sw.visible).pop()?.textContent"))
    lead, calls = text.split("\n\n", 1)
    assert lead.splitlines()[-1] == "import boto3"
    return calls


async def without_code(page: Page, album: Album) -> list[str]:
    """From the overview to an answer; the code that Studio showed on the way."""
    code = []
    await album.take("1-overview")
    await page.click("Data", "nav a", exact=True)
    await page.click("Create a bucket", "button")
    await page.fill("Name", "flats-data", '[role="dialog"] input')
    await page.click("Create", '[role="dialog"] button', exact=True)
    await page.shows("There is nothing here yet")
    await page.choose("Files to upload", DOCS / "flats.csv")
    await page.shows("Stored")
    await page.click("flats.csv", "a")
    await page.shows("6 columns, without names")
    await album.take("2-data")

    await page.click("Training jobs", "nav a", exact=True)
    await page.click("Create a training job", "a, button")
    await page.shows("What runs")
    await page.fill("Name", "flats")
    await page.fill("Where", "s3://flats-data/flats.csv")
    await page.fill("Models go to", "s3://flats-data/models")
    code.append(await shown_code(page))
    await album.take("3-form")
    await album.take("6-code", at=".code-panel")
    await page.click("Start training", "button")
    await page.shows("Completed", "Where its metrics ended", seconds=BUILD)
    await album.take("4-job")

    await page.click("Make a model", "button")
    await page.until("sw.find('input', 'Artifact')?.value.endsWith('flats/output/model.tar.gz')")
    code.append(await shown_code(page))
    await page.click("Create the model", "button")
    await page.shows("Primary container")
    await page.click("Deploy", "button")
    await page.shows("How it serves")
    await page.fill("Name", "flats")
    code.append(await shown_code(page))
    await page.click("Deploy", "button")
    await page.shows("Variants", "In service", seconds=BUILD)
    await page.click("Test", '[role="tab"]', exact=True)
    await page.fill("Body", FLAT)
    code.append(await shown_code(page))
    await page.click("Invoke", "button")
    said = await page.until("document.querySelector('pre[aria-label=Answer]')?.innerText")
    assert float(said) == pytest.approx(RENT, abs=100)
    await album.take("5-answer")
    return code


def run(code: str, server: TestServer, folder: Path) -> subprocess.CompletedProcess[str]:
    """As a reader does who has pointed a shell at the server."""
    return subprocess.run([sys.executable, "-c", code], cwd=folder, env=server.environment(), capture_output=True, text=True, timeout=280, check=False)


@pytest.mark.timeout(600)
async def test_the_tutorial_in_studio_and_in_code(own_server: TestServer, tmp_path: Path, pictures: Path) -> None:
    async with chromium(tmp_path / "profile", 1280, 800) as page:
        await page.goto(link(own_server))
        await page.shows("Overview", "Recent work")
        assert await page.value("location.pathname") == f"{STUDIO}/"
        await colours(page, "light")
        album = Album(page, pictures.parent / "tutorial")
        code = await without_code(page, album)
        assert page.complaints == []
    assert album.taken == SHOWN
    # what the page runs is what Studio showed, under another name
    blocks = "\n".join(re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL))
    for calls in code:
        for call in re.split(r"\n(?=\w)", calls):
            wanted = call.replace('"flats"', '"flats-in-code"').replace("/flats/", "/flats-in-code/").strip()
            assert wanted in blocks, wanted
    ran = run(blocks, own_server, tmp_path)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert float(ran.stdout.split()[-1]) == pytest.approx(RENT, abs=100)
    names = {e["EndpointName"] for e in own_server.client("sagemaker").list_endpoints()["Endpoints"]}
    assert names == {"flats"}  # the page's code tidies up after itself


def test_the_pictures_are_there_and_small() -> None:
    assert len(SHOWN) >= 5
    for name in SHOWN:
        assert 0 < (DOCS / "pictures" / "tutorial" / name).stat().st_size < HEAVIEST, name
