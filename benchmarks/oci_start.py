"""Start of a job in a container image: CreateTrainingJob answered → first instruction of the image's program.

    python benchmarks/oci_start.py [--runs 20]

An image is made of this machine's own Python (its program, libraries and standard library, as python:slim holds them) and
imported. Beside it, in the same run and in turn with it, the plain declared Python environment: warm (forked from a running interpreter) and cold (``bash -c`` in front of it). Each job
says ``time.time()`` in its first line; all clocks are this machine's. Also measured: what unpacking costs, once for each
image, and the round trip of a request to an endpoint whose image listens on TCP 8080 alone. Ratios matter, absolutes drift.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import sysconfig
import tempfile
import time
from pathlib import Path
from typing import Any

from sagewright.agent.oci import sources
from sagewright.agent.oci.blobs import Blobs
from sagewright.agent.oci.reference import parse
from sagewright.bootstrap.agent import images
from sagewright.settings import Settings
from sagewright.testing import containers
from sagewright.testing.jobs import PYTHON, Jobs
from sagewright.testing.server import TestServer

CODE = "import time\nprint('SAID', time.time(), flush=True)\n"
SERVE = """
import socketserver, http.server
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def answer(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.send_response(200); self.send_header("Content-Length", str(len(body))); self.end_headers(); self.wfile.write(body)
    do_GET = do_POST = answer
    def log_message(self, *_): pass
class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
Server(("0.0.0.0", 8080), Handler).serve_forever()
"""
SKIP = {"test", "site-packages", "dist-packages", "idlelib", "tkinter", "ensurepip", "__pycache__", "lib2to3", "turtledemo"}


def python_root(folder: Path) -> Path:
    """A root file system with this machine's Python, as python:slim has one."""
    program = Path(sys._base_executable).resolve()  # type: ignore[attr-defined]
    containers.root(folder, programs=("sh",))
    containers.program(folder, program, "bin/python3")
    library = Path(sysconfig.get_path("stdlib"))
    for path in library.rglob("*"):
        if path.is_file() and not SKIP & set(path.relative_to(library).parts):
            put = containers.program if path.suffix == ".so" else containers.copy
            put(folder, path, str(path).lstrip("/"))
    for name, code in (("train.py", CODE), ("serve.py", SERVE)):
        (folder / "srv").mkdir(exist_ok=True)
        (folder / "srv" / name).write_text(code)
    return folder


class Starts:
    def __init__(self, server: TestServer) -> None:
        self.jobs = Jobs(server)
        self.answered = 0.0
        self.jobs.sagemaker.meta.events.register("after-call.sagemaker.CreateTrainingJob", self._note)
        self.jobs.put("plain/main.py", CODE)

    def _note(self, **_: Any) -> None:
        self.answered = time.time()

    def run(self, **given: Any) -> float:
        """Milliseconds from the answer to the program's first line."""
        name = self.jobs.train(**given)
        ended = self.jobs.ended(name, 600)
        if ended["TrainingJobStatus"] != "Completed":
            raise SystemExit(f"{name}: {ended['FailureReason']}\n{self.jobs.log(name)}")
        said = next(line for line in self.jobs.log(name).splitlines() if line.startswith("SAID")).split()
        return 1000 * (float(said[1]) - self.answered)

    def container(self) -> float:
        return self.run(image="bench/python:1")

    def environment(self, words: list[str]) -> float:
        source = self.jobs.channel("code", f"s3://{self.jobs.bucket}/plain/")
        return self.run(image=PYTHON, AlgorithmSpecification={"ContainerEntrypoint": words}, InputDataConfig=[source])


def endpoint(jobs: Jobs, runs: int) -> list[float]:
    """Milliseconds of requests, one after another, to an endpoint of the image."""
    sagemaker, runtime = jobs.sagemaker, jobs.server.client("sagemaker-runtime")
    sagemaker.create_model(ModelName="bench", ExecutionRoleArn=jobs.role, PrimaryContainer={"Image": "bench/python:1"})
    variant = {"VariantName": "a", "ModelName": "bench", "InitialInstanceCount": 1, "InstanceType": "ml.m5.large"}
    sagemaker.create_endpoint_config(EndpointConfigName="bench", ProductionVariants=[variant])
    sagemaker.create_endpoint(EndpointName="bench", EndpointConfigName="bench")
    sagemaker.get_waiter("endpoint_in_service").wait(EndpointName="bench", WaiterConfig={"Delay": 1, "MaxAttempts": 120})
    times = []
    for _ in range(runs):
        before = time.perf_counter()
        runtime.invoke_endpoint(EndpointName="bench", Body=b"1,2,3")["Body"].read()
        times.append(1000 * (time.perf_counter() - before))
    sagemaker.delete_endpoint(EndpointName="bench")
    return times


def told(name: str, times: list[float]) -> dict[str, float]:
    ordered = sorted(times)
    found = {"p50_ms": round(statistics.median(ordered), 1), "least_ms": round(ordered[0], 1),
             "p95_ms": round(ordered[min(len(ordered) - 1, int(len(ordered) * 0.95))], 1)}
    print(f"{name:<44} p50 {found['p50_ms']:8.1f} ms   least {found['least_ms']:8.1f}   p95 {found['p95_ms']:8.1f}", flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=20)
    given = parser.parse_args()
    os.environ.setdefault("SAGEWRIGHT_ENVIRONMENTS", str(Path(__file__).parent.parent / ".cache" / "environments"))
    result: dict[str, Any] = {"load_average": os.getloadavg(), "processors": os.cpu_count()}
    with tempfile.TemporaryDirectory(prefix="sw-") as folder, TestServer(Path(folder) / "data") as server:
        program = {
            "Entrypoint": ["sh", "-c", 'exec /bin/python3 -S /srv/$0.py'], "Env": [f"PYTHONHOME={sys.base_prefix}", "PATH=/bin"],
        }
        store = Blobs(server.data / "oci")
        sources.import_path(store, parse("bench/python:1"), python_root(Path(folder) / "root"), program)
        catalogue = images(Settings.load(data=str(server.data)))
        image, before = catalogue.resolve("bench/python:1"), time.perf_counter()
        catalogue.ensure(image)
        assert image.root is not None
        files = sum(1 for path in image.root.path.rglob("*") if path.is_file())
        result["unpack_s"], result["files"] = round(time.perf_counter() - before, 2), files
        print(f"unpacked once: {result['unpack_s']} s, {files} files")
        starts = Starts(server)
        warm, cold = ["python3", "/opt/ml/input/data/code/main.py"], ["bash", "-c", "exec python3 /opt/ml/input/data/code/main.py"]
        for _ in range(3):  # each asks for its warm parent, which is up a moment later
            starts.container()
            starts.environment(warm)
        times: dict[str, list[float]] = {"container image": [], "plain Python, warm": [], "plain Python, cold": []}
        for _ in range(given.runs):
            times["container image"].append(starts.container())
            times["plain Python, warm"].append(starts.environment(warm))
            times["plain Python, cold"].append(starts.environment(cold))
        for name, found in times.items():
            result[name] = told(name, found)
        for other in ("plain Python, warm", "plain Python, cold"):
            pairs = [mine / theirs for mine, theirs in zip(times["container image"], times[other], strict=True)]
            result[f"ratio to {other}"] = round(statistics.median(pairs), 2)
            print(f"container image / {other}: {result[f'ratio to {other}']}")
        result["request"] = told("request to an image on TCP 8080", endpoint(starts.jobs, given.runs * 5))
    print(json.dumps(result))


if __name__ == "__main__":
    main()
