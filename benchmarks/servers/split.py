"""Where a request's time goes: one connection, mean times, each part measured by itself or told by the gateway."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from sagewright.testing.server import TestServer
from sagewright.testing.waiting import until

if TYPE_CHECKING:
    from serving import Found, Ours, Task

BODIES = 20
"""How many bodies the model is timed on alone."""


def split(task: Task) -> None:
    """Measure, and print two tables."""
    from serving import NOTHING, ONE, SERVERS, Ours, family, first, wrk

    with TestServer(task.folder / "data") as server:
        ours = Ours(server, task)
        ours.model()
        ours.deploy("nothing", {"code/inference.py": NOTHING.encode()})
        asked = {name: ours.script(name) for name in ("e", "nothing")}
        found: dict[str, tuple[Found, float, float]] = {}
        for name, script in asked.items():
            before = counted(server, name, wrk(server.url, script, 8, 2).requests)
            if task.realtime:
                first(family(ours.processes()))
            run = wrk(server.url, script, 1, task.seconds, task.realtime)
            after = counted(server, name, before[0] + run.requests)
            requests, latency, overhead = (b - a for a, b in zip(before, after, strict=True))
            found[name] = run, latency / requests, overhead / requests
        parts = [task.folder / f"alone-{n}.csv" for n in range(min(BODIES, len(task.bodies)))]
        for part, body in zip(parts, task.bodies, strict=False):
            part.write_text(body)
        model = task.model(ours.python)
        alone = subprocess.run(
            [ours.python, SERVERS / "alone.py", task.kind, model, *parts], capture_output=True, text=True, check=True,
            env={**ONE, "IMAGE": str(ours.image.folder), "PYTHONPATH": str(toolkit())},
        )
        table(found, float(alone.stdout.split()[-1]))
        for connections in task.connections:
            began = usage(ours)
            run = wrk(server.url, asked["e"], connections, task.seconds, task.realtime)
            show(connections, run, {who: seconds - began.get(who, 0.0) for who, seconds in usage(ours).items()})


def table(found: dict[str, tuple[Found, float, float]], predicted: float) -> None:
    """The parts of the mean time of a request. ``predicted`` in microseconds."""
    run, latency, overhead = found["e"]
    whole = 1e6 / run.rate
    hop = found["nothing"][1]
    parts = {
        "client, TCP, answer written": whole - latency - overhead,
        "gateway: read, verified, routed": overhead,
        "hop to a worker and back": hop,
        "worker: body parsed, answer made": latency - hop - predicted,
        "model": predicted,
    }
    print(f"\n{'part of a request, 1 connection':36} microseconds    share")
    for name, took in parts.items():
        print(f"{name:36} {took:12.0f} {took / whole:8.0%}")
    print(f"{'all':36} {whole:12.0f}     p50 {run.p50 * 1e3:.0f}, p99 {run.p99 * 1e3:.0f}{f', {run.bad} BAD' if run.bad else ''}")
    print(f"{'an endpoint that does nothing':36} {1e6 / found['nothing'][0].rate:12.0f}\n", flush=True)


def show(connections: int, run: Found, used: dict[str, float]) -> None:
    cells = "   ".join(f"{who} {seconds / run.requests * 1e6:6.0f}" for who, seconds in used.items())
    print(f"c={connections:<2} {run.rate:8.0f}/s   microseconds of CPU a request: {cells}", flush=True)


def counted(server: TestServer, name: str, requests: float) -> tuple[float, float, float]:
    """What is told of an endpoint once that many requests are: what the gateway counts reaches the metrics a little later."""

    def enough() -> tuple[float, float, float] | None:
        found = told(server, name)
        return found if found[0] >= requests else None

    return until(enough, why=lambda: "the gateway's figures do not come")


def told(server: TestServer, name: str) -> tuple[float, float, float]:
    """(requests, microseconds of ModelLatency, of OverheadLatency) that the metrics hold of an endpoint."""
    now = datetime.now(UTC)
    cloudwatch = server.client("cloudwatch")

    def points(metric: str) -> Any:
        return cloudwatch.get_metric_statistics(
            Namespace="AWS/SageMaker", MetricName=metric, StartTime=now - timedelta(hours=2), EndTime=now + timedelta(minutes=2), Period=60,
            Dimensions=[{"Name": "EndpointName", "Value": name}, {"Name": "VariantName", "Value": "v"}], Statistics=["Sum", "SampleCount"],
        )["Datapoints"]

    latency, overhead = points("ModelLatency"), points("OverheadLatency")
    return sum(p["SampleCount"] for p in latency), sum(p["Sum"] for p in latency), sum(p["Sum"] for p in overhead)


def usage(ours: Ours) -> dict[str, float]:
    """Seconds of CPU that the gateway has used so far, and the processes of the endpoints (those of agents and sandboxes too)."""
    from serving import family

    found = {"gateway": 0.0, "workers": 0.0}
    for one in family(ours.processes()):
        try:
            command, times = " ".join(one.cmdline()), one.cpu_times()
        except psutil.Error:
            continue  # ended meanwhile
        if ours.server.process is None or one.pid != ours.server.process.pid:
            found["gateway" if "sagewright.gateway" in command else "workers"] += times.user + times.system
    return found


def toolkit() -> Path:
    """Where the images' code finds the container toolkit."""
    import sagewright_container

    return Path(sagewright_container.__file__).parents[1]
