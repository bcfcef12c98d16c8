"""What exists: models, endpoint configurations, endpoints."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...resources.resource import Resource
from ...runtime.lifecycle import Instruction
from ...stores.records import Record
from . import capture, fleet, views
from .lifecycle import LIFECYCLE
from .request import check_config, check_endpoint, check_model
from .states import DEPLOY

model = Resource("Model", old=True, prepare=check_model)

endpoint_config = Resource(
    "EndpointConfig",
    old=True,
    human="endpoint configuration",
    prepare=check_config,
    computed={"EnableNetworkIsolation": lambda doc, record: doc.get("EnableNetworkIsolation", False)},
)


def _variants(doc: Mapping[str, Any], record: Record) -> list[dict[str, Any]] | None:
    return views.summaries(dict(doc)) if doc.get("_fleet") else None


def _shadows(doc: Mapping[str, Any], record: Record) -> list[dict[str, Any]] | None:
    return views.summaries(dict(doc), shadow=True) or None if doc.get("_fleet") else None


def _pending(doc: Mapping[str, Any], record: Record) -> dict[str, Any] | None:
    return views.pending(dict(doc))


endpoint = Resource(
    "Endpoint",
    old=True,
    lifecycle=LIFECYCLE,
    first=(Instruction(DEPLOY),),
    prepare=check_endpoint,
    computed={
        "ProductionVariants": _variants, "ShadowProductionVariants": _shadows, "PendingDeploymentSummary": _pending,
        "AsyncInferenceConfig": lambda doc, record: fleet.asynchronous(dict(doc)),
        "DataCaptureConfig": lambda doc, record: capture.summary(dict(doc)),
    },
    verbs=("Create", "Describe", "List"),
)
