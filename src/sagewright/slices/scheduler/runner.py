"""What happens when a moment comes: the next timer is set, and the target is called until it takes the call or nobody may try again.

Two instructions of the work queue: RING at the moment itself, CALL when the target is called (later in a time window, or once
more after a failure). A ring writes its call, the next ring and its own end in one transaction, so that a server that is killed
neither loses a moment nor doubles one. A call that is cut short is made again with the same execution id.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Mapping
from typing import Any

from ...resources.arn import parse
from ...resources.platform import Platform
from ...runtime.reconciler import Job
from ...stores.identity import SCHEDULER
from ...stores.metrics import Sample
from ...stores.records import AddWork, Change, Conflict, Delete, DoneWork, Put, Work
from ...wire.errors import (
    AccessDenied,
    AlreadyExists,
    DomainError,
    InUse,
    Invalid,
    LimitExceeded,
    NotFound,
    ServiceError,
)
from . import targets, timing
from .groups import SCHEDULE
from .schedules import RING, ring

log = logging.getLogger(__name__)

CALL = "CallTarget"
NAMESPACE = "AWS/Scheduler"
LARGEST = 262_144
"""Bytes of a dead letter."""
CODES: dict[type[DomainError], str] = {
    AccessDenied: "AccessDeniedException", Invalid: "ValidationException", NotFound: "ResourceNotFoundException",
    AlreadyExists: "ConflictException", InUse: "ConflictException", LimitExceeded: "LimitExceededException",
}
"""What dead letters say of errors that have no code of their own."""


class Runner:
    """The executors of schedules on one platform."""

    def __init__(self, platform: Platform) -> None:
        self.platform, self.records = platform, platform.records

    def install(self) -> None:
        self.platform.reconciler.executor(SCHEDULE, RING, self.ring)
        self.platform.reconciler.executor(SCHEDULE, CALL, self.call)

    async def ring(self, job: Job) -> None:
        """A moment has come."""
        scope, key, now = job.work.scope, job.work.key, self.platform.clock()
        record = job.record
        if job.args["Serial"] != record.doc["_serial"]:
            return
        moment = timing.made_up(record.doc, job.args["Moment"], now)
        doc = {**record.doc, "_fired": moment}
        upcoming = timing.then(doc, moment, now)
        changes: list[Change] = [
            Put(SCHEDULE, scope, key, doc, record.version, record.status, record.name, record.parent),
            self._call(job, {"Moment": moment, "Serial": doc["_serial"], "Attempt": 1, "Last": upcoming is None}, timing.due(doc, moment)),
            DoneWork(job.work.id),
        ]
        if upcoming is not None:
            changes.append(ring(scope, key, doc, upcoming))
        try:
            await self.records.commit(*changes)
        except Conflict:  # it was changed or deleted this very moment, and what was written then has a timer of its own
            return
        self.platform.reconciler.changed(SCHEDULE, scope, key)

    def _call(self, job: Job, args: dict[str, Any], due: float) -> AddWork:
        work = job.work
        id_ = f"{CALL}/{work.scope}/{work.key}/{args['Serial']}/{args['Moment']:.3f}/{args['Attempt']}"
        return AddWork(Work(id_, SCHEDULE, work.scope, work.key, CALL, args, due))

    async def call(self, job: Job) -> None:
        """One attempt at a moment's call."""
        doc, moment, attempt = job.doc, job.args["Moment"], job.args["Attempt"]
        if doc["State"] == "DISABLED":  # meanwhile
            return
        text = targets.filled(doc["Target"], _words(doc, moment, attempt), _notification(job, moment))
        try:
            if self.platform.clock() - moment > timing.policy(doc)["MaximumEventAgeInSeconds"]:
                raise ServiceError("EventTooOld", "The moment passed without a server, longer ago than MaximumEventAgeInSeconds.")
            await self._ask(job, targets.request(doc["Target"], text, self.platform.endpoint, f"scheduler-execution-{timing.execution_id(doc, moment)}"))
        except Exception as error:
            if not isinstance(error, DomainError):
                log.exception("schedule %s could not call its target", doc["Arn"])
            if await self._again(job, error):
                return
            await self._give_up(job, error, text or "")
        if job.args["Last"] and doc["ActionAfterCompletion"] == "DELETE":
            await self._delete(job)

    async def _ask(self, job: Job, request: targets.Request) -> None:
        await self._count(job, "InvocationAttemptCount")
        await self._as_role(job, request.service, request.operation, request.params)

    async def _as_role(self, job: Job, service: str, operation: str, params: dict[str, Any]) -> None:
        """A call as the target's role, allowed what the role is allowed and audited as its session."""
        assert self.platform.identity is not None
        doc, region = job.doc, job.work.scope.split("/", 1)[1]
        principal = await self.platform.identity.role_principal(doc["Target"]["RoleArn"], doc["Name"], SCHEDULER)
        await self.platform.api.call(service, operation, params, principal, region=region, source=doc["Arn"])

    async def _again(self, job: Job, error: Exception) -> bool:
        """Whether another attempt is queued."""
        moment, attempt, now = job.args["Moment"], job.args["Attempt"], self.platform.clock()
        if not transient(error) or timing.exhausted(job.doc, moment, attempt, now):
            return False
        await self.records.commit(self._call(job, {**job.args, "Attempt": attempt + 1}, now + timing.pause(attempt)))
        return True

    async def _give_up(self, job: Job, error: Exception, text: str) -> None:
        """The moment's call is lost, but for the dead letter."""
        doc, moment, attempt = job.doc, job.args["Moment"], job.args["Attempt"]
        code, message = _code(error), getattr(error, "message", "An internal error occurred.")
        log.warning("schedule %s gave up its target at %s: %s: %s", doc["Arn"], timing.iso(moment), code, message)
        await self._count(job, "TargetErrorCount")
        letters = doc["Target"].get("DeadLetterConfig", {}).get("Arn")
        if letters is None:
            await self._count(job, "InvocationDroppedCount")
            return
        cut = text.encode()[:LARGEST - 16_384].decode(errors="ignore")
        about = {
            "ERROR_CODE": code, "ERROR_MESSAGE": message[:4096], "EXECUTION_ID": timing.execution_id(doc, moment),
            "IS_PAYLOAD_TRUNCATED": "false" if cut == text else "true", "RETRY_ATTEMPTS": str(attempt - 1),
            "SCHEDULED_TIME": timing.iso(moment), "SCHEDULE_ARN": doc["Arn"], "TARGET_ARN": doc["Target"]["Arn"],
        }
        if transient(error):
            about["EXHAUSTED_RETRY_CONDITION"] = timing.exhausted(doc, moment, attempt, self.platform.clock())
        where = parse(letters)
        letter = {
            "QueueUrl": f"{self.platform.endpoint}/{where.account}/{where.resource}", "MessageBody": cut or "{}",
            "MessageAttributes": {k: {"DataType": "String", "StringValue": v} for k, v in about.items() if v},
        }
        try:
            await self._as_role(job, "sqs", "SendMessage", letter)
        except DomainError as refused:
            log.warning("schedule %s: its dead letter could not be sent to %s: %s", doc["Arn"], letters, refused)
            await self._count(job, "InvocationsFailedToBeSentToDeadLetterCount")
        else:
            await self._count(job, "InvocationsSentToDeadLetterCount")

    async def _delete(self, job: Job) -> None:
        """After its last call, unless somebody has changed the schedule meanwhile."""
        scope, key = job.work.scope, job.work.key
        record = await self.records.get(SCHEDULE, scope, key)
        if record is None or record.doc["_serial"] != job.args["Serial"]:
            return
        try:
            await self.records.commit(Delete(SCHEDULE, scope, key, record.version))
        except Conflict:
            return
        self.platform.reconciler.changed(SCHEDULE, scope, key)

    async def _count(self, job: Job, name: str) -> None:
        sample = Sample(NAMESPACE, name, (("ScheduleGroup", job.doc["GroupName"]),), self.platform.clock(), 1.0, "Count")
        await asyncio.to_thread(self.platform.metrics.put, [sample])


def transient(error: Exception) -> bool:
    """Whether the same call may work later."""
    if isinstance(error, ServiceError):
        return error.status >= 500 or error.status == 429 or error.code.startswith("Throttling")
    return isinstance(error, LimitExceeded) or not isinstance(error, DomainError)


def _code(error: Exception) -> str:
    if isinstance(error, ServiceError):
        return error.code
    return next((code for kind, code in CODES.items() if isinstance(error, kind)), "InternalFailure")


def _words(doc: Mapping[str, Any], moment: float, attempt: int) -> dict[str, str]:
    return {
        "schedule-arn": doc["Arn"], "scheduled-time": timing.iso(moment), "execution-id": timing.execution_id(doc, moment),
        "attempt-number": str(attempt),
    }


def _notification(job: Job, moment: float) -> str:
    """What a queue or a topic gets from a schedule without an input."""
    doc, (account, region) = job.doc, job.work.scope.split("/", 1)
    return json.dumps({
        "version": "0", "id": timing.execution_id(doc, moment), "detail-type": "Scheduled Event", "source": "aws.scheduler",
        "account": account, "time": timing.iso(moment), "region": region, "resources": [doc["Arn"]], "detail": "{}",
    })
