"""Carries out a training job's instructions: launch its tasks, halt them, merge the hosts' archives, clean up."""

from __future__ import annotations

import asyncio
import json
import tarfile
from typing import Any

from ...resources import jobs
from ...resources.arn import join, s3_location, s3_uri
from ...resources.hosts import EXTRA, HostTasks, names, task_ids
from ...resources.platform import Platform
from ...runtime.reconciler import Job
from ...stores.compute import Input, Output, Task
from ...stores.images import UnknownImage
from ...stores.objects import NewObject, NoSuchKey
from .lifecycle import CLEAN, HALT, LAUNCH, MERGE, STOPPING
from .request import artifacts, output_base

GROUP = "/aws/sagemaker/TrainingJobs"


class TrainingExecutor:
    """Executors of one platform."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform
        self.hosts = HostTasks(platform)

    def install(self) -> None:
        hosts = self.hosts
        for name, run in ((LAUNCH, self.launch), (HALT, hosts.halt), (MERGE, self.merge), (CLEAN, hosts.clean)):
            self.platform.reconciler.executor("TrainingJob", name, run)

    async def launch(self, job: Job) -> None:
        """Check what only the platform can know, then submit a task a host."""
        doc = job.doc
        if reason := await self._refusal(doc):
            await job.send("Refused", Reason=reason)
            return
        hosts = names(doc["ResourceConfig"]["InstanceCount"])
        tasks = task_ids("train", doc["TrainingJobName"], doc["CreationTime"], hosts)
        env, key = await self._environment(job)
        await self.hosts.launch(
            job,
            tasks,
            lambda host, task: self._task(job, task, hosts, hosts.index(host), env),
            stopping=STOPPING,
            access_key=key,
        )

    async def merge(self, job: Job) -> None:
        """One archive of the hosts' archives; on a clash of names the last host's file stays."""
        doc = job.doc
        if doc["OutputDataConfig"]["CompressionType"] != "NONE":
            hosts = [t["Host"] for t in doc["_tasks"].values()]
            base = output_base(doc, doc["TrainingJobName"])
            for name in ("model.tar.gz", "output.tar.gz"):
                parts = [join(base, f".{host}", name) for host in hosts]
                await asyncio.to_thread(self._merge, parts, join(base, name))
        await job.send("Merged")

    # -- parts of launch

    async def _refusal(self, doc: dict[str, Any]) -> str:
        """Why the job cannot begin, as a FailureReason; empty if it can."""
        image = doc["AlgorithmSpecification"]["TrainingImage"]
        try:
            self.platform.images.resolve(image)
        except UnknownImage as error:
            return f"ClientError: Cannot pull {image}: {error}"
        if reason := jobs.capacity_refusal(self.platform, doc["ResourceConfig"]):
            return reason
        for channel in doc.get("InputDataConfig", ()):
            uri = channel["DataSource"]["S3DataSource"]["S3Uri"]
            if why := await jobs.read_refusal(self.platform, doc["RoleArn"], uri):
                return f"ClientError: Data download failed:Unable to download object {s3_uri(uri)} (AccessDenied: {why})"
        uri = doc["OutputDataConfig"]["S3OutputPath"]
        if why := await jobs.write_refusal(self.platform, doc["RoleArn"], uri):
            return f"ClientError: Artifact upload would fail:Unable to write to {s3_uri(uri)} (AccessDenied: {why})"
        return ""

    async def _environment(self, job: Job) -> tuple[dict[str, str], str]:
        """The containers' variables, and the access key among them."""
        doc = job.doc
        env = await jobs.container_environment(
            self.platform,
            job.record,
            doc["RoleArn"],
            isolated=doc.get("EnableNetworkIsolation", False),
            session="SageMaker",
            seconds=doc["StoppingCondition"]["MaxRuntimeInSeconds"] + EXTRA,
        )
        named = {"TRAINING_JOB_NAME": doc["TrainingJobName"], "TRAINING_JOB_ARN": doc["TrainingJobArn"]}
        return env | named | doc.get("Environment", {}), env.get("AWS_ACCESS_KEY_ID", "")

    def _task(self, job: Job, task_id: str, hosts: list[str], number: int, env: dict[str, str]) -> Task:
        doc, host = job.doc, hosts[number]
        algorithm, instance = doc["AlgorithmSpecification"], doc["ResourceConfig"]["InstanceType"]
        name = doc["TrainingJobName"]
        entrypoint = algorithm.get("ContainerEntrypoint")
        arguments = algorithm.get("ContainerArguments", [])
        limits = jobs.limits(
            instance,
            seconds=float(doc["StoppingCondition"]["MaxRuntimeInSeconds"]),
            grace=self.platform.settings.stop_grace,
        )
        return Task(
            id=task_id,
            kind="run",
            image=algorithm["TrainingImage"],
            argv=[*entrypoint, *arguments] if entrypoint else (arguments or ["train"]),
            env=env | {"CURRENT_HOST": host},
            files=self._files(doc, hosts, host, instance),
            directories=["/opt/ml/model", "/opt/ml/output/data", "/opt/ml/output/intermediate", "/opt/ml/checkpoints",
                         "/opt/ml/code", "/opt/ml/input/data"],
            inputs=[*self._inputs(doc, number, len(hosts)), *self._checkpoints(doc)],
            outputs=self._outputs(doc, name, host if len(hosts) > 1 else ""),
            limits=limits,
            isolated=doc.get("EnableNetworkIsolation", False),
            hostname=host,
            log_group=GROUP,
            log_stream=f"{name}/{host}-{int(doc['CreationTime'])}",
            metrics=algorithm.get("MetricDefinitions", []),
            metric_namespace=GROUP,
            metric_dimensions={"TrainingJobName": name},
            usage_namespace=GROUP,
            usage_host=f"{name}/{host}",
        )

    def _files(self, doc: dict[str, Any], hosts: list[str], host: str, instance: str) -> dict[str, str]:
        config = "/opt/ml/input/config"
        channels = {}
        for channel in doc.get("InputDataConfig", ()):
            about = {
                "TrainingInputMode": channel.get("InputMode", doc["AlgorithmSpecification"]["TrainingInputMode"]),
                "S3DistributionType": channel["DataSource"]["S3DataSource"]["S3DataDistributionType"],
                "RecordWrapperType": channel["RecordWrapperType"],
            }
            if "ContentType" in channel:
                about["ContentType"] = channel["ContentType"]
            channels[channel["ChannelName"]] = about
        files = {
            f"{config}/hyperparameters.json": json.dumps(doc.get("HyperParameters", {})),
            f"{config}/inputdataconfig.json": json.dumps(channels),
            f"{config}/resourceconfig.json": jobs.resource_config(hosts, host, instance),
        }
        for member, file in (("CheckpointConfig", "checkpointconfig"), ("DebugHookConfig", "debughookconfig"),
                             ("ProfilerConfig", "profilerconfig"), ("TensorBoardOutputConfig", "tensorboardoutputconfig")):
            if member in doc:
                files[f"{config}/{file}.json"] = json.dumps(doc[member])
        return files

    def _inputs(self, doc: dict[str, Any], number: int, count: int) -> list[Input]:
        inputs = []
        for channel in doc.get("InputDataConfig", ()):
            s3 = channel["DataSource"]["S3DataSource"]
            sharded = s3["S3DataDistributionType"] == "ShardedByS3Key"
            inputs.append(
                Input(
                    path=f"/opt/ml/input/data/{channel['ChannelName']}",
                    uri=s3_uri(s3["S3Uri"]),
                    type=s3["S3DataType"],
                    shard=number if sharded else 0,
                    shards=count if sharded else 1,
                    label=channel["ChannelName"],
                )
            )
        return inputs

    def _checkpoints(self, doc: dict[str, Any]) -> list[Input]:
        config = doc.get("CheckpointConfig")
        if not config:
            return []
        path = config.get("LocalPath", "/opt/ml/checkpoints")
        return [Input(path=path.rstrip("/"), uri=s3_uri(config["S3Uri"]), required=False, writable=True, label="checkpoints")]

    def _outputs(self, doc: dict[str, Any], name: str, host: str) -> list[Output]:
        base = output_base(doc, name)
        if doc["OutputDataConfig"]["CompressionType"] == "NONE":
            outputs = [
                Output("/opt/ml/model", artifacts(doc, name).rstrip("/")),
                Output("/opt/ml/output/data", join(base, "data")),
            ]
        else:
            base = join(base, f".{host}") if host else base
            outputs = [
                Output("/opt/ml/model", join(base, "model.tar.gz"), archive=True, when_empty=True),
                Output("/opt/ml/output/data", join(base, "output.tar.gz"), archive=True),
            ]
        if config := doc.get("CheckpointConfig"):
            path = config.get("LocalPath", "/opt/ml/checkpoints").rstrip("/")
            outputs.append(Output(path, s3_uri(config["S3Uri"]), mode="Continuous"))
        return outputs

    def _merge(self, parts: list[str], target: str) -> None:
        objects = self.platform.objects
        found = []
        for part in parts:
            try:
                found.append(objects.open(*s3_location(part))[1])
            except NoSuchKey:
                continue
        if not found:
            return
        writer = objects.writer(*s3_location(target), NewObject(content_type="application/x-tar"))
        try:
            with tarfile.open(fileobj=writer, mode="w|gz") as whole:  # type: ignore[call-overload]
                for stream in found:
                    with stream, tarfile.open(fileobj=stream, mode="r:gz") as archive:
                        for member in archive:
                            whole.addfile(member, archive.extractfile(member) if member.isfile() else None)
            writer.commit()
        except BaseException:
            writer.abort()
            raise
        for part in parts:
            bucket, key = s3_location(part)
            objects.delete(bucket, [key])
