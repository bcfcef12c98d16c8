"""Studio in a real browser: its weight, its start, lists over 10,000 resources, a log of 1,000,000 lines.

    python benchmarks/studio.py [--models 10000] [--lines 1000000] [--only start,lists,log] [--rounds 5]

Headless Chromium, remote-controlled by the tests' driver, against a server that this starts; the pages are those that ``make web`` built.
Times are taken in the page: from the click, or the navigation, to the second frame after what was asked for stood in it. Models come
through CreateModel, the log from a training job that prints it. Chromium draws without a GPU here, so frames are a lower bound.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from sagewright.testing.chromium import Page, chromium
from sagewright.testing.jobs import PYTHON, Jobs
from sagewright.testing.server import TestServer
from sagewright.testing.studio import default_domain

ROOT = Path(__file__).parent.parent

STUDIO = "/_sagewright/studio"
KB = 1000
"""As browsers count; the shell's limit in the build is counted so too."""

TIMED = """
window.bench = {
  drawn: () => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(performance.now())))),
  // milliseconds from an act until a test of the page holds and is drawn
  timed: async (act, test) => { const began = performance.now(); act(); await sw.until(test, 1800); return (await bench.drawn()) - began; },
  type: (field, text) => { Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, 'value').set.call(field, text);
    field.dispatchEvent(new Event('input', {bubbles: true})); },
  // milliseconds between frames while a box is scrolled by so many pixels a frame
  frames: (box, step, count) => new Promise((done) => { const gaps = []; let last;
    const frame = (now) => { if (last) gaps.push(now - last); last = now; box.scrollTop += step;
      gaps.length < count ? requestAnimationFrame(frame) : done(gaps); }; requestAnimationFrame(frame); }),
  rows: () => [...document.querySelectorAll('tbody tr')].map((r) => r.innerText),
  first: () => document.querySelector('tbody tr a')?.innerText,
};
// the overview is usable when its counts are in: they come with the last of its answers
(() => { const usable = () => { const stages = [...document.querySelectorAll('.stage-count')];
    return stages.length > 0 && stages.every((s) => s.textContent !== '…') && !document.querySelector('[aria-busy=true]'); };
  window.ready = new Promise((done) => { const look = () => usable() ? bench.drawn().then((at) => done(window.usable = at)) : requestAnimationFrame(look);
    requestAnimationFrame(look); }); })();
"""


class Tab:
    """The measured tab, and its server."""

    def __init__(self, page: Page, server: TestServer) -> None:
        assert server.process is not None
        self.page, self.home, self.server = page, f"{server.url}{STUDIO}/", psutil.Process(server.process.pid)

    async def costs(self) -> tuple[float, float]:
        """CPU seconds of the tab's main thread and of the server so far: what stays the same on a busy machine."""
        said = (await self.page.cdp.send("Performance.getMetrics"))["metrics"]
        return next(m["value"] for m in said if m["name"] == "TaskDuration"), sum(self.server.cpu_times()[:2])

    async def since(self, before: tuple[float, float], rounds: int = 1) -> str:
        tab, server = [1000 * (a - b) / rounds for a, b in zip(await self.costs(), before, strict=True)]
        return f"   CPU: tab {tab:.0f} ms, server {server:.0f} ms"


def told(what: str, value: float, unit: str, target: float | None = None, more: str = "") -> None:
    goal = "" if target is None else f"   (target {target:g} {unit}: {'met' if value <= target else 'MISSED'})"
    print(f"{what:<58}{value:10.1f} {unit}{goal}{more}", flush=True)


def spread(values: list[float]) -> str:
    return f"   {min(values):.0f} to {max(values):.0f} in {len(values)}"


def enter(server: TestServer) -> str:
    url = server.client("sagemaker").create_presigned_domain_url(DomainId=default_domain(server), UserProfileName="owner")["AuthorizedUrl"]
    return str(url)


# -- the start


