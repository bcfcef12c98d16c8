"""Drives one execution: begins steps, hears of what they made, ends.

Everything it decides is stored before it is done: a step's record, with its request and the name of its job, comes before the
job. So a driver that starts again after a crash makes what is missing and takes in the end of what has ended meanwhile.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Mapping
from typing import Any

from ...resources.jobs import REASON
from ...resources.platform import Platform
from ...runtime.box import Box
from ...runtime.lifecycle import Event
from ...runtime.reconciler import Job
from ...stores.records import Change, Put, Query
from ...wire.errors import DomainError, Invalid, NotFound, ServiceError
from ...wire.types import Principal
from . import callbacks, conditions, definition, experiments, making, policies
from .definition import Step
from .expressions import Unresolved, resolve, text
from .kinds import KINDS, Made
from .lifecycle import FAILED, FINAL, STOPPED, STOPPING, SUCCEEDED
from .plan import ACTIVE, EXECUTING, STARTING, Plan
from .records import CACHE, STEP, Cached, version_of
from .scope import Results

log = logging.getLogger(__name__)

DAY = 86_400.0
MESSAGE = 3072
"""The longest ErrorMessage of a Fail step."""
SHOWN = (("StepDisplayName", "DisplayName", 256), ("StepDescription", "Description", 3072))
"""Member of a step's summary, of the definition, and its most characters: the docstring of a function may have more."""
PARALLEL = 50
"""Steps at a time, unless the execution says otherwise."""


def service(account: str) -> Principal:
    """The service itself, in an account."""
    return Principal(arn=f"arn:aws:iam::{account}:role/aws-service-role/sagemaker.amazonaws.com", account=account, kind="service")


