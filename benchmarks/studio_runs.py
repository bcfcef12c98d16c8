"""The runs table of Studio at size, in a real browser, against MLflow's own pages with the same numbers.

    python benchmarks/studio_runs.py [--runs 5000] [--metrics 200] [--peer-runs 500] [--no-peer] [--folder F]

Runs and points are made through the API (CreateTrialComponent, AssociateTrialComponent, BatchPutMetrics); with --folder they are kept
for the next time. Times are the browser's own, from the click on the experiment's link to the frame that shows the first rows, and to
the one that shows the last row after the table was scrolled to its end. Frames are counted by requestAnimationFrame while the table is
scrolled for three seconds: down through rows that are there, then across the columns. MLflow gets its points by ``log_batch`` and is
asked by its page in the same browser, with all metrics chosen as columns: from the navigation within its application to the first rows
of its table, which has the latest 100 runs.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import peers
from experiments import EXPERIMENT, fill
from peers import program

from sagewright.testing import chromium as driver
from sagewright.testing import server as testing
from sagewright.testing.studio import default_domain

STUDIO = "/_sagewright/studio"
LONG = 600
SCROLL = """(async (box, across) => {
  const times = [];
  const end = performance.now() + 3000;
  const most = across ? box.scrollWidth - box.clientWidth : box.scrollHeight - box.clientHeight;
  let last = await new Promise(requestAnimationFrame);
  while (performance.now() < end) {
    const now = await new Promise(requestAnimationFrame);
    times.push(now - last);
    last = now;
    // forty pixels a frame: a quick hand
    if (across) box.scrollLeft = (box.scrollLeft + 40) %% most;
    else box.scrollTop = (box.scrollTop + 40) %% most;
  }
  return times;
})(%s, %s)"""
TABLE = "document.querySelector('.runs')"
DRAWN = "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(performance.now()))))"
EMPTY = "new Promise(async (done) => { const times = []; const end = performance.now() + 2000; let last = await new Promise(requestAnimationFrame); while (performance.now() < end) { const now = await new Promise(requestAnimationFrame); times.push(now - last); last = now; } done(times); })"


def frames(times: list[float]) -> str:
    late = sum(time > 1.5 * 1000 / 60 for time in times)
    return f"{1000 / statistics.mean(times):.1f} frames/s, p99 {sorted(times)[int(len(times) * 0.99)]:.0f} ms between two, {late} of {len(times)} late"


async def studio(url: str, folder: Path, runs: int) -> dict[str, float]:
    """Milliseconds: ``first`` rows, the best; between two frames ``down`` and ``across``."""
    async with driver.chromium(folder) as page:
        await page.goto(url)
        await page.shows("Overview", "Recent work", seconds=LONG)
        print(f"browser at rest on this machine: {frames(await page.value(EMPTY))}")
        await page.follow(f"{STUDIO}/experiments")
        await page.shows(EXPERIMENT, seconds=LONG)
        await page.quiet()
        firsts = []
        for _ in range(3):
            begin = await page.value("performance.now()")
            await page.follow(f"{STUDIO}/experiments/{EXPERIMENT}")
            await page.until("document.querySelectorAll('.runs-row').length > 13", LONG)
            firsts.append(await page.value(DRAWN) - begin)
            await page.follow(f"{STUDIO}/experiments")
            await page.until("!document.querySelector('.runs')")
        print(f"Studio: first rows of {runs:,} after {' / '.join(f'{t:.0f}' for t in firsts)} ms (the first with the page's code)")
        begin = await page.value("performance.now()")
        await page.follow(f"{STUDIO}/experiments/{EXPERIMENT}?sort=m:m7")
        await page.until("document.querySelectorAll('.runs-row').length > 13", LONG)
        print(f"Studio: the same ordered by a metric, {await page.value(DRAWN) - begin:.0f} ms")
        await page.follow(f"{STUDIO}/experiments/{EXPERIMENT}")
        await page.until("document.querySelector('[aria-sort]') && !document.querySelector('[aria-sort=descending]') && document.querySelectorAll('.runs-row').length > 13", LONG)
        print(f"Studio: scrolling while pages come: {frames(await page.value(SCROLL % (TABLE, 'false')))}")
        begin = await page.value("performance.now()")
        await page.value("document.querySelector('.runs').scrollTop = 1e9")
        await page.until(f"document.querySelector('.runs-row[aria-rowindex=\\'{runs + 1}\\']')", LONG)
        print(f"Studio: the last row is there {(await page.value(DRAWN) - begin) / 1000:.1f} s after the jump to the end: all rows were read")
        found = {"first": min(firsts)}
        for name, across in (("down", "false"), ("across", "true")):
            times = await page.value(SCROLL % (TABLE, across))
            found[name] = statistics.mean(times)
            print(f"Studio: scrolling {name}: {frames(times)}")
        return found


PEER_EXPERIMENT = "1"
"""The first after the default one."""
PEER = """
import sys, time
uri, runs, metrics = sys.argv[1], *map(int, sys.argv[2:4])
from mlflow import MlflowClient
from mlflow.entities import Metric, Param
client = MlflowClient(uri)
experiment = client.create_experiment("bench")
assert experiment == sys.argv[4], experiment
for r in range(runs):
    run = client.create_run(experiment, run_name=f"bench-{r}")
    client.log_batch(run.info.run_id, [Metric(f"m{m}", ((r * 131 + m * 17) % 10007) / 8.0, int(1.75e12), 0) for m in range(metrics)], [Param("lr", str(r / 100))])
    client.set_terminated(run.info.run_id)
