"""Finds a job's warm pool: one record a pool that waits, under what a job must have in common with it."""

from __future__ import annotations

from ...resources.platform import Platform
from ...runtime.lifecycle import Event
from ...runtime.reconciler import Job
from ...stores.records import Delete, Put, Query
from .pool import available, key, since

KIND = "WarmPool"


class WarmPools:
    """The pools of one platform."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform

    async def open(self, job: Job) -> None:
        """The pool of a job that has ended waits for another job."""
        if available(job.doc):
            await self.platform.records.commit(Put(KIND, job.record.scope, job.record.key, {}, parent=key(job.doc)))

    async def close(self, job: Job) -> None:
        """Its time may be over; UpdateTrainingJob may have given it more."""
        await job.send("PoolExpired", **job.args)
        record = await self.platform.records.get(job.record.kind, job.record.scope, job.record.key)
        if record is None or not available(record.doc):
            await self.platform.records.commit(Delete(KIND, job.record.scope, job.record.key))

    async def take(self, job: Job) -> None:
        """Let a job that begins take over a pool that fits it, if one waits; one alone, however often its launch is carried out.

        The pool's record goes last: a launch that was killed in between finds by it which pool is the job's.
        """
        scope, records = job.record.scope, self.platform.records
        if "_pool_since" in job.doc:
            return
        for pool in await records.find(KIND, scope, Query(parent=key(job.doc), descending=False, limit=20)):
            event = Event("Reuse", {"Job": job.doc["TrainingJobName"]})
            owner = await self.platform.reconciler.send("TrainingJob", scope, pool.key, event)
            taken = owner is not None and owner.doc["WarmPoolStatus"].get("ReusedByJob") == job.doc["TrainingJobName"]
            if owner is not None and taken:
                await job.send("Annotated", Members={"_pool_since": since(owner.doc)})
            await records.commit(Delete(KIND, scope, pool.key))
            if taken:
                return