class Driver:
    """One execution on one platform, from a start of the server to the next or to its end."""

    def __init__(self, platform: Platform, job: Job, box: Box) -> None:
        self.platform, self.job, self.box = platform, job, box
        self.doc: dict[str, Any] = job.doc
        self._version = job.record.version
        """Of the document."""
        self.arn: str = self.doc["PipelineExecutionArn"]
        self.steps: dict[str, dict[str, Any]] = {}
        """The documents of the steps that have begun, by name."""
        account, self.region = job.record.scope.split("/", 1)
        self.service = service(account)
        """Stops jobs whatever has become of the role's permissions."""

    async def run(self) -> None:
        """Until the execution has ended."""
        try:
            await self._read()
        except (DomainError, Unresolved) as error:
            await self.job.send("Ended", State=FAILED, Reason=f"ClientError: The execution cannot begin: {error}")
            return
        for name in self._plan().active():
            if "_again" not in self.steps[name]:
                await self._resume(name)
        while True:
            await self._hear()
            if self.doc["_state"] in FINAL or await self._closed():
                return
            if await self._go_on():
                continue
            if not self.box.letters:
                await self.box.wait(self._patience())

    # -- starting again

    async def _read(self) -> None:
        """What there is of the execution. Raises DomainError, Unresolved."""
        record = self.job.record
        version = await version_of(self.platform, record)
        self.definition = definition.read(version.doc["_definition"])
        query = Query(parent=record.key, descending=False, limit=100_000)
        self.steps = {s.name: s.doc for s in await self.platform.records.find(STEP, record.scope, query)}
        self.scope = Results(self.platform, self.definition, lambda: self.doc, self.steps, self.ask)
        if "PipelineExperimentConfig" not in self.doc and self.definition.experiment:
            await self._tally({"PipelineExperimentConfig": await experiments.made(self)})

    async def _resume(self, name: str) -> None:
        """Go on with a step that had begun. What was not made yet is not made any more where the execution comes to its end."""
        step, doc = self.definition.steps[name], self.steps[name]
        if step.type == "Callback":
            if not await self._answered(name) and doc["StepStatus"] == STARTING and not self._closing():
                await self._called(name)
        elif doc["StepStatus"] != STARTING or await making.mine(self, doc):
            await self._look_after(name)
        elif not self._closing():
            await self._make(name)

    # -- hearing

    async def _hear(self) -> None:
        while self.box.letters:
            record, event = self.box.letters.popleft()
            if record.kind == self.job.record.kind:
                if record.version > self._version:
                    self.doc, self._version = record.doc, record.version
                if event.name == "Answered":
                    for name in self._plan().active():
                        if self.definition.steps[name].type == "Callback":
                            await self._answered(name)
                continue
            for name in self._plan().active():
                doc = self.steps[name]
                if "_again" not in doc and doc.get("_noun") == record.kind and doc.get("_made", "").lower() == record.key:
                    await self._look_after(name)

    async def _look_after(self, name: str) -> None:
        """Take in what a step's resource has come to, and be it to nothing."""
        if not await self._look(name):
            await self._fail(name, f"ClientError: {self.steps[name].get('_made', 'What the step made')} was deleted.")

    async def _look(self, name: str) -> bool:
        """Take in what a step's resource has come to; False if there is none."""
        kind, doc = KINDS[self.definition.steps[name].type], self.steps[name]
        if not isinstance(kind, Made) or "_made" not in doc:
            return False
        try:
            found = await self._call(f"Describe{kind.noun}", self.service, {kind.name: doc["_made"]})
        except (NotFound, Invalid):
            return False
        metadata = {kind.metadata: {"Arn": found[kind.arn]}}
        status = found[kind.status] if kind.status else ""
        if status in ("", *kind.good):
            back = found.get("FailureReason", "") if kind.updates else ""  # of an update
            if not back and all(found.get(member) == doc["_request"].get(member) for member in kind.told):
                await self._succeed(name, metadata)
            else:
                await self._fail(name, f"ClientError: {back or f'The update of the {kind.noun} was taken back.'}", "", metadata)
        elif status in kind.bad:
            reason = found.get("FailureReason", "")
            if status == "Stopped":
                await self.written({**doc, "StepStatus": STOPPED, "EndTime": self.platform.clock(), "Metadata": metadata})
            else:
                internal = policies.kind_of(reason)
                retried = "" if internal == policies.INTERNAL_ERROR and kind.noun == "HyperParameterTuningJob" else internal
                await self._fail(name, f"ClientError: {reason}" if reason else "ClientError: The job failed.", retried, metadata)
        elif doc["StepStatus"] == STARTING:
            await self.written({**doc, "StepStatus": EXECUTING, "Metadata": metadata})
        return True

    async def _answered(self, name: str) -> bool:
        """Take in the answer to a callback; False if there is none."""
        answer = await callbacks.answer(self.platform, self.job.record.scope, self.steps[name]["Metadata"]["Callback"]["CallbackToken"])
        if answer is None:
            return False
        metadata = {"Callback": {**self.steps[name]["Metadata"]["Callback"], "OutputParameters": answer.get("OutputParameters", [])}}
        if answer["Success"]:
            declared = {p["OutputName"]: p.get("OutputType", "String") for p in self.definition.steps[name].raw.get("OutputParameters") or ()}
            outputs = callbacks.outputs(declared, answer.get("OutputParameters", []))
            await self.written(self._done(name, metadata) | {"_outputs": outputs})
        else:
            await self._fail(name, answer.get("FailureReason") or "The callback was answered with a failure.", "", metadata)
        return True

    # -- ending

    def _plan(self) -> Plan:
        chosen = self.doc.get("SelectiveExecutionConfig", {}).get("SelectedSteps")
        return Plan(self.definition, self.steps, [each["StepName"] for each in chosen] if chosen else None)

    async def _closed(self) -> bool:
        """Stop what runs where nothing shall any more; True when nothing does, nothing is ready, and the execution has ended."""
        stopping = self.doc["_state"] == STOPPING
        plan = self._plan()
        if self._closing():
            for name in plan.active():
                await self._stop(name)
            plan = self._plan()
        if plan.active() or (plan.ready() and not stopping):
            return False
        status, reason = plan.verdict()
        await self.job.send("Ended", State=status, Reason=reason)
        return True

    def _closing(self) -> bool:
        """Whether nothing shall begin any more."""
        return self.doc["_state"] == STOPPING or self._plan().ended_by() is not None

    async def _stop(self, name: str) -> None:
        doc, kind = self.steps[name], KINDS[self.definition.steps[name].type]
        if doc["StepStatus"] == STARTING:  # waits for its next attempt, or was broken off before it made anything
            await self.written({k: v for k, v in doc.items() if k != "_again"} | {"StepStatus": STOPPED, "EndTime": self.platform.clock()})
            return
        if doc.get("_stopping"):
            return
        if isinstance(kind, Made) and kind.stops:
            # one that has ended: its event is on the way
            with contextlib.suppress(Invalid, NotFound):
                await self._call(f"Stop{kind.noun}", self.service, {kind.name: doc["_made"]})
            await self.written({**doc, "StepStatus": "Stopping", "_stopping": True})
        elif self.definition.steps[name].type == "Callback":
            try:
                await callbacks.send(self, name, "Stopping")
            except DomainError as error:  # nobody will answer
                await self._fail(name, f"ClientError: Failed to invoke sqs:SendMessage. Error Details: {error.message}")
                return
            await self.written({**doc, "StepStatus": "Stopping", "_stopping": True})

    def _patience(self) -> float:
        times = [doc["_again"] for doc in self.steps.values() if "_again" in doc]
        return min([t - self.platform.clock() for t in times], default=DAY)

    # -- steps

    async def _go_on(self) -> bool:
        """Begin the steps that are ready and there is room for, and those whose next attempt is due. Whether any began."""
        if self.doc["_state"] == STOPPING:
            return False
        due = [name for name, doc in self.steps.items() if doc.get("_again", float("inf")) <= self.platform.clock()]
        for name in due:
            await self._make(name)
        plan = self._plan()
        room = self.doc.get("ParallelismConfiguration", {}).get("MaxParallelExecutionSteps", PARALLEL) - len(plan.active())
        ready = plan.ready()[: max(0, room)]
        for step in ready:
            await self._begin(step)
            if self.box.letters:
                return True
        return bool(due or ready)

    async def _begin(self, step: Step) -> None:
        doc = {
            "StepName": step.name, "StartTime": self.platform.clock(), "StepStatus": STARTING, "Metadata": {}, "AttemptCount": 1,
            "_type": step.type,
            **{m: step.raw[given][:most] for m, given, most in SHOWN if step.raw.get(given)},
        }
        self.steps[step.name] = doc
        try:
            match step.type:
                case "Condition":
                    await self._decide(step)
                case "Fail":
                    message = text(await resolve(step.arguments.get("ErrorMessage", ""), self.scope))[:MESSAGE]
                    await self._fail(step.name, message, "", {"Fail": {"ErrorMessage": message}})
                case "Callback":
                    await callbacks.begin(self, step)
                    await self._called(step.name)
                case _:
                    await making.begin(self, step)
        except Unresolved as error:
            await self._fail(step.name, f"ClientError: An expression of the step {step.name} leads nowhere: {error}.")

    async def _decide(self, step: Step) -> None:
        outcome = "True" if conditions.fulfilled(await resolve(step.arguments["Conditions"], self.scope)) else "False"
        await self.written(self._done(step.name, {"Condition": {"Outcome": outcome}}) | {"_outcome": outcome})

    async def _called(self, name: str) -> None:
        """Send a callback's message."""
        try:
            await callbacks.send(self, name, "Executing")
        except DomainError as error:
            await self._fail(name, f"ClientError: Failed to invoke sqs:SendMessage. Error Details: {error.message}", making.exception(error))
            return
        await self.written({**self.steps[name], "StepStatus": EXECUTING})

    async def _make(self, name: str) -> None:
        """Make a step's resource, for the first time or in a further attempt."""
        step = self.definition.steps[name]
        if "_again" in self.steps[name]:
            await self.written(making.another_attempt(self, step, self.steps[name]))
            if step.type == "Callback":
                await self._called(name)
                return
        try:
            await making.create(self, step)
        except DomainError as error:
            kind = KINDS[step.type]
            assert isinstance(kind, Made)
            reason = f"ClientError: Failed to invoke sagemaker:Create{kind.noun}. Error Details: {error.message}"
            await self._fail(name, reason, making.exception(error))
            return
        await self._look_after(name)

    async def made(self, doc: dict[str, Any], *also: Change) -> None:
        """Write a step down, and make its resource."""
        await self.written(doc, *also)
        if doc["StepStatus"] in ACTIVE:
            await self._make(doc["StepName"])

    # -- what becomes of a step

    def _done(self, name: str, metadata: Mapping[str, Any]) -> dict[str, Any]:
        return {**self.steps[name], "StepStatus": SUCCEEDED, "EndTime": self.platform.clock(), "Metadata": dict(metadata)}

    async def _succeed(self, name: str, metadata: Mapping[str, Any]) -> None:
        doc = self._done(name, metadata)
        also = [Cached.put(self, doc)] if doc.get("_digest") else []
        await self.written(doc, *also)

    async def _fail(self, name: str, reason: str, exception: str = "", metadata: Mapping[str, Any] | None = None) -> None:
        """A step has failed; it is tried again if a policy says so."""
        doc, now = self.steps[name], self.platform.clock()
        doc = {**doc, "Metadata": dict(metadata)} if metadata else doc
        when = policies.again(self.definition.steps[name].raw, exception, doc["AttemptCount"], doc["StartTime"], now) if exception else None
        if when is not None and self.doc["_state"] not in (STOPPING, *FINAL):
            await self.written({**doc, "StepStatus": STARTING, "_again": when})
        else:
            await self.written({**doc, "StepStatus": FAILED, "EndTime": now, "FailureReason": reason[:REASON]})

    async def written(self, doc: dict[str, Any], *also: Change) -> None:
        """Store a step and what follows from it in one transaction."""
        name = doc["StepName"]
        self.steps[name] = doc
        record = self.job.record
        put = Put(
            STEP, record.scope, f"{record.key}/{name}", doc, status=doc["StepStatus"], name=name, parent=record.key, created=doc["StartTime"]
        )
        await self._tally({}, put, *also)

    async def _tally(self, changes: Mapping[str, Any], *also: Change) -> None:
        record = self.job.record
        event = Event("Tally", {"Changes": dict(changes)})
        after = await self.platform.reconciler.send(record.kind, record.scope, record.key, event, also=also)
        if after is not None:
            self.doc, self._version = after.doc, after.version

    # -- calls

    async def ask(self, operation: str, params: dict[str, Any], service: str = "sagemaker") -> dict[str, Any]:
        """A call as the execution's role. Raises DomainError."""
        assert self.platform.identity is not None
        who = await self.platform.identity.role_principal(self.doc["RoleArn"], "SageMaker")
        return await self._call(operation, who, params, service)

    async def _call(self, operation: str, who: Principal, params: dict[str, Any], service: str = "sagemaker") -> dict[str, Any]:
        try:
            return await self.platform.api.call(service, operation, params, who, self.region, source=self.arn)
        except DomainError:
            raise
        except Exception as error:  # as from outside: the call has failed, not this execution
            log.exception("%s for %s failed", operation, self.arn)
            raise ServiceError("InternalFailure", f"{operation} has failed because of an unknown error.", 500) from error

    async def cached(self, step: Step, digest: str) -> dict[str, Any] | None:
        """The newest success of the step with the same arguments, if it may be used again."""
        seconds = policies.lifetime(step.raw)
        if seconds is None or not digest:
            return None
        found = await self.platform.records.get(CACHE, self.job.record.scope, Cached.key(self.doc, step.name, digest))
        if found is None or self.platform.clock() - found.doc["At"] > seconds:
            return None
        return found.doc
