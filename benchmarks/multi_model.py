"""Multi-model endpoints: the first request to a model against the time that the model's own load takes.

    python benchmarks/multi_model.py [--runs 30] [--models 1000]

One endpoint of the XGBoost image, two workers, requests one after another through boto3. Each model's script times its own
load in the worker (``model_fn``) and says it in the answer; what the first request takes beyond that is ours: the request, the
archive fetched and unpacked, the script imported. Goal: at most 50 ms. Then every one of ``--models`` models once, four
requests at a time, and again.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import io
import json
import os
import statistics
import tarfile
import tempfile
import time
from pathlib import Path
from typing import Any

from sagewright.testing.jobs import XGBOOST
from sagewright.testing.models import Models
from sagewright.testing.server import TestServer

GOAL_MS = 50.0
MAKER = """
import numpy as np, xgboost as xgb
def model_fn(d):
    return None
def transform_fn(model, body, kind, accept):
    draw = np.random.default_rng(7)
    rows = draw.normal(size=(4000, 20))
    data = xgb.DMatrix(rows, rows[:, 0] * rows[:, 1] + draw.normal(size=4000))
    return bytes(xgb.train({"max_depth": 6}, data, int(body)).save_raw("json")), "application/octet-stream"
"""
TREES = """
import json, time, xgboost as xgb
def model_fn(d):
    began = time.perf_counter()
    booster = xgb.Booster()
    booster.load_model(d + "/model.json")
    return booster, time.perf_counter() - began
def transform_fn(model, body, kind, accept):
    return json.dumps(model[1]), "application/json"
"""
SMALL = """
import json, time
def model_fn(d):
    began = time.perf_counter()
    with open(d + "/model.json") as file:
        return json.load(file), time.perf_counter() - began
def transform_fn(model, body, kind, accept):
    return json.dumps(model[1]), "application/json"
"""


def archive(script: str, model: bytes) -> bytes:
    """A model.tar.gz with its script."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz", compresslevel=1) as tar:
        for name, data in (("code/inference.py", script.encode()), ("model.json", model)):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


class Bench:
    """One endpoint of a server of its own."""

    def __init__(self, server: TestServer) -> None:
        self.models = Models(server)
        name = self.models.name()
        container = {
            "Image": XGBOOST, "Mode": "MultiModel", "ModelDataUrl": f"s3://{self.models.bucket}/m/",
            "Environment": {"SAGEMAKER_MODEL_SERVER_WORKERS": "2"},
        }
        self.models.sagemaker.create_model(ModelName=name, PrimaryContainer=container, ExecutionRoleArn=self.models.role)
        self.endpoint = self.models.endpoint(self.models.config(name))
        self.models.settled(self.endpoint, 600)

    def put(self, target: str, data: bytes) -> None:
        self.models.put(f"m/{target}", data)

    def ask(self, target: str, body: bytes = b"1") -> tuple[bytes, float]:
        """The answer, and the milliseconds that it took."""
        began = time.perf_counter()
        answer = self.models.invoke(self.endpoint, body, TargetModel=target, ContentType="text/csv")["Body"]
        return answer, 1000 * (time.perf_counter() - began)

    def first(self, kind: str, script: str, model: bytes, runs: int) -> dict[str, Any]:
        """Models that nobody has asked for yet, one after another, each a second time at once."""
        data = archive(script, model)
        own, cold, warm = [], [], []
        for number in range(runs):
            target = f"{kind}-{number}.tar.gz"
            self.put(target, data)
            said, took = self.ask(target)
            own.append(1000 * json.loads(said))
            cold.append(took)
            warm.append(self.ask(target)[1])
        ours = [whole - load for whole, load in zip(cold, own, strict=True)]
        found = {
            "model_bytes": len(model), "first_p50_ms": p50(cold), "own_load_p50_ms": p50(own), "ours_p50_ms": p50(ours),
            "ours_p90_ms": round(sorted(ours)[int(len(ours) * 0.9)], 1), "warm_p50_ms": p50(warm),
        }
        print(f"{kind:>6} ({len(model):>8} bytes): first request {found['first_p50_ms']} ms, the model's own load "
              f"{found['own_load_p50_ms']} ms, ours {found['ours_p50_ms']} ms (p90 {found['ours_p90_ms']})   goal {GOAL_MS:g} ms; "
              f"the next request {found['warm_p50_ms']} ms", flush=True)  # fmt: skip
        return found

    def many(self, count: int) -> dict[str, Any]:
        """Every model once, then again."""
        data = archive(SMALL, json.dumps(list(range(200))).encode())
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda n: self.put(f"many-{n}.tar.gz", data), range(count)))
            found: dict[str, Any] = {}
            for turn in ("first", "again"):
                began = time.perf_counter()
                took = sorted(ms for _, ms in pool.map(lambda n: self.ask(f"many-{n}.tar.gz"), range(count)))
                seconds = time.perf_counter() - began
                found[turn] = {"seconds": round(seconds, 1), "p50_ms": p50(took), "p99_ms": round(took[int(count * 0.99)], 1)}
                print(f"{count} models, {turn}: {seconds:.1f} s, p50 {found[turn]['p50_ms']} ms, p99 {found[turn]['p99_ms']} ms", flush=True)
        return found


def p50(values: list[float]) -> float:
    return round(statistics.median(values), 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=30)
    parser.add_argument("--models", type=int, default=1000)
    given = parser.parse_args()
    os.environ.setdefault("SAGEWRIGHT_ENVIRONMENTS", str(Path(__file__).parent.parent / ".cache" / "environments"))
    with tempfile.TemporaryDirectory(prefix="sw-") as folder, TestServer(Path(folder) / "data") as server:
        bench = Bench(server)
        result: dict[str, Any] = {"load_average": os.getloadavg(), "processors": os.cpu_count()}
        bench.put("maker.tar.gz", archive(MAKER, b""))
        result["small"] = bench.first("small", SMALL, b"[1, 2, 3]", given.runs)
        for trees in (100, 1000):
            booster, _ = bench.ask("maker.tar.gz", str(trees).encode())
            result[f"{trees} trees"] = bench.first(f"{trees} t", TREES, booster, given.runs)
        result["many"] = bench.many(given.models)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
