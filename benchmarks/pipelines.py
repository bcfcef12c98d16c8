"""What a step of a pipeline costs beside its own work, in turn with Metaflow's local steps.

    python benchmarks/pipelines.py [--steps 10] [--rounds 3] [--long 200]

Steps are Python programs that do nothing: as Training steps of a pipeline by boto3, from StartPipelineExecution to the last step's
end as Describe says it; and as steps of a Metaflow flow that runs on this machine, from its start to its exit. Once in a chain, where
each waits for the one before, and once side by side (Metaflow's ``foreach``), as wide as the machine has processors. ``--long`` carries
out one chain of so many steps and prints the time a step in each fifth of it: a cost that grows with the execution would show there.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

from peers import program

from sagewright.testing.executions import Pipelines
from sagewright.testing.jobs import Jobs
from sagewright.testing.server import TestServer

WIDTH = os.cpu_count() or 1
CHAIN = """
from metaflow import FlowSpec, step
class Flow(FlowSpec):
    @step
    def start(self):
        self.next(self.s1)
{middle}
    @step
    def end(self):
        pass
if __name__ == "__main__":
    Flow()
"""
LINK = "    @step\n    def s{number}(self):\n        self.next(self.{after})\n"
FAN = """
from metaflow import FlowSpec, step
class Flow(FlowSpec):
    @step
    def start(self):
        self.parts = list(range({parts}))
        self.next(self.part, foreach="parts")
    @step
    def part(self):
        self.next(self.join)
    @step
    def join(self, inputs):
        self.next(self.end)
    @step
    def end(self):
        pass
if __name__ == "__main__":
    Flow()
"""


def chain(pipelines: Pipelines, steps: int) -> str:
    """A pipeline whose steps wait for each other; its name."""
    return pipelines.create([
        pipelines.training(f"S{number}", **({"DependsOn": [f"S{number - 1}"]} if number else {})) for number in range(steps)
    ])


def ours(pipelines: Pipelines, name: str) -> float:
    """Milliseconds of one execution."""
    before = time.time()
    arn = pipelines.start(name)
    found = pipelines.ended(arn, 600)
    assert found["PipelineExecutionStatus"] == "Succeeded", found
    return 1000 * (found["LastModifiedTime"].timestamp() - before)


def theirs(text: str) -> float:
    """Milliseconds of one flow."""
    with tempfile.TemporaryDirectory() as folder:
        flow = Path(folder) / "flow.py"
        flow.write_text(text)
        before = time.time()
        subprocess.run(
            [program("metaflow", "python"), str(flow), "--quiet", "run", "--max-workers", str(WIDTH)], check=True, capture_output=True,
            cwd=folder, env={"PATH": "/usr/bin:/bin", "HOME": folder, "USERNAME": "bench", "METAFLOW_USER": "bench"},
        )
        return 1000 * (time.time() - before)


def fifths(pipelines: Pipelines, steps: int) -> list[float]:
    """Milliseconds a step in each fifth of a long chain."""
    arn = pipelines.start(chain(pipelines, steps))
    pipelines.ended(arn, 1200)
    pages = pipelines.sagemaker.get_paginator("list_pipeline_execution_steps").paginate(PipelineExecutionArn=arn, SortOrder="Ascending")
    ends = [step["EndTime"].timestamp() for page in pages for step in page["PipelineExecutionSteps"]]
    assert len(ends) == steps
    size = steps // 5
    return [1000 * (ends[min(steps - 1, at + size)] - ends[at]) / (min(steps - 1, at + size) - at) for at in range(0, size * 5, size)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--long", type=int, default=0)
    given = parser.parse_args()
    os.environ.setdefault("SAGEWRIGHT_ENVIRONMENTS", str(Path(__file__).parent.parent / ".cache" / "environments"))
    middle = "".join(
        LINK.format(number=n, after="end" if n == given.steps - 2 else f"s{n + 1}") for n in range(1, given.steps - 1)
    )
    result: dict[str, float | list[float]] = {}
    with tempfile.TemporaryDirectory(prefix="sw-") as folder, TestServer(Path(folder) / "data") as server:
        pipelines = Pipelines(Jobs(server))
        linked = chain(pipelines, given.steps)
        beside = pipelines.create(
            [pipelines.training(f"S{n}") for n in range(given.steps)], ParallelismConfiguration={"MaxParallelExecutionSteps": WIDTH})
        for name in (linked, beside):
            ours(pipelines, name)  # the first use may build the environment, and heats the interpreter
        for what, name, flow in (("chain", linked, CHAIN.format(middle=middle)), ("side by side", beside, FAN.format(parts=given.steps))):
            pairs = [(ours(pipelines, name), theirs(flow)) for _ in range(given.rounds)]
            mine, peer = (statistics.median(times) for times in zip(*pairs, strict=True))
            result[f"{what}_ms"], result[f"{what}_metaflow_ms"] = round(mine, 1), round(peer, 1)
            print(f"{given.steps} steps, {what:<12} ours {mine:7.0f} ms, {mine / given.steps:5.0f} a step   Metaflow {peer:7.0f} ms: "
                  f"{peer / mine:.1f} x ours", flush=True)  # fmt: skip
        if given.long:
            result["fifths_ms"] = [round(ms, 1) for ms in fifths(pipelines, given.long)]
            print(f"a chain of {given.long}, ms a step in each fifth: {result['fifths_ms']}")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
