"""Start of jobs on a Ray cluster: ours beside Ray's own jobs, on the same cluster in the same run.

    python benchmarks/ray_start.py [--runs 10]

A cluster of three nodes on this machine, token authentication on. Ours: CreateTrainingJob → the first line of user code on every
host, and → Completed (staging, sandbox, model upload included), for one host and for three. Ray: ``JobSubmissionClient.submit_job``
→ the first line of a plain script, and → SUCCEEDED; with three hosts the script runs a task on each node, as a Ray program
does. Both sides run one job after the other and are warmed by one that does not count. Per host is the time to the last host's
first line, divided by the hosts. Programs say ``time.time()``; all clocks are this machine's.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

from peers import program

PYTHON = program("ray", "python")
if Path(sys.prefix) != Path(PYTHON).parent.parent:  # Ray's job server needs ray[default], which is in the peer's environment
    os.execv(PYTHON, [PYTHON, *sys.argv])

from sagewright.adapters.ray.cluster import LocalCluster, free_port  # noqa: E402
from sagewright.testing.jobs import Jobs  # noqa: E402
from sagewright.testing.server import TestServer  # noqa: E402

OURS = "import time\nprint('SAID', time.time(), flush=True)\n"
RAYS = """
import sys, time
hosts = int(sys.argv[1])
if hosts == 1:
    print("SAID", time.time(), flush=True)
else:
    import ray
    ray.init()
    @ray.remote(num_cpus=2, scheduling_strategy="SPREAD")
    def host():
        return time.time()
    for said in ray.get([host.remote() for _ in range(hosts)]):
        print("SAID", said, flush=True)
"""
Times = list[tuple[float, float]]
"""Of each job: milliseconds to the last host's first line, and to its end."""


def said(log: str) -> list[float]:
    return [float(line.split()[-1]) for line in log.splitlines() if "SAID" in line]


def ours(jobs: Jobs, hosts: int) -> tuple[float, float]:
    where = {"InstanceType": "ml.m5.large", "InstanceCount": hosts, "VolumeSizeInGB": 1}
    begun = time.time()
    name = jobs.train(OURS, ResourceConfig=where)
    job = jobs.ended(name, 300)
    ended = time.time()
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    times = said(jobs.log(name))
    assert len(times) == hosts
    return 1000 * (max(times) - begun), 1000 * (ended - begun)


def rays(client: object, script: Path, hosts: int) -> tuple[float, float]:
    begun = time.time()
    name = client.submit_job(entrypoint=f"{PYTHON} {script} {hosts}")  # type: ignore[attr-defined]
    while not (status := client.get_job_status(name)).is_terminal():  # type: ignore[attr-defined]
        time.sleep(0.02)
    ended = time.time()
    log = client.get_job_logs(name)  # type: ignore[attr-defined]
    assert status == "SUCCEEDED", log
    times = said(log)
    assert len(times) == hosts
    return 1000 * (max(times) - begun), 1000 * (ended - begun)


def row(name: str, hosts: int, times: Times) -> dict[str, object]:
    first, end = (statistics.median(column) for column in zip(*times, strict=True))
    print(f"{name:<22} {hosts} host{'s' if hosts > 1 else ' '}  first line {first:8.0f} ms  per host {first / hosts:8.0f} ms  end {end:8.0f} ms")
    return {"who": name, "hosts": hosts, "first_ms": first, "per_host_ms": first / hosts, "end_ms": end, "runs": len(times)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory(prefix="ray-start-") as folder:
        place = Path(folder)
        environments = {"SAGEWRIGHT_ENVIRONMENTS": os.environ.get("SAGEWRIGHT_ENVIRONMENTS", str(Path(__file__).parents[1] / ".cache" / "environments"))}
        os.environ |= environments
        cluster = LocalCluster(place / "cluster", environ=environments, dashboard=free_port("127.0.0.1", 8265))
        script = place / "job.py"
        script.write_text(RAYS)
        with cluster, TestServer(place / "data", {"ray": cluster.address, "ray_token": str(cluster.token)}) as server:
            os.environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(cluster.token)}
            from ray.job_submission import JobSubmissionClient

            jobs = Jobs(server)
            client = JobSubmissionClient(f"http://127.0.0.1:{cluster.dashboard}")
            for hosts in (1, 3):
                for _ in range(3 if hosts == 1 else 1):  # every node has run one
                    ours(jobs, hosts)
                rays(client, script, hosts)
                mine: Times = []
                theirs: Times = []
                for _ in range(given.runs):
                    mine.append(ours(jobs, hosts))
                    theirs.append(rays(client, script, hosts))
                rows += [row("sagewright on Ray", hosts, mine), row("ray job submit", hosts, theirs)]
                ratio = rows[-1]["per_host_ms"] / rows[-2]["per_host_ms"]  # type: ignore[operator]
                print(f"{'ratio':<22} {hosts} host{'s' if hosts > 1 else ' '}  per host {ratio:.1f} times faster")
    if given.json:
        given.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
