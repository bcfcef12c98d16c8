"""What exists: transform jobs."""

from __future__ import annotations

from ...resources.resource import Resource
from ...runtime.lifecycle import Instruction
from .lifecycle import LAUNCH, LIFECYCLE
from .request import check

transform_job = Resource(
    "TransformJob",
    lifecycle=LIFECYCLE,
    first=(Instruction(LAUNCH),),
    prepare=check,
    verbs=("Create", "Describe", "List"),
)
