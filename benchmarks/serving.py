"""Real-time inference by wrk: one model, every server in turn on this machine, and where a request's time goes with us.

    python benchmarks/serving.py [--seconds 5] [--model xgboost|mlp|sklearn] [--payload] [--peers fastapi,raw,mlserver]
        [--split] [--realtime]

The models, of 30 features: xgboost, a binary classifier of 100 trees of depth 6; mlp, a PyTorch network of two hidden layers of 128
as TorchScript; sklearn, a pipeline of a scaler and a logistic regression, fitted by the release of scikit-learn that serves it. Each
request is one row of CSV, with --payload 1 MiB of rows. Sagewright gets requests that differ in body and signature, each signed as
boto3 signs, and verifies every one; the peers get the same rows unsigned. Before it is measured, every server has to give the
model's own answer. One wrk thread, at 1, 16 and 64 connections. MLServer is measured in its two best configurations, and the better
figure counts; it has no runtime for TorchScript and gets one of a few lines.

--split, without peers: one connection, and what each part takes of a request's mean time. The gateway says itself when a request
came, when it was sent to a worker and when the answer was there (OverheadLatency, ModelLatency); a script that does nothing in the
same image costs the hop alone; the model's predict is timed alone in the image's interpreter. And what CPU time the processes take.

--realtime, for a machine that others use too: one connection, and wrk, the servers and what they started go before every ordinary
process, so that nobody waits for a core. More connections would need all of both cores, of which the kernel keeps some back for
ordinary processes. It takes root.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import os
import random
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from peers import free, post, program, started

from sagewright.bootstrap.agent import images
from sagewright.settings import Settings
from sagewright.testing.jobs import XGBOOST, Jobs
from sagewright.testing.models import packed
from sagewright.testing.processes import living
from sagewright.testing.server import TestServer

FEATURES, MIB = 30, 2**20
CONNECTIONS = (1, 16, 64)
SERVERS = Path(__file__).parent / "servers"
ONE = {"OMP_NUM_THREADS": "1"}
PRIORITY = 10


@dataclass(frozen=True)
class Kind:
    """A model as each server wants it."""

    image: str
    file: str
    archived: str
    """The file's name in our archive."""
    runtime: str
    """MLServer's."""
    script: str = ""


KINDS = {
    "xgboost": Kind(XGBOOST.replace("1.7-1", "3.0-5"), "model.json", "xgboost-model", "mlserver_xgboost.XGBoostModel"),
    "mlp": Kind(
        "763104351884.dkr.ecr.us-east-1.amazonaws.com/pytorch-inference:2.13.0-cpu-py311", "model.pt", "model.pt", "mlserver_torch.Torch"
    ),
    "sklearn": Kind(
        XGBOOST.replace("sagemaker-xgboost:1.7-1", "sagemaker-scikit-learn:1.2-1"), "model.joblib", "model.joblib",
        "mlserver_sklearn.SKLearnModel",
        "import joblib\n\ndef model_fn(model_dir):\n    return joblib.load(f'{model_dir}/model.joblib')\n",
    ),
}  # fmt: skip
NOTHING = "def model_fn(model_dir):\n    return 0\n\ndef transform_fn(model, body, content_type, accept):\n    return '0', 'text/csv'\n"


@dataclass
class Found:
    """What wrk said. Times in milliseconds."""

    rate: float
    p50: float
    p99: float
    bad: int
    requests: int


@dataclass
class Task:
    """What is asked of every server."""

    folder: Path
    kind: str
    bodies: list[str]
    seconds: int
    realtime: bool = False
    trained: dict[str, Path] = field(default_factory=dict)

    def __post_init__(self) -> None:
        (self.folder / "body.csv").write_text(self.bodies[0])

    @property
    def connections(self) -> tuple[int, ...]:
        return CONNECTIONS[:1] if self.realtime else CONNECTIONS

    def model(self, python: str) -> Path:
        """The model's file, trained by an interpreter."""
        if python not in self.trained:
            place = self.folder / f"model-{len(self.trained)}"
            subprocess.run([python, SERVERS / "train.py", self.kind, place, self.folder / "body.csv"], check=True)
            self.trained[python] = place / KINDS[self.kind].file
        return self.trained[python]

    def check(self, who: str, numbers: list[float], model: Path) -> None:
        """Raises SystemExit unless these are the model's answers to the first body."""
        expected = json.loads((model.parent / "expected.json").read_text())
        if len(numbers) != len(expected) or not all(math.isclose(a, b, abs_tol=1e-4) for a, b in zip(numbers, expected, strict=True)):
            raise SystemExit(f"{who} says {numbers[:3]} where the model says {expected[:3]}, {len(numbers)} and {len(expected)} of them")


