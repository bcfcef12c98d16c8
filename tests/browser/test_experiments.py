"""Experiments: the table says what the API says, in every order and under every filter; runs of two experiments are compared by clicks."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sagewright.testing.chromium import Page
from sagewright.testing.names import unique
from sagewright.testing.server import TestServer

from .calls import STUDIO
from .looks import Looks

pytestmark = pytest.mark.xdist_group("browser")
RUNS = 30
"""More than the first page has."""
EVIL = "<img src=x onerror=window.pwned=1>"
SEEN = """(async () => {
  const box = document.querySelector('.runs'), found = [];
  const heads = new Map([...box.querySelectorAll('[role=columnheader][aria-colindex]')].map((h) => [h.ariaColIndex, h.querySelector('button').title.split(':')[0]]));
  for (let at = 2; at <= +box.getAttribute('aria-rowcount'); at++) {
    box.scrollTop = (at - 6) * 34;
    await sw.until(() => box.querySelector(`.runs-row[aria-rowindex="${at}"]`), 60);
    const row = box.querySelector(`.runs-row[aria-rowindex="${at}"]`);
    const cells = [...row.querySelectorAll('[role=cell][aria-colindex]')].map((c) => [heads.get(c.ariaColIndex), c.innerText]);
    found.push({name: row.querySelector('.runs-name').title, ...Object.fromEntries(cells)});
  }
  box.scrollTop = 0;
  return found;
})()"""


def experiment(server: TestServer, name: str, runs: int, **more: str) -> None:
    """Runs whose loss climbs and falls with their number; every third has no accuracy."""
    sagemaker, metrics = server.client("sagemaker"), server.client("sagemaker-metrics")
    sagemaker.create_experiment(ExperimentName=name)
    sagemaker.create_trial(ExperimentName=name, TrialName=name)
    for run in range(runs):
        parameters = {"rate": {"NumberValue": run / 100}, "kind": {"StringValue": "even" if run % 2 == 0 else "odd"}, "seed": {"NumberValue": 7}}
        parameters |= {key: {"StringValue": text} for key, text in more.items()}
        sagemaker.create_trial_component(TrialComponentName=f"{name}-{run}", DisplayName=f"{name}-{run}", Parameters=parameters)
        sagemaker.associate_trial_component(TrialComponentName=f"{name}-{run}", TrialName=name)
        points = [{"MetricName": "loss", "Timestamp": 1.7e9 + step, "Step": step, "Value": (run * 7 % runs) / (1 + step)} for step in range(4)]
        points += [{"MetricName": "accuracy", "Timestamp": 1.7e9, "Step": 0, "Value": run / 50}] if run % 3 else []
        metrics.batch_put_metrics(TrialComponentName=f"{name}-{run}", MetricData=points)


def found(server: TestServer, name: str, sort: str, *filters: tuple[str, str, str], order: str = "Descending") -> list[dict[str, str]]:
    """What the table has to say: the API's own answer, as people read numbers."""
    parts = [{"Name": n, "Operator": o, "Value": v} for n, o, v in (("Parents.ExperimentName", "Equals", name), *filters)]
    pages = server.client("sagemaker").get_paginator("search").paginate(
        Resource="ExperimentTrialComponent", SearchExpression={"Filters": parts}, SortBy=sort, SortOrder=order, PaginationConfig={"PageSize": 7}
    )  # fmt: skip
    rows = []
    for component in (result["TrialComponent"] for page in pages for result in page["Results"]):
        values = {key: value.get("NumberValue", value.get("StringValue")) for key, value in component["Parameters"].items()}
        values |= {metric["MetricName"]: metric["Last"] for metric in component.get("Metrics", ())}
        shown = {key: f"{value:.5g}" if isinstance(value, float) else str(value) for key, value in values.items()}
        rows.append({"name": component["TrialComponentName"], "accuracy": "–", **shown})
    return rows