async def start(tab: Tab, rounds: int) -> None:
    """From navigation to the drawn overview: nothing cached at all, then with what the first visit left."""
    found: dict[str, list[float]] = {"cold": [], "warm": []}
    weight: dict[str, Any] = {}
    costs: dict[str, str] = {}
    page = tab.page
    for _ in range(rounds):
        for kind in found:
            await page.goto("about:blank", "true")
            if kind == "cold":
                await page.cdp.send("Network.clearBrowserCache")
            before = await tab.costs()
            await page.goto(tab.home)
            found[kind].append(await page.value("ready"))
            costs[kind] = await tab.since(before)
            if kind == "cold":
                weight = await page.value(WEIGHT)
    files = weight["files"]
    told("shell and overview, compressed", weight["bytes"] / KB, "KB", 600, f"   {files} files, of which fonts {weight['fonts'] / KB:.0f} KB")
    told("navigation to usable overview, cold", statistics.median(found["cold"]), "ms", 1500, spread(found["cold"]) + costs["cold"])
    told("navigation to usable overview, warm", statistics.median(found["warm"]), "ms", 1500, spread(found["warm"]) + costs["warm"])
    print(f"   on the way, cold: {json.dumps(weight['marks'])}")


WEIGHT = """(() => { const all = performance.getEntriesByType('resource').filter((r) => r.name.includes('/_sagewright/studio/') && !r.name.includes('/api/') && r.startTime < usable);
  const own = performance.getEntriesByType('navigation')[0]; const sum = (l) => l.reduce((n, r) => n + r.encodedBodySize, 0);
  return { files: all.length + 1, bytes: sum(all) + own.encodedBodySize, fonts: sum(all.filter((r) => /woff/.test(r.name))),
    marks: { html: Math.round(own.responseEnd), scripts: Math.round(Math.max(...all.filter((r) => /main|index-|index\\./.test(r.name)).map((r) => r.responseEnd), 0)),
      last_file: Math.round(Math.max(...all.map((r) => r.responseEnd))), first_paint: Math.round(performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? 0),
      first_call: Math.round(Math.min(...performance.getEntriesByType('resource').filter((r) => new URL(r.name).pathname === '/').map((r) => r.startTime))),
      session: Math.round(performance.getEntriesByType('resource').find((r) => r.name.endsWith('api/session'))?.responseEnd ?? 0) } }; })()"""


@contextmanager
def up(folder: Path) -> Iterator[tuple[float, str]]:
    """``sagewright up`` in a fresh data directory, and a link into it; seconds until that link could be opened."""
    began = time.perf_counter()
    with TestServer(folder) as server:
        said = subprocess.run(
            [sys.executable, "-m", "sagewright", "studio", "--data", str(folder)], capture_output=True, text=True, check=True, env=server.environment()
        )
        yield time.perf_counter() - began, next(word for word in said.stdout.split() if "auth?token=" in word)


async def from_nothing(folder: Path) -> None:
    """What a newcomer waits: the server, the link, the browser that opens it for the first time."""
    async with chromium(folder / "browser") as page:
        await page.tab.add_init_script(TIMED)
        began = time.perf_counter()
        with up(folder / "data") as (ready, link):
            await page.goto(link)
            await page.value("ready")
            told("`sagewright up` on nothing to usable Studio", (time.perf_counter() - began) * 1000, "ms", None, f"   of which server and link {ready:.2f} s")


# -- lists


def fill(server: TestServer, jobs: Jobs, count: int) -> None:
    sagemaker, artifact = server.client("sagemaker"), jobs.put("model.tar.gz", b"x")
    container = {"Image": PYTHON, "ModelDataUrl": artifact}
    began = time.perf_counter()
    for n in range(count):
        sagemaker.create_model(ModelName=f"model-{n:05}", ExecutionRoleArn=jobs.role, PrimaryContainer=container)
    print(f"   {count:,} models made in {time.perf_counter() - began:.0f} s", flush=True)


