"""What exists: pipelines, and their executions."""

from __future__ import annotations

from ...resources.resource import Resource
from ...runtime.lifecycle import Instruction
from .lifecycle import LIFECYCLE, RUN

pipeline = Resource("Pipeline", verbs=())
execution = Resource("PipelineExecution", lifecycle=LIFECYCLE, first=(Instruction(RUN),), verbs=())
