"""Carries out the instructions of domains, user profiles and spaces. What they are is their documents; homes are made by use."""

from __future__ import annotations

from ...resources.platform import Platform
from ...runtime.reconciler import Job
from ...stores.records import Delete
from .lifecycle import APPLY, DOMAIN, ERASE, PROFILE, PROVISION, SPACE
from .passwords import Passwords
from .places import Places
from .sessions import Sessions

FIRST_UID, STEP = 200_005, 5


class PlaceExecutor:
    """Executors of one platform."""

    def __init__(self, platform: Platform, places: Places, sessions: Sessions) -> None:
        self.platform, self.places, self.sessions = platform, places, sessions

    def install(self) -> None:
        for kind in (DOMAIN, PROFILE, SPACE):
            for name, run in ((PROVISION, self.provision), (APPLY, self.apply), (ERASE, self.erase)):
                self.platform.reconciler.executor(kind, name, run)

    async def provision(self, job: Job) -> None:
        await job.send("Ready")

    async def apply(self, job: Job) -> None:
        await job.send("Ready", Changes=job.args["Changes"])

    async def erase(self, job: Job) -> None:
        """What a place holds goes with it: a space's home, a profile's sessions and password. A profile's home stays until its
        domain is deleted without retaining homes."""
        record = job.record
        if held := await self.places.inside(record):
            await job.send("Refused", Reason=f"It still has {held}.")
            return
        if record.kind == SPACE:
            await self.platform.compute.erase(record.doc["_home"])
        elif record.kind == PROFILE:
            await self.sessions.end_all(record.scope, record.key)
            await self.platform.records.commit(Delete(Passwords.KIND, record.scope, record.key))
        elif not job.args["Retain"]:
            for uid in range(FIRST_UID, record.doc["_uid"] + 1, STEP):
                await self.platform.compute.erase(f"studio-{record.key}-{uid}")
        await job.send("Gone")
