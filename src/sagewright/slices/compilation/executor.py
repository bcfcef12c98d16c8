"""Carries out a compilation job's instructions: launch the compiler's task, halt it, clean up."""

from __future__ import annotations

import json
from typing import Any

from ...resources import jobs
from ...resources.arn import join, s3_location, s3_uri
from ...resources.hosts import HostTasks, names, task_ids
from ...resources.platform import Platform
from ...runtime.reconciler import Job
from ...stores.compute import Input, Output, Task
from ...stores.images import UnknownImage
from .lifecycle import CLEAN, HALT, LAUNCH, STOPPING
from .targets import REPOSITORY, Plan, Refused, plan

GROUP = "/aws/sagemaker/CompilationJobs"
SIZE = "ml.c5.xlarge"
"""The compiler's container: 4 cores and 8 GiB, as far as the machine has them."""
MODEL, CONFIG, ARTIFACT = "/opt/ml/model", "/opt/ml/config/compilation.json", "/opt/ml/output/artifact"
SERVES = f"{REPOSITORY}:1"
"""What serves compiled models, whatever framework they come from."""


class CompilationExecutor:
    """Executors of one platform."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform
        self.hosts = HostTasks(platform)

    def install(self) -> None:
        for name, run in ((LAUNCH, self.launch), (HALT, self.hosts.halt), (CLEAN, self.hosts.clean)):
            self.platform.reconciler.executor("CompilationJob", name, run)

    async def launch(self, job: Job) -> None:
        """Refuse what cannot be compiled, check what the role may do, then submit the task."""
        doc = job.doc
        try:
            planned = plan(doc["InputConfig"], doc["OutputConfig"])
            self.platform.images.resolve(planned.image)
        except Refused as error:
            await job.send("Refused", Reason=f"ClientError: {error}")
            return
        except UnknownImage as error:
            await job.send("Refused", Reason=f"InternalServerError: {error}")
            return
        if reason := await self._refusal(doc):
            await job.send("Refused", Reason=reason)
            return
        artifact = archive(doc["InputConfig"]["S3Uri"], planned.target)
        tasks = task_ids("compile", doc["CompilationJobName"], doc["CreationTime"], names(1))
        where = join(s3_uri(doc["OutputConfig"]["S3OutputLocation"]), artifact)
        if "_tasks" not in doc:
            await job.send("Submitting", Tasks=tasks, Artifact=where, Image=SERVES)
        await self.hosts.launch(job, tasks, lambda host, task: self._task(doc, planned, artifact, task), stopping=STOPPING)

    async def _refusal(self, doc: dict[str, Any]) -> str:
        """Why the role cannot read the model or store the result, as a FailureReason; empty if it can."""
        source, target = s3_uri(doc["InputConfig"]["S3Uri"]), s3_uri(doc["OutputConfig"]["S3OutputLocation"])
        if why := await jobs.read_refusal(self.platform, doc["RoleArn"], source):
            return f"ClientError: InputConfiguration: Unable to access {source} (AccessDenied: {why})"
        if why := await jobs.write_refusal(self.platform, doc["RoleArn"], target):
            return f"ClientError: OutputConfiguration: Unable to write to {target} ({why})"
        return ""

    def _task(self, doc: dict[str, Any], planned: Plan, artifact: str, task_id: str) -> Task:
        source, name = doc["InputConfig"], doc["CompilationJobName"]
        config = {
            "Framework": source["Framework"], "FrameworkVersion": source.get("FrameworkVersion", ""), "Inputs": planned.inputs,
            "Quantization": planned.quantization, "Target": planned.target, "Artifact": artifact,
        }  # fmt: skip
        return Task(
            id=task_id,
            kind="run",
            image=planned.image,
            argv=["compile"],
            files={CONFIG: json.dumps(config)},
            directories=[ARTIFACT],
            inputs=[Input(MODEL, s3_uri(source["S3Uri"]), type="S3Object", unpack=True, label="InputConfig")],
            outputs=[Output(ARTIFACT, s3_uri(doc["OutputConfig"]["S3OutputLocation"]), on_failure=False)],
            limits=jobs.limits(SIZE, seconds=float(doc["StoppingCondition"]["MaxRuntimeInSeconds"]), grace=self.platform.settings.stop_grace),
            isolated=True,  # a model is a program: it gets no keys and no network
            log_group=GROUP,
            log_stream=f"{name}/algo-1-{int(doc['CreationTime'])}",
            message_file="/opt/ml/output/message",
        )


def archive(source: str, target: str) -> str:
    """``<model>-<target>.tar.gz``."""
    stem = s3_location(source)[1].rsplit("/", 1)[-1].removesuffix(".tar.gz")
    return f"{stem}-{target}.tar.gz"
