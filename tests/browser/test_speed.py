"""What keeps Studio fast, as far as it can be said without a clock: how much is asked for, and how much is drawn."""

from __future__ import annotations

from contextlib import AsyncExitStack

import pytest

from sagewright.testing.chromium import Page, another, targets
from sagewright.testing.jobs import PYTHON, Jobs
from sagewright.testing.names import unique

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
            await tab.call("Page.addScriptToEvaluateOnNewDocument", source=COUNTED)
            await tab.goto(where)
            await tab.shows("Nothing matches", "Live")
        model(jobs, name)
        for tab in tabs:
            await tab.call("Page.bringToFront")  # one that nobody sees loads what changed when it is seen
            await tab.shows(name)
            assert await tab.value("streams") == 0
            assert tab.complaints == []
        assert [t["type"] for t in await targets(studio.control)].count("shared_worker") == 1


async def test_the_stream_outlives_the_tab_that_opened_it(studio: Page, jobs: Jobs) -> None:
    name = unique("orphan")
    async with another(studio) as second:
        await second.goto(await studio.value(f"location.origin + '{STUDIO}/models?q={name}'"))
        await second.shows("Nothing matches", "Live")
        await studio.call("Page.navigate", url="about:blank")
        await second.call("Page.bringToFront")
        model(jobs, name)
        await second.shows(name)
        assert second.complaints == []


async def test_without_shared_workers_a_tab_has_its_own_stream(studio: Page, jobs: Jobs) -> None:
    name = unique("alone")
    await studio.call("Page.addScriptToEvaluateOnNewDocument", source=COUNTED + NO_WORKERS)
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
