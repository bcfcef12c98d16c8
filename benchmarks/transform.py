"""Batch transform: a CSV of a given size through the built-in XGBoost image, against the model's own bulk predict.

    python benchmarks/transform.py [--mib 1024] [--columns 28] [--rounds 200] [--runs 3]

Trains a model through the public API, then in turns, on the same file:

- alone: one process in the image's own environment, outside of any job: read the CSV (pandas, the C parser, float32), predict
  (all threads), write a prediction a line. Timed from the open of the file to the end of the output, and as a whole program;
- transform: CreateTransformJob with SplitType and AssembleWith Line and the rest left to the container, timed from
  TransformStartTime to TransformEndTime, and from the call to the answer of the waiter.

Then it compares the two outputs line by line, and says the peak memory of the server and of the model's processes with the
whole file and with an eighth of it. Ratios matter, absolutes drift.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import statistics
import subprocess
import tempfile
import textwrap
import threading
import time
from pathlib import Path
from typing import Any

import psutil

from sagewright.bootstrap.agent import images
from sagewright.settings import Settings
from sagewright.testing.jobs import XGBOOST, Jobs
from sagewright.testing.server import TestServer

MIB = 2**20
TYPE = "ml.m5.large"
ALONE = textwrap.dedent("""
    import sys, time
    import numpy as np, pandas as pd, xgboost as xgb
    booster = xgb.Booster()
    booster.load_model(sys.argv[1])
    begin = time.perf_counter()
    rows = pd.read_csv(sys.argv[2], header=None, dtype=np.float32).to_numpy()
    read = time.perf_counter()
    found = booster.predict(xgb.DMatrix(rows), validate_features=False)
    predicted = time.perf_counter()
    with open(sys.argv[3], "w") as out:
        out.write("\\n".join([str(value) for value in found.tolist()]) + "\\n")
    end = time.perf_counter()
    import resource
    used = resource.getrusage(resource.RUSAGE_SELF)
    print(end - begin, read - begin, predicted - read, end - predicted, used.ru_maxrss / 1024, used.ru_utime + used.ru_stime)
""")


def table(path: Path, mib: int, columns: int, *, labels: bool = False) -> None:
    """A CSV of numbers of six digits. Every row is another: its first column counts."""
    chance = random.Random(columns)
    tails = [",".join(f"{chance.uniform(-9, 9):.5f}" for _ in range(columns - 1)).encode() for _ in range(8191)]
    size = number = 0
    with path.open("wb") as file:
        while size < mib * MIB:
            lines = []
            for tail in tails:
                first = b"%.5f" % (number % 99991 / 9999.1)
                label = b"%.4f," % (sum(float(v) for v in tail.split(b",")[:4]) + float(first)) if labels else b""
                lines.append(label + first + b"," + tail)
                number += 1
            block = b"\n".join(lines) + b"\n"
            file.write(block)
            size += len(block)


def python(server: TestServer, image: str) -> Path:
    """The interpreter of an image's environment, built if need be."""
    catalogue = images(Settings.load(environ={**os.environ, "SAGEWRIGHT_DATA": str(server.data)}))
    found = catalogue.resolve(image)
    catalogue.ensure(found, lambda line: print(line, flush=True))
    return found.python


class Watch(threading.Thread):
    """Peak resident memory of the server, and of the model's processes together, while it runs."""

    def __init__(self, server: TestServer) -> None:
        super().__init__(daemon=True)
        assert server.process is not None
        self.all, self.server = server, psutil.Process(server.process.pid)
        self.peaks = {"server": 0.0, "model": 0.0}
        self.cpu: dict[psutil.Process, float] = {}
        """Seconds that each process has used."""
        self._end = threading.Event()

    def run(self) -> None:
        while not self._end.wait(0.2):
            here = self.server.memory_info().rss / MIB
            family = {one: None for found in self.all.processes() for one in (found, *_children(found))}
            model = sum(_rss(one) for one in family if one.pid != self.server.pid)
            self.cpu |= {one: _cpu(one) for one in family}
            self.peaks = {"server": max(self.peaks["server"], here), "model": max(self.peaks["model"], model)}

    def end(self) -> dict[str, float]:
        self._end.set()
        self.join()
        return self.peaks


def _children(one: psutil.Process) -> list[psutil.Process]:
    try:
        return list(one.children(recursive=True)) if "agent" in " ".join(one.cmdline()) else []
    except psutil.Error:
        return []


def _cpu(one: psutil.Process) -> float:
    try:
        return float(sum(one.cpu_times()[:2]))
    except psutil.Error:
        return 0.0


def _rss(one: psutil.Process) -> float:
    try:
        return float(one.memory_info().rss) / MIB
    except psutil.Error:
        return 0.0


