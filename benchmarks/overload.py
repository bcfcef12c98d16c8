"""Overload: ten times the requests that a model can answer. What becomes of those that are accepted, and what of the server.

    python benchmarks/overload.py [--seconds 10] [--times 10] [--model-ms 10] [--kib 20] [--queue 2]

Sagewright alone: the peers have no limit of this kind. A model that takes a fixed time for each request, in one process, is asked
by 16 connections without a pause, which is all that it can do: 100 %. Then come so many times as many requests a second, each
when it is due, whatever became of those before it ("arrivals"). And so many connections as ask for that when each waits for
0.2 s after a refusal ("callers"), who are patient: as long as all of them could be answered within ``--queue`` seconds none is
refused, and each waits for the others. Every request is signed. The first moment counts as well, in which the overload is not
known yet. ``ratio``: p99 of the accepted requests, from when they were due, to that at 100 %.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import psutil

from sagewright.testing.models import Models
from sagewright.testing.overload import Load, arrivals, load
from sagewright.testing.server import TestServer
from sagewright.testing.steady import Steady
from sagewright.testing.waiting import until

SCRIPT = """
    import time

    def model_fn(model_dir):
        return None

    def transform_fn(model, body, kind, accept):
        time.sleep({seconds})
        return "done", "text/plain"
"""
FULL, PAUSE = 16, 0.2


def show(name: str, found: Load, full: Load | None = None) -> None:
    ratio = f", ratio {found.percentile(0.99) / full.percentile(0.99):.2f}, answered {found.answered / full.answered:.0%}" if full else ""
    statuses = ", ".join(f"{status}: {count}" for status, count in sorted(found.statuses.items()))
    print(
        f"{name:20} {found.offered:6.0f}/s offered, {found.answered:5.0f}/s answered ({statuses}), "
        f"p50/p99 {found.percentile(0.5) * 1000:.0f}/{found.percentile(0.99) * 1000:.0f} ms{ratio}, memory +{found.grown >> 20} MiB", flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--times", type=float, nargs="+", default=[10], help="as many requests as it can answer")
    parser.add_argument("--model-ms", type=float, default=10)
    parser.add_argument("--kib", type=int, default=20, help="of each request's body")
    parser.add_argument("--queue", default="2.0", help="queue_seconds: what callers wait who could all wait so long")
    args = parser.parse_args()
    body = b"x" * (args.kib << 10)
    with TestServer(Path(tempfile.mkdtemp(prefix="sagewright-bench-")) / "data", {"queue_seconds": args.queue}) as server:
        endpoint = Models(server).deploy(SCRIPT.format(seconds=args.model_ms / 1000))
        with Steady(server, endpoint, connections=1) as first:
            until(lambda: [one for one in first.asked if one.gateway])
        print(f"a model of {args.model_ms:g} ms, bodies of {args.kib} KiB, {psutil.cpu_count()} cores", flush=True)
        full = load(server, endpoint, body, connections=FULL, seconds=args.seconds, pause=0.0)
        show("100 %", full)
        for times in args.times:
            show(f"{times:g} x, arrivals", arrivals(server, endpoint, body, rate=times * full.answered, seconds=args.seconds), full)
            connections = round(FULL + times * full.answered * PAUSE)
            show(f"{times:g} x, {connections} callers", load(server, endpoint, body, connections=connections, seconds=args.seconds, pause=PAUSE), full)


if __name__ == "__main__":
    main()
