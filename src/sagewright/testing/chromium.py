"""Chromium by its own remote control: open, click, type, look, and keep every request and every complaint.

Waiting is done in the page (a MutationObserver wakes it) so that nothing is polled and nothing depends on a fast machine.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from websockets.asyncio.client import connect

from sagewright.testing.waiting import until

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
    const stop = () => { observer?.disconnect(); clearTimeout(timer); removeEventListener('popstate', look); };
    if (look()) return;
    observer = new MutationObserver(look);
    observer.observe(document, {subtree: true, childList: true, attributes: true, characterData: true});
    timer = setTimeout(() => { if (!look()) { stop(); fail(new Error('it did not come')); } }, seconds * 1000);
  }),
};
"""
SEEN = "new Promise((done) => { const look = () => document.hidden || done(true); look(); document.addEventListener('visibilitychange', look); })"
CLICKABLE = 'button, a, [role="button"], [role="tab"], [role="option"], [role="menuitem"], [role="menuitemcheckbox"], input[type="checkbox"], input[type="radio"]'


GONE = ("Inspected target navigated or closed", "Execution context was destroyed.", "Cannot find default execution context")


class Navigated(AssertionError):
    """The document in which something was evaluated has given way to another."""


opened: list[Page] = []
"""Every tab of the test that runs: conftest.py looks at what they asked for."""


