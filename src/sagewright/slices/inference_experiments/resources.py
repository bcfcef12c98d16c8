"""What exists: inference experiments."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...resources.resource import Resource
from ...runtime.lifecycle import Instruction
from ...stores.records import Record
from . import plans
from .lifecycle import LIFECYCLE
from .request import check_experiment
from .states import CANCELLED, COMPLETED, CREATED, CREATING, PREPARE, RUNNING, STARTING, STOPPING, UPDATING

SHADOWS = {
    CREATING: "Creating", CREATED: "Creating", STARTING: "Creating", RUNNING: "InService", UPDATING: "Updating",
}
"""State → status of the shadow variant, before the experiment's end."""


def variants(doc: Mapping[str, Any], record: Record) -> list[dict[str, Any]]:
    """ModelVariantConfigSummary of both variants."""
    state, name = doc["_state"], plans.shadow(doc)
    shown = []
    for variant in doc["ModelVariants"]:
        mine = variant["VariantName"]
        if state in (STOPPING, COMPLETED, CANCELLED) and "_stop" in doc and doc.get("_deployed"):
            gone = mine not in plans.left(doc)
            status = ("Deleting" if gone else "Updating") if state == STOPPING else "Deleted" if gone else "InService"
        elif mine == name:
            status = SHADOWS.get(state, "InService" if doc.get("_deployed") else "Deleted")
        else:
            status = "Updating" if state == STARTING else "InService"
        shown.append({**variant, "Status": status})
    return shown


def experiment() -> Resource:
    """The declaration; its name and ARN are plain words in every shape."""
    made = Resource(
        "InferenceExperiment",
        lifecycle=LIFECYCLE,
        first=(Instruction(PREPARE),),
        prepare=check_experiment,
        computed={"ModelVariants": variants},
        verbs=("Create", "List"),
    )
    made.name_member, made.arn_member = "Name", "Arn"
    return made
