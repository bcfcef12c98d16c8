"""Job start: CreateTrainingJob answered → first line of user code, through the public API of a server that this starts.

    python benchmarks/job_start.py [--runs 20] [--flows 3]

Two jobs: a program in the plain Python image, and an XGBoost script-mode job. Warm: the image's parent interpreter runs.
Cold: the environment is built, nothing runs (``bash -c`` in front of Python keeps the warm parent out of it). Beside
them Metaflow's first local step, and what the XGBoost job's imports cost in a fresh interpreter and in a forked one.
Each job says ``time.time()`` as its first line; all clocks are this machine's. Ratios matter, absolutes drift.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import statistics
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from peers import program

from sagewright.testing.jobs import PYTHON, XGBOOST, Jobs
from sagewright.testing.server import TestServer

IMPORTS = ("numpy", "scipy.sparse", "pandas", "sklearn.metrics", "sklearn.model_selection", "xgboost")
CODE = "import time\nfirst = time.time()\n{imports}\nprint('SAID', first, time.time(), flush=True)\n"
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
Times = list[tuple[float, float]]
"""Of each job: milliseconds to its first line, milliseconds that its imports took."""


class Starts:
    """Runs jobs one after another on one server."""

    def __init__(self, server: TestServer) -> None:
        self.jobs = Jobs(server)
        self.answered = 0.0
        self.jobs.sagemaker.meta.events.register("after-call.sagemaker.CreateTrainingJob", self._note)
        source = io.BytesIO()
        with tarfile.open(fileobj=source, mode="w:gz") as archive:
            code = CODE.format(imports="\n".join(f"import {name}" for name in IMPORTS)).encode()
            member = tarfile.TarInfo("main.py")
            member.size = len(code)
            archive.addfile(member, io.BytesIO(code))
        self.source = self.jobs.put("source/sourcedir.tar.gz", source.getvalue())
        self.jobs.put("plain/main.py", CODE.format(imports="").encode())

    def _note(self, **_: Any) -> None:
        self.answered = time.time()

    def _times(self, name: str) -> tuple[float, float]:
        job = self.jobs.ended(name, 900)
        if job["TrainingJobStatus"] != "Completed":
            raise SystemExit(f"{name}: {job['FailureReason']}\n{self.jobs.log(name)}")
        said = next(line for line in self.jobs.log(name).splitlines() if line.startswith("SAID")).split()
        first, imported = float(said[1]), float(said[2])
        return 1000 * (first - self.answered), 1000 * (imported - first)

    def plain(self, warm: bool) -> tuple[float, float]:
        words = ["python3", "/opt/ml/input/data/code/main.py"]
        return self._times(self.jobs.train(
            image=PYTHON, AlgorithmSpecification={"ContainerEntrypoint": words if warm else ["bash", "-c", " ".join(words)]},
            InputDataConfig=[self.jobs.channel("code", f"s3://{self.jobs.bucket}/plain/")],
        ))

    def script(self, warm: bool) -> tuple[float, float]:
        algorithm = {} if warm else {"ContainerEntrypoint": ["bash", "-c", "exec python3 /opt/sagewright/image/train.py"]}
        return self._times(self.jobs.train(
            image=XGBOOST, AlgorithmSpecification=algorithm,
            HyperParameters={"sagemaker_program": "main.py", "sagemaker_submit_directory": self.source},
        ))


def series(start: Callable[[bool], tuple[float, float]], warm: bool, runs: int) -> Times:
    return [start(warm) for _ in range(runs)]


def heat(server: TestServer, start: Callable[[bool], tuple[float, float]]) -> None:
    """Have a warm parent ready: the first job of an image asks for one, and it listens once its imports are done."""
    before = warm_sockets(server)
    start(True)
    end = time.monotonic() + 60
    while not warm_sockets(server) - before:
        if time.monotonic() > end:
            raise SystemExit("no warm interpreter came up")
        time.sleep(0.05)  # not timed, and the socket's name is all that shows
    start(True)


def warm_sockets(server: TestServer) -> set[Path]:
    from sagewright.agent.layout import socket_folder

    return set(socket_folder(server.data).glob("warm-*.sock"))


def fresh_imports(runs: int) -> float:
    """Milliseconds that the script job's imports take in a new interpreter of the image's environment, files cached."""
    from sagewright.bootstrap.agent import images
    from sagewright.settings import Settings

    python = images(Settings.load()).resolve(XGBOOST).python
    code = CODE.format(imports="\n".join(f"import {name}" for name in IMPORTS))
    times = []
    for _ in range(runs + 1):
        said = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.split()
        times.append(1000 * (float(said[2]) - float(said[1])))
    return statistics.median(times[1:])


def metaflow(runs: int) -> float:
    """Milliseconds from `run` to the first line of a flow's first local step."""
    with tempfile.TemporaryDirectory() as folder:
        out, flow = Path(folder) / "at", Path(folder) / "flow.py"
        flow.write_text(FLOW.format(out=str(out)))
        times = []
        for _ in range(runs + 1):
            before = time.time()
            subprocess.run(
                [program("metaflow", "python"), str(flow), "--quiet", "run"], check=True, capture_output=True, cwd=folder,
                env={"PATH": "/usr/bin:/bin", "HOME": folder, "USERNAME": "bench", "METAFLOW_USER": "bench"},
            )
            times.append(1000 * (float(out.read_text()) - before))
    return statistics.median(times[1:])


