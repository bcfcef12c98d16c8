"""MLflow's half of the experiments benchmark, run by its own interpreter: ``STORE RUNS METRICS STEPS``.

STORE is a file (``*.db``: SQLite) or a folder (MLflow's file store). Commands are lines of JSON on standard input, and each is answered
by a line: ``write`` and ``load`` make the points, ``check`` reads some back by MLflow's client, ``ask`` asks a question one way.

``load`` exists because ``log_batch`` takes hours for fifty million points. MLflow makes its own schema, its experiment, its runs and, by
``log_batch``, the first step of every metric. The other steps are appended past its API, in the form that it gave the first one, which is
compared; in SQLite they come step by step over all runs, as from runs that train at once, into its tables with all their indexes.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import shutil
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

os.environ["MLFLOW_ALLOW_FILE_STORE"] = "true"
logging.disable(logging.WARNING)

from mlflow import MlflowClient  # noqa: E402
from mlflow.entities import Metric  # noqa: E402
from points import at, minutes, value  # noqa: E402

COLUMNS = "key, value, timestamp, run_uuid, step, is_nan"


def stamp(step: int) -> int:
    """MLflow's timestamps are milliseconds."""
    return int(at(step) * 1000)


def line(run: int, metric: int, step: int) -> str:
    """A point in a file of MLflow's."""
    return f"{stamp(step)} {value(run, metric, step)} {step}\n"


