"""Serverless endpoints: how long a sleeping one takes to answer, and what becomes of bursts that find it asleep.

    python benchmarks/serverless.py [--wakes 50] [--bursts 50] [--size 20]

Before each wake and each burst the endpoint sleeps: no instance of it is left, which is looked up among this machine's processes.
Single wakes are timed at the client, beside an answer of an instance that is awake in the same run. A burst's requests are
sent at once over connections that are open already; nothing is retried. The model is a script
without libraries, in the image python:3.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import botocore.exceptions
import psutil

from sagewright.testing.models import ECHO, Models
from sagewright.testing.server import TestServer

IDLE = 0.3
"""Seconds after which instances stop here, so that there is something to wake."""


class Sleeper:
    """One serverless endpoint of a server."""

    def __init__(self, server: TestServer, most: int, code: str = ECHO) -> None:
        self.models = Models(server)
        self.runtime = server.client("sagemaker-runtime", config={"read_timeout": 120, "max_pool_connections": 64})
        config = self.models.name("c")
        self.models.sagemaker.create_endpoint_config(EndpointConfigName=config, ProductionVariants=[{
            "VariantName": "AllTraffic", "ModelName": self.models.model(code),
            "ServerlessConfig": {"MemorySizeInMB": 1024, "MaxConcurrency": most},
        }])
        began = time.perf_counter()
        self.name = self.models.endpoint(config)
        about = self.models.settled(self.name, 600)
        if about["EndpointStatus"] != "InService":
            raise SystemExit(about["FailureReason"])
        self.created = time.perf_counter() - began
        (self.task,) = server.data.glob(f"jobs/serve-{self.name}-*")

    def ask(self, body: bytes = b"x") -> float:
        """Milliseconds to an answer."""
        began = time.perf_counter()
        answer = self.runtime.invoke_endpoint(EndpointName=self.name, Body=body)["Body"].read()
        if answer != body:
            raise SystemExit(f"a wrong answer: {answer!r}")
        return (time.perf_counter() - began) * 1000

    def try_to_ask(self, number: int) -> tuple[str, float]:
        """The status of an answer, and milliseconds to it."""
        began = time.perf_counter()
        try:
            return "200", self.ask(str(number).encode())
        except botocore.exceptions.ClientError as error:
            return str(error.response["ResponseMetadata"]["HTTPStatusCode"]), (time.perf_counter() - began) * 1000
        except botocore.exceptions.BotoCoreError as error:
            return type(error).__name__, (time.perf_counter() - began) * 1000

    def sleep(self) -> None:
        """Wait until nobody serves any more; there is no event for it outside of the server."""
        end = time.monotonic() + 60
        while any(self._serves(process) for process in psutil.process_iter()):
            if time.monotonic() > end:
                raise SystemExit("the endpoint does not fall asleep")
            time.sleep(0.02)

    def _serves(self, process: psutil.Process) -> bool:
        try:
            mounts = Path(f"/proc/{process.pid}/mountinfo").read_text()
            return f"/{self.task.name}/" in mounts and process.status() != psutil.STATUS_ZOMBIE
        except (OSError, psutil.Error):
            return False


def shares(times: list[float]) -> str:
    ordered = sorted(times)
    picked = {"p50": statistics.median(ordered), "p90": ordered[int(len(ordered) * 0.9)], "max": ordered[-1], "min": ordered[0]}
    return ", ".join(f"{name} {value:.1f} ms" for name, value in picked.items())


def wakes(server: TestServer, count: int) -> dict[str, Any]:
    """Single requests on a sleeping endpoint, and on an awake one."""
    sleeper = Sleeper(server, 2)
    sleeper.ask()
    cold, warm = [], []
    for _ in range(count):
        sleeper.sleep()
        cold.append(sleeper.ask())
        warm.append(sleeper.ask())
    print(f"endpoint created in {sleeper.created:.2f} s")
    print(f"wake-up: {shares(cold)}   ({count} of them)")
    print(f"awake:   {shares(warm)}", flush=True)
    return {"wake_p50": statistics.median(cold), "awake_p50": statistics.median(warm)}


def bursts(server: TestServer, count: int, size: int) -> dict[str, Any]:
    """Bursts on a sleeping endpoint whose MaxConcurrency is a quarter of their size."""
    sleeper = Sleeper(server, max(1, size // 4))
    statuses: dict[str, int] = {}
    times: list[float] = []
    with concurrent.futures.ThreadPoolExecutor(size) as pool:
        list(pool.map(sleeper.try_to_ask, range(size)))  # connections
        for burst in range(count):
            sleeper.sleep()
            for status, took in pool.map(sleeper.try_to_ask, range(burst * size, (burst + 1) * size)):
                statuses[status] = statuses.get(status, 0) + 1
                times.append(took)
    print(f"{count} bursts of {size} requests, MaxConcurrency {max(1, size // 4)}: statuses {statuses}; {shares(times)}", flush=True)
    return {"statuses": statuses, "burst_p50": statistics.median(times)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--wakes", type=int, default=50)
    parser.add_argument("--bursts", type=int, default=50)
    parser.add_argument("--size", type=int, default=20)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, TestServer(Path(folder) / "data", {"serverless_idle": str(IDLE)}) as server:
        found = wakes(server, given.wakes) | bursts(server, given.bursts, given.size)
    print("RESULT", json.dumps(found))


if __name__ == "__main__":
    main()
