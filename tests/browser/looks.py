"""How a page looks: pictures in both themes, and what axe finds in them."""

from __future__ import annotations

import json
from pathlib import Path

from sagewright.testing.chromium import Page

from .calls import STUDIO

REPOSITORY = Path(__file__).parent.parent.parent
AXE = REPOSITORY / "web" / "node_modules" / "axe-core" / "axe.min.js"
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]
CHECK = """axe.run(document, {runOnly: {type: 'tag', values: TAGS}, resultTypes: ['violations']}).then((r) => r.violations.map(
  (v) => v.id + ': ' + v.nodes.slice(0, 3).map((n) => n.html.slice(0, 200) + ' ' + (n.any[0]?.message ?? '')).join(' | ')))""".replace("TAGS", json.dumps(TAGS))

SETTLED = "Promise.allSettled(document.getAnimations().filter((a) => a instanceof CSSTransition).map((a) => a.finished)).then(() => true)"
"""Colours go over slowly from one theme, or one state, to the other."""


async def colours(page: Page, mode: str) -> None:
    """Choose a theme, and wait until the page has its colours."""
    await page.value(f"localStorage.setItem('sagewright.mode', '{mode}'), dispatchEvent(new StorageEvent('storage', {{key: 'sagewright.mode'}})), true")
    dark = "document.body.classList.contains('awsui-dark-mode')"
    await page.until(dark if mode == "dark" else f"!{dark}")
    await page.value(SETTLED)


class Looks:
    """Of one tab. A test goes on after a fault, so that all its pictures are there; in the end it asserts ``faults == {}``."""

    def __init__(self, page: Page, folder: Path) -> None:
        self.page, self.folder = page, folder
        self.faults: dict[str, list[str]] = {}
        """What axe found, by the picture."""

    async def at(self, name: str, path: str = "") -> None:
        """The page as it is once it is quiet; another page of Studio where a path is given."""
        if path:
            await self.page.follow(STUDIO + path)
        await self.page.quiet()
        await self.now(name)

    async def now(self, name: str) -> None:
        """The page without waiting for anything, left in the light theme."""
        # a document that was loaded anew has it no more
        if not await self.page.value("'axe' in window"):
            await self.page.value(AXE.read_text() + ";true")
        for mode in ("light", "dark"):
            await colours(self.page, mode)
            await self.page.picture(self.folder / f"{name}-{mode}.png")
            if found := await self.page.value(CHECK):
                self.faults[f"{name}, {mode}"] = found
        await colours(self.page, "light")


async def looked_at(page: Page, pictures: Path, name: str) -> None:
    """A picture in both themes, and nothing that axe finds."""
    looks = Looks(page, pictures)
    await looks.now(name)
    assert looks.faults == {}
