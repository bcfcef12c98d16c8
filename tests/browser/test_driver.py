"""The driver itself: what tests lean on that a quiet machine would never show."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from playwright.async_api import Route, TimeoutError

from sagewright.testing.chromium import Page, another, chromium, opened_by

from .calls import STUDIO

pytestmark = pytest.mark.xdist_group("browser")


async def test_what_is_waited_for_may_be_on_the_next_page(tmp_path: Path) -> None:
    """A tab that was opened shows an empty document until its server answers, which takes a while on a busy machine."""
    async with chromium(tmp_path / "profile") as page:
        waiting = asyncio.create_task(page.until("document.title === 'second'"))
        assert await page.value("document.title") == ""  # by then the first document waits
        await page.tab.goto("data:text/html,<title>second</title>")
        assert await waiting is True


async def test_the_end_of_loading_is_seen_in_a_page_that_changes_no_more(tmp_path: Path) -> None:
    held = asyncio.Event()

    async def late(route: Route) -> None:
        await held.wait()
        await route.abort()

    async with chromium(tmp_path / "profile") as page:
        await page.tab.route("http://late.invalid/", late)
        await page.tab.goto("data:text/html,<img src=http://late.invalid/>", wait_until="commit")
        waiting = asyncio.create_task(page.until("document.readyState === 'complete'"))
        assert await page.value("document.readyState") != "complete"  # by then it waits
        held.set()
        assert await asyncio.wait_for(waiting, 30) is True


async def test_what_something_covers_is_not_clicked(tmp_path: Path) -> None:
    async with chromium(tmp_path / "profile") as page:
        await page.tab.set_content("<button onclick='window.clicked = 1'>Go</button><div style='position: fixed; inset: 0'></div>")
        page.tab.set_default_timeout(1000)
        with pytest.raises(TimeoutError, match="intercepts pointer events"):
            await page.click("Go", "button")
        await page.value("document.querySelector('div').remove()")
        await page.click("Go", "button")
        assert await page.value("window.clicked") == 1


async def test_what_a_navigation_cuts_off_is_not_waited_for(studio: Page) -> None:
    """Only that: another page of the same document waits on for what it has asked for."""
    asked = f"{STUDIO}/never.js"
    await studio.tab.route(f"**{asked}", lambda _: None)
    async with studio.tab.expect_request(f"**{asked}"):
        await studio.value(f"fetch('{asked}').catch(() => 0), true")
    waiting = asyncio.create_task(studio.quiet())
    await studio.follow(f"{STUDIO}/models")
    await studio.shows("Create a model")
    assert not waiting.done()
    await studio.goto(studio.tab.url)
    await waiting


async def test_requests_of_an_opened_tab_are_seen_from_the_first(studio: Page) -> None:
    await studio.value(f"open('{STUDIO}/models', '_blank', 'noopener'), true")
    async with opened_by(studio, "/models") as tab:
        await tab.shows("Create a model")
        urls = {r["url"] for r in tab.requests}
        assert tab.tab.url in urls
        assert any(url.endswith(".js") for url in urls)
    async with another(studio) as tab:
        await tab.goto(studio.tab.url)
        assert tab.requests[0]["status"] == 200
        assert tab.requests[0]["document"] == studio.tab.url
