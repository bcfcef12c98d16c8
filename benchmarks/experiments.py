"""Experiments at size: points written through the API, and the comparison of all runs, against MLflow's two stores.

    python benchmarks/experiments.py [--runs 50] [--metrics 100] [--steps 200] [--writers 2] [--no-peer]
    python benchmarks/experiments.py --folder F --steps 10000 --load-peer             # F is kept; the same again goes on where it ended
    python benchmarks/experiments.py --folder F --steps 10000 --load-peer --queries   # only the questions, of what F holds

Every point goes through BatchPutMetrics, ten a call as the API has it, by processes that sign and send as a lean client
would, eight calls at a time on one connection each. With --folder a run can be ended at any time and taken up again: each writer asks how many points of its runs are there.
Then every series is read back and compared with what was sent. The questions are those of a comparison page: the
last value of every metric of every run, and one metric of all runs, at one value a minute and at every step. They are
asked over HTTP by a client that parses the JSON, and by boto3. MLflow gets the same points by ``log_batch``, a thousand a
call in its own process; with --load-peer only the first step, and the rest is put into its stores past its API. It is asked
in turn with ours (``servers/mlflow_peer.py``), by whatever it answers quickest.
"""

from __future__ import annotations

import argparse
import hashlib
import hmac
import multiprocessing
import resource
import socket
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import orjson
import psutil
from servers import mlflow_peer
from servers.points import at, value

from sagewright.testing.server import TestServer

BATCH = 10
DEPTH = 8
"""Calls that a writer has under way on its connection."""
PROGRESS = 10.0
"""Seconds between two lines while points are written."""
EXPERIMENT = "bench"


