"""A small world for a driver: real records and a real reconciler; jobs, endpoints and queues that only pretend.

Every call and every commit of the driver is counted, and at a chosen one the driver dies, or something else happens.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from sagewright.adapters.sqlite.records import SqliteRecords
from sagewright.resources.shape import Shapes
from sagewright.runtime.box import Box
from sagewright.runtime.lifecycle import Event
from sagewright.runtime.reconciler import Job, Reconciler
from sagewright.slices.pipelines.driver import Driver
from sagewright.slices.pipelines.lifecycle import ACTIVE, LIFECYCLE
from sagewright.slices.pipelines.records import CALLBACK, EXECUTION, STEP, VERSION, version_key
from sagewright.stores.records import Change, Put, Query, Record, Work
from sagewright.wire.errors import AlreadyExists, Invalid, NotFound
from sagewright.wire.models import Models
from sagewright.wire.types import Principal

ACCOUNT, REGION = "123456789012", "us-east-1"
SCOPE = f"{ACCOUNT}/{REGION}"
KEY = "p/execution/e"
ARN = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:pipeline/{KEY}"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/r"
MODELS = Models()
JOBS = ("TrainingJob", "ProcessingJob")


class Killed(BaseException):
    """kill -9."""


class Stuck(Exception):
    """The driver waits, and there is nothing that could happen."""


class CountedRecords:
    """Records whose commits count."""

    def __init__(self, world: World, records: SqliteRecords) -> None:
        self._world, self._records = world, records

    def __getattr__(self, name: str) -> Any:
        return getattr(self._records, name)

    async def commit(self, *changes: Change) -> None:
        await self._world.counted(lambda: self._records.commit(*changes))


class WaitingBox(Box):
    """Things happen while the driver waits, and only then."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self.world = world

    async def wait(self, seconds: float) -> None:
        await self.world.happens()