def lua(path: Path, requests: list[tuple[str, dict[str, str], str]]) -> Path:
    """A wrk script that sends the requests in turn."""
    lines = ["requests = {}", "function init(args)"]  # Host is known by then
    for n, (url, headers, body) in enumerate(requests, 1):
        fields = ", ".join(f"[{json.dumps(k)}]={json.dumps(v)}" for k, v in headers.items())
        lines.append(f"requests[{n}] = wrk.format('POST', {json.dumps(url)}, {{{fields}}}, {json.dumps(body)})")
    lines.append(f"end\nn = 0\nfunction request()\n  n = n % {len(requests)} + 1\n  return requests[n]\nend")
    lines.append(
        "function done(summary, latency)\n  io.write(string.format('FOUND %f %f %f %d %d\\n', summary.requests / summary.duration * 1e6,"
        " latency:percentile(50) / 1000, latency:percentile(99) / 1000,"
        " summary.errors.status + summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout,"
        " summary.requests))\nend"
    )
    path.write_text("\n".join(lines))
    return path


def first(family: Iterable[psutil.Process]) -> None:
    """From now on these processes, and what they start, go before all ordinary ones."""
    for process in family:
        with contextlib.suppress(psutil.Error, ProcessLookupError):  # ended meanwhile
            for thread in process.threads():
                os.sched_setscheduler(thread.id, os.SCHED_RR, os.sched_param(PRIORITY))


def family(roots: Iterable[psutil.Process]) -> list[psutil.Process]:
    found = {}
    for root in roots:
        with contextlib.suppress(psutil.Error):  # ended meanwhile
            found |= {one.pid: one for one in (root, *root.children(recursive=True))}
    return list(found.values())


