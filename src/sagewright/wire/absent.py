"""Why an operation is not built, where there is a reason beyond \"not yet\". Said in its answer and on the coverage page."""

from __future__ import annotations

import re

REASONS: tuple[tuple[str, str, str], ...] = (
    # service, operations, reason
    ("sagemaker", r".*Cluster(?!ingJob).*|.*ComputeQuota.*",
     "HyperPod clusters are machines of Amazon's with Slurm or Kubernetes on them; jobs run on a Ray cluster instead"),
    ("sagemaker", r".*TrainingPlan.*", "training plans buy capacity of Amazon's data centres ahead; there is none to buy here"),
    ("sagemaker", r".*TrainingSession.*", "serverless model customization runs on Amazon's own models"),
    ("sagemaker", r".*OptimizationJob.*", "its quantization, sharding and speculative decoding are programs of Amazon's containers for large models on GPUs; compilation jobs quantize what runs on a processor"),
    ("sagemaker", r"QueryLineage|.*LineageGroup.*", "lineage is kept as callers write it; questions across it come with the lineage capability"),
)


def reason(service: str, operation: str) -> str:
    """A clause without a full stop; empty where nothing but time is missing."""
    return next((why for owner, names, why in REASONS if owner == service and re.fullmatch(names, operation)), "")