class World:
    """Implements ``Api``.

    Args:
        at: what happens before the call or commit of that number, from 0. To die after one is to die before the next.
        ends: status that the job of a step comes to, by step; Completed unless named.
    """

    def __init__(self, path: Path, definition: str, at: dict[int, Callable[[World], Awaitable[None]]] | None = None, ends: dict[str, str] | None = None) -> None:
        self.at, self.ends, self.count, self.now = at or {}, ends or {}, 0, 1000.0
        self.real = SqliteRecords(path, clock=self.clock)
        self.quiet = Reconciler(self.real, self.clock)
        self.counting = Reconciler(CountedRecords(self, self.real), self.clock)  # type: ignore[arg-type]
        for reconciler in (self.quiet, self.counting):
            reconciler.lifecycle(EXECUTION, LIFECYCLE)
            reconciler.listen(self._heard)
        self.definition, self.box = definition, WaitingBox(self)
        self.made: list[str] = []
        """Names of what Create made, in order."""
        self.packages: dict[str, str] = {}
        self.updates: list[str] = []
        self.messages: list[tuple[str, str]] = []
        self.answered: set[str] = set()

    def clock(self) -> float:
        self.now += 0.001
        return self.now

    # -- what is there

    async def begin(self, **more: Any) -> None:
        doc = {
            "PipelineExecutionArn": ARN, "PipelineArn": ARN.partition("/execution")[0], "PipelineVersionId": 1, "RoleArn": ROLE, "CreationTime": self.clock(),
            "_pipeline": "p", "_parameters": {}, "_round": 1, **more,
        }
        version = Put(VERSION, SCOPE, version_key("p", 1), {"_definition": self.definition}, parent="p")
        await self.quiet.create(Put(EXECUTION, SCOPE, KEY, doc, 0, parent="p"), also=(version,))

    async def put(self, noun: str, name: str, **doc: Any) -> None:
        status = {f"{noun}Status": "InProgress"} if noun in JOBS else {}
        arn = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:{noun.lower()}/{name.lower()}"
        full = {f"{noun}Name": name, f"{noun}Arn": arn, **status, **doc}
        await self.real.commit(Put(noun, SCOPE, name.lower(), full, name=name))

    async def execution(self) -> dict[str, Any]:
        record = await self.real.get(EXECUTION, SCOPE, KEY)
        assert record is not None
        return record.doc

    async def steps(self) -> dict[str, dict[str, Any]]:
        return {s.name: s.doc for s in await self.real.find(STEP, SCOPE, Query(parent=KEY))}

    async def jobs(self) -> dict[str, str]:
        """Status of every job, by name."""
        return {r.name: r.doc[f"{noun}Status"] for noun in JOBS for r in await self.real.find(noun, SCOPE, Query(limit=1000))}

    # -- the driver's life

    async def run(self) -> str:
        """Drive the execution, again after every death, to its end; its status."""
        while (await self.execution())["_state"] in ACTIVE:
            self.box = WaitingBox(self)
            record = await self.real.get(EXECUTION, SCOPE, KEY)
            assert record is not None
            try:
                await Driver(self.platform(), Job(Work("w", EXECUTION, SCOPE, KEY, "Run"), record, self.counting), self.box).run()
            except Killed:
                continue
        status: str = (await self.execution())["PipelineExecutionStatus"]
        return status

    def platform(self) -> Any:
        identity = SimpleNamespace(role_principal=self._role)
        return SimpleNamespace(
            records=CountedRecords(self, self.real), reconciler=self.counting, clock=self.clock, api=self, identity=identity,
            shapes=lambda service: Shapes(MODELS, service),
        )

    async def _role(self, arn: str, session: str) -> Principal:
        return Principal(arn=arn, account=ACCOUNT, kind="role")

    async def _heard(self, record: Record, event: Event) -> None:
        if event.name != "Tally":
            self.box.put(record, event)

    async def counted(self, act: Callable[[], Awaitable[Any]]) -> Any:
        number = self.count
        self.count += 1
        if before := self.at.get(number):
            await before(self)
        return await act()

    async def happens(self) -> None:
        """The next thing: a job ends, an endpoint is in service, a callback is answered."""
        for noun in (*JOBS, "Endpoint"):
            for record in await self.real.find(noun, SCOPE, Query(descending=False, limit=1000)):
                if await self._goes_on(noun, record):
                    return
        for token, status in self.messages:
            if token not in self.answered:
                self.answered.add(token)
                known = await self.real.get(CALLBACK, SCOPE, token)
                assert known is not None
                answer = {"Success": status == "Executing", "OutputParameters": []}
                put = Put(CALLBACK, SCOPE, token, {**known.doc, "Answer": answer}, known.version, parent=known.parent)
                await self.quiet.send(EXECUTION, SCOPE, KEY, Event("Answered"), also=(put,))
                return
        times = [doc["_again"] for doc in (await self.steps()).values() if "_again" in doc]
        if not times:
            raise Stuck(f"{await self.execution()} {await self.steps()}")
        self.now = max(self.now, *times)

    async def _goes_on(self, noun: str, record: Record) -> bool:
        doc = record.doc
        if noun == "Endpoint" and doc["EndpointStatus"] in ("Creating", "Updating"):
            doc = {**doc, "EndpointStatus": "InService", "EndpointConfigName": doc.pop("_next", doc["EndpointConfigName"]), "LastModifiedTime": self.clock()}
        elif noun != "Endpoint" and doc[f"{noun}Status"] in ("InProgress", "Stopping"):
            step = next((s for s, each in (await self.steps()).items() if each.get("_made") == record.name), "")
            status = "Stopped" if doc[f"{noun}Status"] == "Stopping" else self.ends.get(step, "Completed")
            doc = {**doc, f"{noun}Status": status, **({"FailureReason": "InternalServerError: lost"} if status == "Failed" else {})}
        else:
            return False
        put = Put(noun, SCOPE, record.key, doc, record.version, name=record.name)
        await self.real.commit(put)
        self.box.put(Record(noun, SCOPE, record.key, doc, record.version + 1, 0.0, 0.0, name=record.name), Event("Exited"))
        return True

    # -- the API

    async def call(
        self, service: str, operation: str, params: dict[str, Any], principal: Principal, region: str = "", source: str = "",
    ) -> dict[str, Any]:
        found: dict[str, Any] = await self.counted(lambda: self._call(operation, params, source))
        return found

    async def _call(self, operation: str, params: dict[str, Any], source: str) -> dict[str, Any]:
        if operation == "SendMessage":
            body = json.loads(params["MessageBody"])
            self.messages.append((body["token"], body["status"]))
            return {}
        verb, noun = next((v, operation.removeprefix(v)) for v in ("Create", "Describe", "Stop", "Update") if operation.startswith(v))
        if noun == "ModelPackageGroup":
            return {}
        if noun == "ModelPackage":
            return self._package(verb, params)
        name = params[f"{noun}Name"]
        record = await self.real.get(noun, SCOPE, name.lower())
        if verb == "Create":
            if record is not None:
                raise AlreadyExists(f"{noun} {name} already exists")
            more = {"EndpointStatus": "Creating", "LastModifiedTime": self.clock(), **params} if noun == "Endpoint" else {}
            await self.put(noun, name, _source=source, **more)
            self.made.append(name)
            return {}
        if record is None:
            raise NotFound(f"Could not find {name}")
        if verb == "Stop":
            if record.doc[f"{noun}Status"] != "InProgress":
                raise Invalid(f"{name} has ended")
            await self.real.commit(Put(noun, SCOPE, record.key, {**record.doc, f"{noun}Status": "Stopping"}, record.version, name=record.name))
        if verb == "Update":
            if record.doc["EndpointStatus"] == "Updating":
                raise Invalid("Cannot update in-progress endpoint")
            self.updates.append(params["EndpointConfigName"])
            doc = {**record.doc, "EndpointStatus": "Updating", "_next": params["EndpointConfigName"], "LastModifiedTime": self.clock()}
            await self.real.commit(Put(noun, SCOPE, record.key, doc, record.version, name=record.name))
        return {k: v for k, v in record.doc.items() if not k.startswith("_")}

    def _package(self, verb: str, params: dict[str, Any]) -> dict[str, Any]:
        if verb == "Create":
            arn = self.packages.setdefault(params["ClientToken"], f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:model-package/g/{len(self.packages) + 1}")
            return {"ModelPackageArn": arn}
        return {"ModelPackageArn": params["ModelPackageName"], "ModelPackageStatus": "Completed"}