@dataclass
class Page:
    """One tab, with what it asked for and what it complained of."""

    socket: Any
    control: str = ""
    """Where the browser is told to open another one."""
    requests: list[dict[str, Any]] = field(default_factory=list)
    """Every request, as the browser tells of it: url, method, headers, and the address of the document that asked."""
    choosers: asyncio.Queue[dict[str, Any]] = field(default_factory=asyncio.Queue)
    """File dialogs that the page has opened, once they are intercepted."""
    statuses: dict[str, int] = field(default_factory=dict)
    """What was answered, by the ``id`` of the request."""
    complaints: list[str] = field(default_factory=list)
    """Exceptions, errors of the console, breaches of the content security policy."""
    tabs: dict[str, str] = field(default_factory=dict)
    """Id → address of the browser's tabs, once ``opened_by`` has asked for them."""
    moved: asyncio.Event = field(default_factory=asyncio.Event)
    _flying: dict[str, str] = field(default_factory=dict)
    """Id of each request that is not answered yet → id of the document that asked; no document: a worker."""
    _landed: asyncio.Event = field(default_factory=asyncio.Event)
    _number: int = 0
    _waiting: dict[int, asyncio.Future[dict[str, Any]]] = field(default_factory=dict)

    async def read(self) -> None:
        """Take in what the browser says, until it is gone."""
        async for text in self.socket:
            said = json.loads(text)
            if "id" in said:
                self._waiting.pop(said["id"]).set_result(said)
            else:
                self._heard(said["method"], said["params"])

    def _heard(self, method: str, params: dict[str, Any]) -> None:
        if method == "Network.requestWillBeSent":
            self.requests.append({**params["request"], "document": params.get("documentURL", ""), "id": params["requestId"]})
            # a stream never ends, and what a shared worker asks for is answered to the worker
            if params.get("type") != "EventSource" and "-worker-" not in params["request"]["url"]:
                self._flying[params["requestId"]] = params.get("loaderId", "")
        elif method == "Page.fileChooserOpened":
            self.choosers.put_nowait(params)
        elif method == "Network.responseReceived":
            self.statuses[params["requestId"]] = params["response"]["status"]
        elif method in ("Network.loadingFinished", "Network.loadingFailed"):
            self._flying.pop(params["requestId"], None)
            self._landed.set()
        elif method == "Page.frameNavigated" and "parentId" not in params["frame"]:
            # the end of what a navigation cuts off is told to nobody
            self._flying = {request: by for request, by in self._flying.items() if by in ("", params["frame"]["loaderId"])}
            self._landed.set()
        elif method == "Log.entryAdded" and params["entry"]["level"] == "error" and params["entry"]["source"] != "network":
            self.complaints.append(f"{params['entry']['source']}: {params['entry']['text']}")
        elif method == "Runtime.consoleAPICalled" and params["type"] in ("error", "assert"):
            self.complaints.append("console: " + json.dumps(params["args"])[:2000])
        elif method == "Runtime.exceptionThrown":
            self.complaints.append("exception: " + json.dumps(params["exceptionDetails"])[:2000])
        elif method in ("Target.targetCreated", "Target.targetInfoChanged"):
            self.tabs[params["targetInfo"]["targetId"]] = params["targetInfo"]["url"]
            self.moved.set()
        elif method == "Audits.issueAdded" and params["issue"]["code"] == "ContentSecurityPolicyIssue":
            self.complaints.append("policy: " + json.dumps(params["issue"]["details"])[:2000])

    async def call(self, method: str, /, patience: float = PATIENCE, **params: Any) -> dict[str, Any]:
        self._number += 1
        future = self._waiting[self._number] = asyncio.get_running_loop().create_future()
        await self.socket.send(json.dumps({"id": self._number, "method": method, "params": params}))
        said = await asyncio.wait_for(future, patience + 30)
        if method == "Runtime.evaluate" and said.get("error", {}).get("message") in GONE:
            raise Navigated(params["expression"])
        assert "error" not in said, (method, said)
        return said["result"]  # type: ignore[no-any-return]

    async def value(self, script: str, patience: float = PATIENCE) -> Any:
        """What a script in the page evaluates to; AssertionError with the page's text if it throws."""
        said = await self.call("Runtime.evaluate", patience, expression=script, awaitPromise=True, returnByValue=True, userGesture=True)
        if "exceptionDetails" in said:
            raise AssertionError(f"{script}\n{said['exceptionDetails'].get('exception', {}).get('description')}\n{await self.text()}\n{self.complaints}")
        return said["result"].get("value")

    async def text(self) -> str:
        return str((await self.call("Runtime.evaluate", expression="location.href + '\\n' + document.body.innerText", returnByValue=True))["result"].get("value"))[:6000]

    async def until(self, test: str, seconds: float = PATIENCE) -> Any:
        """What ``test`` evaluates to once that is true, in this document or one that takes its place meanwhile."""
        end = asyncio.get_running_loop().time() + seconds
        while True:
            try:
                return await self.value(f"sw.until(() => ({test}), {seconds})", seconds)
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
                    raise AssertionError(f"unanswered: {[r['url'] for r in self.requests if r['id'] in self._flying]}") from None
            # two frames: what has been answered is on the page, and has asked for what it lacks
            await self.value("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
            if not self._flying:
                await self.until(drawn)
                return

    async def choose(self, name: str, *files: Path) -> None:
        """Give files to the file input of that name."""
        found = await self.call("Runtime.evaluate", expression=f"document.querySelector('input[type=file][aria-label={json.dumps(name)}]')")
        await self.call("DOM.setFileInputFiles", objectId=found["result"]["objectId"], files=[str(f) for f in files])

    async def follow(self, path: str) -> None:
        """Go to another page of Studio as a link does, without loading it all anew."""
        await self.value(f"history.pushState(null, '', {json.dumps(path)}), dispatchEvent(new PopStateEvent('popstate')), true")

    async def goto(self, url: str) -> None:
        await self.call("Page.navigate", url=url)
        # a navigation is announced by the new document's readiness, which the help script of that document waits for
        await self.until("document.readyState === 'complete' && document.querySelector('#root *')")

    async def click(self, name: str, selector: str = CLICKABLE, exact: bool = False) -> None:
        """Click what is called so, once it is there and can be clicked."""
        await self._act(f"sw.find({json.dumps(selector)}, {json.dumps(name)}, {json.dumps(exact)})", "e.click()")

    async def fill(self, name: str, text: str, selector: str = "input, textarea") -> None:
        """Type into the field of that label, in the place of what is in it."""
        await self._act(f"sw.find({json.dumps(selector)}, {json.dumps(name)})", "e.select?.()")
        await self.call("Input.insertText", text=text)

    async def _act(self, what: str, act: str) -> None:
        """Do something with an element, once it is there: what was there at one look may be gone at the next."""
        script = f"(() => {{ const e = {what}; if (!e) return false; e.scrollIntoView({{block: 'center'}}); e.focus(); {act}; return true; }})()"
        while not await self.value(script):
            await self.until(what)

    async def press(self, key: str, modifiers: int = 0) -> None:
        codes = {"Enter": 13, "Escape": 27, "Tab": 9, "ArrowDown": 40, "ArrowUp": 38, "End": 35, "Home": 36, " ": 32}
        more: dict[str, Any] = {"text": "\r"} if key == "Enter" else {}
        about: dict[str, Any] = {"key": key, "windowsVirtualKeyCode": codes.get(key, ord(key.upper()[0])), "modifiers": modifiers}
        await self.call("Input.dispatchKeyEvent", type="keyDown", **about, **more)
        await self.call("Input.dispatchKeyEvent", type="keyUp", **about)

    async def picture(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(base64.b64decode((await self.call("Page.captureScreenshot"))["data"]))


async def targets(control: str) -> list[dict[str, Any]]:
    """What the browser has open: tabs, workers."""
    async with httpx.AsyncClient() as http:
        found: list[dict[str, Any]] = (await http.get(control)).json()
    return found


@asynccontextmanager
async def driven(address: str, control: str, width: int = 1400, height: int = 900) -> AsyncIterator[Page]:
    """A tab of a browser by the address of its remote control."""
    async with connect(address, max_size=2**26) as socket:
        page = Page(socket, control)
        opened.append(page)
        reader = asyncio.create_task(page.read())
        for domain in ("Page", "Network", "Log", "Runtime", "Audits"):
            await page.call(f"{domain}.enable")
        await page.call("Page.addScriptToEvaluateOnNewDocument", source=HELP)
        await page.call("Runtime.evaluate", expression=HELP)  # a tab that somebody else opened has its document already
        await page.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        try:
            yield page
        finally:
            reader.cancel()
            with suppress(asyncio.CancelledError):  # it was told to
                await reader


@asynccontextmanager
async def another(page: Page) -> AsyncIterator[Page]:
    """Another tab of a tab's browser, closed in the end."""
    async with httpx.AsyncClient() as http:
        about = (await http.put(f"{page.control}/new?about:blank")).json()
        async with driven(about["webSocketDebuggerUrl"], page.control) as tab:
            yield tab
        await http.get(f"{page.control}/close/{about['id']}")


@asynccontextmanager
async def opened_by(page: Page, part: str, seconds: float = PATIENCE) -> AsyncIterator[Page]:
    """The tab that a page has opened, once it has come to an address with ``part`` in it; closed in the end."""
    await page.call("Target.setDiscoverTargets", discover=True)
    async with asyncio.timeout(seconds):
        while not (found := [which for which, url in page.tabs.items() if part in url]):
            page.moved.clear()
            await page.moved.wait()
    about = next(t for t in await targets(page.control) if t["id"] == found[0])
    async with driven(about["webSocketDebuggerUrl"], page.control) as tab:
        await tab.call("Page.bringToFront")
        yield tab
    # not by the tab itself, which may ask whether unsaved work is to be left
    await page.call("Target.closeTarget", targetId=found[0])
    # a tab that lies behind draws nothing, and loads nothing anew
    await page.call("Page.bringToFront")
    await page.value(SEEN)


@asynccontextmanager
async def chromium(folder: Path, width: int = 1400, height: int = 900) -> AsyncIterator[Page]:
    """A browser with a fresh profile in ``folder``."""
    assert CHROMIUM is not None
    process = subprocess.Popen(  # noqa: ASYNC220  (started once, watched by its file)
        [CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--remote-debugging-port=0", "--no-first-run",
         "--hide-scrollbars", f"--window-size={width},{height}", f"--user-data-dir={folder}", "about:blank"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )
    try:
        port = folder / "DevToolsActivePort"
        await asyncio.to_thread(until, lambda: port.exists() and "\n" in port.read_text(), PATIENCE)
        control = f"http://127.0.0.1:{port.read_text().splitlines()[0]}/json"
        about = next(t for t in await targets(control) if t["type"] == "page")
        async with driven(about["webSocketDebuggerUrl"], control, width, height) as page:
            yield page
    finally:
        os.killpg(process.pid, 9)
        process.wait()
