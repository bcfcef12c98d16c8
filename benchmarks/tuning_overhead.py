"""What tuning costs beside the trials: wall time a trial over the bare function, through the public API of a server.

    python benchmarks/tuning_overhead.py [--trials 100] [--rounds 3] [--strategy Random Bayesian] [--suggestions] [--long 5000]
    python benchmarks/tuning_overhead.py --rounds 0 --strategy Random --long 5000
    python benchmarks/tuning_overhead.py --rounds 3 --strategy Random --aged 900

Trials are script-mode jobs whose own work is nothing (the function alone takes microseconds), so that all that is measured
is overhead: decide, write down, create the training job, stage, start, parse the objective, store the model, take in the
end. The strategies take turns, so that what else the machine does falls on both; environments are built before. ``--suggestions``
measures the sampler alone, its CPU with more and more known trials. ``--long`` runs one tuning job of so many trials for each
strategy and prints the wall time and the CPU a trial in each tenth of it: a cost that grows with the history would show there.
``--aged`` tells such a cost from a machine that becomes slower: a server that has run so many trials takes turns with a fresh one.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import statistics
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import psutil

from sagewright.bootstrap.agent import Ports
from sagewright.slices.tuning.sampler import IMAGE as SAMPLER
from sagewright.testing.jobs import Jobs
from sagewright.testing.server import TestServer
from sagewright.testing.tuning import FINAL, Tunings

NOTHING = "print('loss=0.5;', flush=True)"
PARALLEL = 4
RANGES = {"ContinuousParameterRanges": [{"Name": f"x{i}", "MinValue": "0", "MaxValue": "1"} for i in range(4)]}
HISTORIES = (100, 500, 1000, 5000)
Mark = tuple[int, dict[str, float]]
"""Trials that have ended, and the seconds of CPU until then."""


class Meter:
    """Seconds of CPU so far, by who spent them."""

    def __init__(self, server: TestServer) -> None:
        self._server = psutil.Process(server.process.pid)  # type: ignore[union-attr]
        images = Ports().images({"data": str(server.data)})
        self._sampler = images.resolve(SAMPLER).lock_hash
        self._cold: dict[int, float] = {}

    def memory(self) -> float:
        """MiB that the server's process has resident."""
        return float(self._server.memory_info().rss) / 2**20

    def read(self) -> dict[str, float]:
        """``server``: its process; ``sampler``: all samplers, as far as they have been seen, their interpreter's imports
        included; ``all``: every process of the server, those of the jobs too."""
        samplers = total = 0.0
        for process in [self._server, *self._server.children(recursive=True)]:
            with contextlib.suppress(psutil.Error):
                line, spent = process.cmdline(), process.cpu_times()
                total += sum(spent[:4])
                if line and self._sampler in line[0]:
                    if line[-1].endswith("/serve.py"):
                        self._cold[process.pid] = sum(spent[:2])
                    else:  # the warm interpreter and its forks; it takes over what these have spent
                        samplers += sum(spent[:4])
        own = sum(self._server.cpu_times()[:2])
        return {"server": own, "sampler": samplers + sum(self._cold.values()), "all": total}


def tune(tunings: Tunings, meter: Meter, strategy: str, trials: int, marks: list[Mark] | None = None) -> dict[str, Any]:
    """``wall``: seconds from Create to the end; ``times``: when each trial was created, from the first on; seconds of CPU as
    the meter names them. ``marks``: what the meter said as each tenth went by."""
    before = meter.read()
    definition = tunings.definition(NOTHING)
    began = time.monotonic()
    name = tunings.create(tunings.config(strategy, trials, PARALLEL, ParameterRanges=RANGES), definition)
    job: dict[str, Any] = {}
    looked = 0.0
    while job.get("HyperParameterTuningJobStatus") not in FINAL:
        time.sleep(0.1 if trials < 1000 else 1.0)
        job = tunings.describe(name)
        done = job["TrainingJobStatusCounters"]["Completed"]
        if time.monotonic() > looked + 1.0:
            now, looked = meter.read(), time.monotonic()
            if marks is not None and done >= (len(marks) + 1) * trials // 10:
                marks.append((done, {who: now[who] - before[who] for who in now}))
                print(f"    {done} trials after {looked - began:.0f} s; the server has {meter.memory():.0f} MiB resident", flush=True)
    took = (job["HyperParameterTuningEndTime"] - job["CreationTime"]).total_seconds()
    if done != trials:
        raise SystemExit(f"{strategy}: {done} of {trials} trials completed: {job.get('FailureReason')}")
    assert took <= time.monotonic() - began + 1
    times = sorted(t["CreationTime"].timestamp() for t in tunings.trials(name))
    spent = meter.read()
    return {"wall": took, "times": [t - times[0] for t in times]} | {who: spent[who] - before[who] for who in spent}


