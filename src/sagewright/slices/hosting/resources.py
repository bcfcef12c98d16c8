"""What exists: models, endpoint configurations, endpoints."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...resources.resource import Resource
from ...runtime.lifecycle import Instruction
from ...stores.records import Record
from . import fleet
from .lifecycle import DEPLOY, LIFECYCLE
from .request import check_config, check_endpoint, check_model

model = Resource("Model", old=True, prepare=check_model)

endpoint_config = Resource(
    "EndpointConfig",
    old=True,
    human="endpoint configuration",
    prepare=check_config,
    computed={"EnableNetworkIsolation": lambda doc, record: doc.get("EnableNetworkIsolation", False)},
)


def _variants(doc: Mapping[str, Any], record: Record) -> list[dict[str, Any]] | None:
    serving = doc.get("_fleet")
    return fleet.summaries(serving, doc.get("_next"), doc["EndpointStatus"]) if serving else None


def _pending(doc: Mapping[str, Any], record: Record) -> dict[str, Any] | None:
    after = doc.get("_next")
    return fleet.pending(after) if after else None


endpoint = Resource(
    "Endpoint",
    old=True,
    lifecycle=LIFECYCLE,
    first=(Instruction(DEPLOY),),
    prepare=check_endpoint,
    computed={"ProductionVariants": _variants, "PendingDeploymentSummary": _pending},
    verbs=("Create", "Describe", "List"),
)
