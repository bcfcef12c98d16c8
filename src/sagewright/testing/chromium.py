"""Chromium by Playwright: open, click, type, look, and keep every request and every complaint.

Clicks are the mouse's own: what something else covers cannot be clicked. What a page is to show is waited for in the page (a
MutationObserver wakes it), in this document or the next: for a job's minutes nothing is polled, and nothing depends on a fast machine.
"""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.async_api import CDPSession, ConsoleMessage, Error, Request, Response, async_playwright
from playwright.async_api import Page as Tab

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
PATIENCE = 60
"""Seconds that a busy machine may take for one step."""

HELP = """
window.sw = {
  visible: (e) => e.checkVisibility?.({visibilityProperty: true, opacityProperty: false}) && e.getClientRects().length > 0,
  named: (e) => (e.getAttribute('aria-label') || (e.labels && [...e.labels].map((l) => l.innerText).join(' '))
    || (e.getAttribute('aria-labelledby') || '').split(' ').map((i) => document.getElementById(i)?.innerText || '').join(' ').trim()
    || e.innerText || e.placeholder || '').trim().replace(/\\s+/g, ' '),
  find: (selector, name, exact) => [...document.querySelectorAll(selector)].find((e) => sw.visible(e) && !e.disabled
    && e.getAttribute('aria-disabled') !== 'true' && (!name || (exact ? sw.named(e) === name : sw.named(e).includes(name)))),
  // what the address says is what stands there: the page before it stays until the next one is fetched
  stands: () => { const at = document.querySelector('.page')?.dataset.at, plain = (url) => url.pathname.replace(/\\/+/g, '/').replace(/\\/$/, '') + url.search;
    return at && plain(new URL(at, location.href)) === plain(location); },
  until: (test, seconds) => new Promise((done, fail) => {
    let observer, timer;
    const look = () => { let found; try { found = test(); } catch (e) { found = undefined; } if (found) { stop(); done(found === true ? true : (found instanceof Node ? true : found)); } return found; };
    const stop = () => { observer?.disconnect(); clearTimeout(timer); document.removeEventListener('readystatechange', look); };
    if (look()) return;
    observer = new MutationObserver(look);
    observer.observe(document, {subtree: true, childList: true, attributes: true, characterData: true});
    document.addEventListener('readystatechange', look);
    timer = setTimeout(() => { if (!look()) { stop(); fail(new Error('it did not come')); } }, seconds * 1000);
  }),
};
"""
CALLED = "({query: (_, at) => sw.find(...JSON.parse(at)), queryAll: (_, at) => [sw.find(...JSON.parse(at))].filter(Boolean)})"
"""Playwright's locators by ``sw.find``."""
CLICKABLE = 'button, a, [role="button"], [role="tab"], [role="option"], [role="menuitem"], [role="menuitemcheckbox"], input[type="checkbox"], input[type="radio"]'
STUDIO = "document.querySelector('#root *')"
"""What stands in a document of Studio, or of MLflow, once it has begun."""

opened: list[Page] = []
"""Every tab of the test that runs: conftest.py looks at what they asked for."""


class Navigated(AssertionError):
    """The document in which something was evaluated has given way to another."""


