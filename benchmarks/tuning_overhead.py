"""What tuning costs beside the trials: wall time a trial over the bare function, through the public API of a server.

    python benchmarks/tuning_overhead.py [--trials 100] [--strategy Random Bayesian] [--long 5000]

Trials are script-mode jobs whose own work is nothing (the function alone takes microseconds), so that all that is measured
is overhead: decide, write down, create the training job, stage, start, parse the objective, store the model, take in the
end. ``--long`` runs one tuning job of so many random trials and prints the wall time a trial in each tenth of it: a cost
that grows with the history would show there. Bayesian's own growth is that of its suggestions, measured by themselves.
"""

from __future__ import annotations

import argparse
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


def tune(tunings: Tunings, strategy: str, trials: int) -> tuple[float, float, list[float]]:
    """Seconds from Create to the end, the server's seconds of CPU, and when each trial was created, from the first on."""
    process = psutil.Process(tunings.jobs.server.process.pid)  # type: ignore[union-attr]
    before = sum(process.cpu_times()[:2])
    definition = tunings.definition(NOTHING)
    began = time.monotonic()
    name = tunings.create(tunings.config(strategy, trials, PARALLEL, ParameterRanges=RANGES), definition)
    job: dict[str, Any] = {}
    while job.get("HyperParameterTuningJobStatus") not in FINAL:
        time.sleep(0.1 if trials < 1000 else 1.0)
        job = tunings.describe(name)
    took = (job["HyperParameterTuningEndTime"] - job["CreationTime"]).total_seconds()
    done = job["TrainingJobStatusCounters"]["Completed"]
    if done != trials:
        raise SystemExit(f"{strategy}: {done} of {trials} trials completed: {job.get('FailureReason')}")
    assert took <= time.monotonic() - began + 1
    times = sorted(t["CreationTime"].timestamp() for t in tunings.trials(name))
    return took, sum(process.cpu_times()[:2]) - before, [t - times[0] for t in times]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--strategy", nargs="*", default=["Random", "Bayesian"])
    parser.add_argument("--long", type=int, default=0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, TestServer(Path(folder) / "data") as server:
        tunings = Tunings(Jobs(server))
        tune(tunings, "Random", PARALLEL)  # the environment is built and the interpreter warm
        for strategy in given.strategy:
            took, cpu, _ = tune(tunings, strategy, given.trials)
            print(f"{strategy}: {given.trials} trials at parallelism {PARALLEL} in {took:.2f} s: {1000 * took / given.trials:.0f} ms a "
                  f"trial, {1000 * cpu / given.trials:.0f} ms of the server's CPU", flush=True)
        if given.long:
            took, cpu, times = tune(tunings, "Random", given.long)
            tenth = given.long // 10
            paces = [1000 * (times[i + tenth - 1] - times[i]) / (tenth - 1) for i in range(0, given.long, tenth)]
            print(f"Random: {given.long} trials in {took:.0f} s, {1000 * cpu / given.long:.0f} ms of the server's CPU a trial; ms a trial in each tenth: {', '.join(f'{p:.0f}' for p in paces)}")


if __name__ == "__main__":
    main()