def wrk(url: str, script: Path, connections: int, seconds: int, realtime: bool = False) -> Found:
    before = ["chrt", "--rr", str(PRIORITY)] if realtime else []
    command = [*before, "wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "--timeout", "10s", "-s", str(script), url]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    found = re.search(r"FOUND ([\d.]+) ([\d.]+) ([\d.]+) (\d+) (\d+)", done.stdout)
    if found is None:
        raise SystemExit(f"wrk failed: {done.stdout}{done.stderr}")
    return Found(float(found[1]), float(found[2]), float(found[3]), int(found[4]), int(found[5]))


def measure(url: str, script: Path, task: Task, servers: Iterable[psutil.Process]) -> dict[int, Found]:
    wrk(url, script, 8, 2)
    if task.realtime:
        first(family(servers))
    return {connections: wrk(url, script, connections, task.seconds, task.realtime) for connections in task.connections}


class Ours:
    """A server of ours, and endpoints on it."""

    def __init__(self, server: TestServer, task: Task) -> None:
        self.server, self.task, self.jobs = server, task, Jobs(server, "bench-bucket")
        keys = server.credentials()
        self._credentials = Credentials(keys["access_key"], keys["secret_key"])
        catalogue = images(Settings.load(environ={**os.environ, "SAGEWRIGHT_DATA": str(server.data)}))
        self.image = catalogue.resolve(KINDS[task.kind].image)
        catalogue.ensure(self.image, lambda line: print(line, flush=True))
        self.python = str(self.image.python)

    def deploy(self, name: str, files: dict[str, bytes]) -> bytes:
        """An endpoint with a model of these files; its first answer."""
        uri = self.jobs.put(f"{name}.tar.gz", packed(files))
        sm = self.jobs.sagemaker
        environ = {**ONE, "SAGEMAKER_MODEL_SERVER_WORKERS": "1"}
        container = {"Image": KINDS[self.task.kind].image, "ModelDataUrl": uri, "Environment": environ}
        sm.create_model(ModelName=name, ExecutionRoleArn=self.jobs.role, PrimaryContainer=container)
        variant = {"VariantName": "v", "ModelName": name, "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}
        sm.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant])
        began = time.perf_counter()
        sm.create_endpoint(EndpointName=name, EndpointConfigName=name)
        sm.get_waiter("endpoint_in_service").wait(EndpointName=name)
        runtime = self.server.client("sagemaker-runtime")
        asked = runtime.invoke_endpoint(EndpointName=name, ContentType="text/csv", Accept="text/csv", Body=self.task.bodies[0])
        answer: bytes = asked["Body"].read()
        print(f"endpoint {name}: {time.perf_counter() - began:.2f} s from CreateEndpoint to the first answer", flush=True)
        return answer

    def processes(self) -> list[psutil.Process]:
        """All that work for the server. Those in sandboxes have no parent that tells, but a mount from its data directory."""
        return [*self.server.processes(), *living(lambda one: str(self.server.data) in Path(f"/proc/{one.pid}/mountinfo").read_text())]

    def model(self) -> None:
        """The endpoint ``e``, of the model; raises SystemExit unless it gives the model's answers."""
        kind, file = KINDS[self.task.kind], self.task.model(self.python)
        files = {kind.archived: file.read_bytes(), **({"code/inference.py": kind.script.encode()} if kind.script else {})}
        self.task.check("Sagewright", numbers(self.deploy("e", files)), file)

    def script(self, name: str) -> Path:
        """A wrk script of signed requests to an endpoint."""
        path = f"/endpoints/{name}/invocations"
        url = f"{self.server.url}{path}"
        signed = []
        for body in self.task.bodies:
            request = AWSRequest("POST", url, {"Content-Type": "text/csv", "Accept": "text/csv"}, body)
            SigV4Auth(self._credentials, "sagemaker", "us-east-1").add_auth(request)
            signed.append((path, {**{k: str(v) for k, v in request.headers.items()}, "Host": url.split("/")[2]}, body))
        return lua(self.task.folder / f"{name}.lua", signed)


def numbers(body: bytes) -> list[float]:
    return [float(cell) for cell in body.decode().replace(",", "\n").split()]


def sagewright(task: Task) -> dict[int, Found]:
    # 64 requests of a mebibyte take a model more than the two seconds that callers are let wait by default; the peers let them
    with TestServer(task.folder / "data", {"queue_seconds": "10"}) as server:
        ours = Ours(server, task)
        ours.model()
        return measure(server.url, ours.script("e"), task, ours.processes())


def uvicorn(task: Task, app: str) -> dict[int, Found]:
    model = task.model(program("serving", "python"))
    port = free()
    command = [program("serving", "uvicorn"), f"{app}:app", "--port", str(port), "--log-level", "error", "--app-dir", str(SERVERS)]
    url = f"http://127.0.0.1:{port}"
    with started(command, f"{url}/ping", MODEL=str(model), **ONE) as process:
        task.check(app, numbers(post(f"{url}/predict", task.bodies[0], "text/csv")), model)
        script = lua(task.folder / f"{app}.lua", [("/predict", {"Content-Type": "text/csv"}, body) for body in task.bodies])
        return measure(url, script, task, [process])


def mlserver(task: Task, batching: bool) -> dict[int, Found]:
    model = task.model(program("mlserver", "python"))
    place = task.folder / f"mlserver-{batching}"
    place.mkdir()
    port = free()
    about: dict[str, Any] = {"name": "m", "implementation": KINDS[task.kind].runtime, "parameters": {"uri": str(model)}}
    settings: dict[str, Any] = {"host": "127.0.0.1", "http_port": port, "grpc_port": free(), "metrics_port": free()}
    if batching:
        about |= {"max_batch_size": 64, "max_batch_time": 0.001}
        settings |= {"parallel_workers": 0}
    (place / "settings.json").write_text(json.dumps(settings))
    (place / "model-settings.json").write_text(json.dumps(about))
    url = f"http://127.0.0.1:{port}"
    bodies = [asked(body) for body in task.bodies]
    with started([program("mlserver", "mlserver"), "start", str(place)], f"{url}/v2/models/m/ready", PYTHONPATH=str(SERVERS), **ONE) as process:
        answer = json.loads(post(f"{url}/v2/models/m/infer", bodies[0], "application/json"))
        task.check("MLServer", answer["outputs"][0]["data"], model)
        script = lua(place / "x.lua", [("/v2/models/m/infer", {"Content-Type": "application/json"}, b) for b in bodies])
        return measure(url, script, task, [process])