def cpu(run: dict[str, Any], trials: int) -> str:
    """Milliseconds of CPU a trial, by who spent them."""
    shares = {who: 1000 * run[who] / trials for who in ("server", "sampler", "all")}
    return f"{shares['server']:.1f} ms of the server's CPU, {shares['sampler']:.1f} of the sampler's, {shares['all']:.0f} of all processes'"


def long(tunings: Tunings, meter: Meter, strategy: str, trials: int) -> None:
    """One tuning job of many trials, by tenths."""
    marks: list[Mark] = []
    run = tune(tunings, meter, strategy, trials, marks)
    tenth, times = trials // 10, run["times"]
    paces = [1000 * (times[i + tenth - 1] - times[i]) / (tenth - 1) for i in range(0, trials, tenth)]
    print(f"{strategy}: {trials} trials in {run['wall']:.0f} s; a trial: {cpu(run, trials)}")
    print(f"  ms a trial in each tenth: {', '.join(f'{p:.0f}' for p in paces)}")
    zero: Mark = (0, dict.fromkeys(("server", "sampler", "all"), 0.0))
    for who, title in (("server", "the server's CPU"), ("sampler", "the sampler's"), ("all", "all processes'")):
        spent = [1000 * (b[1][who] - a[1][who]) / max(1, b[0] - a[0]) for a, b in pairwise([zero, *marks])]
        print(f"  ms of {title} a trial in each tenth: {', '.join(f'{p:.1f}' for p in spent)}", flush=True)


def aged(folder: Path, strategy: str, before: int, trials: int, rounds: int) -> None:
    """``trials`` each on a server that has run ``before`` and on a fresh one, in turn."""
    with TestServer(folder / "aged") as old, TestServer(folder / "fresh") as new:
        both = [("aged", Tunings(Jobs(old)), Meter(old)), ("fresh", Tunings(Jobs(new)), Meter(new))]
        for _, tunings, meter in both:
            tune(tunings, meter, strategy, 20)
        tune(*both[0][1:], strategy, before)
        runs: dict[str, list[dict[str, Any]]] = {"aged": [], "fresh": []}
        for _ in range(rounds):
            for name, tunings, meter in both:
                runs[name].append(tune(tunings, meter, strategy, trials))
    for name, some in runs.items():
        means = {k: statistics.mean(r[k] for r in some) for k in ("server", "sampler", "all")}
        print(f"{strategy}, {name} server ({before if name == 'aged' else 0} trials before): {cpu(means, trials)}", flush=True)


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
    parser.add_argument("--aged", type=int, default=0)
    given = parser.parse_args()
    if given.suggestions:
        suggestions()
    if given.aged:
        with tempfile.TemporaryDirectory() as folder:
            for strategy in given.strategy:
                aged(Path(folder) / strategy, strategy, given.aged, given.trials, given.rounds)
        return
    if not given.strategy:
        return
    with tempfile.TemporaryDirectory() as folder, TestServer(Path(folder) / "data") as server:
        tunings, meter = Tunings(Jobs(server)), Meter(server)
        tune(tunings, meter, "Random", PARALLEL)  # the trials' environment is built, their interpreter warm
        if "Bayesian" in given.strategy:
            run = tune(tunings, meter, "Bayesian", 20)
            print(f"the first Bayesian tuning job of this server, of 20 trials: {run['wall']:.1f} s, the sampler's environment built and "
                  f"its interpreter cold; a trial: {cpu(run, 20)}", flush=True)
        found: dict[str, list[dict[str, Any]]] = {}
        for _ in range(given.rounds):
            for strategy in given.strategy:
                found.setdefault(strategy, []).append(tune(tunings, meter, strategy, given.trials))
        for strategy, runs in found.items():
            middle = {k: statistics.median(r[k] for r in runs) for k in ("wall", "server", "sampler", "all")}
            rounds = ", ".join(f"{1000 * r['wall'] / given.trials:.0f}" for r in runs)
            print(f"{strategy}: {given.trials} trials at parallelism {PARALLEL}: {1000 * middle['wall'] / given.trials:.0f} ms a trial "
                  f"({rounds}), {cpu(middle, given.trials)} (medians of {given.rounds} rounds)", flush=True)
        for strategy in given.strategy if given.long else ():
            long(tunings, meter, strategy, given.long)


if __name__ == "__main__":
    main()