class Runs:
    """A store with the benchmark's runs; a file beside it says which, once all points are in it."""

    def __init__(self, place: Path, runs: int, metrics: int, steps: int) -> None:
        self.place, self.runs, self.metrics, self.steps = place, runs, metrics, steps
        self.sql = place.suffix == ".db"
        self.mark = place.with_name(f"{place.name}.json")
        self.done: dict[str, Any] = json.loads(self.mark.read_text()) if self.mark.exists() else {}
        if [self.done.get(name) for name in ("runs", "metrics", "steps")] != [runs, metrics, steps]:
            self.done = {}
            self.mark.unlink(missing_ok=True)
            place.unlink(missing_ok=True) if self.sql else shutil.rmtree(place, ignore_errors=True)
        self.client = MlflowClient(self.uri)

    @property
    def uri(self) -> str:
        return f"sqlite:///{self.place}" if self.sql else f"file://{self.place}"

    @property
    def ids(self) -> list[str]:
        """The runs' own identifiers, in our order."""
        return list(self.done["ids"])

    def make(self, past: bool) -> dict[str, Any]:
        """All points, unless they are there: by ``log_batch``, a thousand a call, or those behind the first step ``past`` the API."""
        if not self.done:
            began = time.perf_counter()
            experiment = self.client.create_experiment("bench")
            ids = [self.client.create_run(experiment, run_name=f"bench-{run}").info.run_id for run in range(self.runs)]
            for run, identifier in enumerate(ids):
                batch = []
                for step in range(1 if past else self.steps):
                    for metric in range(self.metrics):
                        batch.append(Metric(f"m{metric}", value(run, metric, step), stamp(step), step))
                        if len(batch) == 1000:
                            self.client.log_batch(identifier, batch)
                            batch = []
                if batch:
                    self.client.log_batch(identifier, batch)
            if past:
                self._rows(ids) if self.sql else self._files(self.place / experiment, ids)
            made = {"runs": self.runs, "metrics": self.metrics, "steps": self.steps, "past": past, "experiment": experiment, "ids": ids}
            self.done = {**made, "seconds": time.perf_counter() - began, "points": self._count(experiment, ids)}
            self.mark.write_text(json.dumps(self.done))
        return {**self.done, "uri": self.uri}

    def _files(self, experiment: Path, ids: list[str]) -> None:
        for run, identifier in enumerate(ids):
            for metric in range(self.metrics):
                with (experiment / identifier / "metrics" / f"m{metric}").open("r+") as file:
                    assert file.read() == line(run, metric, 0), "MLflow writes points in another form"
                    file.writelines(line(run, metric, step) for step in range(1, self.steps))

    def _rows(self, ids: list[str]) -> None:
        def rows(*steps: int) -> Iterator[tuple[str, float, int, str, int, int]]:
            for step in range(*steps):
                for run, identifier in enumerate(ids):
                    for metric in range(self.metrics):
                        yield f"m{metric}", value(run, metric, step), stamp(step), identifier, step, 0

        database = sqlite3.connect(self.place, isolation_level=None)
        for pragma in ("journal_mode = OFF", "synchronous = OFF", "cache_size = -1000000"):  # a load that is cut off begins anew
            database.execute(f"PRAGMA {pragma}")
        for table in ("metrics", "latest_metrics"):
            assert set(database.execute(f"SELECT {COLUMNS} FROM {table}")) == set(rows(1)), "MLflow writes points in another form"
        database.execute("BEGIN")
        for first in range(1, self.steps, 500):
            last = min(first + 500, self.steps)
            database.executemany(f"INSERT INTO metrics ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?)", rows(first, last))
            print(f"  {last * self.runs * self.metrics:,} points", file=sys.stderr, flush=True)
        database.executemany(f"INSERT OR REPLACE INTO latest_metrics ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?)", rows(self.steps - 1, self.steps))
        database.execute("COMMIT")
        database.close()

    def _count(self, experiment: str, ids: list[str]) -> int:
        """How many points the store itself holds; as many of every series."""
        if self.sql:
            with contextlib.closing(sqlite3.connect(self.place)) as database:
                counts = [count for (count,) in database.execute("SELECT COUNT(*) FROM metrics GROUP BY run_uuid, key")]
        else:
            folders = [self.place / experiment / identifier / "metrics" for identifier in ids]
            counts = [file.read_bytes().count(b"\n") for folder in folders for file in folder.iterdir()]
        assert counts == [self.steps] * self.runs * self.metrics, "points are missing, or there twice"
        return sum(counts)

    def check(self) -> dict[str, Any]:
        """One series of every run, another metric each, as MLflow's client reads it."""
        for run, identifier in enumerate(self.ids):
            metric = run * 37 % self.metrics
            found = [(point.timestamp, point.value, point.step) for point in self.client.get_metric_history(identifier, f"m{metric}")]
            assert found == [(stamp(step), value(run, metric, step), step) for step in range(self.steps)], (run, metric)
        return {"points": self.runs * self.steps}

    def ways(self) -> dict[str, dict[str, Callable[[], list[Any]]]]:
        """By question: what MLflow offers for it. Each returns what it has got in parts, by run or all in one."""
        # what its server calls for its pages; the server cuts each answer to 25,000 points or 2,500 a run, the store does not
        store = self.client._tracking_client.store

        def search() -> list[Any]:
            found = self.client.search_runs([self.done["experiment"]], max_results=self.runs, order_by=["metrics.m0 DESC"])
            return [run.data.metrics for run in found]

        def sampled(most: int) -> list[Any]:
            return [store.get_metric_history_bulk_interval(self.ids, "m0", most, None, None)]

        steps = {
            "MlflowClient.get_metric_history, run by run": lambda: [self.client.get_metric_history(one, "m0") for one in self.ids],
            "get_metric_history_bulk_interval of its store": lambda: sampled(self.steps),
        }
        if hasattr(store, "get_metric_history_bulk"):
            steps["get_metric_history_bulk of its store"] = lambda: [store.get_metric_history_bulk(self.ids, "m0", self.runs * self.steps)]
        return {
            "last": {"MlflowClient.search_runs": search},
            "minutes": {"get_metric_history_bulk_interval of its store, which samples": lambda: sampled(minutes(self.steps))},
            "steps": steps,
        }

    def ask(self, question: str, way: str) -> dict[str, float]:
        """Milliseconds until the answer is there, and how many values it has."""
        asked = self.ways()[question][way]
        began = time.perf_counter()
        found = asked()
        took = (time.perf_counter() - began) * 1000
        if question == "last":
            last = [{f"m{metric}": value(run, metric, self.steps - 1) for metric in range(self.metrics)} for run in range(self.runs)]
            assert found == sorted(last, key=lambda one: -one["m0"]), "MLflow's last values are others"
        return {"took": took, "points": sum(map(len, found))}


def main() -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what MLflow prints is no answer
    runs = Runs(Path(sys.argv[1]), *map(int, sys.argv[2:5]))
    commands: dict[str, Callable[..., Any]] = {
        "write": lambda: runs.make(past=False),
        "load": lambda: runs.make(past=True),
        "check": runs.check,
        "ways": lambda: {question: list(ways) for question, ways in runs.ways().items()},
        "ask": runs.ask,
    }
    for text in sys.stdin:
        name, *given = json.loads(text)
        answers.write(json.dumps(commands[name](*given)) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