async def lists(tab: Tab, models: int, rounds: int) -> None:
    page = tab.page

    async def each(what: str, act: str, test: str) -> None:
        found, before = [], await tab.costs()
        for _ in range(rounds):
            await page.value("window.before = bench.first(), true")
            found.append(await page.value(f"bench.timed(() => {act}, () => {test})"))
            await page.quiet()
        told(f"{models:,} models: {what}", statistics.median(found), "ms", 200, spread(found) + await tab.since(before, rounds))

    await page.goto(tab.home + "models")
    await page.until("bench.first()")
    await page.quiet()
    rounds = max(rounds, 5)
    changed = "bench.first() && bench.first() !== before"
    press = "sw.find('button', {}).click()"
    await each("next page", press.format("'Next page'"), changed)
    await each("page before", press.format("'Previous page'"), changed)
    await each("other order", "sw.find('th [role=button], th button', 'Name').click()", changed)
    field = "document.querySelector('input[aria-label^=\"Find models\"]')"
    for what, text in (("a name that many have", "-00{}"), ("a name that one has", f"model-{models // 20:04}{{}}"), ("a name that none has", "nobody{}")):
        found, spent = [], []
        for n in range(rounds):
            before = await tab.costs()
            wanted = text.format(n)
            test = "document.body.textContent.includes('Nothing matches')" if "nobody" in wanted else f"bench.first()?.includes('{wanted}')"
            found.append(await page.value(f"bench.timed(() => bench.type({field}, '{wanted}'), () => {test})"))
            await page.quiet()
            spent.append(await tab.since(before))
            await page.value(f"bench.type({field}, ''), true")
            await page.until("!location.search.includes('q=') && bench.rows().length > 20")
            await page.quiet()
        told(f"{models:,} models: filter by {what}", statistics.median(found), "ms", 200, spread(found) + spent[-1])


# -- a log


STATUS = "document.querySelector('.log-tools [role=status]').innerText"


def printing(jobs: Jobs, lines: int) -> str:
    """A training job that prints so many lines, numbered, some of them long; its name, once it has ended."""
    code = f"""
import sys
out = sys.stdout
for start in range(0, {lines}, 1000):
    out.write("".join(f"step {{n:07}} loss={{1 / (n + 1):.6f}} learning_rate=0.001 samples/s={{1000 + n % 97}} {{'gradient norm ' * (n % 5)}}\\n" for n in range(start, min(start + 1000, {lines}))))
    out.flush()
"""
    began = time.perf_counter()
    name = jobs.train(code)
    jobs.ended(name, 900)
    print(f"   a job has printed {lines:,} lines in {time.perf_counter() - began:.0f} s", flush=True)
    return name


async def memory(page: Page) -> tuple[float, float]:
    """MB of the tab: its JavaScript heap after a collection, and what is resident of its process."""
    await page.cdp.send("HeapProfiler.collectGarbage")
    heap = (await page.cdp.send("Runtime.getHeapUsage"))["usedSize"]
    renderers = [p for p in psutil.Process().children(recursive=True) if "--type=renderer" in p.cmdline()]
    return heap / 1e6, max(p.memory_info().rss for p in renderers) / 1e6


async def smooth(page: Page, what: str, step: int, count: int = 120) -> None:
    gaps = sorted(await page.value(f"bench.frames(document.querySelector('.log'), {step}, {count})"))
    late = sum(g > 34 for g in gaps)
    told(what, 1000 * len(gaps) / sum(gaps), "fps", None, f"   median {gaps[len(gaps) // 2]:.1f} ms, worst {gaps[-1]:.0f} ms, {late} of {count} over two frames")


