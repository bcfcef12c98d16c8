"""What exists: training jobs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...resources.resource import Resource
from ...runtime.lifecycle import Instruction
from ...stores.records import Record
from .lifecycle import LIFECYCLE
from .request import check
from .states import LAUNCH


def _profiling(doc: Mapping[str, Any], record: Record) -> str:
    return "Disabled" if doc.get("ProfilerConfig", {}).get("DisableProfiler", "ProfilerConfig" not in doc) else "Enabled"


def _tuning(doc: Mapping[str, Any], record: Record) -> str | None:
    source: str = doc.get("_source", "")
    return source if ":hyper-parameter-tuning-job/" in source else None


training_job = Resource(
    "TrainingJob",
    lifecycle=LIFECYCLE,
    first=(Instruction(LAUNCH),),
    prepare=check,
    places={"WarmPoolStatus": "WarmPoolStatus.Status", "TrainingPlanArn": "ResourceConfig.TrainingPlanArn"},
    computed={
        "ProfilingStatus": _profiling,
        "TuningJobArn": _tuning,
        "EnableNetworkIsolation": lambda doc, record: doc.get("EnableNetworkIsolation", False),
        "EnableInterContainerTrafficEncryption": lambda doc, record: doc.get("EnableInterContainerTrafficEncryption", False),
        "EnableManagedSpotTraining": lambda doc, record: doc.get("EnableManagedSpotTraining", False),
        "ModelArtifacts": lambda doc, record: doc.get("ModelArtifacts", {"S3ModelArtifacts": ""}),
    },
)
