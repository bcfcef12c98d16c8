"""What exists: inference recommendations jobs. Their benchmarks are records of their own, which only lists show."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...resources.resource import Resource
from ...runtime.lifecycle import Instruction
from ...stores.records import Record
from .lifecycle import LIFECYCLE
from .request import check
from .states import JOB, PLAN


def _payload(doc: Mapping[str, Any], record: Record) -> str | None:
    url: str | None = doc["_plan"]["Payload"]
    return url


recommendations_job = Resource(
    JOB,
    stem="Job",
    lifecycle=LIFECYCLE,
    first=(Instruction(PLAN),),
    prepare=check,
    computed={
        "SamplePayloadUrl": _payload,
        "ModelName": lambda doc, record: doc["InputConfig"].get("ModelName"),
        "ModelPackageVersionArn": lambda doc, record: doc["InputConfig"].get("ModelPackageVersionArn"),
        # the list's model requires it
        "JobDescription": lambda doc, record: doc.get("JobDescription", ""),
    },
    verbs=("Describe",),
)
