"""MLflow beside ours in the experiments benchmark: the same points in one of its stores, the same questions, asked in turn.

Each question is asked every way that MLflow has: by its Python client and at its store, in one process without HTTP between, and at its
server's addresses. The quickest way counts. Its process and its files are warm then, as ours are.
"""

from __future__ import annotations

import http.client
import json
import statistics
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

import orjson
from peers import mlflow, program

from .points import minutes

if TYPE_CHECKING:
    from experiments import Question

Ways = dict[str, Callable[[], tuple[float, int]]]
"""By name: asks, and returns milliseconds and the number of values in the answer."""
ROUNDS = 3
LONG = 20_000.0
"""Milliseconds. What takes longer is asked once."""
SHORT = 2_000.0
"""Milliseconds. What takes longer is not asked over HTTP too, which has the same behind it."""
MOST = 2_500
"""Steps of a run that MLflow's server gives in one answer."""


class Peer:
    """The process of ``mlflow_runs.py``."""

    def __init__(self, place: Path, *shape: int) -> None:
        script = Path(__file__).with_name("mlflow_runs.py")
        self.process = subprocess.Popen(
            [program("mlflow", "python"), "-W", "ignore", str(script), str(place), *map(str, shape)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def tell(self, *command: str) -> Any:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(command) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise SystemExit(f"MLflow failed at {command}")
        return json.loads(answer)

    def ask(self, question: str, way: str) -> tuple[float, int]:
        found = self.tell("ask", question, way)
        return found["took"], found["points"]

    def ways(self) -> dict[str, Ways]:
        def asking(question: str, way: str) -> Callable[[], tuple[float, int]]:
            return lambda: self.ask(question, way)

        return {question: {way: asking(question, way) for way in ways} for question, ways in self.tell("ways").items()}

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()


def over_http(url: str, experiment: str, ids: list[str], steps: int) -> dict[str, Ways]:
    """The addresses that MLflow's pages ask, by a client that parses the JSON."""

    def ask(method: str, path: str, body: Any = None) -> Any:
        connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=600)  # its server closes those that nobody uses
        connection.request(method, path, body and orjson.dumps(body), {"Content-Type": "application/json"})
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        if answer.status != 200:
            raise SystemExit(f"MLflow: {answer.status}: {content[:500]!r}")
        return orjson.loads(content)

    def interval(most: int, **more: int) -> int:
        asked = urlencode({"run_ids": ids, "metric_key": "m0", "max_results": most, **more}, doseq=True)
        return len(ask("GET", f"/ajax-api/2.0/mlflow/metrics/get-history-bulk-interval?{asked}")["metrics"])

    def search() -> int:
        asked = {"experiment_ids": [experiment], "max_results": len(ids), "order_by": ["metrics.m0 DESC"]}
        return sum(len(run["data"]["metrics"]) for run in ask("POST", "/api/2.0/mlflow/runs/search", asked)["runs"])

    def every() -> int:
        return sum(interval(MOST, start_step=first, end_step=first + MOST - 1) for first in range(0, steps, MOST))

    def timed(question: Callable[[], int]) -> Callable[[], tuple[float, int]]:
        def asked() -> tuple[float, int]:
            began = time.perf_counter()
            points = question()
            return (time.perf_counter() - began) * 1000, points

        return asked

    return {
        "last": {"runs/search over HTTP": timed(search)},
        "minutes": {"get-history-bulk-interval over HTTP, which samples": timed(lambda: interval(min(MOST, minutes(steps))))},
        "steps": {f"get-history-bulk-interval over HTTP, {MOST:,} steps a call": timed(every)},
    }


def beside(place: Path, runs: int, metrics: int, steps: int, past: bool, check: bool, questions: Callable[[], dict[str, Question]]) -> None:
    """Make MLflow's points, if they are not there, and ask both stores the same questions."""
    title = "MLflow, SQLite" if place.suffix == ".db" else "MLflow, files"
    peer = Peer(place, runs, metrics, steps)
    try:
        made = peer.tell("load" if past else "write")
        print(f"{title}: {made['points']:,} points, put there in {made['seconds']:.1f} s " + (
            "past its API, which would take hours: all but the first step, in the form in which it had stored that one"
            if made["past"] else "by log_batch"
        ))  # fmt: skip
        if check:
            print(f"  read back by MLflow's client and compared: {peer.tell('check')['points']:,} of them, one series of every run", flush=True)
        with mlflow(made["uri"]) as url:
            more = over_http(url, made["experiment"], made["ids"], steps)
            for name, ways in peer.ways().items():
                first = {way: ask() for way, ask in ways.items()}
                if min(first.values())[0] < SHORT:
                    first |= {way: ask() for way, ask in more[name].items()}
                compare(questions()[name], ways | more[name], first)
    finally:
        peer.stop()


def compare(question: Question, ways: Ways, first: dict[str, tuple[float, int]]) -> None:
    """The quickest way of a ``first`` asking in turn with ours, three times over; prints medians and their ratio."""
    quickest = min(first, key=lambda way: first[way])
    took, points = first[quickest]
    theirs, ours, values = [], [], 0
    for _ in range(ROUNDS):
        for _ in range(3):
            began = time.perf_counter()
            values = question.values()
            ours.append((time.perf_counter() - began) * 1000)
        theirs.append(took if took > LONG else ways[quickest]()[0])
    mine, took = statistics.median(ours), statistics.median(theirs)
    print(f"  {question.what}: {took:,.0f} ms{' (once)' if took > LONG else ''} by {quickest}, {points:,} values; ours {mine:.1f} ms, {values:,} values: {took / mine:,.1f}x")
    for way, (other, points) in first.items():
        if way != quickest:
            print(f"    once by {way}: {other:,.0f} ms, {points:,} values", flush=True)
