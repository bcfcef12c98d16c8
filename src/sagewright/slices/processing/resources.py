"""What exists: processing jobs."""

from __future__ import annotations

from ...resources.resource import Resource
from ...runtime.lifecycle import Instruction
from .lifecycle import LAUNCH, LIFECYCLE
from .request import check

processing_job = Resource(
    "ProcessingJob",
    lifecycle=LIFECYCLE,
    first=(Instruction(LAUNCH),),
    prepare=check,
    taken="Job name must be unique within an AWS account and region, and a job with this name already exists",
)
