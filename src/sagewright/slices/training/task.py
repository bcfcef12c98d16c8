"""The task of one host of a training job: the container contract as Amazon SageMaker lays it out under /opt/ml."""

from __future__ import annotations

import json
from typing import Any

from ...resources import jobs
from ...resources.arn import join
from ...resources.hosts import Host
from ...stores.compute import Input, Output, Task
from . import channels, cluster, live
from .request import artifacts, output_base

GROUP = "/aws/sagemaker/TrainingJobs"
CONFIG = "/opt/ml/input/config"
DIRECTORIES = ["/opt/ml/model", "/opt/ml/output/data", "/opt/ml/output/intermediate", "/opt/ml/checkpoints", "/opt/ml/code",
               "/opt/ml/input/data"]


def script_archive(doc: dict[str, Any]) -> str:
    """Where a script-mode job's code lies, as an s3:// URI; empty if it is elsewhere or the job brings its own entry."""
    if "ContainerEntrypoint" in doc["AlgorithmSpecification"]:
        return ""
    uri = doc.get("HyperParameters", {}).get("sagemaker_submit_directory", "").strip('"')
    return uri if uri.startswith("s3://") and uri.endswith(".tar.gz") else ""


def task(
    doc: dict[str, Any], task_id: str, hosts: list[Host], number: int, env: dict[str, str], grace: float, code: str = "",
    versions: dict[str, str] | None = None, *, erase: bool = False,
) -> Task:
    """The task of host ``number`` of ``hosts``.

    Args:
        grace: how long a stopped container may take to end, in seconds.
        code: a script archive that the platform unpacks, which takes a fraction of what the toolkit in the container
            needs to fetch and unpack it.
        versions: ETags of manifests, by channel.
        erase: the job may delete the checkpoints that it found.
    """
    host = hosts[number]
    algorithm = doc["AlgorithmSpecification"]
    name = doc["TrainingJobName"]
    entrypoint = algorithm.get("ContainerEntrypoint")
    arguments = algorithm.get("ContainerArguments", [])
    left = doc["StoppingCondition"]["MaxRuntimeInSeconds"] - doc.get("_used", 0.0)
    return Task(
        id=task_id,
        kind="run",
        image=algorithm["TrainingImage"],
        argv=[*entrypoint, *arguments] if entrypoint else (arguments or ["train"]),
        own_entry=not entrypoint,
        env=env | {"CURRENT_HOST": host.name},
        files=_files(doc, hosts, host),
        directories=DIRECTORIES,
        inputs=[*channels.inputs(doc, hosts, host, versions), *live.inputs(doc), *_script(code)],
        outputs=[*_outputs(doc, name, host.name if len(hosts) > 1 else ""), *live.outputs(doc, erase=erase)],
        limits=jobs.limits(host.instance_type, seconds=max(1.0, left), grace=grace),
        isolated=doc.get("EnableNetworkIsolation", False),
        hostname=host.name,
        notes=cluster.notes(doc, hosts, host),
        log_group=GROUP,
        log_stream=f"{name}/{host.name}-{int(doc['CreationTime'])}",
        metrics=algorithm.get("MetricDefinitions", []),
        metric_namespace=GROUP,
        metric_dimensions={"TrainingJobName": name},
        usage_namespace=GROUP,
        usage_host=f"{name}/{host.name}",
    )


def _files(doc: dict[str, Any], hosts: list[Host], host: Host) -> dict[str, str]:
    return {
        f"{CONFIG}/hyperparameters.json": json.dumps(doc.get("HyperParameters", {})),
        f"{CONFIG}/inputdataconfig.json": json.dumps(channels.config(doc, hosts, host)),
        f"{CONFIG}/resourceconfig.json": jobs.resource_config(hosts, host),
        **{f"{CONFIG}/{name}": text for name, text in live.files(doc).items()},
    }


def _script(code: str) -> list[Input]:
    return [Input("/opt/ml/code", code, type="S3Object", unpack=True, required=False, writable=True)] if code else []


def _outputs(doc: dict[str, Any], name: str, host: str) -> list[Output]:
    base = output_base(doc, name)
    if doc["OutputDataConfig"]["CompressionType"] == "NONE":
        return [
            Output("/opt/ml/model", artifacts(doc, name).rstrip("/")),
            Output("/opt/ml/output/data", join(base, "data")),
        ]
    base = join(base, f".{host}") if host else base
    return [
        Output("/opt/ml/model", join(base, "model.tar.gz"), archive=True, when_empty=True),
        Output("/opt/ml/output/data", join(base, "output.tar.gz"), archive=True),
    ]
