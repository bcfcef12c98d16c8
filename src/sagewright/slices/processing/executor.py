"""Carries out a processing job's instructions: launch a task a host, halt them, clean up."""

from __future__ import annotations

import json
from typing import Any

from ...resources import jobs
from ...resources.arn import s3_uri
from ...resources.hosts import EXTRA, HostTasks, names, task_ids
from ...resources.platform import Platform
from ...runtime.reconciler import Job
from ...stores.compute import Input, Output, Task
from ...stores.images import UnknownImage
from .lifecycle import CLEAN, HALT, LAUNCH, STOPPING
from .request import ROOT

GROUP = "/aws/sagemaker/ProcessingJobs"
CONFIG = "/opt/ml/config"


class ProcessingExecutor:
    """Executors of one platform."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform
        self.hosts = HostTasks(platform)

    def install(self) -> None:
        for name, run in ((LAUNCH, self.launch), (HALT, self.hosts.halt), (CLEAN, self.hosts.clean)):
            self.platform.reconciler.executor("ProcessingJob", name, run)

    async def launch(self, job: Job) -> None:
        """Check what only the platform can know, then submit a task a host."""
        doc = job.doc
        if reason := await self._refusal(doc):
            await job.send("Refused", Reason=reason)
            return
        hosts = names(doc["ProcessingResources"]["ClusterConfig"]["InstanceCount"])
        tasks = task_ids("process", doc["ProcessingJobName"], doc["CreationTime"], hosts)
        env = await jobs.container_environment(
            self.platform,
            job.record,
            doc["RoleArn"],
            isolated=_isolated(doc),
            session="SageMaker",
            seconds=doc["StoppingCondition"]["MaxRuntimeInSeconds"] + EXTRA,
        )
        await self.hosts.launch(
            job,
            tasks,
            lambda host, task: self._task(doc, task, hosts, host, env | doc.get("Environment", {})),
            stopping=STOPPING,
            access_key=env.get("AWS_ACCESS_KEY_ID", ""),
        )

    async def _refusal(self, doc: dict[str, Any]) -> str:
        """Why the job cannot begin, as a FailureReason; empty if it can."""
        application = doc["AppSpecification"]
        uri = application["ImageUri"]
        try:
            image = self.platform.images.resolve(uri)
        except UnknownImage as error:
            return f"ClientError: Cannot pull {uri}: {error}"
        if "ContainerEntrypoint" not in application and "process" not in image.entries:
            return f"ClientError: The image {uri} has no program of its own for processing; give a ContainerEntrypoint."
        role = doc["RoleArn"]
        for item in doc.get("ProcessingInputs", ()):
            where = s3_uri(item["S3Input"]["S3Uri"])
            if not item["AppManaged"] and (why := await jobs.read_refusal(self.platform, role, where)):
                return f"ClientError: Data download failed:Unable to download object {where} (AccessDenied: {why})"
        for item in doc.get("ProcessingOutputConfig", {}).get("Outputs", ()):
            where = s3_uri(item["S3Output"]["S3Uri"])
            if not item["AppManaged"] and (why := await jobs.write_refusal(self.platform, role, where)):
                return f"ClientError: Data upload would fail:Unable to write to {where} ({why})"
        return ""

    def _task(self, doc: dict[str, Any], task_id: str, hosts: list[str], host: str, env: dict[str, str]) -> Task:
        name = doc["ProcessingJobName"]
        return Task(
            id=task_id,
            kind="run",
            image=doc["AppSpecification"]["ImageUri"],
            argv=command(doc["AppSpecification"]),
            own_entry="ContainerEntrypoint" not in doc["AppSpecification"],
            env=env,
            files={
                f"{CONFIG}/processingjobconfig.json": json.dumps(job_config(doc), indent=1),
                f"{CONFIG}/resourceconfig.json": json.dumps({"current_host": host, "hosts": sorted(hosts)}),
            },
            directories=[ROOT],
            inputs=_inputs(doc, hosts.index(host), len(hosts)),
            outputs=_outputs(doc),
            limits=jobs.limits(
                doc["ProcessingResources"]["ClusterConfig"]["InstanceType"],
                seconds=float(doc["StoppingCondition"]["MaxRuntimeInSeconds"]),
                grace=self.platform.settings.stop_grace,
            ),
            isolated=_isolated(doc),
            hostname=host,
            log_group=GROUP,
            log_stream=f"{name}/{host}-{int(doc['CreationTime'])}",
            usage_namespace=GROUP,
            usage_host=f"{name}/{host}",
            failure_file="",
            message_file="/opt/ml/output/message",
        )


def command(application: dict[str, Any]) -> list[str]:
    """An entry point replaces the image's own entry point and arguments; arguments alone go to the image's own."""
    entrypoint: list[str] = application.get("ContainerEntrypoint", ["process"])
    return [*entrypoint, *application.get("ContainerArguments", [])]


def job_config(doc: dict[str, Any]) -> dict[str, Any]:
    """``processingjobconfig.json``: the request as it was understood; what was not given stays as a null."""
    application, cluster = doc["AppSpecification"], doc["ProcessingResources"]["ClusterConfig"]
    outputs = doc.get("ProcessingOutputConfig", {})
    return {
        "ProcessingJobArn": doc["ProcessingJobArn"],
        "ProcessingJobName": doc["ProcessingJobName"],
        "AppSpecification": {k: application.get(k) for k in ("ImageUri", "ContainerEntrypoint", "ContainerArguments")},
        "Environment": doc.get("Environment", {}),
        "ProcessingInputs": [
            {**i, "S3Input": {**i["S3Input"], "S3DownloadMode": "StartOfJob"}} for i in doc.get("ProcessingInputs", ())
        ],
        "ProcessingOutputConfig": {"Outputs": outputs.get("Outputs", []), "KmsKeyId": outputs.get("KmsKeyId")},
        "ProcessingResources": {"ClusterConfig": {"VolumeKmsKeyId": None, **cluster}},
        "RoleArn": doc["RoleArn"],
        "StoppingCondition": doc["StoppingCondition"],
    }


def _isolated(doc: dict[str, Any]) -> bool:
    return bool(doc.get("NetworkConfig", {}).get("EnableNetworkIsolation", False))


def _inputs(doc: dict[str, Any], number: int, count: int) -> list[Input]:
    inputs = []
    for item in doc.get("ProcessingInputs", ()):
        s3 = item["S3Input"]
        if item["AppManaged"]:
            continue
        sharded = s3["S3DataDistributionType"] == "ShardedByS3Key"
        inputs.append(
            Input(
                path=s3["LocalPath"].rstrip("/"),
                uri=s3_uri(s3["S3Uri"]),
                type=s3["S3DataType"],
                shard=number if sharded else 0,
                shards=count if sharded else 1,
                compression=s3["S3CompressionType"],
                label=item["InputName"],
            )
        )
    return inputs


def _outputs(doc: dict[str, Any]) -> list[Output]:
    return [
        Output(o["S3Output"]["LocalPath"].rstrip("/"), s3_uri(o["S3Output"]["S3Uri"]), mode=o["S3Output"]["S3UploadMode"])
        for o in doc.get("ProcessingOutputConfig", {}).get("Outputs", ())
        if not o["AppManaged"]
    ]
