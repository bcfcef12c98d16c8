"""The verbs of notebook instances and of their lifecycle configurations."""

from __future__ import annotations

from typing import Any

from ....resources import paging
from ....resources.desk import Desk
from ....resources.patience import patient
from ....runtime.lifecycle import Event, ImpossibleTransition
from ....stores.records import Conflict, Delete, Put, Query, Record
from ....wire.errors import Invalid, NotImplementedHere
from ....wire.types import Call, Reply
from ..repositories import CodeRepositories, named
from ..sessions import Sessions
from ..table import Table, name_of
from .lifecycle import FAILED, IN_SERVICE, NOUN, STOPPED
from .resources import BASE, RENAMED, check, facts, script

INTO = {"Start": "Pending", "Stop": "Stopping", "Update": "Updating", "Delete": "Deleting"}
"""Event → the state that it leads to."""
FROM = {"Stop": IN_SERVICE}
URL_SECONDS, SESSION_SECONDS = 300, 43_200
EVERY = 100_000
UNFILTERED = ("NotebookInstanceLifecycleConfigNameContains", "DefaultCodeRepositoryContains", "AdditionalCodeRepositoryEquals")
DROPS = {
    "DisassociateLifecycleConfig": "NotebookInstanceLifecycleConfigName", "DisassociateAcceleratorTypes": "AcceleratorTypes",
    "DisassociateDefaultCodeRepository": "DefaultCodeRepository", "DisassociateAdditionalCodeRepositories": "AdditionalCodeRepositories",
}


class Instances:
    """The verbs of notebook instances on one platform."""

    def __init__(self, desk: Desk, table: Table, sessions: Sessions, repositories: CodeRepositories) -> None:
        self.desk, self.platform, self.table, self.sessions, self.repositories = desk, desk.platform, table, sessions, repositories

    def install(self) -> None:
        bind = self.platform.operations.bind
        for name, verb in (
            ("CreateNotebookInstance", self.create), ("DescribeNotebookInstance", self.describe), ("StartNotebookInstance", self.start), ("StopNotebookInstance", self.stop),
            ("UpdateNotebookInstance", self.update), ("DeleteNotebookInstance", self.delete),
            ("CreatePresignedNotebookInstanceUrl", self.presign),
        ):
            bind("sagemaker", name, verb, resources=self.desk.arns)
        bind("sagemaker", "ListNotebookInstances", self.list)

    async def create(self, call: Call) -> Reply:
        await self.repositories.check(call, named(call.params))
        return await self.desk.create(call)

    async def describe(self, call: Call) -> dict[str, Any]:
        found = await patient(self.platform, call, await self.find(call))
        if found is None:
            raise Invalid("RecordNotFound")
        return self._view(found, self.desk.shapes.output("DescribeNotebookInstance"))

    async def list(self, call: Call) -> dict[str, Any]:
        for member in UNFILTERED:
            if member in call.params:
                raise NotImplementedHere(f"ListNotebookInstances does not filter by {member} yet.")
        shape = self.desk.shapes.list("ListNotebookInstances")
        query = paging.query(call.params, name_member="NotebookInstanceName", order=shape.order)
        records = await self.platform.records.find(NOUN, call.scope, query)
        answer: dict[str, Any] = {shape.member: [self._view(r, shape.item) for r in records]}
        if len(records) == query.limit:
            answer["NextToken"] = paging.token(call.params, records[-1], query.sort_by)
        return answer

    async def start(self, call: Call) -> None:
        await self._send(call, "Start")

    async def stop(self, call: Call) -> None:
        await self._send(call, "Stop")

    async def delete(self, call: Call) -> None:
        await self._send(call, "Delete")

    async def update(self, call: Call) -> dict[str, Any]:
        params = call.params
        await check(self.platform, call, params)
        await self.repositories.check(call, named(params))
        members = ("InstanceType", "RoleArn", "LifecycleConfigName", "VolumeSizeInGB", "AcceleratorTypes", "RootAccess",
                   "PlatformIdentifier", "IpAddressType", "InstanceMetadataServiceConfiguration", "DefaultCodeRepository",
                   "AdditionalCodeRepositories")
        changes: dict[str, Any] = {RENAMED.get(m, m): params[m] for m in members if m in params}
        changes |= {shown: None for asked, shown in DROPS.items() if params.get(asked)}
        record = await self.find(call)
        if changes.get("VolumeSizeInGB", record.doc["VolumeSizeInGB"]) < record.doc["VolumeSizeInGB"]:
            raise Invalid(f"The volume of {record.name} has {record.doc['VolumeSizeInGB']} GB; it cannot become smaller.")
        await self._send(call, "Update", Changes=changes)
        return {}

    async def presign(self, call: Call) -> dict[str, Any]:
        """A URL that opens a session once, within five minutes."""
        about = facts((record := await self.find(call)).doc)
        if not about.sockets:
            raise Invalid(f"Status ({record.status}) not in ([{IN_SERVICE}]). Unable to open Notebook Instance ({about.arn})")
        default = await self.repositories.meant(call.scope, named(record.doc)[:1]) if record.doc.get("DefaultCodeRepository") else []
        path = f"{BASE}lab/tree/{default[0].folder}" if default else f"{BASE}lab"
        url = await self.sessions.url(
            self.table.url(about.arn), name_of(about.arn), about.born, who=call.principal.arn, path=path, seconds=URL_SECONDS,
            lasts=call.params.get("SessionExpirationDurationInSeconds", SESSION_SECONDS),
        )
        return {"AuthorizedUrl": url}

    # -- parts

    async def find(self, call: Call) -> Record:
        """Raises Invalid, in the words that AWS's clients know."""
        record = await self.platform.records.get(NOUN, call.scope, call.params["NotebookInstanceName"].lower())
        if record is None:
            raise Invalid("RecordNotFound")
        return record

    async def _send(self, call: Call, event: str, **data: Any) -> None:
        record = await self.find(call)
        try:
            await self.platform.reconciler.send(record.kind, record.scope, record.key, Event(event, data))
        except ImpossibleTransition as error:
            allowed = FROM.get(event, f"{FAILED}, {STOPPED}")
            arn = record.doc["NotebookInstanceArn"]
            raise Invalid(
                f"Status ({error.state}) not in ([{allowed}]). Unable to transition to ({INTO[event]}) for Notebook Instance ({arn})"
            ) from None

    def _view(self, record: Record, members: frozenset[str]) -> dict[str, Any]:
        answer = self.desk.view(record, members)
        if "Url" in members:
            answer["Url"] = self.table.url(record.doc["NotebookInstanceArn"]).partition("://")[2]
        return answer