def described(name: str, times: Times, goal: float | None) -> dict[str, Any]:
    firsts = sorted(first for first, _ in times)
    p50, p95 = statistics.median(firsts), firsts[min(len(firsts) - 1, int(len(firsts) * 0.95))]
    aim = "" if goal is None else f"   goal {goal:.0f} ms: {'met' if p50 <= goal else 'MISSED'}"
    print(f"{name:<34} p50 {p50:8.1f} ms   p95 {p95:8.1f} ms{aim}", flush=True)
    return {"p50_ms": round(p50, 1), "p95_ms": round(p95, 1), "imports_p50_ms": round(statistics.median(i for _, i in times), 2)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--flows", type=int, default=3, help="Metaflow runs; 0 leaves it out")
    given = parser.parse_args()
    os.environ.setdefault("SAGEWRIGHT_ENVIRONMENTS", str(Path(__file__).parent.parent / ".cache" / "environments"))
    result: dict[str, Any] = {"load_average": os.getloadavg(), "processors": os.cpu_count()}
    with tempfile.TemporaryDirectory(prefix="sw-") as folder, TestServer(Path(folder) / "data") as server:
        starts = Starts(server)
        for name, start in (("plain Python", starts.plain), ("XGBoost script", starts.script)):
            start(False)  # the first use may build the environment
            result[f"{name}, cold"] = described(f"{name}, cold", series(start, False, max(5, given.runs // 4)), 2000)
            heat(server, start)
            result[f"{name}, warm"] = described(f"{name}, warm", series(start, True, given.runs), 50)
    fresh = fresh_imports(3)
    forked = result["XGBoost script, warm"]["imports_p50_ms"]
    result["imports_fresh_ms"], result["imports_ratio"] = round(fresh, 1), round(fresh / max(forked, 1e-3))
    print(f"imports of the XGBoost job: fresh interpreter {fresh:.0f} ms, from the warm parent {forked:.2f} ms: "
          f"{result['imports_ratio']} x   goal 50 x")  # fmt: skip
    if given.flows:
        flow = metaflow(given.flows)
        ratio = flow / result["plain Python, warm"]["p50_ms"]
        result["metaflow_ms"], result["metaflow_ratio"] = round(flow, 1), round(ratio, 1)
        print(f"Metaflow, first local step: {flow:.0f} ms: {ratio:.1f} x ours   goal 18 x")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
