"""The driver itself: what tests lean on that a quiet machine would never show."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from sagewright.testing.chromium import chromium

pytestmark = pytest.mark.xdist_group("browser")


async def test_what_is_waited_for_may_be_on_the_next_page(tmp_path: Path) -> None:
    """A tab that was opened shows an empty document until its server answers, which takes a while on a busy machine."""
    async with chromium(tmp_path / "profile") as page:
        waiting = asyncio.create_task(page.until("document.title === 'second'"))
        assert await page.value("document.title") == ""  # by then the first document waits
        await page.call("Page.navigate", url="data:text/html,<title>second</title>")
        assert await waiting is True
