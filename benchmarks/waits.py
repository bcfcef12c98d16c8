"""What a person waits: SDK v2 and v3 and a boto3 waiter, on jobs whose own work is one second.

    python benchmarks/waits.py [--rounds 3]

The SDKs run unmodified with what ``sagewright env`` exports, against a server that this starts. The environments of the
images are built beforehand. First: the first call of that kind on a new server. Warm: the median of the later ones.
Of a warm call, "http" is the time its requests were under way (job, server and held answers), "SDK" the rest: what the
same call takes before and after, were the server to answer at once. AWS takes minutes, the SDK's local mode about 30 s.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sagewright.testing.jobs import Jobs
from sagewright.testing.server import TestServer

HERE = Path(__file__).parent
CLIENTS = HERE.parent / ".cache" / "clients"
GOALS = {"v2 deploy()": 2.5}
GOAL = 3.0
"""Seconds, of all others."""
Rounds = list[dict[str, float]]


def sdk(server: TestServer, name: str, rounds: int) -> dict[str, Rounds]:
    python = CLIENTS / name / "bin" / "python"
    if not python.exists():
        raise SystemExit(f"{python} is missing: run `make clients`")
    done = subprocess.run(
        [str(python), str(HERE / "clients" / f"{name}.py"), str(rounds)], env=server.environment(),
        capture_output=True, text=True, check=False,
    )
    if done.returncode:
        raise SystemExit(f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}")
    found: dict[str, Rounds] = json.loads(next(line for line in done.stdout.splitlines() if line.startswith("RESULT "))[7:])
    return found


def timed(call: Callable[[], Any], rounds: int) -> Rounds:
    """A plain boto3 client does nothing of its own between its requests but sleep."""
    found = []
    for _ in range(rounds):
        began = time.monotonic()
        call()
        total = time.monotonic() - began
        found.append({"total": total, "http": total})
    return found


def waiter(jobs: Jobs) -> None:
    name = jobs.train((HERE / "clients" / "src" / "one_second.py").read_text())
    jobs.sagemaker.get_waiter("training_job_completed_or_stopped").wait(TrainingJobName=name)


def show(name: str, rounds: Rounds) -> dict[str, Any]:
    later = rounds[1:] or rounds
    warm = statistics.median(one["total"] for one in later)
    http = statistics.median(one["http"] for one in later)
    goal = GOALS.get(name, GOAL)
    print(f"{name:<34} first {rounds[0]['total']:5.2f} s   warm {warm:5.2f} s (http {http:.2f}, SDK {warm - http:.2f})"
          f"   goal {goal} s: {'met' if warm <= goal else 'MISSED'}", flush=True)  # fmt: skip
    return {"first": round(rounds[0]["total"], 2), "warm": round(warm, 2), "http": round(http, 2)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    os.environ.setdefault("SAGEWRIGHT_ENVIRONMENTS", str(HERE.parent / ".cache" / "environments"))
    result: dict[str, Any] = {"load_average": os.getloadavg(), "processors": os.cpu_count()}
    with tempfile.TemporaryDirectory(prefix="sw-") as folder, TestServer(Path(folder) / "data") as server:
        jobs = Jobs(server)
        found = {"boto3 waiter": timed(lambda: waiter(jobs), given.rounds)}
        found |= sdk(server, "v2", given.rounds) | sdk(server, "v3", given.rounds)
        for name, rounds in found.items():
            result[name] = show(name, rounds)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
