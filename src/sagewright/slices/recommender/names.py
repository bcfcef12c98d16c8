"""Names of what a job makes for its benchmarks: the same ones whenever it is asked. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

PREFIX = "sm-epc-"


def endpoint_name(job: Mapping[str, Any], number: int) -> str:
    """Of a benchmark's endpoint, its configuration, its variant and its model."""
    text = f"{job['JobArn']}#{job['CreationTime']}#{number}"
    return PREFIX + hashlib.sha256(text.encode()).hexdigest()[:24]


def task_id(endpoint: str, job: Mapping[str, Any], number: int) -> str:
    """Of a benchmark's load test."""
    return f"load-{job['JobName'].lower()}-{int(job['CreationTime'] * 1000)}-{number}"
