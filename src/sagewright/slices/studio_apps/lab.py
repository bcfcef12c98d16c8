"""The task that runs JupyterLab: what a space's app and a notebook instance have in common. Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from ...resources.jobs import limits
from ...stores.compute import Input, Task
from .keys import CONFIG

IMAGE = "sagewright-jupyter"
GRACE = 20.0
"""Seconds between SIGTERM and SIGKILL: kernels are ended, what is open is saved."""
STARTUP = 600.0
"""Seconds until the first answered ping, lifecycle scripts included."""
SCRIPT_SECONDS = 300.0
METADATA = "/opt/ml/metadata/resource-metadata.json"
SCRIPTS = "/opt/ml/workspace/scripts"
SDK_CONFIG = "/opt/ml/workspace/sagemaker.yaml"
QUIET = "SchemaVersion: '1.0'\nSageMaker:\n  PythonSDK:\n    Modules:\n      TelemetryOptOut: true\n"
"""Defaults of the SageMaker SDKs that a user's own go over: what a notebook does is told to nobody outside."""


@dataclass(frozen=True, slots=True)
class Script:
    """A lifecycle script."""

    name: str
    """As its log stream ends: ``LifecycleConfigOnStart``."""
    text: str
    cwd: str = ""
    """Where it runs; in the home folder when empty."""


def task(
    task_id: str, *, tag: str, instance_type: str, env: dict[str, str], files: dict[str, str], metadata: dict[str, Any], home: str,
    root: str, base: str, volumes: dict[str, str], group: str, stream: str, scripts: list[Script], main: str = "", shared: bool = False,
    inputs: list[Input] | None = None,
) -> Task:
    """The task.

    Args:
        tag: of the image: the version of the SageMaker SDK, or ``latest``.
        env: region, endpoint and so on.
        files: of the keys.
        metadata: what the SDK and others read of where they are.
        root: folder that JupyterLab shows.
        base: path below which it answers.
        stream: of the log; a script's is ``<stream>/<its name>``.
        inputs: folders that it sees besides.
        main: what JupyterLab's own stream is called below that; ``stream`` itself when empty.
        scripts: run before JupyterLab starts, in this order.
    """
    marks = {f"\x1e{script.name}\x1e": f"{stream}/{script.name}" for script in scripts}
    said = [
        {"name": s.name, "path": f"{SCRIPTS}/{s.name}", "mark": mark, "seconds": SCRIPT_SECONDS, "cwd": s.cwd}
        for s, mark in zip(scripts, marks, strict=True)
    ]
    return Task(
        id=task_id,
        kind="serve",
        beside=True,
        image=f"{IMAGE}:{tag}",
        argv=["serve"],
        env=env | {
            "HOME": home, "AWS_CONFIG_FILE": CONFIG, "SAGEWRIGHT_ROOT": root, "SAGEWRIGHT_BASE": base,
            "SAGEWRIGHT_SCRIPTS": json.dumps(said), "SAGEWRIGHT_SHARED": str(shared).lower(), "SAGEMAKER_SUPPRESS_V2_WARNING": "1",
            "SAGEMAKER_ADMIN_CONFIG_OVERRIDE": SDK_CONFIG,
        },
        files=files | {METADATA: json.dumps(metadata, indent=2), SDK_CONFIG: QUIET} | {f"{SCRIPTS}/{s.name}": s.text for s in scripts},
        directories=["/opt/ml/workspace"],
        volumes=volumes,
        inputs=inputs or [],
        limits=limits(instance_type, seconds=0.0, grace=GRACE),
        hostname="default",
        log_group=group,
        log_stream=f"{stream}/{main}" if main else stream,
        log_marks=marks,
        usage_namespace=group,
        usage_dimensions={"Workspace": stream},
        startup_seconds=STARTUP,
    )
