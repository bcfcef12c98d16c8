"""What keeps Studio fast, as far as it can be said without a clock: how much is asked for, and how much is drawn."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack

import pytest
from playwright.async_api import Route

from sagewright.testing.chromium import Page, another
from sagewright.testing.jobs import PYTHON, Jobs
from sagewright.testing.names import unique
from sagewright.testing.server import TestServer

from .conftest import STUDIO

pytestmark = pytest.mark.xdist_group("browser")

COUNTED = """window.streams = 0; window.EventSource = class extends EventSource { constructor(...given) { super(...given); window.streams += 1; } };"""
NO_WORKERS = "delete window.SharedWorker;"


def model(jobs: Jobs, name: str) -> None:
    jobs.sagemaker.create_model(ModelName=name, ExecutionRoleArn=jobs.role, PrimaryContainer={"Image": PYTHON})


async def test_eight_tabs_are_live_by_one_stream(studio: Page, jobs: Jobs) -> None:
    """A browser has six connections to an origin: with a stream for each tab, the seventh would not even load."""
    name = unique("tabs")
    where = await studio.value(f"location.origin + '{STUDIO}/models?q={name}'")
    async with AsyncExitStack() as open_:
        tabs = [studio, *[await open_.enter_async_context(another(studio)) for _ in range(7)]]
        for tab in tabs:
            await tab.tab.add_init_script(COUNTED)
            await tab.goto(where)
            await tab.shows("Nothing matches", "Live")
        model(jobs, name)
        for tab in tabs:
            await tab.shows(name)
            assert await tab.value("streams") == 0
            assert tab.complaints == []
        assert [t["type"] for t in (await studio.cdp.send("Target.getTargets"))["targetInfos"]].count("shared_worker") == 1


async def test_the_stream_outlives_the_tab_that_opened_it(studio: Page, jobs: Jobs) -> None:
    name = unique("orphan")
    async with another(studio) as second:
        await second.goto(await studio.value(f"location.origin + '{STUDIO}/models?q={name}'"))
        await second.shows("Nothing matches", "Live")
        await studio.goto("about:blank", "true")
        model(jobs, name)
        await second.shows(name)
        assert second.complaints == []


async def test_without_shared_workers_a_tab_has_its_own_stream(studio: Page, jobs: Jobs) -> None:
    name = unique("alone")
    await studio.tab.add_init_script(COUNTED + NO_WORKERS)
    await studio.goto(await studio.value(f"location.origin + '{STUDIO}/models?q={name}'"))
    await studio.shows("Nothing matches", "Live")
    model(jobs, name)
    await studio.shows(name)
    assert await studio.value("streams") == 1


async def test_a_long_log_is_read_by_pages_and_drawn_in_part(studio: Page, jobs: Jobs) -> None:
    """Its end is there at once; what is looked for is found wherever it stands, in whatever case, and beside letters that grow in small."""
    lines = 30_000
    code = f"print('\\n'.join('Needle' if n == 7 else 'İ needle İ' if n == 25_000 else f'line {{n}}' for n in range({lines})))"
    name = jobs.train(code, TrainingJobName=unique("long"))
    jobs.ended(name)
    await studio.follow(f"{STUDIO}/training-jobs/{name}?tab=log")
    await studio.click("Log", '[role="tab"]')
    await studio.until(f"[...document.querySelectorAll('.log-line')].some((l) => l.innerText.includes('line {lines - 1}'))")
    assert await studio.value("document.body.innerText.includes('lines so far')")  # the rest is not read until somebody wants it
    await studio.fill("Find in the log", "needle")
    await studio.until("document.querySelectorAll('.log mark').length === 2 && !/so far|searching/.test(document.querySelector('.log-tools').innerText)")
    assert await studio.value("[...document.querySelectorAll('.log-line span')].map((l) => l.innerText)") == ["Needle", "İ needle İ"]
    assert await studio.value("[...document.querySelectorAll('.log mark')].map((m) => m.innerText)") == ["Needle", "needle"]
    said = await studio.value("document.querySelector('.log-tools [role=status]').innerText")
    assert said.startswith("2 of ")
    assert int(said[5:].split()[0].replace(",", "")) >= lines
    await studio.fill("Find in the log", "")
    await studio.value("document.querySelector('.log').scrollTop = 0")
    await studio.until("document.querySelector('.log-line').innerText.includes('line 0') || document.querySelectorAll('.log-line')[1].innerText.includes('line 0')")
    assert await studio.value("document.querySelectorAll('.log-line').length") < 100


ACROSS = """(async () => {
  const box = document.querySelector('.runs'), added = [], drawn = [];
  const plain = Number.prototype.toLocaleString;
  let made = 0;
  Number.prototype.toLocaleString = function (...given) { made += 1; return plain.apply(this, given); };
  const lead = box.querySelector('.runs-row .runs-name');
  new MutationObserver((all) => { const cells = all.flatMap((m) => [...m.addedNodes]).filter((n) => n.role === 'cell').length; if (cells) added.push(cells); }).observe(box, {subtree: true, childList: true});
  for (let at = 0; at < box.scrollWidth - box.clientWidth; at += 40) {
    box.scrollLeft = at;
    await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
    drawn.push(box.querySelectorAll('.runs-row')[3].querySelectorAll('[role=cell]').length);
  }
  Number.prototype.toLocaleString = plain;
  return {added, drawn: Math.max(...drawn), made, same: lead === box.querySelector('.runs-row .runs-name'), last: !!box.querySelector(`[role=cell][aria-colindex="${box.getAttribute('aria-colcount')}"]`)};
})()"""


async def test_runs_scroll_across_by_a_few_columns_at_a_time(studio: Page, server: TestServer) -> None:
    """A column more is a cell in every row: few come at once, none beyond what is soon in view, and no number has a formatter of its own."""
    name, runs, columns = unique("wide"), 8, 60
    sagemaker = server.client("sagemaker")
    sagemaker.create_experiment(ExperimentName=name)
    sagemaker.create_trial(ExperimentName=name, TrialName=name)
    for run in range(runs):
        parameters = {f"p{n}": {"NumberValue": run + n / 7} for n in range(columns)}
        sagemaker.create_trial_component(TrialComponentName=f"{name}-{run}", Parameters=parameters)
        sagemaker.associate_trial_component(TrialComponentName=f"{name}-{run}", TrialName=name)
    await studio.follow(f"{STUDIO}/experiments/{name}")
    await studio.shows(f"({runs} runs)")
    await studio.quiet()
    seen = await studio.value(ACROSS)
    assert len(seen["added"]) > 10
    assert max(seen["added"]) <= 3 * runs
    assert seen["drawn"] < 20
    assert (seen["made"], seen["same"], seen["last"]) == (0, True, True)


TYPE = """(field, text) => { Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, 'value').set.call(field, text);
  field.dispatchEvent(new Event('input', {bubbles: true})); }"""
FIELD = "document.querySelector('input[aria-label^=\"Find models\"]')"


async def test_a_filter_asks_at_once_and_waits_for_its_answer(studio: Page, jobs: Jobs) -> None:
    """The first key asks; while its answer is on its way, any number of further keys ask once, and nothing that was typed is lost."""
    name = unique("asked")
    model(jobs, name)
    await studio.follow(f"{STUDIO}/models")
    await studio.shows(name)
    await studio.quiet()
    asked: asyncio.Queue[str] = asyncio.Queue()
    go = asyncio.Event()

    async def held(route: Route) -> None:
        request = route.request
        text = json.loads(request.post_data or "{}").get("NameContains") if request.headers.get("x-amz-target") == "SageMaker.ListModels" else None
        if text is not None:
            asked.put_nowait(text)
            await go.wait()
        await route.continue_()

    await studio.tab.route("**/", held)
    await studio.value(f"({TYPE})({FIELD}, {json.dumps(name[:1])}), true")
    assert await asyncio.wait_for(asked.get(), 60) == name[:1]
    # keys that come faster than anybody waits for: within one task of the page
    await studio.value(f"{json.dumps([name[:n] for n in range(2, len(name) + 1)])}.forEach((text) => ({TYPE})({FIELD}, text)), true")
    assert await asyncio.wait_for(asked.get(), 60) == name
    go.set()
    await studio.until(f"[...document.querySelectorAll('tbody tr')].length === 1 && document.querySelector('tbody tr').innerText.includes({json.dumps(name)})")
    assert asked.empty()
    assert await studio.value(f"{FIELD}.value") == name
    # what somebody else does to the address shows in the field
    await studio.follow(f"{STUDIO}/models?q=nobody")
    await studio.shows("Nothing matches")
    assert await studio.value(f"{FIELD}.value") == "nobody"
    await studio.tab.unroute("**/", held)