async def log(tab: Tab, name: str, lines: int) -> None:
    page = tab.page
    await page.goto(tab.home + f"training-jobs/{name}")
    await page.shows("What it is")
    await page.quiet()
    before = await memory(page)
    last, shown = f"step {lines - 1:07}", "[...document.querySelectorAll('.log-line')].some((l) => l.textContent.includes('{}'))"
    opened = await page.value(f"bench.timed(() => sw.find('[role=tab]', 'Log').click(), () => {shown.format(last)})")
    told("log: open, its end in view", opened, "ms", 1000)
    await page.quiet()
    box = "document.querySelector('.log')"
    await page.value(f"{box}.scrollTop -= 2000, true")
    await smooth(page, "log: scroll back through what is there", -40)
    jump = await page.value(f"bench.timed(() => {{ {box}.scrollTop = {box}.scrollHeight; }}, () => {shown.format(last)})")
    told("log: jump to the end", jump, "ms", 200)
    rare = f"step {lines // 2:07}"
    field = "document.querySelector('input[aria-label=\"Find in the log\"]')"
    await page.value("window.gaps = [], window.stop = false, (function frame(then) { requestAnimationFrame((now) => { if (then) gaps.push(now - then); stop || frame(now); }); })(), true")
    costs = await tab.costs()
    found = await page.value(f"bench.timed(() => bench.type({field}, '{rare}'), () => document.querySelector('.log mark')?.textContent === '{rare}')")
    told("log: find one line in the middle of it", found, "ms")
    whole = await page.value("bench.timed(() => null, () => !/so far|searching/.test(document.querySelector('.log-tools').textContent))")
    print(f"   {await page.value(STATUS)}")
    gaps = sorted(await page.value("window.stop = true, gaps"))
    told("log: until all of it is searched", found + whole, "ms", None, await tab.since(costs) + f"   frames meanwhile: median {gaps[len(gaps) // 2]:.0f} ms, worst {gaps[-1]:.0f} ms")
    again = await page.value(f"bench.timed(() => bench.type({field}, 'step {lines // 3:07}'), () => document.querySelector('.log mark')?.textContent === 'step {lines // 3:07}')")
    told("log: find another, all lines in memory", again, "ms", 1000)
    await page.value(f"bench.timed(() => bench.type({field}, ''), () => document.querySelectorAll('.log-line').length > 5 && !document.querySelector('.log mark'))")
    first = await page.value(f"bench.timed(() => {{ {box}.scrollTop = 0; }}, () => {shown.format('step 0000000')})")
    told("log: jump to the beginning", first, "ms", 200)
    await smooth(page, f"log: scroll in {lines:,} lines, line by line", 40)
    await smooth(page, f"log: scroll in {lines:,} lines, by leaps", 40_000)
    heap, resident = await memory(page)
    told("log: memory of the tab with all lines, heap", heap, "MB", None, f"   {before[0]:.0f} before; process {resident:.0f}, {before[1]:.0f} before")
    told("log: lines in the page", await page.value("document.querySelectorAll('.log-line').length"), "rows", 100)


# -- all of it


async def measure(given: argparse.Namespace, folder: Path) -> None:
    parts = given.only.split(",")
    if "start" in parts:
        await from_nothing(folder / "nothing")
    with TestServer(folder / "data") as server:
        jobs = Jobs(server)
        async with chromium(folder / "browser") as page:
            await page.tab.add_init_script(TIMED)
            await page.cdp.send("Performance.enable", {"timeDomain": "threadTicks"})
            tab = Tab(page, server)
            await page.goto(enter(server))
            await page.shows("Recent work")
            if "start" in parts:
                await start(tab, given.rounds)
            if "lists" in parts:
                await asyncio.to_thread(fill, server, jobs, given.models)
                await lists(tab, given.models, given.rounds)
            if "log" in parts:
                name = await asyncio.to_thread(printing, jobs, given.lines)
                await log(tab, name, given.lines)
            assert page.complaints == [], page.complaints


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=int, default=10_000)
    parser.add_argument("--lines", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default="start,lists,log")
    given = parser.parse_args()
    os.environ.setdefault("SAGEWRIGHT_ENVIRONMENTS", str(ROOT / ".cache" / "environments"))
    print(f"load {os.getloadavg()[0]:.1f}, {os.cpu_count()} processors")
    with tempfile.TemporaryDirectory(prefix="sw-") as folder:
        asyncio.run(measure(given, Path(folder)))
    print(f"load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