"""


@contextmanager
def mlflow(folder: Path, runs: int, metrics: int) -> Iterator[str]:
    """The address of MLflow's pages over SQLite; what a folder has already is not written again."""
    uri, mark = f"sqlite:///{folder}/mlflow.db", folder / "mlflow.json"
    done: dict[str, Any] = {"runs": runs, "metrics": metrics}
    if not mark.exists() or json.loads(mark.read_text()) != done:
        (folder / "mlflow.db").unlink(missing_ok=True)
        subprocess.run([program("mlflow", "python"), "-W", "ignore", "-c", PEER, uri, str(runs), str(metrics), PEER_EXPERIMENT], check=True, stderr=subprocess.DEVNULL)
        mark.write_text(json.dumps(done))
    with peers.mlflow(uri) as url:
        yield url


async def peer(url: str, folder: Path, runs: int, metrics: int, ours: dict[str, float]) -> None:
    """Its table with all metrics in it, as ours has them; it remembers that they were chosen, and its assistant closed."""
    rows = "[...document.querySelectorAll('.ag-center-cols-container [role=row]')].length"
    down, across = "document.querySelector('.ag-body-viewport')", "document.querySelector('.ag-center-cols-viewport')"
    there = f"location.hash = '#/experiments/{PEER_EXPERIMENT}/runs', true"
    async with driver.chromium(folder) as page:
        await page.goto(url)
        await page.until("document.querySelector('#root a')", LONG)
        await page.value(there)
        await page.until(f"{rows} > 13", LONG)
        await page.value("document.querySelector('button[aria-label=Close]')?.click(), true")  # its assistant, which takes a third of the width
        await page.click("Columns", "button")
        box = f"[...document.querySelectorAll('[class*=tree-title]')].find((e) => e.innerText === 'Metrics ({metrics})')?.closest('[class*=tree-treenode]').querySelector('[class*=tree-checkbox]')"
        await page.until(box, LONG)
        await page.value(f"{box}.click(), true")
        await page.press("Escape")
        await page.until("[...document.querySelectorAll('.ag-header-cell')].some((e) => e.innerText.trim() === 'm1')", LONG)
        firsts = []
        for _ in range(3):
            await page.value("location.hash = '#/experiments', true")
            await page.until(f"{rows} === 0", LONG)
            begin = await page.value("performance.now()")
            await page.value(there)
            await page.until(f"{rows} > 13", LONG)
            firsts.append(await page.value(DRAWN) - begin)
        best = min(firsts)
        print(f"MLflow: first rows of {runs:,} after {' / '.join(f'{t:.0f}' for t in firsts)} ms: {best / ours['first']:.1f} x ours, best against best")
        for name, box, sideways in (("down", down, "false"), ("across", across, "true")):
            times = await page.value(SCROLL % (box, sideways))
            print(f"MLflow: scrolling {name} in its first 100 runs: {frames(times)}; ours draws {statistics.mean(times) / ours[name]:.2f} x as many")


def main() -> None:
    parser = argparse.ArgumentParser()
    for name, default in (("runs", 5000), ("metrics", 200), ("peer-runs", 0), ("writers", 2)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--no-peer", action="store_true")
    parser.add_argument("--folder", type=Path, help="where the data are kept; what is there is not written again")
    given = parser.parse_args()
    testing.READY = driver.PATIENCE = LONG
    with tempfile.TemporaryDirectory(prefix="sagewright-bench-") as temporary:
        folder = given.folder or Path(temporary)
        done: dict[str, Any] = {"runs": given.runs, "metrics": given.metrics}
        mark = folder / "written.json"
        with testing.TestServer(folder / "data") as server:
            if not mark.exists() or json.loads(mark.read_text()) != done:
                fill(server, given.runs, given.metrics, 1, given.writers)
                mark.write_text(json.dumps(done))
            url = server.client("sagemaker").create_presigned_domain_url(DomainId=default_domain(server), UserProfileName="owner")["AuthorizedUrl"]
            ours = asyncio.run(studio(url, Path(temporary) / "browser", given.runs))
        if not given.no_peer:
            runs = given.peer_runs or given.runs
            with mlflow(folder, runs, given.metrics) as url:
                asyncio.run(peer(url, Path(temporary) / "peer", runs, given.metrics, ours))


if __name__ == "__main__":
    main()
