"""Steps that make a resource: the request, its cache, and the resource itself. Called by the driver."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ...wire.errors import AccessDenied, AlreadyExists, DomainError, Invalid, LimitExceeded, ServiceError
from . import policies
from .coerce import coerced
from .definition import Step
from .expressions import resolve, text
from .kinds import KINDS, UPDATED, Made, unique
from .lifecycle import SUCCEEDED

if TYPE_CHECKING:
    from .driver import Driver


async def begin(driver: Driver, step: Step) -> None:
    """Resolve the request, look for a result to use again, else write the request down and carry it out. Raises Unresolved."""
    kind = KINDS[step.type]
    assert isinstance(kind, Made)
    doc = driver.steps[step.name]
    own = text(await resolve(step.arguments.get(kind.name) or "", driver.scope))
    driver.scope.job = _name(driver, kind, step, 1, own)
    request = kind.roled(coerced(await resolve(step.arguments, driver.scope), _input(driver, kind)), driver.doc["RoleArn"])
    digest = kind.digest(request)
    known = await driver.cached(step, digest)
    if known is not None:
        hit = {"SourcePipelineExecutionArn": known["PipelineExecutionArn"]}
        await driver.made({
            **doc, "StepStatus": SUCCEEDED, "EndTime": driver.platform.clock(), "CacheHitResult": hit, "Metadata": known["Metadata"],
            "_made": known["Made"], "_noun": kind.noun,
        })
        return
    await driver.made({**doc, **_named(driver, kind, step, 1, request, own), "_own": own, "_digest": digest, "_noun": kind.noun})


def another_attempt(driver: Driver, step: Step, doc: dict[str, Any]) -> dict[str, Any]:
    """A step's document for its next attempt, with the same request under another name."""
    kept = {k: v for k, v in doc.items() if k != "_again"} | {"AttemptCount": doc["AttemptCount"] + 1}
    kind = KINDS[step.type]
    if isinstance(kind, Made):
        kept |= _named(driver, kind, step, kept["AttemptCount"], doc["_request"], doc["_own"])
    return kept


async def create(driver: Driver, step: Step) -> None:
    """Make the resource, or find it. Raises DomainError."""
    kind, doc = KINDS[step.type], driver.steps[step.name]
    assert isinstance(kind, Made)
    request = dict(doc["_request"])
    config = driver.doc.get("PipelineExperimentConfig")
    if kind.trial and config:
        shown = displayed(doc.get("StepDisplayName", step.name))
        request["ExperimentConfig"] = {**config, "TrialComponentDisplayName": shown, **request.get("ExperimentConfig", {})}
    if kind.noun == "ModelPackage":
        await _grouped(driver, request)
    try:
        answer = await driver.ask(f"Create{kind.noun}", request)
    except DomainError as error:
        if "already exist" not in error.message:
            raise
        if kind.updates:
            await _update(driver, kind, request, doc["StartTime"])
        elif not await mine(driver, doc):
            raise  # somebody else's: its result must not pass for the step's
        return
    if kind.noun == "ModelPackage":
        driver.steps[step.name] = {**doc, "_made": answer[kind.arn]}


def displayed(name: str) -> str:
    """A step's name as a trial component may be called: letters, digits and dashes. A @step's is ``__main__.prepare``."""
    return re.sub("[^A-Za-z0-9]+", "-", name)[:120].strip("-") or "step"


async def mine(driver: Driver, doc: dict[str, Any]) -> bool:
    """Whether the resource that a step's document names is there, and was made by this execution."""
    if "_made" not in doc or doc["_noun"] in UPDATED:  # an endpoint may have been there before
        return False
    record = await driver.platform.records.get(doc["_noun"], driver.job.record.scope, doc["_made"].lower())
    return record is not None and record.doc.get("_source") == driver.arn


def exception(error: DomainError) -> str:
    """What kind of failure a refused call is, for RetryPolicies; empty for one that would be refused again."""
    if isinstance(error, LimitExceeded):
        return policies.RESOURCE_LIMIT
    if isinstance(error, ServiceError):
        if "Throttl" in error.code:
            return policies.THROTTLING
        return policies.SERVICE_FAULT if error.status >= 500 else ""
    return ""


async def _update(driver: Driver, kind: Made, request: dict[str, Any], since: float) -> None:
    """Bring one that exists up to date, unless this step has done so before a crash. Raises DomainError."""
    found = await driver.ask(f"Describe{kind.noun}", {kind.name: request[kind.name]})
    same = bool(kind.told) and all(found.get(member) == request.get(member) for member in kind.told)
    if found[kind.status] not in kind.bad and (same or found["LastModifiedTime"] >= since):
        return
    await driver.ask(f"Update{kind.noun}", {member: request[member] for member in kind.updates if member in request})


async def _grouped(driver: Driver, request: dict[str, Any]) -> None:
    """A model package's group comes with it."""
    group = request.get("ModelPackageGroupName")
    if group is None or group.startswith("arn:"):
        return
    try:
        await driver.ask("CreateModelPackageGroup", {"ModelPackageGroupName": group, **({"Tags": request["Tags"]} if "Tags" in request else {})})
    except (AlreadyExists, Invalid) as error:
        if "already exists" not in error.message:
            raise
    except AccessDenied:
        if await driver.platform.records.get("ModelPackageGroup", driver.job.record.scope, group.lower()) is None:
            raise
    request.pop("Tags", None)  # versions have none of their own


def _named(driver: Driver, kind: Made, step: Step, attempt: int, request: dict[str, Any], own: str) -> dict[str, Any]:
    """What a step's document has of an attempt."""
    if kind.noun == "ModelPackage":
        token = unique(f"{driver.arn}/{step.name}/{driver.doc['_round']}/{attempt}")
        return {"_request": {**request, "ClientToken": token}}
    name = _name(driver, kind, step, attempt, own)
    return {"_request": {**request, kind.name: name}, "_made": name}


def _name(driver: Driver, kind: Made, step: Step, attempt: int, own: str) -> str:
    return kind.job_name(driver.arn, step.name, f"{driver.doc['_round']}/{attempt}", own)


def _input(driver: Driver, kind: Made) -> Any:
    shape = driver.platform.shapes("sagemaker").model(f"Create{kind.noun}").input
    assert shape is not None
    return shape
