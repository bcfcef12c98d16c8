"""What exists: tracking servers and apps. Both run the same thing; they differ in their names and members."""

from __future__ import annotations

import hashlib
from typing import Any

from ...resources.jobs import check_assumable, check_role, check_s3
from ...resources.lone import next_task
from ...resources.platform import Platform
from ...resources.resource import Resource
from ...runtime.lifecycle import Instruction
from ...stores.images import UnknownImage
from ...wire.errors import Invalid
from ...wire.types import Call
from .lifecycle import DEPLOY, active, lifecycle

SERVER, APP = "MlflowTrackingServer", "MlflowApp"
KINDS = {SERVER: "mlflow-tracking-server", APP: "mlflow-app"}
DEFAULT_VERSION = "3.17.2"
IMAGE = "mlflow"


def by(call: Call) -> dict[str, Any]:
    """Who did something, as CreatedBy and LastModifiedBy show it."""
    return {"IamIdentity": {"Arn": call.principal.arn, "PrincipalId": call.principal.user_id}}


def check_store(platform: Platform, call: Call, params: dict[str, Any]) -> None:
    """Raises Invalid or AccessDenied unless the artifact store and the role can be used."""
    check_s3(params.get("ArtifactStoreUri"))
    if role := params.get("RoleArn"):
        check_role(platform, call, role)


async def prepare(platform: Platform, call: Call, doc: dict[str, Any]) -> None:
    """Members that every new server or app has besides what its caller gave."""
    check_store(platform, call, doc)
    await check_assumable(platform, doc["RoleArn"])
    doc.setdefault("MlflowVersion", DEFAULT_VERSION)
    doc.setdefault("WeeklyMaintenanceWindowStart", "Sun:03:00")
    try:
        image = platform.images.resolve(f"{IMAGE}:{doc['MlflowVersion']}")
    except UnknownImage as error:
        raise Invalid(f"MlflowVersion {doc['MlflowVersion']} is not supported: {error}") from None
    doc["MlflowVersion"] = image.tag
    doc["CreatedBy"] = doc["LastModifiedBy"] = by(call)
    where = doc.get("TrackingServerArn") or doc["Arn"]
    doc["_id"] = "t-" + hashlib.sha256(f"{where} {platform.clock()}".encode()).hexdigest()[:16]
    doc["_prefix"] = f"mlflow-{doc['_id']}"
    doc |= next_task(doc)


async def prepare_server(platform: Platform, call: Call, doc: dict[str, Any]) -> None:
    doc.setdefault("TrackingServerSize", "Small")
    doc.setdefault("AutomaticModelRegistration", False)
    await prepare(platform, call, doc)


def registers(doc: dict[str, Any]) -> bool:
    """Whether new model versions go to the model registry by themselves."""
    return bool(doc.get("AutomaticModelRegistration")) or doc.get("ModelRegistrationMode") == "AutoModelRegistrationEnabled"


def arn_of(doc: dict[str, Any]) -> str:
    where: str = doc.get("TrackingServerArn") or doc["Arn"]
    return where


tracking_server = Resource(
    SERVER,
    stem="TrackingServer",
    human="MLflow tracking server",
    taken="An MLflow tracking server with this name already exists",
    lifecycle=lifecycle(SERVER, "TrackingServerStatus"),
    first=(Instruction(DEPLOY),),
    prepare=prepare_server,
    computed={"IsActive": lambda doc, record: "Active" if active(dict(doc)) else "Inactive"},
    verbs=("Create",),
)

app = Resource(
    APP,
    human="MLflow app",
    lifecycle=lifecycle(APP, "Status"),
    first=(Instruction(DEPLOY),),
    verbs=(),
)
