"""Names of states and instructions, of jobs and of their benchmarks."""

from __future__ import annotations

JOB, STEP = "InferenceRecommendationsJob", "InferenceRecommendationsJobStep"

PENDING, IN_PROGRESS, STOPPING = "PENDING", "IN_PROGRESS", "STOPPING"
COMPLETED, FAILED, STOPPED = "COMPLETED", "FAILED", "STOPPED"
FINAL = (COMPLETED, FAILED, STOPPED)

CREATING, LOADING, MEASURING, REMOVING = "Creating", "Loading", "Measuring", "Removing"
"""Of a benchmark, between PENDING and its end; STOPPING is Removing what was stopped."""

PLAN, ADVANCE, EXPIRE, HALT = "Plan", "Advance", "Expire", "Halt"
CREATE, LOAD, MEASURE, REMOVE, TELL, RECORD = "Create", "Load", "Measure", "Remove", "Tell", "Record"

GROUP = "/aws/sagemaker/InferenceRecommendationsJobs"
"""Of logs, and the namespace of metrics."""


def stream(job: str) -> str:
    """Where a job's log lines go."""
    return f"{job}/execution"
