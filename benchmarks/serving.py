"""Real-time inference by wrk: one XGBoost model, one row a request, every server in turn on this machine.

    python benchmarks/serving.py [--seconds 5] [--peers fastapi,raw,mlserver] [--payload]

The model: binary classifier, 100 trees of depth 6, 30 features. Sagewright gets 2,000 requests that differ in body and
signature, each signed as boto3 signs, and verifies every one; the peers get the same rows unsigned. One wrk thread, at 1, 16
and 64 connections. MLServer is measured in its two best configurations, and the better figure counts.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import re
import socket
import subprocess
import sys
import tarfile
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from peers import program

from sagewright.testing.jobs import XGBOOST, Jobs
from sagewright.testing.server import TestServer

FEATURES, ROWS = 30, 2_000
CONNECTIONS = (1, 16, 64)
HERE = Path(__file__).parent
IMAGE = XGBOOST.replace("1.7-1", "3.0-5")

TRAIN = """
import sys, numpy as np, xgboost as xgb
rng = np.random.default_rng(7)
x = rng.normal(size=(20_000, 30)).astype(np.float32)
y = ((x[:, :10].sum(1) + rng.normal(size=20_000)) > 0).astype(int)
booster = xgb.train({"objective": "binary:logistic", "max_depth": 6, "nthread": 2}, xgb.DMatrix(x, y), 100)
booster.save_model(sys.argv[1])
"""


@dataclass
class Found:
    """What wrk said. Times in milliseconds."""

    rate: float
    p50: float
    p99: float
    bad: int


def lua(path: Path, requests: list[tuple[str, dict[str, str], str]]) -> Path:
    """A wrk script that sends the requests in turn."""
    lines = ["requests = {}", "function init(args)"]  # Host is known by then
    for n, (url, headers, body) in enumerate(requests, 1):
        fields = ", ".join(f"[{json.dumps(k)}]={json.dumps(v)}" for k, v in headers.items())
        lines.append(f"requests[{n}] = wrk.format('POST', {json.dumps(url)}, {{{fields}}}, {json.dumps(body)})")
    lines.append(f"end\nn = 0\nfunction request()\n  n = n % {len(requests)} + 1\n  return requests[n]\nend")
    lines.append(
        "function done(summary, latency)\n  io.write(string.format('FOUND %f %f %f %d\\n', summary.requests / summary.duration * 1e6,"
        " latency:percentile(50) / 1000, latency:percentile(99) / 1000,"
        " summary.errors.status + summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout))\nend"
    )
    path.write_text("\n".join(lines))
    return path


def wrk(url: str, script: Path, connections: int, seconds: int) -> Found:
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "-s", str(script), url]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    found = re.search(r"FOUND ([\d.]+) ([\d.]+) ([\d.]+) (\d+)", done.stdout)
    if found is None:
        raise SystemExit(f"wrk failed: {done.stdout}{done.stderr}")
    return Found(float(found[1]), float(found[2]), float(found[3]), int(found[4]))


def measure(url: str, script: Path, seconds: int) -> dict[int, Found]:
    wrk(url, script, 8, 2)
    return {connections: wrk(url, script, connections, seconds) for connections in CONNECTIONS}


def free() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def started(command: list[str], url: str, **environ: str) -> Iterator[None]:
    """A peer that runs until the end of the block."""
    out = tempfile.TemporaryFile()  # noqa: SIM115
    process = subprocess.Popen(command, stdout=out, stderr=out, env={**os.environ, "OMP_NUM_THREADS": "1", **environ})
    try:
        end = time.monotonic() + 120
        while True:
            try:
                urllib.request.urlopen(url, timeout=5).close()
                break
            except OSError:
                if process.poll() is not None or time.monotonic() > end:
                    out.seek(0)
                    raise SystemExit(f"{command} did not start:\n{out.read().decode()[-3000:]}") from None
                time.sleep(0.1)  # another program: there is nothing to wait on but its port
        yield
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def sagewright(folder: Path, model: Path, rows: list[str], seconds: int) -> dict[int, Found]:
    with TestServer(folder / "data") as server:
        jobs = Jobs(server, "bench-bucket")
        archive = folder / "model.tar.gz"
        with tarfile.open(archive, "w:gz") as tar:
            tar.add(model, "xgboost-model")
        uri = jobs.put("model.tar.gz", archive.read_bytes())
        container = {"Image": IMAGE, "ModelDataUrl": uri, "Environment": {"OMP_NUM_THREADS": "1", "SAGEMAKER_MODEL_SERVER_WORKERS": "1"}}
        sm = jobs.sagemaker
        sm.create_model(ModelName="m", ExecutionRoleArn=jobs.role, PrimaryContainer=container)
        variant = {"VariantName": "v", "ModelName": "m", "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}
        sm.create_endpoint_config(EndpointConfigName="c", ProductionVariants=[variant])
        began = time.perf_counter()
        sm.create_endpoint(EndpointName="e", EndpointConfigName="c")
        sm.get_waiter("endpoint_in_service").wait(EndpointName="e")
        runtime = server.client("sagemaker-runtime")
        answer = runtime.invoke_endpoint(EndpointName="e", ContentType="text/csv", Body=rows[0])["Body"].read()
        print(f"endpoint: {time.perf_counter() - began:.2f} s from CreateEndpoint to the first answer, {answer.decode()}")
        keys = server.credentials()
        credentials = Credentials(keys["access_key"], keys["secret_key"])
        url = f"{server.url}/endpoints/e/invocations"
        signed = []
        for row in rows:
            request = AWSRequest("POST", url, {"Content-Type": "text/csv"}, row)
            SigV4Auth(credentials, "sagemaker", "us-east-1").add_auth(request)
            signed.append(("/endpoints/e/invocations", {**{k: str(v) for k, v in request.headers.items()}, "Host": url.split("/")[2]}, row))
        return measure(server.url, lua(folder / "ours.lua", signed), seconds)


def uvicorn(folder: Path, model: Path, rows: list[str], seconds: int, app: str) -> dict[int, Found]:
    port = free()
    command = [program("serving", "uvicorn"), f"{app}:app", "--port", str(port), "--log-level", "error", "--app-dir", str(HERE / "servers")]
    url = f"http://127.0.0.1:{port}"
    with started(command, f"{url}/ping", MODEL=str(model)):
        return measure(url, lua(folder / f"{app}.lua", [("/predict", {"Content-Type": "text/csv"}, row) for row in rows]), seconds)


def mlserver(folder: Path, model: Path, rows: list[str], seconds: int, batching: bool) -> dict[int, Found]:
    place = folder / f"mlserver-{batching}"
    place.mkdir()
    port = free()
    about = {"name": "m", "implementation": "mlserver_xgboost.XGBoostModel", "parameters": {"uri": str(model)}}
    settings = {"host": "127.0.0.1", "http_port": port, "grpc_port": free(), "metrics_port": free()}
    if batching:
        about |= {"max_batch_size": 64, "max_batch_time": 0.001}
        settings |= {"parallel_workers": 0}
    (place / "settings.json").write_text(json.dumps(settings))
    (place / "model-settings.json").write_text(json.dumps(about))
    url = f"http://127.0.0.1:{port}"
    bodies = [
        json.dumps({"inputs": [{"name": "x", "shape": [1, FEATURES], "datatype": "FP32", "data": [float(c) for c in row.split(",")]}]})
        for row in rows
    ]
    with started([program("mlserver", "mlserver"), "start", str(place)], f"{url}/v2/models/m/ready"):
        return measure(url, lua(place / "x.lua", [("/v2/models/m/infer", {"Content-Type": "application/json"}, b) for b in bodies]), seconds)


def show(name: str, found: dict[int, Found]) -> None:
    cells = "   ".join(f"c={c:<2} {f.rate:8.0f}/s {f.p50:7.2f}/{f.p99:7.2f} ms{f' {f.bad} BAD' if f.bad else ''}" for c, f in found.items())
    print(f"{name:32} {cells}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=5, help="for each figure")
    parser.add_argument("--peers", default="fastapi,raw,mlserver", help="which to run besides")
    args = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="sagewright-bench-"))
    model = folder / "model.json"
    subprocess.run([program("serving", "python"), "-c", TRAIN, str(model)], check=True)
    source = random.Random(1)
    rows = [",".join(f"{source.gauss(0, 1):.4f}" for _ in range(FEATURES)) for _ in range(ROWS)]
    peers = args.peers.split(",")
    found = {"Sagewright (signed)": sagewright(folder, model, rows, args.seconds)}
    show("Sagewright (signed)", found["Sagewright (signed)"])
    for peer, app in (("fastapi", "fastapi_app"), ("raw", "raw_app")):
        if peer in peers:
            found[peer] = uvicorn(folder, model, rows, args.seconds, app)
            show(peer, found[peer])
    if "mlserver" in peers:
        for batching in (False, True):
            found[f"mlserver {batching}"] = mlserver(folder, model, rows, args.seconds, batching)
            show(f"MLServer{', adaptive batching' if batching else ''}", found[f"mlserver {batching}"])
    ratios(found)


def ratios(found: dict[str, dict[int, Found]]) -> None:
    ours = found.pop("Sagewright (signed)")
    best = [f for name, f in found.items() if name.startswith("mlserver")]
    if best:
        for c in (16, 64):
            rate = max(f[c].rate for f in best)
            print(f"c={c}: {ours[c].rate / rate:.1f} x MLServer's best rate (5 wanted)")
        print(f"c=64: p99 {ours[64].p99 / min(f[64].p99 for f in best):.2f} of MLServer's best (0.1 wanted)")
    if "fastapi" in found:
        peer = found["fastapi"]
        print(f"c=1: {ours[1].rate / peer[1].rate:.1f} x FastAPI's rate (2 wanted), p50 {ours[1].p50 / peer[1].p50:.2f} of its (0.6 wanted)")
    if "raw" in found:
        for c, f in found["raw"].items():
            print(f"c={c}: {ours[c].rate / f.rate:.0%} of plain ASGI without any check (35 % wanted)")


if __name__ == "__main__":
    sys.exit(main())
