"""Job start: Compute.submit → first line of user code, warm and cold, beside a bare Python and, where installed, Metaflow.

    python benchmarks/job_start.py [--environment PREFIX] [--preload numpy,xgboost] [--runs 20] [--metaflow]

Times are wall clock on one machine: the job prints ``time.time()`` as its first line. Ratios matter, absolutes drift.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from sagewright.testing.compute import Bench, bench, task

FLOW = """
import time
from metaflow import FlowSpec, step
class Flow(FlowSpec):
    @step
    def start(self):
        open({out!r}, "w").write(str(time.time()))
        self.next(self.end)
    @step
    def end(self):
        pass
if __name__ == "__main__":
    Flow()
"""


def percentile(values: list[float], part: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * part))]


async def start_once(running: Bench, name: str, argv: list[str], imports: str) -> tuple[float, float]:
    """(milliseconds to the first line, milliseconds until its imports are done)."""
    code = f"import time\nfirst = time.time()\n{imports}\nprint(first, time.time(), flush=True)\n"
    job = task(name, argv, files={"/opt/ml/code/main.py": code})
    submitted = time.time()
    await running.compute.submit(job)
    await running.until(job.id)
    first, imported = (float(word) for word in running.log(job)[-1].split())
    await running.compute.forget(job.id)
    return 1000 * (first - submitted), 1000 * (imported - first)


async def measure(environment: Path, preload: tuple[str, ...], runs: int) -> dict[str, float]:
    imports = "\n".join(f"import {name}" for name in preload)
    with tempfile.TemporaryDirectory(prefix="sw-") as folder:
        async with bench(Path(folder) / "data", Path(folder) / "image", environment, preload) as running:
            bash = ["/bin/bash", "-c", "exec python3 /opt/ml/code/main.py"]
            cold = [await start_once(running, f"cold-{n}", bash, imports) for n in range(runs)]
            python = ["python3", "/opt/ml/code/main.py"]
            await start_once(running, "first", python, imports)
            sockets = Path(folder) / "data" / "run"
            while not list(sockets.glob("warm-*.sock")):  # noqa: ASYNC110  (not timed)
                await asyncio.sleep(0.05)
            warm = [await start_once(running, f"warm-{n}", python, imports) for n in range(runs)]
    return {
        "warm_p50_ms": statistics.median(first for first, _ in warm), "warm_p95_ms": percentile([first for first, _ in warm], 0.95),
        "cold_p50_ms": statistics.median(first for first, _ in cold), "cold_p95_ms": percentile([first for first, _ in cold], 0.95),
        "warm_imports_p50_ms": statistics.median(done for _, done in warm),
        "cold_imports_p50_ms": statistics.median(done for _, done in cold),
    }


def bare_python(python: Path, runs: int) -> float:
    def once() -> float:
        before = time.time()
        out = subprocess.run([python, "-c", "import time; print(time.time())"], capture_output=True, text=True, check=True).stdout
        return 1000 * (float(out) - before)

    return statistics.median(once() for _ in range(runs))


def metaflow(runs: int) -> float:
    """Milliseconds to the first line of a flow's first local step; needs metaflow in this Python."""
    with tempfile.TemporaryDirectory() as folder:
        out, flow = Path(folder) / "at", Path(folder) / "flow.py"
        flow.write_text(FLOW.format(out=str(out)))
        times = []
        for _ in range(runs):
            before = time.time()
            subprocess.run(
                [sys.executable, str(flow), "--quiet", "run"], check=True, capture_output=True, cwd=folder,
                env={"PATH": "/usr/bin:/bin", "HOME": folder, "USERNAME": "bench", "METAFLOW_USER": "bench"},
            )
            times.append(1000 * (float(out.read_text()) - before))
    return statistics.median(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--environment", type=Path, default=Path(sys.prefix))
    parser.add_argument("--preload", default="numpy")
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--metaflow", action="store_true")
    given = parser.parse_args()
    result = asyncio.run(measure(given.environment, tuple(filter(None, given.preload.split(","))), given.runs))
    result["bare_python_p50_ms"] = bare_python(given.environment / "bin" / "python", given.runs)
    result["imports_ratio"] = result["cold_imports_p50_ms"] / max(result["warm_imports_p50_ms"], 1e-3)
    if given.metaflow:
        result["metaflow_p50_ms"] = metaflow(5)
        result["metaflow_ratio"] = result["metaflow_p50_ms"] / result["warm_p50_ms"]
    print(json.dumps({name: round(value, 2) for name, value in result.items()}, indent=2))


if __name__ == "__main__":
    main()