async def test_the_table_says_what_the_api_says(studio: Page, server: TestServer) -> None:
    name = unique("table")
    experiment(server, name, RUNS, note=EVIL)
    await studio.follow(f"{STUDIO}/experiments/{name}")
    await studio.shows(f"({RUNS} runs)")
    assert await studio.value(SEEN) == found(server, name, "CreationTime")
    await studio.click("metric accuracy", '[role="columnheader"] button')
    await studio.until("document.querySelector('[aria-sort=descending]')?.innerText.includes('accuracy')")
    await studio.quiet()
    assert await studio.value(SEEN) == found(server, name, "Metrics.accuracy.Last")
    await studio.click("metric accuracy", '[role="columnheader"] button')
    await studio.until("document.querySelector('[aria-sort=ascending]')?.innerText.includes('accuracy')")
    await studio.quiet()
    assert await studio.value(SEEN) == found(server, name, "Metrics.accuracy.Last", order="Ascending")
    await studio.fill("Find runs", "rate<0.1 loss>=0.5")
    few = found(server, name, "Metrics.accuracy.Last", ("Parameters.rate", "LessThan", "0.1"), ("Metrics.loss.Last", "GreaterThanOrEqualTo", "0.5"), order="Ascending")
    assert 0 < len(few) < 10
    await studio.shows(f"({len(few)} runs)")
    assert await studio.value(SEEN) == few
    await studio.fill("Find runs", f"kind=odd {name}-2")
    odd = found(server, name, "Metrics.accuracy.Last", ("Parameters.kind", "Equals", "odd"), ("TrialComponentName", "Contains", f"{name}-2"), order="Ascending")
    await studio.shows(f"({len(odd)} runs)")
    assert await studio.value(SEEN) == odd
    await studio.fill("Find runs", unique("none"))
    await studio.shows("No run matches")
    assert not await studio.value("window.pwned")


async def test_two_experiments_are_compared(studio: Page, server: TestServer, looks: Looks) -> None:
    one, two = unique("slow"), unique("fast")
    experiment(server, one, 3)
    experiment(server, two, 4, schedule="cosine")
    async def ink(run: str) -> Any:
        return await studio.value(f"document.querySelector('.runs [aria-label={json.dumps('Draw ' + run)}] i')?.style.background")

    await studio.follow(f"{STUDIO}/experiments")
    await studio.shows(one, two)
    for name in (one, two):
        await studio.click(name, 'input[type="checkbox"]')
        await studio.until(f"sw.find('input[type=checkbox]', '{name}').checked")  # the next click adds to what is chosen
    await studio.click("Compare", "button", exact=True)
    await studio.shows(f"{two} and {one}", "(7 runs)")  # the newest is the first of the list
    # the curves of both, a metric each side by side
    await studio.until("document.querySelectorAll('figure.chart [role=img]').length === 2")
    curves = "[...document.querySelectorAll('figure.chart [role=img]')].map((c) => c.ariaLabel).join(' ')"
    await studio.until(f"{curves}.includes('{one}-1 ends at') && {curves}.includes('{two}-3 ends at')")
    await looks.at("experiments-compared")

    # a run is put away and another takes its place: nobody else's colour changes
    before = {run: await ink(run) for run in (f"{two}-1", f"{two}-2", f"{one}-2")}
    assert len(set(before.values())) == 3
    await studio.click(f"Draw {two}-3", "button")
    await studio.until(f"!{curves}.includes('{two}-3 ends at')")
    assert {run: await ink(run) for run in before} == before
    await studio.click(f"Draw {one}-0", "button")
    await studio.until(f"{curves}.includes('{one}-0 ends at')")
    assert {run: await ink(run) for run in before} == before

    # differences to a pinned baseline, and the columns that differ only
    await studio.click(f"Compare with {one}-2", "button")
    await studio.until("document.querySelector('.runs-head .runs-base')")
    rate = f"[...document.querySelectorAll('.runs-row')].find((r) => r.innerText.includes('{two}-1')).innerText"
    await studio.until(f"{rate}.includes('0.01 −50 %')")
    await studio.until("[...document.querySelectorAll('[role=columnheader]')].some((h) => h.innerText.includes('seed'))")
    await studio.click("Only columns that differ", 'input[type="checkbox"]')
    await studio.until("![...document.querySelectorAll('[role=columnheader]')].some((h) => h.innerText.includes('seed'))")
    assert await studio.value("[...document.querySelectorAll('[role=columnheader]')].some((h) => h.innerText.includes('schedule'))")
    await looks.at("experiments-baseline")

    await studio.click("Side by side", "button")
    await studio.shows("Only what differs", "Parameters")
    await studio.until("[...document.querySelectorAll('.side tr')].find((r) => r.innerText.startsWith('rate')).innerText.includes('0.01 −50 %')")
    assert "seed" not in await studio.value("document.querySelector('.side').innerText")
    await looks.at("experiments-side-by-side")
    # the address holds all of it
    shown = await studio.value("document.querySelector('.side').innerText.replace(/\\d+ \\w+ ago|just now/g, '')")
    await studio.goto(await studio.value("location.href"))
    await studio.until("document.querySelector('.side')")
    await studio.quiet()
    assert await studio.value("document.querySelector('.side').innerText.replace(/\\d+ \\w+ ago|just now/g, '')") == shown
    assert looks.faults == {}
