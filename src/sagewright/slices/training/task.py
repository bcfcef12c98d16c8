"""The task of one host of a training job: the container contract as Amazon SageMaker lays it out under /opt/ml."""

from __future__ import annotations

import json
from typing import Any

from ...resources import jobs
from ...resources.arn import join, s3_uri
from ...stores.compute import Input, Output, Task
from . import channels
from .request import artifacts, output_base

GROUP = "/aws/sagemaker/TrainingJobs"
CONFIG = "/opt/ml/input/config"
DIRECTORIES = ["/opt/ml/model", "/opt/ml/output/data", "/opt/ml/output/intermediate", "/opt/ml/checkpoints", "/opt/ml/code",
               "/opt/ml/input/data"]


def task(doc: dict[str, Any], task_id: str, hosts: list[str], number: int, env: dict[str, str], grace: float) -> Task:
    """The task of host ``number`` of ``hosts``; ``grace`` is how long a stopped container may take to end, in seconds."""
    host = hosts[number]
    algorithm, instance = doc["AlgorithmSpecification"], doc["ResourceConfig"]["InstanceType"]
    name = doc["TrainingJobName"]
    entrypoint = algorithm.get("ContainerEntrypoint")
    arguments = algorithm.get("ContainerArguments", [])
    return Task(
        id=task_id,
        kind="run",
        image=algorithm["TrainingImage"],
        argv=[*entrypoint, *arguments] if entrypoint else (arguments or ["train"]),
        env=env | {"CURRENT_HOST": host},
        files=_files(doc, hosts, host, instance),
        directories=DIRECTORIES,
        inputs=[*channels.inputs(doc, number, len(hosts)), *_checkpoints(doc)],
        outputs=_outputs(doc, name, host if len(hosts) > 1 else ""),
        limits=jobs.limits(instance, seconds=float(doc["StoppingCondition"]["MaxRuntimeInSeconds"]), grace=grace),
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


def _files(doc: dict[str, Any], hosts: list[str], host: str, instance: str) -> dict[str, str]:
    files = {
        f"{CONFIG}/hyperparameters.json": json.dumps(doc.get("HyperParameters", {})),
        f"{CONFIG}/inputdataconfig.json": json.dumps(channels.config(doc)),
        f"{CONFIG}/resourceconfig.json": jobs.resource_config(hosts, host, instance),
    }
    for member, file in (("CheckpointConfig", "checkpointconfig"), ("DebugHookConfig", "debughookconfig"),
                         ("ProfilerConfig", "profilerconfig"), ("TensorBoardOutputConfig", "tensorboardoutputconfig")):
        if member in doc:
            files[f"{CONFIG}/{file}.json"] = json.dumps(doc[member])
    return files


def _checkpoints(doc: dict[str, Any]) -> list[Input]:
    config = doc.get("CheckpointConfig")
    if not config:
        return []
    path = config.get("LocalPath", "/opt/ml/checkpoints")
    return [Input(path=path.rstrip("/"), uri=s3_uri(config["S3Uri"]), required=False, writable=True, label="checkpoints")]


def _outputs(doc: dict[str, Any], name: str, host: str) -> list[Output]:
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
