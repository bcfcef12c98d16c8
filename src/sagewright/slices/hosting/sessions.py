"""Stateful sessions: which worker has one, until when.

The container makes a session's id and its end; the platform only remembers who has it. So a session is a record, written
when it is opened and deleted when it is closed or over, and survives the server as its instance does. A request that names a
session goes to the worker that opened it (a process of an instance: its memory is where such a model keeps the session) or
is refused; it never goes to another.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

from ...gateway.answer import Answer
from ...gateway.client import Worker
from ...gateway.routes import Route, Variant
from ...resources.platform import Platform
from ...runtime.reconciler import Job
from ...stores.records import AddWork, Delete, Put, Work
from ...wire.errors import ServiceError
from ...wire.types import Call

KIND, EXPIRE = "EndpointSession", "Expire"
NEW = "NEW_SESSION"
OPENED = re.compile(r"([a-zA-Z0-9](?:-*[a-zA-Z0-9])*);\s*Expires=([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z)")
NEW_HEADER, CLOSED_HEADER = "x-amzn-sagemaker-new-session-id", "x-amzn-sagemaker-closed-session-id"
OTHER_HEADER = "x-amzn-sagemaker-session-id"
"""Containers of DJL and TorchServe announce a new session by the request's own header."""
LONGEST = 256
"""Characters of an announced session, as clients' models have it."""


class Sessions:
    """The sessions of one platform."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform

    def install(self) -> None:
        self.platform.reconciler.executor(KIND, EXPIRE, self._expire)

    async def pinned(self, call: Call, route: Route) -> tuple[Variant, Worker] | None:
        """Who has the session that the request names; None if it names none yet.

        Raises:
            ServiceError: ValidationError, when nobody has it any more or it is another variant's than the one asked for.
        """
        session = call.params.get("SessionId", NEW)
        if session == NEW:
            return None
        record = await self.platform.records.get(KIND, call.scope, _key(route, session))
        if record is None or record.doc["Expires"] <= self.platform.clock():
            raise _unknown(route, session)
        for variant in route.every:
            for worker in variant.workers:
                if worker.path == record.doc["Worker"]:
                    if call.params.get("TargetVariant", variant.name) != variant.name:
                        text = f"Session {session} of endpoint {route.name} belongs to variant {variant.name}."
                        raise ServiceError("ValidationError", text)
                    return variant, worker
        raise _unknown(route, session)  # its instance is gone

    async def answered(self, call: Call, route: Route, worker: Worker, answer: Answer) -> Answer | None:
        """Take note of a session that the answer opens or closes. The answer is left with the headers that callers get.

        Returns:
            None as a rule; what to report as a model's error when the container announces a session that is none.
        """
        asked = call.params.get("SessionId")
        said = answer.headers.pop(NEW_HEADER, "") or answer.headers.get(OTHER_HEADER, "")
        closed = answer.headers.pop(CLOSED_HEADER, "").strip()
        if asked is None:
            return None
        if asked == NEW and said:
            found = OPENED.fullmatch(said.strip())
            if found is None or len(said) > LONGEST:
                return Answer(0, {}, b"The container's X-Amzn-SageMaker-New-Session-Id is not of the form <id>; Expires=<yyyy-mm-ddThh:mm:ssZ>.")
            session, ends = found[1], datetime.strptime(found[2], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC).timestamp()
            await self._open(call, route, session, worker, ends)
            answer.headers[NEW_HEADER] = f"{session}; Expires={found[2]}"
        elif asked != NEW and closed == asked:
            await self.platform.records.commit(Delete(KIND, call.scope, _key(route, asked)))
            answer.headers[CLOSED_HEADER] = closed
        return None

    async def _open(self, call: Call, route: Route, session: str, worker: Worker, ends: float) -> None:
        key = _key(route, session)
        doc = {"Endpoint": route.name, "Worker": worker.path, "Expires": ends}
        work = Work(f"{KIND}/{call.scope}/{key}", KIND, call.scope, key, EXPIRE, {}, ends)
        await self.platform.records.commit(Put(KIND, call.scope, key, doc), AddWork(work))
        self.platform.reconciler.changed(KIND, call.scope, key)

    async def _expire(self, job: Job) -> None:
        if job.doc["Expires"] <= self.platform.clock():
            await self.platform.records.commit(Delete(KIND, job.record.scope, job.record.key, job.record.version))


def _key(route: Route, session: str) -> str:
    return f"{route.name.lower()}/{session}"


def _unknown(route: Route, session: str) -> ServiceError:
    return ServiceError("ValidationError", f"Session {session} of endpoint {route.name} does not exist or has expired.")