class Bench:
    """A server with a trained model."""

    def __init__(self, server: TestServer, folder: Path, columns: int, rounds: int) -> None:
        self.server, self.folder, self.jobs = server, folder, Jobs(server, "bench")
        self.model, self.file = self._train(columns, rounds)

    def _train(self, columns: int, rounds: int) -> tuple[str, Path]:
        data = self.folder / "train.csv"
        table(data, 4, columns, labels=True)
        self.jobs.s3.upload_file(str(data), "bench", "train/train.csv")
        name = self.jobs.train(
            image=XGBOOST,
            InputDataConfig=[self.jobs.channel("train", "s3://bench/train/") | {"ContentType": "text/csv"}],
            HyperParameters={"num_round": str(rounds), "max_depth": "6", "objective": "reg:squarederror"},
        )
        about = self.jobs.ended(name, 900)
        if about["TrainingJobStatus"] != "Completed":
            raise SystemExit(about["FailureReason"])
        archive = about["ModelArtifacts"]["S3ModelArtifacts"]
        (self.folder / "model.tar.gz").write_bytes(self.jobs.get(archive))
        subprocess.run(["tar", "xzf", "model.tar.gz"], cwd=self.folder, check=True)
        self.jobs.sagemaker.create_model(
            ModelName="bench", ExecutionRoleArn=self.jobs.role, PrimaryContainer={"Image": XGBOOST, "ModelDataUrl": archive}
        )
        return "bench", self.folder / "xgboost-model"

    def alone(self, interpreter: Path, source: Path) -> dict[str, float]:
        began = time.perf_counter()
        done = subprocess.run(
            [interpreter, "-c", ALONE, self.file, source, self.folder / "alone.out"], capture_output=True, text=True, check=True
        )
        work, read, predict, write, memory, cpu = map(float, done.stdout.split())
        return {"work": work, "whole": time.perf_counter() - began, "read": read, "predict": predict, "write": write, "MiB": memory, "cpu": cpu}

    def transform(self, key: str) -> dict[str, float]:
        name = self.jobs.name("bench")
        watch = Watch(self.server)
        watch.start()
        before = {one: _cpu(one) for one in self.server.processes()}
        began = time.perf_counter()
        self.jobs.sagemaker.create_transform_job(
            TransformJobName=name, ModelName=self.model,
            TransformInput={"DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://bench/{key}"}},
                            "ContentType": "text/csv", "SplitType": "Line"},
            TransformOutput={"S3OutputPath": f"s3://bench/{name}", "Accept": "text/csv", "AssembleWith": "Line"},
            TransformResources={"InstanceType": TYPE, "InstanceCount": 1},
        )  # fmt: skip
        self.jobs.sagemaker.get_waiter("transform_job_completed_or_stopped").wait(TransformJobName=name)
        whole = time.perf_counter() - began
        peaks = watch.end()
        used = {one: seconds - before.get(one, 0.0) for one, seconds in watch.cpu.items()}
        about: dict[str, Any] = self.jobs.sagemaker.describe_transform_job(TransformJobName=name)
        work = (about["TransformEndTime"] - about["TransformStartTime"]).total_seconds()
        self.jobs.s3.download_file("bench", f"{name}/{key.rsplit('/')[-1]}.out", str(self.folder / "transform.out"))
        return {"work": work, "whole": whole, "cpu": sum(used.values()), "serving": used[watch.server], **peaks}


def digest(path: Path) -> tuple[str, int]:
    """Of the predictions as numbers, which the two may write differently; how many lines."""
    seen, count = hashlib.sha256(), 0
    with path.open() as file:
        for line in file:
            seen.update(b"%.6g\n" % float(line))
            count += 1
    return seen.hexdigest(), count


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--mib", type=int, default=1024)
    options.add_argument("--columns", type=int, default=28)
    options.add_argument("--rounds", type=int, default=200)
    options.add_argument("--runs", type=int, default=3)
    asked = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="sagewright-bench-") as name, TestServer(Path(name) / "data") as server:
        folder = Path(name)
        bench = Bench(server, folder, asked.columns, asked.rounds)
        interpreter = python(server, XGBOOST)
        for label, mib in (("eighth", max(1, asked.mib // 8)), ("whole", asked.mib)):
            table(folder / f"{label}.csv", mib, asked.columns)
            bench.jobs.s3.upload_file(str(folder / f"{label}.csv"), "bench", f"in/{label}.csv")
        size = (folder / "whole.csv").stat().st_size / MIB
        small = bench.transform("in/eighth.csv")
        alone, job = [], []
        for _ in range(asked.runs):
            alone.append(bench.alone(interpreter, folder / "whole.csv"))
            job.append(bench.transform("in/whole.csv"))
            if (ours := digest(folder / "transform.out")) != (theirs := digest(folder / "alone.out")):
                raise SystemExit(f"the outputs differ: {ours[1]} and {theirs[1]} lines")
        print(f"{size:.0f} MiB of CSV, {ours[1]} rows, {asked.columns} columns, {asked.rounds} trees; outputs equal line by line")
        for what, title in (("work", "reading to written"), ("whole", "with every start")):
            ours_s, theirs_s = (statistics.median(run[what] for run in runs) for runs in (job, alone))
            print(f"{title:<20} alone {size / theirs_s:7.1f} MiB/s   transform {size / ours_s:7.1f} MiB/s   ratio {theirs_s / ours_s:.2f}   (target 0.90)")
        ours_s, theirs_s = (statistics.median(run["cpu"] for run in runs) for runs in (job, alone))
        print(f"{'seconds of CPU':<20} alone {theirs_s:7.1f}         transform {ours_s:7.1f}         of which the server {statistics.median(run['serving'] for run in job):.2f}")
        parts = "   ".join(f"{part} {statistics.median(run[part] for run in alone):.2f} s" for part in ("read", "predict", "write"))
        print(f"{'alone':<20} {parts}   peak {max(run['MiB'] for run in alone):.0f} MiB")
        for who in ("server", "model"):
            print(f"{'peak of the ' + who:<20} {small[who]:.0f} MiB with an eighth of the file, {max(run[who] for run in job):.0f} MiB with the whole")


if __name__ == "__main__":
    main()
