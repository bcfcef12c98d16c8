"""The verbs of tracking servers. Those of apps, which go by ARN, are in apps.py; what both do is here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...resources import paging
from ...resources.desk import Desk
from ...resources.patience import patient
from ...runtime.lifecycle import Event, ImpossibleTransition
from ...stores.records import Record
from ...wire.errors import InUse
from ...wire.types import Call
from .lifecycle import Active, Inactive
from .resources import arn_of, by, check_store
from .servers import Servers
from .sessions import Sessions

RESTARTS = ("ArtifactStoreUri", "TrackingServerSize")
"""Members that a running task depends on."""


class Operations:
    """What servers and apps have in common."""

    members: tuple[str, ...] = ()
    """What an update may change."""
    status = ""
    """The member that shows the status."""

    def __init__(self, desk: Desk, servers: Servers, sessions: Sessions) -> None:
        self.desk, self.platform, self.servers, self.sessions = desk, desk.platform, servers, sessions

    async def change(self, call: Call, record: Record, event: str, **data: Any) -> dict[str, Any]:
        """Send a caller's event. Raises InUse where the state does not allow it."""
        where = arn_of(record.doc)
        try:
            await self.platform.reconciler.send(record.kind, record.scope, record.key, Event(event, data))
        except ImpossibleTransition as error:
            raise InUse(f"{where} is in status {error.state}: it cannot be {PAST[event]} now.") from None
        except Active:
            raise InUse(f"{where} is active already.") from None
        except Inactive:
            raise InUse(f"{where} is not active.") from None
        return {self.desk.resource.arn_member: where}

    async def update_record(self, call: Call, record: Record, changes: dict[str, Any]) -> dict[str, Any]:
        check_store(self.platform, call, changes)
        restart = any(m in changes and changes[m] != record.doc.get(m) for m in RESTARTS)
        return await self.change(call, record, "Update", Changes={**changes, "LastModifiedBy": by(call)}, Restart=restart)

    async def describe_record(self, call: Call, record: Record, operation: str) -> dict[str, Any]:
        found = await patient(self.platform, call, record)
        if found is None:
            raise self.desk.missing(call, record.name)
        answer = self.desk.view(found, self.desk.shapes.output(operation))
        if "TrackingServerUrl" in self.desk.shapes.output(operation):
            answer["TrackingServerUrl"] = self.servers.url(found.doc, call.endpoint)
        return answer

    async def page(self, call: Call, operation: str, where: Mapping[str, Any]) -> dict[str, Any]:
        """A List whose filters have names of their own. ``where``: document members that must be equal."""
        params = call.params
        shape = self.desk.shapes.list(operation)
        asked = {
            "CreationTimeAfter": params.get("CreatedAfter"), "CreationTimeBefore": params.get("CreatedBefore"),
            "StatusEquals": params.get(self.status), **{f"{k}Equals": v for k, v in where.items()},
            **{k: params.get(k) for k in ("SortBy", "SortOrder", "NextToken", "MaxResults")},
        }
        asked = {k: v for k, v in asked.items() if v is not None}
        query = paging.query(asked, name_member="Name", order=shape.order)
        records = await self.platform.records.find(self.desk.resource.noun, call.scope, query)
        answer: dict[str, Any] = {shape.member: [self.desk.view(r, shape.item) for r in records]}
        if len(records) == query.limit:
            answer["NextToken"] = paging.token(asked, records[-1], query.sort_by)
        return answer


PAST = {"Stop": "stopped", "Start": "started", "Update": "updated", "Delete": "deleted"}


class TrackingServers(Operations):
    """The verbs of tracking servers on one platform."""

    members = ("ArtifactStoreUri", "TrackingServerSize", "AutomaticModelRegistration", "WeeklyMaintenanceWindowStart",
               "S3BucketOwnerAccountId", "S3BucketOwnerVerification")
    status = "TrackingServerStatus"

    def install(self) -> None:
        for name, verb in (
            ("DescribeMlflowTrackingServer", self.describe), ("UpdateMlflowTrackingServer", self.update),
            ("StartMlflowTrackingServer", self.start), ("StopMlflowTrackingServer", self.stop),
            ("DeleteMlflowTrackingServer", self.delete), ("CreatePresignedMlflowTrackingServerUrl", self.presign),
        ):
            self.platform.operations.bind("sagemaker", name, verb, resources=self.desk.arns)
        self.platform.operations.bind("sagemaker", "ListMlflowTrackingServers", self.list)

    async def describe(self, call: Call) -> dict[str, Any]:
        return await self.describe_record(call, await self.desk.find(call), "DescribeMlflowTrackingServer")

    async def update(self, call: Call) -> dict[str, Any]:
        changes = {m: call.params[m] for m in self.members if m in call.params}
        return await self.update_record(call, await self.desk.find(call), changes)

    async def start(self, call: Call) -> dict[str, Any]:
        return await self.change(call, await self.desk.find(call), "Start")

    async def stop(self, call: Call) -> dict[str, Any]:
        return await self.change(call, await self.desk.find(call), "Stop")

    async def delete(self, call: Call) -> dict[str, Any]:
        return await self.change(call, await self.desk.find(call), "Delete")

    async def presign(self, call: Call) -> dict[str, Any]:
        return {"AuthorizedUrl": await self.sessions.presign(call, await self.desk.find(call))}

    async def list(self, call: Call) -> dict[str, Any]:
        return await self.page(call, "ListMlflowTrackingServers", {"MlflowVersion": call.params.get("MlflowVersion")})