def asked(body: str) -> str:
    """A request in the Open Inference Protocol."""
    cells = numbers(body.encode())
    return json.dumps({"inputs": [{"name": "x", "shape": [len(cells) // FEATURES, FEATURES], "datatype": "FP32", "data": cells}]})


def show(name: str, found: dict[int, Found]) -> None:
    cells = "   ".join(f"c={c:<2} {f.rate:8.0f}/s {f.p50:7.2f}/{f.p99:7.2f} ms{f' {f.bad} BAD' if f.bad else ''}" for c, f in found.items())
    print(f"{name:32} {cells}", flush=True)


def requests(payload: bool) -> list[str]:
    """Bodies: 2,000 of a row, or 16 of a mebibyte of rows."""
    source = random.Random(1)

    def row() -> str:
        return ",".join(f"{source.gauss(0, 1):.4f}" for _ in range(FEATURES))

    if not payload:
        return [row() for _ in range(2_000)]
    found = []
    for _ in range(16):
        rows, size = [], 0
        while size < MIB:
            rows.append(row())
            size += len(rows[-1]) + 1
        found.append("\n".join(rows))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=5, help="for each figure")
    parser.add_argument("--model", choices=KINDS, default="xgboost")
    parser.add_argument("--payload", action="store_true", help="requests of 1 MiB instead of one row")
    parser.add_argument("--peers", default="fastapi,raw,mlserver", help="which to run besides")
    parser.add_argument("--split", action="store_true", help="where a request's time goes with us")
    parser.add_argument("--realtime", action="store_true", help="one connection, before all that runs on the machine besides")
    args = parser.parse_args()
    task = Task(Path(tempfile.mkdtemp(prefix="sagewright-bench-")), args.model, requests(args.payload), args.seconds, args.realtime)
    print(f"{args.model}, {f'1 MiB of CSV, {len(task.bodies[0].splitlines())} rows' if args.payload else 'one row of CSV'} a request")
    if args.split:
        from servers.split import split

        split(task)
        return
    peers = args.peers.split(",")
    found = {"Sagewright (signed)": sagewright(task)}
    show("Sagewright (signed)", found["Sagewright (signed)"])
    for peer, app in (("fastapi", "fastapi_app"), ("raw", "raw_app")):
        if peer in peers:
            found[peer] = uvicorn(task, app)
            show(peer, found[peer])
    if "mlserver" in peers:
        for batching in (False, True):
            found[f"mlserver {batching}"] = mlserver(task, batching)
            show(f"MLServer{', adaptive batching' if batching else ''}", found[f"mlserver {batching}"])
    ratios(found)


def ratios(found: dict[str, dict[int, Found]]) -> None:
    ours = found.pop("Sagewright (signed)")
    best = [f for name, f in found.items() if name.startswith("mlserver")]
    if best:
        for c in (c for c in (16, 64) if c in ours):
            rate = max(f[c].rate for f in best)
            print(f"c={c}: {ours[c].rate / rate:.1f} x MLServer's best rate (5 wanted)")
        if 64 in ours:
            print(f"c=64: p99 {ours[64].p99 / min(f[64].p99 for f in best):.2f} of MLServer's best (0.1 wanted)")
    if "fastapi" in found:
        peer = found["fastapi"]
        print(f"c=1: {ours[1].rate / peer[1].rate:.1f} x FastAPI's rate (2 wanted), p50 {ours[1].p50 / peer[1].p50:.2f} of its (0.6 wanted)")
    if "raw" in found:
        for c, f in found["raw"].items():
            print(f"c={c}: {ours[c].rate / f.rate:.0%} of plain ASGI without any check (35 % wanted)")


if __name__ == "__main__":
    sys.exit(main())