class Configs:
    """The verbs of lifecycle configurations that the model cannot derive."""

    def __init__(self, desk: Desk) -> None:
        self.desk, self.platform = desk, desk.platform

    def install(self) -> None:
        bind = self.platform.operations.bind
        bind("sagemaker", "UpdateNotebookInstanceLifecycleConfig", self.update, resources=self.desk.arns)
        bind("sagemaker", "DeleteNotebookInstanceLifecycleConfig", self.delete, resources=self.desk.arns)

    async def update(self, call: Call) -> dict[str, Any]:
        """Other scripts, from the next start on."""
        changes: dict[str, Any] = {hook: call.params[hook] for hook in ("OnCreate", "OnStart") if hook in call.params}
        for hooks in changes.values():
            script(hooks)
        while True:
            record = await self.desk.find(call)
            doc = {**record.doc, **changes, "LastModifiedTime": self.platform.clock()}
            try:
                await self.platform.reconciler.commit(Put(record.kind, record.scope, record.key, doc, record.version, record.status, record.name))
            except Conflict:
                continue
            return {}

    async def delete(self, call: Call) -> None:
        """Raises Invalid while a notebook instance names it."""
        record = await self.desk.find(call)
        where = (("NotebookInstanceLifecycleConfigName", record.name),)
        if users := await self.platform.records.find(NOUN, call.scope, Query(where=where, limit=EVERY)):
            arn = record.doc["NotebookInstanceLifecycleConfigArn"]
            raise Invalid(f"Unable to delete Notebook Instance Lifecycle Config ({arn}): {users[0].doc['NotebookInstanceArn']} uses it.")
        await self.platform.reconciler.commit(Delete(record.kind, record.scope, record.key))