@dataclass
class Page:
    """One tab, with what it asked for and what it complained of."""

    tab: Tab
    """Playwright's own, for whatever is not here."""
    cdp: CDPSession
    """The browser's own remote control of the tab, for what Playwright does not tell."""
    requests: list[dict[str, Any]] = field(default_factory=list)
    """Every request: url, method, headers, postData, the address of the document that asked, and the status once it is answered."""
    complaints: list[str] = field(default_factory=list)
    """Exceptions, errors of the console, breaches of the content security policy."""
    popups: asyncio.Queue[Tab] = field(default_factory=asyncio.Queue)
    """Tabs that it has opened."""
    _records: dict[Request, dict[str, Any]] = field(default_factory=dict)
    _flying: set[Request] = field(default_factory=set)
    """What is not answered yet."""
    _landed: asyncio.Event = field(default_factory=asyncio.Event)

    @classmethod
    async def of(cls, tab: Tab) -> Page:
        page = cls(tab, await tab.context.new_cdp_session(tab))
        opened.append(page)
        tab.on("request", page._asked)
        tab.on("response", page._answered)
        tab.on("requestfinished", page._ended)
        tab.on("requestfailed", page._ended)  # a navigation cuts off, too
        tab.on("console", page._said)
        tab.on("pageerror", lambda error: page.complaints.append(f"exception: {error.stack or error}"))
        tab.on("popup", page.popups.put_nowait)
        # a breach that the page's own code catches is told by this domain alone
        page.cdp.on("Audits.issueAdded", page._audited)
        await page.cdp.send("Audits.enable")
        for request in await tab.requests():  # of a tab that was opened by another
            if request not in page._records:
                page._record(request)
        return page

    def _record(self, request: Request) -> None:
        first = request.is_navigation_request()  # such a one may come before its frame
        made = {"url": request.url, "method": request.method, "headers": request.headers, "document": request.url if first else request.frame.url}
        if data := request.post_data_buffer:
            made["postData"] = data.decode(errors="replace")
        self._records[request] = made
        self.requests.append(made)

    def _asked(self, request: Request) -> None:
        self._record(request)
        # a stream never ends, and what a shared worker asks for is answered to the worker
        if request.resource_type != "eventsource" and "-worker-" not in request.url:
            self._flying.add(request)

    def _answered(self, response: Response) -> None:
        if made := self._records.get(response.request):
            made["status"] = response.status

    def _ended(self, request: Request) -> None:
        self._flying.discard(request)
        self._landed.set()

    def _said(self, message: ConsoleMessage) -> None:
        # what the server refuses is seen by the statuses
        if message.type in ("error", "assert") and not message.text.startswith("Failed to load resource"):
            self.complaints.append(f"console: {message.text[:2000]}")

    def _audited(self, told: dict[str, Any]) -> None:
        if told["issue"]["code"] == "ContentSecurityPolicyIssue":
            self.complaints.append("policy: " + json.dumps(told["issue"]["details"])[:2000])

    async def value(self, script: str) -> Any:
        """What a script in the page evaluates to; AssertionError with the page's text if it throws."""
        try:
            return await self.tab.evaluate(script)
        except Error as error:
            if "Execution context was destroyed" in error.message:
                raise Navigated(script) from None
            raise AssertionError(f"{script}\n{error.message}\n{await self.text()}\n{self.complaints}") from None

    async def text(self) -> str:
        return str(await self.tab.evaluate("location.href + '\\n' + document.body.innerText"))[:6000]

    async def until(self, test: str, seconds: float = PATIENCE) -> Any:
        """What ``test`` evaluates to once that is true, in this document or one that takes its place meanwhile."""
        end = asyncio.get_running_loop().time() + seconds
        while True:
            try:
                return await self.value(f"sw.until(() => ({test}), {seconds})")
            except Navigated:
                seconds = max(0.0, end - asyncio.get_running_loop().time())

    async def shows(self, *texts: str, seconds: float = PATIENCE) -> None:
        """Wait until all the texts are on the page."""
        await self.until(f"{json.dumps(texts)}.every((t) => document.body.innerText.includes(t))", seconds)

    async def quiet(self) -> None:
        """Wait until every request is answered, and the page has drawn what came of it."""
        drawn = "sw.stands() && !document.querySelector('.leaving, [aria-busy=true]') && !/^Loading$/m.test(document.body.innerText)"
        while True:
            while self._flying:
                self._landed.clear()
                try:
                    await asyncio.wait_for(self._landed.wait(), PATIENCE)
                except TimeoutError:
                    raise AssertionError(f"unanswered: {[r.url for r in self._flying]}") from None
            # two frames: what has been answered is on the page, and has asked for what it lacks
            await self.value("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
            if not self._flying:
                await self.until(drawn)
                return

    async def choose(self, name: str, *files: Path) -> None:
        """Give files to the file input of that name."""
        await self.tab.locator(f"input[type=file][aria-label={json.dumps(name)}]").set_input_files(files)

    async def follow(self, path: str) -> None:
        """Go to another page of Studio as a link does, without loading it all anew."""
        await self.value(f"history.pushState(null, '', {json.dumps(path)}), dispatchEvent(new PopStateEvent('popstate')), true")

    async def goto(self, url: str, ready: str = STUDIO, seconds: float = PATIENCE) -> None:
        """Load a document, until ``ready`` holds in it."""
        await self.tab.goto(url, wait_until="commit")
        await self.until(f"document.readyState === 'complete' && {ready}", seconds)

    async def click(self, name: str, selector: str = CLICKABLE, exact: bool = False) -> None:
        """Click what is called so, once it is there and can be clicked."""
        called = json.dumps([selector, name, exact])
        await self.until(f"sw.find(...{called})")
        await self.tab.locator(f"called={called}").click()

    async def fill(self, name: str, text: str, selector: str = "input, textarea") -> None:
        """Type into the field of that label, in the place of what is in it."""
        called = json.dumps([selector, name])
        await self.until(f"sw.find(...{called})")
        await self.tab.locator(f"called={called}").fill(text)

    async def write(self, text: str) -> None:
        """Into whatever has the focus, all at once."""
        await self.tab.keyboard.insert_text(text)

    async def press(self, key: str) -> None:
        """A key by Playwright's name of it: Enter, Control+k."""
        await self.tab.keyboard.press(key)

    async def picture(self, path: Path) -> None:
        await self.tab.screenshot(path=path, caret="initial")


@asynccontextmanager
async def another(page: Page) -> AsyncIterator[Page]:
    """Another tab of a tab's browser, closed in the end."""
    async with await page.tab.context.new_page() as tab:
        yield await Page.of(tab)


@asynccontextmanager
async def opened_by(page: Page, part: str, seconds: float = PATIENCE) -> AsyncIterator[Page]:
    """The tab that a page has opened, once it has come to an address with ``part`` in it; closed in the end."""
    async with await asyncio.wait_for(page.popups.get(), seconds) as tab:
        await tab.wait_for_url(lambda url: part in url, wait_until="commit", timeout=1000 * seconds)
        yield await Page.of(tab)


@asynccontextmanager
async def chromium(folder: Path, width: int = 1400, height: int = 900, *more: str) -> AsyncIterator[Page]:
    """A browser with a fresh profile in ``folder``, and ``more`` on its command line."""
    async with async_playwright() as playwright:
        await playwright.selectors.register("called", CALLED)
        async with await playwright.chromium.launch_persistent_context(
            folder, executable_path=CHROMIUM, args=["--disable-gpu", *more], viewport={"width": width, "height": height}, timeout=1000 * PATIENCE
        ) as context:
            context.set_default_timeout(1000 * PATIENCE)
            await context.add_init_script(HELP)
            await context.pages[0].evaluate(HELP)  # its document is older
            yield await Page.of(context.pages[0])
