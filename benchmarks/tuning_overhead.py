"""What tuning costs beside the trials: wall time a trial over the bare function, through the public API of a server.

    python benchmarks/tuning_overhead.py [--trials 100] [--rounds 3] [--strategy Random Bayesian] [--suggestions] [--long 5000]

Trials are script-mode jobs whose own work is nothing (the function alone takes microseconds), so that all that is measured
is overhead: decide, write down, create the training job, stage, start, parse the objective, store the model, take in the
end. The strategies take turns, so that what else the machine does falls on both; environments are built before. ``--suggestions``
measures the sampler alone, its CPU with more and more known trials. ``--long`` runs one tuning job of so many random trials
and prints the wall time and the server's CPU a trial in each tenth of it: a cost that grows with the history would show there.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil

from sagewright.testing.jobs import Jobs
from sagewright.testing.server import TestServer
from sagewright.testing.tuning import FINAL, Tunings

NOTHING = "print('loss=0.5;', flush=True)"
PARALLEL = 4
RANGES = {"ContinuousParameterRanges": [{"Name": f"x{i}", "MinValue": "0", "MaxValue": "1"} for i in range(4)]}
HISTORIES = (100, 500, 1000, 5000)


class Meter:
    """Seconds of CPU: the server's, and those of the samplers that it has started."""

    def __init__(self, server: TestServer, folder: str) -> None:
        self._server = psutil.Process(server.process.pid)  # type: ignore[union-attr]
        self._jobs = f"{Path(folder).name}/data/jobs/"
        self._samplers: dict[int, float] = {}

    def server(self) -> float:
        return float(sum(self._server.cpu_times()[:2]))

    def samplers(self) -> float:
        """As far as they have been seen alive; one that was forked off a warm interpreter has its name and is not seen."""
        for process in psutil.process_iter():
            try:
                served = " ".join(process.cmdline()).strip().endswith("/serve.py")
                # in its sandbox it sees a folder of this server's jobs
                if served and self._jobs in Path(f"/proc/{process.pid}/mounts").read_text():
                    self._samplers[process.pid] = sum(process.cpu_times()[:2])
            except (psutil.Error, OSError):
                continue
        return sum(self._samplers.values())


def tune(tunings: Tunings, meter: Meter, strategy: str, trials: int, tenths: list[tuple[int, float]] | None = None) -> dict[str, Any]:
    """Seconds from Create to the end, the server's and the sampler's seconds of CPU, when each trial was created (from the
    first on); into ``tenths`` (trials, the server's CPU so far) as they go by."""
    server, samplers = meter.server(), meter.samplers()
    definition = tunings.definition(NOTHING)
    began = time.monotonic()
    name = tunings.create(tunings.config(strategy, trials, PARALLEL, ParameterRanges=RANGES), definition)
    job: dict[str, Any] = {}
    looked, last = 0.0, samplers
    while job.get("HyperParameterTuningJobStatus") not in FINAL:
        time.sleep(0.1 if trials < 1000 else 1.0)
        job = tunings.describe(name)
        if strategy == "Bayesian" and time.monotonic() > looked + 0.5:
            last, looked = meter.samplers(), time.monotonic()
        done = job["TrainingJobStatusCounters"]["Completed"]
        if tenths is not None and done >= (len(tenths) + 1) * trials // 10:
            tenths.append((done, meter.server() - server))
    took = (job["HyperParameterTuningEndTime"] - job["CreationTime"]).total_seconds()
    if done != trials:
        raise SystemExit(f"{strategy}: {done} of {trials} trials completed: {job.get('FailureReason')}")
    assert took <= time.monotonic() - began + 1
    times = sorted(t["CreationTime"].timestamp() for t in tunings.trials(name))
    return {"wall": took, "server": meter.server() - server, "sampler": last - samplers, "times": [t - times[0] for t in times]}


def suggestions() -> None:
    """The CPU of one suggestion, and of each of eight at once, by known trials."""
    os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"  # as its image sets them
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "images" / "tuning"))
    import numpy as np
    from tuning_image.sampler import Sampler

    rng = np.random.default_rng(0)
    for known in HISTORIES:
        points = rng.random((known, 6)).tolist()
        values = [sum((v - 0.4) ** 2 for v in p) for p in points]
        cells = []
        for count in (1, 8):
            sampler, took = Sampler([{}] * 6, 0), []
            sampler.suggest(points, values)
            for more in range(9):
                points.append(rng.random(6).tolist())
                values.append(float(more))
                began = time.process_time()
                sampler.suggest(points, values, count=count)
                took.append(1000 * (time.process_time() - began) / count)
            cells.append(f"{statistics.median(took):.0f} ms" + (f" each of {count}" if count > 1 else ""))
        print(f"CPU of a suggestion after {known} trials: {', '.join(cells)}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--strategy", nargs="*", default=["Random", "Bayesian"])
    parser.add_argument("--suggestions", action="store_true")
    parser.add_argument("--long", type=int, default=0)
    given = parser.parse_args()
    if given.suggestions:
        suggestions()
    if not given.strategy:
        return
    with tempfile.TemporaryDirectory() as folder, TestServer(Path(folder) / "data") as server:
        tunings, meter = Tunings(Jobs(server)), Meter(server, folder)
        tune(tunings, meter, "Random", PARALLEL)  # the trials' environment is built, their interpreter warm
        if "Bayesian" in given.strategy:
            run = tune(tunings, meter, "Bayesian", given.trials)
            print(f"the first Bayesian tuning job of this server: {run['wall']:.1f} s, the sampler's environment built and its "
                  f"interpreter cold; its CPU {1000 * run['sampler'] / given.trials:.1f} ms a trial, imports included", flush=True)
        found: dict[str, list[dict[str, Any]]] = {}
        for _ in range(given.rounds):
            for strategy in given.strategy:
                found.setdefault(strategy, []).append(tune(tunings, meter, strategy, given.trials))
        for strategy, runs in found.items():
            wall, cpu = (statistics.median(1000 * r[k] / given.trials for r in runs) for k in ("wall", "server"))
            rounds = ", ".join(f"{1000 * r['wall'] / given.trials:.0f}" for r in runs)
            print(f"{strategy}: {given.trials} trials at parallelism {PARALLEL}: {wall:.0f} ms a trial "
                  f"({rounds}), {cpu:.1f} ms of the server's CPU "
                  f"(medians of {given.rounds} rounds)", flush=True)
        if given.long:
            marks: list[tuple[int, float]] = []
            run = tune(tunings, meter, "Random", given.long, marks)
            tenth, times = given.long // 10, run["times"]
            paces = [1000 * (times[i + tenth - 1] - times[i]) / (tenth - 1) for i in range(0, given.long, tenth)]
            spent = [1000 * (b[1] - a[1]) / max(1, b[0] - a[0]) for a, b in zip([(0, 0.0), *marks], marks, strict=False)]
            print(f"Random: {given.long} trials in {run['wall']:.0f} s, {1000 * run['server'] / given.long:.0f} ms of the server's CPU a trial")
            print(f"  ms a trial in each tenth: {', '.join(f'{p:.0f}' for p in paces)}")
            print(f"  ms of the server's CPU a trial in each tenth: {', '.join(f'{p:.0f}' for p in spent)}")


if __name__ == "__main__":
    main()
