"""What executions keep besides their own documents: versions of pipelines, steps, results to use again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ...resources.platform import Platform
from ...stores.records import Put, Record
from ...wire.errors import NotFound

if TYPE_CHECKING:
    from .driver import Driver

PIPELINE, VERSION, EXECUTION = "Pipeline", "PipelineVersion", "PipelineExecution"
STEP = "PipelineExecutionStep"
"""``<execution>/<step>``, child of the execution."""
CACHE = "PipelineStepResult"
"""``<pipeline>/<step>/<digest>``, child of the pipeline."""
CALLBACK = "PipelineCallback"
"""By token, child of the pipeline."""
TOKEN = "PipelineToken"
"""By the ClientRequestToken of a Create or Start, child of the pipeline."""


def version_key(pipeline: str, number: int) -> str:
    return f"{pipeline}/{number}"


async def version_of(platform: Platform, execution: Record) -> Record:
    """The version of its pipeline that an execution carries out. Raises NotFound."""
    key = version_key(execution.parent, execution.doc["PipelineVersionId"])
    found = await platform.records.get(VERSION, execution.scope, key)
    if found is None:
        raise NotFound(f"The definition of {execution.doc['PipelineExecutionArn']} is gone.")
    return found


class Cached:
    """Results of steps that later executions may use."""

    @staticmethod
    def key(execution: Mapping[str, Any], step: str, digest: str) -> str:
        return f"{execution['_pipeline'].lower()}/{step}/{digest}"

    @staticmethod
    def put(driver: Driver, step: Mapping[str, Any]) -> Put:
        """The change that keeps a success; the newest stands."""
        record = driver.job.record
        doc = {
            "PipelineExecutionArn": driver.arn, "At": driver.platform.clock(), "Metadata": step["Metadata"], "Made": step["_made"],
        }
        return Put(CACHE, record.scope, Cached.key(driver.doc, step["StepName"], step["_digest"]), doc, parent=record.parent)
