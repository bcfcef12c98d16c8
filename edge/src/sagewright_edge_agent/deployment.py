"""One deployment: everything is fetched, verified, loaded and proven before anything is switched.

So rolling back means not to switch. With ROLLBACK_ON_FAILURE one bad model keeps all models of the deployment where they
were; with DO_NOTHING the good ones are taken and the bad ones keep their previous version.
"""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .cloud import Cloud, Refused
from .config import Config
from .model import Model, unpack, verify
from .state import Disk

ROLL_BACK = "ROLLBACK_ON_FAILURE"


@dataclass
class Outcome:
    """What a deployment has led to."""

    models: dict[str, Model] = field(default_factory=dict)
    """Handle → the model to switch to."""
    removed: list[str] = field(default_factory=list)
    result: dict[str, Any] = field(default_factory=dict)
    """The heartbeat's DeploymentResult."""


def carry_out(deployment: dict[str, Any], config: Config, cloud: Cloud, disk: Disk, known: set[str]) -> Outcome:
    """Raises Offline when the connection goes: nothing has changed then, and it is tried again."""
    started, outcome, told = time.time(), Outcome(), []
    policy = deployment.get("FailureHandlingPolicy", "DO_NOTHING")
    for definition in deployment.get("Definitions", ()):
        handle, wanted = definition["ModelHandle"], definition.get("State", "DEPLOY")
        about = {"ModelHandle": handle, "ModelName": handle, "ModelVersion": "1", "DesiredState": wanted, "State": wanted, "Status": "SUCCESS"}
        if wanted == "UNDEPLOY":
            outcome.removed.append(handle)
        else:
            try:
                if len(known | set(outcome.models) | {handle}) > config.max_models:
                    raise ValueError(f"RESOURCE_EXHAUSTED: this device takes {config.max_models} models")
                model = outcome.models[handle] = Model(handle, fetch(definition, config, cloud, disk), config.threads)
                about.update(ModelName=model.model_name, ModelVersion=model.version)
            except (ValueError, Refused, OSError) as error:
                about.update(Status="FAIL", StatusReason=str(error)[:1024])
        told.append(about)
    broken = [about for about in told if about["Status"] == "FAIL"]
    message = "; ".join(f"{about['ModelHandle']}: {about['StatusReason']}" for about in broken)
    if broken and policy == ROLL_BACK:
        outcome.models, outcome.removed = {}, []
        message = f"rolled back: {message}"
    outcome.result = {
        "DeploymentName": deployment["DeploymentName"], "DeploymentStatus": "FAIL" if broken else "SUCCESS",
        "DeploymentStatusMessage": message[:1024], "DeploymentStartTime": started, "DeploymentEndTime": time.time(), "DeploymentModels": told,
    }  # fmt: skip
    return outcome


def fetch(definition: dict[str, Any], config: Config, cloud: Cloud, disk: Disk) -> Path:
    """The folder of a package, downloaded unless it is there. Raises ValueError for another checksum or content; Offline."""
    checksum = definition["Checksum"]["Sum"].lower()
    if len(checksum) != 40 or not checksum.isalnum():
        raise ValueError(f"{checksum!r} is no SHA-1")
    folder: Path = disk.models / checksum
    if folder.is_dir():
        verify(folder)
        return folder
    with tempfile.TemporaryDirectory(dir=disk.work) as work:
        archive, unpacked = Path(work, "package.tar.gz"), Path(work, "unpacked")
        with archive.open("wb") as file:
            found = cloud.download(definition["S3Url"], file, config.max_model_bytes)
        if found != checksum:
            raise ValueError(f"the package's SHA-1 is {found}, not {checksum}")
        unpacked.mkdir()
        unpack(archive, unpacked)
        verify(unpacked)
        unpacked.rename(folder)
    return folder