class Lean:
    """One connection that signs as SigV4 says and knows nothing of models."""

    def __init__(self, url: str, keys: dict[str, str]) -> None:
        where = urlsplit(url)
        self.host = where.netloc
        self.socket = socket.create_connection((where.hostname, where.port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.keys, self.day, self.key = keys, "", b""
        self.second, self.stamp = 0, ""
        self.read = b""
        """What has come of an answer that nobody has asked for yet."""

    def send(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> bytes:
        """Ask, and wait for the answer's body."""
        self.socket.sendall(self.request(method, path, body, headers))
        return self.answer()

    def request(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> bytes:
        """A signed request. Several can be sent together; as many answers come, in that order."""
        now = int(time.time())
        if now != self.second:
            self.second, self.stamp = now, time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))
        stamp = self.stamp
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
        head = f"{method} {path} HTTP/1.1\r\nHost: {self.host}\r\nX-Amz-Date: {stamp}\r\nAuthorization: {authorization}\r\n"
        more = "".join(f"{name}: {text}\r\n" for name, text in headers.items())
        return f"{head}{more}Content-Length: {len(body)}\r\n\r\n".encode() + body

    def answer(self) -> bytes:
        """The body of the next answer; each says its length."""
        got = self.read
        while b"\r\n\r\n" not in got:
            got += self._more(1 << 18)
        head, _, body = got.partition(b"\r\n\r\n")
        length = int(head.lower().rpartition(b"content-length:")[2].partition(b"\r\n")[0])
        body, self.read = body[:length], body[length:]
        pieces, missing = [body], length - len(body)
        while missing:
            pieces.append(self._more(min(missing, 1 << 20)))
            missing -= len(pieces[-1])
        whole = b"".join(pieces)
        if head[9:12] != b"200":
            raise RuntimeError(f"{head[9:12].decode()}: {whole[:500]!r}")
        return whole

    def _more(self, most: int) -> bytes:
        data = self.socket.recv(most)
        if not data:
            raise RuntimeError("the server ended the connection")
        return data

    def metrics(self, operation: str, method: str, body: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = orjson.loads(self.send(method, f"/{operation}", orjson.dumps(body), {"Content-Type": "application/json"}))
        return found

    def sagemaker(self, operation: str, body: dict[str, Any]) -> dict[str, Any]:
        headers = {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": f"SageMaker.{operation}"}
        found: dict[str, Any] = orjson.loads(self.send("POST", "/", orjson.dumps(body), headers))
        return found


def write(url: str, keys: dict[str, str], runs: list[int], metrics: int, steps: int, calls: Any) -> None:
    """All points of some runs, step by step as training would, ten a call. ``calls``: counts what is written, for all to see.

    A run that has points already is taken up behind them: they were written in this order.
    """
    client = Lean(url, keys)
    headers = {"Content-Type": "application/json"}
    block = max(1, BATCH // metrics)  # with few metrics, several steps go together
    have = {run: stored(client, run) for run in runs}
    waiting: list[bytes] = []

    def flush() -> None:
        client.socket.sendall(b"".join(waiting))
        for _ in waiting:
            answer = client.answer()
            if answer != b"{}":
                raise RuntimeError(answer.decode())
            calls.value += 1
        waiting.clear()

    for first in range(0, steps, block):
        last = min(first + block, steps)
        order = [(step, metric) for step in range(first, last) for metric in range(metrics)]
        for run in runs:
            done = max(0, min(have[run] - first * metrics, len(order)))
            for start in range(done, len(order), BATCH):
                data = [
                    {"MetricName": f"m{metric}", "Timestamp": at(step), "Step": step, "Value": value(run, metric, step)}
                    for step, metric in order[start : start + BATCH]
                ]
                body = orjson.dumps({"TrialComponentName": f"bench-{run}", "MetricData": data})
                waiting.append(client.request("PUT", "/BatchPutMetrics", body, headers))
                if len(waiting) == DEPTH:
                    flush()
    flush()


def stored(client: Lean, run: int) -> int:
    """How many points a run has."""
    found = client.sagemaker("DescribeTrialComponent", {"TrialComponentName": f"bench-{run}"})
    return sum(int(metric["Count"]) for metric in found.get("Metrics", ()))


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


def median(ask: Callable[[], Any], server: psutil.Process, times: int = 9) -> tuple[float, float, float]:
    """Milliseconds; those of the server's CPU, and of this process's own: these two stay the same on a busy machine."""
    took = []
    before, own = sum(server.cpu_times()[:2]), time.process_time()
    for _ in range(times):
        began = time.perf_counter()
        ask()
        took.append((time.perf_counter() - began) * 1000)
    own = time.process_time() - own
    return statistics.median(took), (sum(server.cpu_times()[:2]) - before) / times * 1000, own / times * 1000


def make(server: TestServer, runs: int) -> None:
    """The experiment and its runs; what exists is left alone."""
    sm = server.client("sagemaker")
    if not sm.list_experiments()["ExperimentSummaries"]:
        sm.create_experiment(ExperimentName=EXPERIMENT)
    if not sm.list_trials()["TrialSummaries"]:
        sm.create_trial(ExperimentName=EXPERIMENT, TrialName="bench")
    pages = sm.get_paginator("list_trial_components").paginate()
    have = {component["TrialComponentName"] for page in pages for component in page["TrialComponentSummaries"]}
    for run in range(runs):
        if f"bench-{run}" not in have:
            sm.create_trial_component(TrialComponentName=f"bench-{run}", Parameters={"lr": {"NumberValue": run / 100}})
        sm.associate_trial_component(TrialComponentName=f"bench-{run}", TrialName="bench")


def fill(server: TestServer, runs: int, metrics: int, steps: int, writers: int) -> None:
    """Write all points with ``writers`` processes, and say every ten seconds how far they are."""
    make(server, runs)
    assert server.process is not None
    process = psutil.Process(server.process.pid)
    context = multiprocessing.get_context("spawn")
    shares = [share for share in (list(range(n, runs, writers)) for n in range(writers)) if share]
    counts = [context.Value("Q", 0, lock=False) for _ in shares]
    started = [
        context.Process(target=write, args=(server.url, server.credentials(), share, metrics, steps, count))
        for share, count in zip(shares, counts, strict=True)
    ]
    theirs = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = theirs.ru_utime + theirs.ru_stime
    before, began, earlier = sum(process.cpu_times()[:2]), time.perf_counter(), 0
    for one in started:
        one.start()
    while working := [one for one in started if one.exitcode is None]:
        working[0].join(PROGRESS)
        calls, took = sum(count.value for count in counts), time.perf_counter() - began
        cpu = (sum(process.cpu_times()[:2]) - before) / max(calls, 1)
        print(f"  {took:7.0f} s: {calls * BATCH:>12,} points, {(calls - earlier) * BATCH:>9,} more, {cpu * 1e6:.0f} µs of the server's CPU a call", flush=True)
        earlier = calls
    for one in started:
        one.join()
        if one.exitcode:
            raise SystemExit("a writer failed")
    took, cpu = time.perf_counter() - began, sum(process.cpu_times()[:2]) - before
    theirs = resource.getrusage(resource.RUSAGE_CHILDREN)
    own = theirs.ru_utime + theirs.ru_stime - spent
    calls = sum(count.value for count in counts)
    if calls:
        points = calls * BATCH
        print(f"written: {points:,} points in {took:.1f} s, {points / took:,.0f} points/s, "
              f"{cpu / calls * 1e6:.0f} µs of the server's CPU a call, {own / calls * 1e6:.0f} of the writers'")
    memory = process.memory_info().rss / 2**20
    size = sum(path.stat().st_size for path in (server.data / "runs").iterdir())
    print(f"server: {memory:.0f} MiB resident; store: {size / 2**20:.0f} MiB, {size / (runs * metrics * steps):.1f} bytes a point")


class Question(NamedTuple):
    what: str
    by_http: Callable[[], Any]
    by_boto3: Callable[[], Any]

    def values(self) -> int:
        """Ask over HTTP; how many values the answer has."""
        answer = self.by_http()
        if "Results" in answer:
            return sum(len(one["TrialComponent"]["Metrics"]) for one in answer["Results"])
        return sum(len(one["MetricValues"]) for one in answer["MetricQueryResults"])


def questions(server: TestServer, account: str, runs: int) -> dict[str, Question]:
    """The questions of a comparison page, by name, on connections of their own: idle ones are closed."""
    search = {
        "Resource": "ExperimentTrialComponent", "MaxResults": min(runs, 100), "SortBy": "Metrics.m0.Last",
        "SearchExpression": {"Filters": [{"Name": "Parents.ExperimentName", "Operator": "Equals", "Value": EXPERIMENT}]},
    }  # fmt: skip
    pairs = [(run, 0) for run in range(min(runs, 100))]
    minutes, steps = queries(account, pairs, "OneMinute", "Avg"), queries(account, pairs, "IterationNumber", "Last")
    lean, sm, metrics = Lean(server.url, server.credentials()), server.client("sagemaker"), server.client("sagemaker-metrics")
    return {
        "last": Question("last values of all metrics of all runs, sorted by one", lambda: lean.sagemaker("Search", search), lambda: sm.search(**search)),
        "minutes": Question("one metric of all runs, a value a minute", lambda: lean.metrics("BatchGetMetrics", "POST", minutes), lambda: metrics.batch_get_metrics(**minutes)),
        "steps": Question("one metric of all runs, every step", lambda: lean.metrics("BatchGetMetrics", "POST", steps), lambda: metrics.batch_get_metrics(**steps)),
    }  # fmt: skip


def tell(asked: dict[str, Question], server: psutil.Process) -> None:
    """Ask each by both clients, and print what it took."""
    for what, by_http, by_boto3 in asked.values():
        took, cpu, own = median(by_http, server)
        parsing = median(by_boto3, server, times=3)
        print(f"{what}: {took:.1f} ms, {cpu:.1f} ms of the server's CPU, {own:.1f} of the client's "
              f"({parsing[0]:.1f} ms by boto3, {parsing[2]:.1f} of its CPU)", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser()
    for name, default in (("runs", 50), ("metrics", 100), ("steps", 200), ("writers", 2)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--no-peer", action="store_true")
    parser.add_argument("--load-peer", action="store_true", help="put MLflow's points into its stores past its API, which would take hours")
    parser.add_argument("--folder", type=Path, help="where the data are kept, ours and MLflow's; a run in an old folder is taken up")
    parser.add_argument("--queries", action="store_true", help="only ask: write nothing of ours, compare nothing")
    given = parser.parse_args()
    shape = given.runs, given.metrics, given.steps
    with tempfile.TemporaryDirectory(prefix="sagewright-bench-") as temporary:
        folder = (given.folder or Path(temporary)).absolute()
        with TestServer(folder / "data") as server:
            account = server.client("sts").get_caller_identity()["Account"]
            if not given.queries:
                fill(server, *shape, given.writers)
                lean = Lean(server.url, server.credentials())
                print(f"read back and compared: {verify(lean, account, *shape):,} points, none lost, none twice")
                server.stop()
                server.start()
            assert server.process is not None
            tell(questions(server, account, given.runs), psutil.Process(server.process.pid))
            for store in () if given.no_peer else ("mlflow.db", "mlruns"):
                mlflow_peer.beside(folder / store, *shape, given.load_peer, not given.queries, lambda: questions(server, account, given.runs))


if __name__ == "__main__":
    main()
