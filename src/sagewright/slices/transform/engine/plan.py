"""How a job's records are sent: what the request says, then the container, then the defaults."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from .filters import Processing

MB = 2**20
LARGEST_MB = 100
DEFAULT_CONCURRENT, DEFAULT_STRATEGY, DEFAULT_MB = 1, "MultiRecord", 6
DEFAULT_TIMEOUT, DEFAULT_RETRIES = 600, 3


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that the pump has to know of a job."""

    split: str
    single: bool
    """One record a request."""
    limit: int
    """Bytes of a request."""
    unlimited: bool
    """Whole objects go out chunked, however large."""
    concurrent: int
    """Requests under way on one instance."""
    line: bool
    """Results end with a line feed."""
    gzip: bool
    content_type: str | None
    accept: str | None
    seconds: float
    retries: int
    processing: Processing

    @property
    def headers(self) -> dict[str, str]:
        headers = {}
        if self.content_type:
            headers["Content-Type"] = self.content_type
        if self.accept:
            headers["Accept"] = self.accept
        return headers

    def __str__(self) -> str:
        strategy = "SINGLE_RECORD" if self.single else "MULTI_RECORD"
        size = 0 if self.unlimited else self.limit // MB
        return f"MaxConcurrentTransforms={self.concurrent}, MaxPayloadInMB={size}, BatchStrategy={strategy}"


def complete(doc: dict[str, Any]) -> bool:
    """The request leaves nothing for the container to say."""
    return all(doc.get(member) for member in ("MaxConcurrentTransforms", "BatchStrategy")) and "MaxPayloadInMB" in doc


def plan(doc: dict[str, Any], said: dict[str, Any]) -> Plan:
    """The plan of a transform job's document; ``said`` is what the container answers to /execution-parameters."""
    source, output = doc["TransformInput"], doc["TransformOutput"]
    split = source["SplitType"]
    megabytes = _number(doc.get("MaxPayloadInMB"), said.get("MaxPayloadInMB"), DEFAULT_MB, least=0)
    client = doc.get("ModelClientConfig", {})
    content_type = source.get("ContentType")
    strategy = doc.get("BatchStrategy") or said.get("BatchStrategy") or DEFAULT_STRATEGY
    concurrent = _number(doc.get("MaxConcurrentTransforms") or None, said.get("MaxConcurrentTransforms"), DEFAULT_CONCURRENT, least=1)
    if not doc.get("MaxConcurrentTransforms") and megabytes:
        concurrent = min(concurrent, max(1, LARGEST_MB // megabytes))  # what a request may not ask for, a container may not either
    stamp = inference_time(doc) if doc.get("DataCaptureConfig", {}).get("GenerateInferenceId") else ""
    processing = Processing(doc.get("DataProcessing", {}), content_type, output.get("Accept"), lines=split == "Line", stamp=stamp)
    return Plan(
        split=split,
        single=str(strategy).replace("_", "").lower() == "singlerecord",
        limit=min(megabytes or LARGEST_MB, LARGEST_MB) * MB,
        unlimited=megabytes == 0,
        concurrent=concurrent,
        line=output["AssembleWith"] == "Line",
        gzip=source["CompressionType"] == "Gzip",
        content_type=content_type,
        accept=output.get("Accept") or (content_type if processing.join else None),
        seconds=float(client.get("InvocationsTimeoutInSeconds", DEFAULT_TIMEOUT)),
        retries=client.get("InvocationsMaxRetries", DEFAULT_RETRIES),
        processing=processing,
    )


def inference_time(doc: dict[str, Any]) -> str:
    """When the job's transform began, as data capture writes it."""
    began = doc.get("TransformStartTime") or doc.get("CreationTime", 0)
    return datetime.fromtimestamp(began, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def read_parameters(status: int, body: bytes) -> dict[str, Any]:
    """What a container said to /execution-parameters; nothing if it does not know the question."""
    if status != 200:
        return {}
    try:
        said = json.loads(body)
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}


def _number(given: int | None, said: Any, default: int, *, least: int) -> int:
    if given is not None:
        return max(least, given)
    if isinstance(said, (int, float)) and not isinstance(said, bool) and said >= least:
        return int(said)
    return default
