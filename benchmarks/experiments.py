"""Experiments at size: points written through the API, and the comparison of all runs, against MLflow's two stores.

    python benchmarks/experiments.py [--runs 50] [--metrics 100] [--steps 200] [--writers 2] [--no-peer]

Every point goes through BatchPutMetrics, ten a call as the API has it, by processes that sign and send as a lean client
would. Then every series is read back and compared with what was sent. The questions are those of a comparison page: the
last value of every metric of every run, and one metric of all runs, at one value a minute and at every step. They are
asked over HTTP by a client that parses the JSON, and by boto3. MLflow gets the same points by ``log_batch``, a thousand a
call in its own process, and is asked through its own Python client (``search_runs``, ``get_metric_history``); no
HTTP lies between.
"""

from __future__ import annotations

import argparse
import datetime
import hashlib
import hmac
import http.client
import json
import multiprocessing
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import orjson
import psutil
from peers import program

from sagewright.testing.server import TestServer

BATCH = 10
START = 1.75e9
EXPERIMENT = "bench"


def value(run: int, metric: int, step: int) -> float:
    """A number that says where it belongs."""
    return ((run * 131 + metric * 17 + step * 7) % 10_007) / 8.0


def at(step: int) -> float:
    """A step a second."""
    return START + step


class Lean:
    """One connection that signs as SigV4 says and knows nothing of models."""

    def __init__(self, url: str, keys: dict[str, str]) -> None:
        where = urlsplit(url)
        self.host = where.netloc
        self.http = http.client.HTTPConnection(where.hostname or "", where.port)
        self.keys, self.day, self.key = keys, "", b""

    def send(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> bytes:
        stamp = datetime.datetime.now(datetime.UTC).strftime("%Y%m%dT%H%M%SZ")
        if stamp[:8] != self.day:
            self.day, key = stamp[:8], b"AWS4" + self.keys["secret_key"].encode()
            for part in (self.day, "us-east-1", "sagemaker", "aws4_request"):
                key = hmac.digest(key, part.encode(), "sha256")
            self.key = key
        scope = f"{self.day}/us-east-1/sagemaker/aws4_request"
        signed = {"host": self.host, "x-amz-date": stamp}
        if "X-Amz-Target" in headers:
            signed["x-amz-target"] = headers["X-Amz-Target"]
        names = ";".join(signed)
        lines = "".join(f"{name}:{text}\n" for name, text in signed.items())
        canonical = f"{method}\n{path}\n\n{lines}\n{names}\n{hashlib.sha256(body).hexdigest()}"
        text = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
        signature = hmac.digest(self.key, text.encode(), "sha256").hex()
        authorization = f"AWS4-HMAC-SHA256 Credential={self.keys['access_key']}/{scope}, SignedHeaders={names}, Signature={signature}"
        self.http.request(method, path, body, {**headers, "X-Amz-Date": stamp, "Authorization": authorization})
        answer = self.http.getresponse()
        data = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"{answer.status}: {data[:500]!r}")
        return data

    def metrics(self, operation: str, method: str, body: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = orjson.loads(self.send(method, f"/{operation}", orjson.dumps(body), {"Content-Type": "application/json"}))
        return found

    def sagemaker(self, operation: str, body: dict[str, Any]) -> dict[str, Any]:
        headers = {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": f"SageMaker.{operation}"}
        found: dict[str, Any] = orjson.loads(self.send("POST", "/", orjson.dumps(body), headers))
        return found


def write(url: str, keys: dict[str, str], runs: list[int], metrics: int, steps: int) -> None:
    """All points of some runs, step by step as training would, ten a call."""
    client = Lean(url, keys)
    block = max(1, BATCH // metrics)  # with few metrics, several steps go together
    for first in range(0, steps, block):
        order = [(step, metric) for step in range(first, min(first + block, steps)) for metric in range(metrics)]
        for run in runs:
            for start in range(0, len(order), BATCH):
                data = [
                    {"MetricName": f"m{metric}", "Timestamp": at(step), "Step": step, "Value": value(run, metric, step)}
                    for step, metric in order[start : start + BATCH]
                ]
                answer = client.metrics("BatchPutMetrics", "PUT", {"TrialComponentName": f"bench-{run}", "MetricData": data})
                if answer.get("Errors"):
                    raise RuntimeError(str(answer))


def queries(account: str, pairs: list[tuple[int, int]], period: str, stat: str) -> dict[str, Any]:
    return {"MetricQueries": [
        {
            "MetricName": f"m{metric}", "MetricStat": stat, "Period": period,
            "XAxisType": "IterationNumber" if period == "IterationNumber" else "Timestamp",
            "ResourceArn": f"arn:aws:sagemaker:us-east-1:{account}:experiment-trial-component/bench-{run}",
        }
        for run, metric in pairs
    ]}  # fmt: skip


def verify(client: Lean, account: str, runs: int, metrics: int, steps: int) -> int:
    """Every point of every series is there, in order, once; how many points."""
    pairs = [(run, metric) for run in range(runs) for metric in range(metrics)]
    seen, some = 0, max(1, min(100, 900_000 // steps))
    for first in range(0, len(pairs), some):
        part = pairs[first : first + some]
        found = client.metrics("BatchGetMetrics", "POST", queries(account, part, "IterationNumber", "Last"))
        for (run, metric), result in zip(part, found["MetricQueryResults"], strict=True):
            assert result["Status"] == "Complete", result.get("Message")
            assert result["XAxisValues"] == list(range(steps)), (run, metric)
            assert result["MetricValues"] == [value(run, metric, step) for step in range(steps)], (run, metric)
            seen += steps
    return seen


def median(ask: Callable[[], Any], server: psutil.Process | None = None, times: int = 9) -> tuple[float, float]:
    """(milliseconds, milliseconds of the server's CPU): the latter stays the same on a busy machine."""
    took = []
    before = sum(server.cpu_times()[:2]) if server else 0.0
    for _ in range(times):
        began = time.perf_counter()
        ask()
        took.append((time.perf_counter() - began) * 1000)
    return statistics.median(took), ((sum(server.cpu_times()[:2]) if server else 0.0) - before) / times * 1000


PEER = """
import json, os, sys, time, statistics, logging
os.environ["MLFLOW_ALLOW_FILE_STORE"] = "true"
logging.disable(logging.WARNING)
uri, runs, metrics, steps = sys.argv[1], *map(int, sys.argv[2:5])
from mlflow import MlflowClient
from mlflow.entities import Metric
client = MlflowClient(uri)
experiment = client.create_experiment("bench")
began = time.perf_counter()
ids = []
for r in range(runs):
    run = client.create_run(experiment)
    ids.append(run.info.run_id)
    batch = []
    for s in range(steps):
        for m in range(metrics):
            batch.append(Metric(f"m{m}", ((r * 131 + m * 17 + s * 7) % 10007) / 8.0, int((1.75e9 + s) * 1000), s))
            if len(batch) == 1000:
                client.log_batch(run.info.run_id, batch)
                batch = []
    if batch:
        client.log_batch(run.info.run_id, batch)
wrote = time.perf_counter() - began

def median(ask, times=3):
    took = []
    for _ in range(times):
        began = time.perf_counter()
        ask()
        took.append((time.perf_counter() - began) * 1000)
    return statistics.median(took)

def series():
    found = [client.get_metric_history(i, "m0") for i in ids]
    assert sum(map(len, found)) == runs * steps

def last():
    found = client.search_runs([experiment], max_results=runs)
    assert sum(len(f.data.metrics) for f in found) == runs * metrics

print("RESULT " + json.dumps({"write": wrote, "series": median(series), "last": median(last)}))
"""


def peer(uri: str, runs: int, metrics: int, steps: int) -> dict[str, float]:
    command = [program("mlflow", "python"), "-W", "ignore", "-c", PEER, uri, str(runs), str(metrics), str(steps)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    lines = [line for line in done.stdout.splitlines() if line.startswith("RESULT ")]
    if not lines:
        raise SystemExit(f"MLflow failed:\n{done.stdout[-2000:]}\n{done.stderr[-3000:]}")
    found: dict[str, float] = json.loads(lines[0][7:])
    return found


def fill(server: TestServer, runs: int, metrics: int, steps: int, writers: int) -> None:
    """Make the runs and write all their points, with ``writers`` processes."""
    sm = server.client("sagemaker")
    sm.create_experiment(ExperimentName=EXPERIMENT)
    sm.create_trial(ExperimentName=EXPERIMENT, TrialName="bench")
    for run in range(runs):
        sm.create_trial_component(TrialComponentName=f"bench-{run}", Parameters={"lr": {"NumberValue": run / 100}})
        sm.associate_trial_component(TrialComponentName=f"bench-{run}", TrialName="bench")
    assert server.process is not None
    process = psutil.Process(server.process.pid)
    before, began = sum(process.cpu_times()[:2]), time.perf_counter()
    context = multiprocessing.get_context("spawn")
    shares = [list(range(n, runs, writers)) for n in range(writers)]
    started = [context.Process(target=write, args=(server.url, server.credentials(), share, metrics, steps)) for share in shares if share]
    for one in started:
        one.start()
    for one in started:
        one.join()
        if one.exitcode:
            raise SystemExit("a writer failed")
    took, cpu = time.perf_counter() - began, sum(process.cpu_times()[:2]) - before
    points = runs * metrics * steps
    calls = points / BATCH
    print(f"written: {points:,} points in {took:.1f} s, {points / took:,.0f} points/s, {cpu / calls * 1e6:.0f} µs of the server's CPU a call")
    memory = process.memory_info().rss / 2**20
    size = sum(path.stat().st_size for path in (server.data / "runs").iterdir())
    print(f"server: {memory:.0f} MiB resident; store: {size / 2**20:.0f} MiB, {size / points:.1f} bytes a point")


def main() -> None:
    parser = argparse.ArgumentParser()
    for name, default in (("runs", 50), ("metrics", 100), ("steps", 200), ("writers", 2)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--no-peer", action="store_true")
    given = parser.parse_args()
    shape = given.runs, given.metrics, given.steps
    with tempfile.TemporaryDirectory(prefix="sagewright-bench-") as folder:
        with TestServer(Path(folder) / "data") as server:
            fill(server, *shape, given.writers)
            lean = Lean(server.url, server.credentials())
            account = server.client("sts").get_caller_identity()["Account"]
            print(f"read back and compared: {verify(lean, account, *shape):,} points, none lost, none twice")
            server.stop()
            server.start()
            lean = Lean(server.url, server.credentials())
            ours = ask(server, lean, account, given.runs)
        if given.no_peer:
            return
        stores = {"MLflow, files": f"file://{folder}/mlruns", "MLflow, SQLite": f"sqlite:///{folder}/mlflow.db"}
        for title, uri in stores.items():
            theirs = peer(uri, *shape)
            print(f"{title}: written in {theirs['write']:.1f} s; last values {theirs['last']:.0f} ms; series {theirs['series']:.0f} ms")
            print(f"  ratio: last values {theirs['last'] / ours['last']:.1f}x, series {theirs['series'] / ours['steps']:.1f}x (each step)")


def ask(server: TestServer, lean: Lean, account: str, runs: int) -> dict[str, float]:
    """The questions of a comparison page, after a restart: milliseconds by name."""
    search = {
        "Resource": "ExperimentTrialComponent", "MaxResults": min(runs, 100), "SortBy": "Metrics.m0.Last",
        "SearchExpression": {"Filters": [{"Name": "Parents.ExperimentName", "Operator": "Equals", "Value": EXPERIMENT}]},
    }  # fmt: skip
    pairs = [(run, 0) for run in range(min(runs, 100))]
    minutes, steps = queries(account, pairs, "OneMinute", "Avg"), queries(account, pairs, "IterationNumber", "Last")
    sm, metrics = server.client("sagemaker"), server.client("sagemaker-metrics")
    assert server.process is not None
    process = psutil.Process(server.process.pid)
    found = {}
    for name, what, by_http, by_boto3 in (
        ("last", "last values of all metrics of all runs, sorted by one", lambda: lean.sagemaker("Search", search), lambda: sm.search(**search)),
        ("minutes", "one metric of all runs, a value a minute", lambda: lean.metrics("BatchGetMetrics", "POST", minutes), lambda: metrics.batch_get_metrics(**minutes)),
        ("steps", "one metric of all runs, every step", lambda: lean.metrics("BatchGetMetrics", "POST", steps), lambda: metrics.batch_get_metrics(**steps)),
    ):  # fmt: skip
        found[name], cpu = median(by_http, process)
        print(f"{what}: {found[name]:.1f} ms, {cpu:.1f} ms of the server's CPU ({median(by_boto3, times=3)[0]:.1f} ms by boto3)")
    return found


if __name__ == "__main__":
    main()
