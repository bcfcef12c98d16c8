"""The verbs of executions and their steps."""

from __future__ import annotations

import contextlib
import secrets
import string
from collections.abc import Sequence
from typing import Any

from ...resources import paging
from ...resources.arn import arn, parse
from ...resources.desk import Desk
from ...resources.jobs import check_assumable, check_role
from ...resources.patience import patient, waits
from ...runtime.lifecycle import Event, ImpossibleTransition
from ...stores.records import Change, Conflict, Delete, Put, Query, Record
from ...wire.errors import Invalid, NotFound, NotImplementedHere, ServiceError
from ...wire.types import Call, Reply
from . import definition, parameters
from .expressions import text
from .lifecycle import FINAL, SUCCEEDED
from .pipelines import EVERY, Pipelines
from .plan import ACTIVE
from .records import CALLBACK, EXECUTION, STEP, version_of
from .selection import borrowed
from .shown import by, children, dated
from .tokens import before, token

LETTERS = string.ascii_lowercase + string.digits
PAGE = 100
"""Steps and parameters in an answer that asks for no number: the SDKs ask for none and read no second page."""


class Executions:
    """The verbs of one platform."""

    def __init__(self, desk: Desk, pipelines: Pipelines) -> None:
        self.desk, self.platform, self.pipelines = desk, desk.platform, pipelines

    def install(self) -> None:
        bind = self.platform.operations.bind
        bind("sagemaker", "StartPipelineExecution", self.start, resources=self.pipelines.desk.arns)
        bind("sagemaker", "ListPipelineExecutions", self.list, resources=self.pipelines.desk.arns)
        for name, verb in (
            ("StopPipelineExecution", self.stop), ("RetryPipelineExecution", self.retry), ("UpdatePipelineExecution", self.update),
            ("DescribePipelineExecution", self.describe), ("ListPipelineExecutionSteps", self.steps),
            ("DescribePipelineDefinitionForExecution", self.definition), ("ListPipelineParametersForExecution", self.parameters),
        ):
            bind("sagemaker", name, verb, resources=_asked)
        bind("sagemaker", "SendPipelineExecutionStepSuccess", self.success)
        bind("sagemaker", "SendPipelineExecutionStepFailure", self.failure)

    async def start(self, call: Call) -> Reply:
        """Begin an execution of a pipeline's newest or given version."""
        params = call.params
        for member in ("PipelineVersionAlias", "MlflowExperimentName"):
            if member in params:
                raise NotImplementedHere(f"StartPipelineExecution with {member} is not implemented; nothing was started.")
        if known := await before(self.platform, call):
            return Reply({"PipelineExecutionArn": known})
        while True:
            pipeline = await self.pipelines.find(call)
            try:
                return await self._start(call, pipeline)
            except Conflict as conflict:
                if conflict.kind == "PipelineToken":
                    return Reply({"PipelineExecutionArn": await before(self.platform, call)})

    async def _start(self, call: Call, pipeline: Record) -> Reply:
        params, now = call.params, self.platform.clock()
        number = params.get("PipelineVersionId", pipeline.doc["_version"])
        version = await self.pipelines.version(pipeline, number)
        read = definition.read(version.doc["_definition"])
        id_ = "".join(secrets.choice(LETTERS) for _ in range(12))
        key = f"{pipeline.key}/execution/{id_}"
        where = arn("sagemaker", call.region, call.account, f"pipeline/{key}")
        role = params.get("RoleArn", pipeline.doc["RoleArn"])
        if "RoleArn" in params:
            check_role(self.platform, call, role)
        await check_assumable(self.platform, role)
        values = parameters.values(read.parameters, params.get("PipelineParameters", ()))
        doc: dict[str, Any] = {
            **{m: params[m] for m in ("PipelineExecutionDescription", "SelectiveExecutionConfig") if m in params},
            "PipelineExecutionArn": where, "PipelineArn": pipeline.doc["PipelineArn"], "PipelineVersionId": number, "RoleArn": role,
            "PipelineExecutionDisplayName": params.get("PipelineExecutionDisplayName", f"execution-{int(now * 1000)}"),
            "PipelineParameters": [{"Name": name, "Value": text(value)} for name, value in values.items()],
            "CreationTime": now, "LastModifiedTime": now, "CreatedBy": by(call), "LastModifiedBy": by(call),
            "_pipeline": pipeline.doc["PipelineName"], "_parameters": values, "_round": 1, "_principal": call.principal.arn,
        }
        if call.source:
            doc["_source"] = call.source
        if parallel := params.get("ParallelismConfiguration", pipeline.doc.get("ParallelismConfiguration")):
            doc["ParallelismConfiguration"] = parallel
        audit = self.platform.audit(call, {"PipelineExecutionArn": where})
        ran = Put(pipeline.kind, pipeline.scope, pipeline.key, {**pipeline.doc, "LastRunTime": now}, pipeline.version, name=pipeline.name)
        used = Put(
            version.kind, version.scope, version.key, {**version.doc, "LastExecutionPipelineExecutionArn": where}, version.version,
            name=version.name, parent=version.parent,
        )
        also: list[Change] = [ran, used, token(call, where, pipeline.key), *([audit] if audit else ())]
        also += [
            Put(STEP, call.scope, f"{key}/{step['StepName']}", step, 0, step["StepStatus"], step["StepName"], key, step["StartTime"])
            for step in await self._borrowed(call, pipeline, read)
        ]
        put = Put(EXECUTION, call.scope, key, doc, 0, name=id_, parent=pipeline.key, created=now)
        await self.platform.reconciler.create(put, *self.desk.resource.first, also=tuple(also))
        return Reply({"PipelineExecutionArn": where}, audited=audit is not None)

    async def _borrowed(self, call: Call, pipeline: Record, read: definition.Definition) -> Sequence[dict[str, Any]]:
        """The steps that a selective execution takes from another."""
        selective = call.params.get("SelectiveExecutionConfig")
        if selective is None:
            return []
        selected = [each["StepName"] for each in selective["SelectedSteps"]]
        where = selective.get("SourcePipelineExecutionArn", "")
        if not where:
            return borrowed(read, selected, "", {})
        source = await self.find(call, where)
        if source.parent != pipeline.key:
            raise Invalid(f"The source execution {where} is not one of the pipeline {pipeline.name}.")
        if source.doc["_state"] not in FINAL:
            raise Invalid(f"The source execution {where} has not ended; it is {source.status}.")
        docs = {s.name: s.doc for s in await self._steps(source)}
        return borrowed(read, selected, where, docs)

    async def stop(self, call: Call) -> dict[str, Any]:
        """No further steps; the jobs that run are stopped. A callback that was sent is waited for."""
        record = await self.find(call)
        where = record.doc["PipelineExecutionArn"]
        if await before(self.platform, call):
            return {"PipelineExecutionArn": where}
        try:
            known = token(call, where, record.parent)
            with contextlib.suppress(Conflict):  # the same request, just now
                await self.platform.reconciler.send(record.kind, record.scope, record.key, Event("Stop"), also=(known,))
        except ImpossibleTransition as error:
            raise Invalid(f"Pipeline execution with ARN {record.doc['PipelineExecutionArn']} is {error.state} and cannot be stopped.") from None
        return {"PipelineExecutionArn": record.doc["PipelineExecutionArn"]}

    async def retry(self, call: Call) -> dict[str, Any]:
        """Carry a failed or stopped execution on: steps that succeeded stay, the others are made anew."""
        while True:
            try:
                return await self._retry(call)
            except Conflict:  # the same request, or another one that changed the steps
                continue

    async def _retry(self, call: Call) -> dict[str, Any]:
        record = await self.find(call)
        if await before(self.platform, call):
            return {"PipelineExecutionArn": record.doc["PipelineExecutionArn"]}
        gone: list[Change] = [Delete(STEP, s.scope, s.key, s.version) for s in await self._steps(record) if s.status != SUCCEEDED]
        gone.append(token(call, record.doc["PipelineExecutionArn"], record.parent))
        changes: dict[str, Any] = {"LastModifiedBy": by(call)}
        if "ParallelismConfiguration" in call.params:
            changes["ParallelismConfiguration"] = call.params["ParallelismConfiguration"]
        try:
            await self.platform.reconciler.send(record.kind, record.scope, record.key, Event("Retry", {"Changes": changes}), also=tuple(gone))
        except ImpossibleTransition as error:
            raise Invalid(f"Pipeline execution with ARN {record.doc['PipelineExecutionArn']} is {error.state} and cannot be retried.") from None
        return {"PipelineExecutionArn": record.doc["PipelineExecutionArn"]}

    async def update(self, call: Call) -> dict[str, Any]:
        """Its display name, description and parallelism."""
        record = await self.find(call)
        members = ("PipelineExecutionDescription", "PipelineExecutionDisplayName", "ParallelismConfiguration")
        changes = {m: call.params[m] for m in members if m in call.params} | {
            "LastModifiedBy": by(call), "LastModifiedTime": self.platform.clock(),
        }
        await self.platform.reconciler.send(record.kind, record.scope, record.key, Event("Update", {"Changes": changes}))
        return {"PipelineExecutionArn": record.doc["PipelineExecutionArn"]}

    async def describe(self, call: Call) -> dict[str, Any]:
        """Held until the execution has ended for waiters only: the SDKs name themselves in every call, also where nobody waits."""
        record: Record | None = await self.find(call)
        assert record is not None
        if waits(call.user_agent):
            record = await patient(self.platform, call, record)
        if record is None:
            raise self._missing(call.params["PipelineExecutionArn"])
        return self.desk.view(record, self.desk.shapes.output("DescribePipelineExecution"))

    async def list(self, call: Call) -> dict[str, Any]:
        if "PipelineVersionAlias" in call.params:
            raise NotImplementedHere("Aliases of pipeline versions are not implemented.")
        pipeline = await self.pipelines.find(call)
        params = {**dated(call.params), "PipelineName": pipeline.key}
        params["SortBy"] = {"PipelineExecutionArn": "Name"}.get(params.get("SortBy", ""), "CreationTime")
        query = paging.query(params, name_member="PipelineExecutionName", order="Descending", parent=pipeline.key)
        found = await self.platform.records.find(EXECUTION, call.scope, query)
        members = self.desk.shapes.list("ListPipelineExecutions").item
        summaries = []
        for each in found:
            view = {m: each.doc[m] for m in members if m in each.doc} | {"StartTime": each.doc["CreationTime"]}
            if "FailureReason" in each.doc:
                view["PipelineExecutionFailureReason"] = each.doc["FailureReason"]
            summaries.append(view)
        answer: dict[str, Any] = {"PipelineExecutionSummaries": summaries}
        if len(found) == query.limit:
            answer["NextToken"] = paging.token(params, found[-1], query.sort_by)
        return answer

    async def steps(self, call: Call) -> dict[str, Any]:
        """Those that have begun, by their start, newest first unless asked otherwise."""
        if "PipelineExecutionArn" not in call.params:
            raise Invalid("PipelineExecutionArn is required.")
        record = await self.find(call)
        params = {"MaxResults": PAGE, **call.params, "PipelineExecutionArn": record.key}
        query = paging.query(params, name_member="StepName", order="Descending", parent=record.key)
        return await children(self.desk, "ListPipelineExecutionSteps", STEP, record.scope, params, query)

    async def definition(self, call: Call) -> dict[str, Any]:
        version = await version_of(self.platform, await self.find(call))
        return {"PipelineDefinition": version.doc["_definition"], "CreationTime": version.doc["CreationTime"]}

    async def parameters(self, call: Call) -> dict[str, Any]:
        record = await self.find(call)
        every = record.doc["PipelineParameters"]
        given = call.params.get("NextToken", "0")
        start = int(given) if given.isascii() and given.isdigit() and len(given) < 10 else len(every) + 1
        if start > len(every):
            raise Invalid("Invalid NextToken.")
        end = start + call.params.get("MaxResults", PAGE)
        return {"PipelineParameters": every[start:end], **({"NextToken": str(end)} if end < len(every) else {})}

    # -- answers to callbacks

    async def success(self, call: Call) -> dict[str, Any]:
        outputs = call.params.get("OutputParameters", [])
        names = [each["Name"] for each in outputs]
        if len(set(names)) < len(names):
            raise Invalid("OutputParameters must have unique names.")
        return await self._answer(call, {"Success": True, "OutputParameters": outputs})

    async def failure(self, call: Call) -> dict[str, Any]:
        return await self._answer(call, {"Success": False, "FailureReason": call.params.get("FailureReason", "")})

    async def _answer(self, call: Call, answer: dict[str, Any]) -> dict[str, Any]:
        """Keep an answer with its token, and wake the execution. The first one stands; the same again is fine."""
        known = await self.platform.records.get(CALLBACK, call.scope, call.params["CallbackToken"])
        if known is None:
            raise NotFound(f"Callback token {call.params['CallbackToken']} does not exist.")
        where = {"PipelineExecutionArn": known.doc["PipelineExecutionArn"]}
        if "Answer" in known.doc:
            if known.doc["Answer"] == answer:
                return where
            raise ServiceError("ConflictException", "The callback was answered before.", 400)
        step = await self.platform.records.get(STEP, known.scope, f"{known.doc['Execution']}/{known.doc['StepName']}")
        if step is None or step.status not in ACTIVE or step.doc["Metadata"]["Callback"]["CallbackToken"] != known.key:
            raise ServiceError("ConflictException", f"The step {known.doc['StepName']} waits for no answer to this token any more.", 400)
        put = Put(CALLBACK, known.scope, known.key, {**known.doc, "Answer": answer}, known.version, parent=known.parent)
        try:
            await self.platform.reconciler.send(EXECUTION, call.scope, known.doc["Execution"], Event("Answered"), also=(put,))
        except Conflict:
            raise ServiceError("ConflictException", "The callback was answered before.", 400) from None
        except ImpossibleTransition as error:
            raise ServiceError("ConflictException", f"The execution {known.doc['PipelineExecutionArn']} is {error.state}.", 400) from None
        return where

    # -- parts

    async def find(self, call: Call, where: str = "") -> Record:
        """The execution that an ARN names. Raises NotFound, Invalid."""
        where = where or call.params["PipelineExecutionArn"]
        name = parse(where)
        ours = (name.type, name.region, name.account) == ("pipeline", call.region, call.account)
        record = await self.platform.records.get(EXECUTION, call.scope, name.name.lower()) if ours else None
        if record is None:
            raise self._missing(where)
        return record

    def _missing(self, where: str) -> NotFound:
        return NotFound(f"Pipeline execution with ARN '{where}' does not exist.")

    async def _steps(self, execution: Record) -> Sequence[Record]:
        return await self.platform.records.find(STEP, execution.scope, Query(parent=execution.key, descending=False, limit=EVERY))


def _asked(call: Call) -> list[str]:
    """The execution that a call is about, for policies: the one that would be found, however its ARN is written."""
    where = call.params.get("PipelineExecutionArn")
    return ["*"] if where is None else [arn("sagemaker", call.region, call.account, parse(where).resource.lower())]
