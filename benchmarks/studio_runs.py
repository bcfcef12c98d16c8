"""The runs table of Studio at size, in a real browser, against MLflow's own pages with the same numbers.

    python benchmarks/studio_runs.py [--runs 5000] [--metrics 200] [--peer-runs 500] [--no-peer] [--folder F]

Runs and points are made through the API (CreateTrialComponent, AssociateTrialComponent, BatchPutMetrics); with --folder they are kept
for the next time. Times are the browser's own, from the click on the experiment's link to the frame that shows the first rows, and to
the one that shows the last row after the table was scrolled to its end. Frames are counted by requestAnimationFrame while the table is
scrolled for three seconds: down through rows that are there, then across the columns. MLflow gets its points by ``log_batch`` and is
asked by its page in the same browser: from the navigation within its application to the first rows of its table.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import socket
import statistics
import subprocess
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from experiments import EXPERIMENT, fill
from peers import program

from sagewright.testing import chromium as driver
from sagewright.testing import server as testing
from sagewright.testing.studio import default_domain
from sagewright.testing.waiting import until

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


async def studio(url: str, folder: Path, runs: int) -> None:
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
        for name, across in (("down", "false"), ("across", "true")):
            print(f"Studio: scrolling {name}: {frames(await page.value(SCROLL % (TABLE, across)))}")


PEER = """
import sys, time
uri, runs, metrics = sys.argv[1], *map(int, sys.argv[2:])
from mlflow import MlflowClient
from mlflow.entities import Metric, Param
client = MlflowClient(uri)
experiment = client.create_experiment("bench")
for r in range(runs):
    run = client.create_run(experiment, run_name=f"bench-{r}")
    client.log_batch(run.info.run_id, [Metric(f"m{m}", ((r * 131 + m * 17) % 10007) / 8.0, int(1.75e12), 0) for m in range(metrics)], [Param("lr", str(r / 100))])
    client.set_terminated(run.info.run_id)
print(experiment)
"""


@contextmanager
def mlflow(folder: Path, runs: int, metrics: int) -> Iterator[tuple[str, str]]:
    """(address, experiment) of MLflow's pages over SQLite."""
    uri = f"sqlite:///{folder}/mlflow.db"
    made = subprocess.run([program("mlflow", "python"), "-W", "ignore", "-c", PEER, uri, str(runs), str(metrics)], capture_output=True, text=True, check=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    environ = {**os.environ, "PATH": f"{Path(program('mlflow', 'mlflow')).parent}:{os.environ['PATH']}"}
    process = subprocess.Popen(
        [program("mlflow", "mlflow"), "server", "--backend-store-uri", uri, "--host", "127.0.0.1", "--port", str(port), "--workers", "1"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environ, start_new_session=True,
    )  # fmt: skip

    def answers() -> bool:
        try:
            urllib.request.urlopen(f"{url}/health", timeout=5).close()
        except OSError:
            return False
        return True

    try:
        until(answers, 120)
        yield url, made.stdout.split()[-1]
    finally:
        os.killpg(process.pid, 15)
        process.wait(30)


async def peer(url: str, experiment: str, folder: Path, runs: int) -> None:
    rows = "[...document.querySelectorAll('[role=row]')].filter((r) => /bench-\\d+/.test(r.innerText)).length"
    box = "[...document.querySelectorAll('.ag-body-viewport, .ag-body-vertical-scroll-viewport, div')].filter((e) => e.scrollHeight > e.clientHeight + 200 && getComputedStyle(e).overflowY !== 'visible' && e.querySelector('[role=row]'))[0]"
    async with driver.chromium(folder) as page:
        await page.goto(url)
        await page.until("document.querySelector('#root *')", LONG)
        firsts = []
        for _ in range(3):
            begin = await page.value("performance.now()")
            await page.value(f"location.hash = '#/experiments/{experiment}/runs', true")
            await page.until(f"{rows} > 13", LONG)
            firsts.append(await page.value(DRAWN) - begin)
            await page.value("location.hash = '#/', true")
            await page.until(f"{rows} === 0", LONG)
        print(f"MLflow: first rows of {runs:,} after {' / '.join(f'{t:.0f}' for t in firsts)} ms")
        await page.value(f"location.hash = '#/experiments/{experiment}/runs', true")
        await page.until(f"{rows} > 13", LONG)
        print(f"MLflow: scrolling down through its first 100 rows: {frames(await page.value(SCROLL % (box, 'false')))}")


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
            asyncio.run(studio(url, Path(temporary) / "browser", given.runs))
        if not given.no_peer:
            runs = given.peer_runs or given.runs
            with mlflow(Path(temporary), runs, given.metrics) as (url, experiment):
                asyncio.run(peer(url, experiment, Path(temporary) / "peer", runs))


if __name__ == "__main__":
    main()
