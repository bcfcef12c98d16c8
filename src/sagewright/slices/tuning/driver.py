"""Drives one tuning job: decides on trials, creates their training jobs, hears of them, ends.

Everything it decides is stored before it is done: a trial's record, with its number, name and hyperparameters, comes before
its training job. So a driver that starts again after a crash finds every trial, creates those training jobs that are
missing, and takes in the end of those that ended meanwhile.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections import deque
from typing import Any

from ...resources import jobs
from ...resources.platform import Platform
from ...runtime.box import Box
from ...runtime.lifecycle import Event
from ...runtime.reconciler import Job
from ...stores.metrics import Series
from ...stores.records import Delete, Put, Query
from ...wire.errors import AlreadyExists, DomainError, Invalid, NotFound
from ...wire.types import Principal
from . import trials, warmstart
from .definitions import OBJECTIVE, instances, training_job
from .engine import draws
from .engine.space import Point, texts
from .lifecycle import FAILED, FINAL, STOPPING
from .sampler import SamplerLost, Suggestions
from .study import Live, Study

GROUP = "/aws/sagemaker/TrainingJobs"
QUICK = 4.0
"""Where trials end faster than in so many times what a suggestion takes, points are suggested ahead and several at once:
waiting for one that knows the very last result would cost more than it brings."""
AHEAD, SHARE = 8, 8
"""The most points that are asked for at once, and of how many known trials each: few results must not decide much."""


class Driver:
    """One tuning job on one platform, from a start of the server to the next or to its end."""

    def __init__(self, platform: Platform, job: Job, box: Box) -> None:
        self.platform, self.job, self.box = platform, job, box
        self.doc = job.doc
        self.arn: str = self.doc["HyperParameterTuningJobArn"]
        self.region = job.record.scope.split("/", 1)[1]
        self.study = Study(self.doc)
        caller = {**self.doc["_caller"], "session_policies": tuple(self.doc["_caller"]["session_policies"])}
        self.caller = Principal(**caller)
        role = f"arn:aws:iam::{self.caller.account}:role/aws-service-role/sagemaker.amazonaws.com"
        self.service = Principal(arn=role, account=self.caller.account, kind="service")
        """Looks after trials that run, whatever has become of the caller's permissions."""
        self.refusal = ""
        self._suggestions: Suggestions | None = None
        self._socket: tuple[str, float] | None = None
        self._spread: dict[int, list[Point]] = {}
        """The first look at each definition's space."""
        self._ahead: list[deque[Point]] = [deque() for _ in self.study.definitions]
        self._asking: asyncio.Task[None] | None = None
        self._pace = math.inf
        """Seconds between the ends of trials, lately."""
        self._took = 0.0
        """Seconds that the last suggestion took."""
        self._last_end: float | None = None
        self._lessons: list[list[tuple[Point, float]]] = [[] for _ in self.study.definitions]

    async def run(self) -> None:
        """Until the tuning job has ended."""
        try:
            await self._restore()
            while True:
                await self._hear()
                if self.doc["_state"] in FINAL or await self._closed():
                    return
                if not self._closing():
                    await self._fill()
                    if self.refusal:
                        continue
                if not self.box.letters:
                    await self.box.wait(self._patience())
        finally:
            if self._asking is not None:
                self._asking.cancel()
            if self._suggestions is not None:
                self._suggestions.close()

    # -- starting again

    async def _restore(self) -> None:
        record = self.job.record
        self._lessons = await warmstart.lessons(self.platform, record)
        query = Query(parent=record.key, descending=False, limit=100_000)
        docs = [t.doc for t in await self.platform.records.find(trials.KIND, record.scope, query)]
        curves: dict[str, list[float]] = {}
        if self.study.watches:
            for doc in docs:
                if doc["TrainingJobStatus"] in trials.FINAL:
                    curves[doc["TrainingJobName"]] = [v for _, v in await self._emissions(doc)]
        self.study.restore(docs, curves)
        if docs:
            await self._tally(self.study.changes())
        for live in list(self.study.live.values()):
            if not await self._adopt(live):
                await (self._forgo(live) if self._closing() else self._create(live))
        # one that asked for its sampler before
        self._sampled(self.doc)

    async def _emissions(self, trial: dict[str, Any]) -> list[tuple[float, float]]:
        """(timestamp, value) of a trial's objective so far, lower is better, from the stored metrics."""
        series = Series(GROUP, OBJECTIVE, (("TrainingJobName", trial["TrainingJobName"]),))
        found = await asyncio.to_thread(self.platform.metrics.samples, series, 0.0, math.inf)
        factor = self.study.signs[trial["_study"]]
        return [(s.timestamp, factor * s.value) for s in found]

    # -- hearing

    async def _hear(self) -> None:
        while self.box.letters:
            record, event = self.box.letters.popleft()
            if record.kind == self.job.record.kind:
                self.doc = record.doc
                self._sampled(record.doc)
                continue
            live = self.study.live.get(record.name)
            if live is None:
                continue
            if event.name == "Metric":
                await self._measured(live, event)
            await self._advanced(live, record.doc)

    async def _measured(self, live: Live, event: Event) -> None:
        factor = self.study.signs[live.study]
        for metric in event.data["Metrics"]:
            if metric["MetricName"] != OBJECTIVE or metric["Timestamp"] <= live.until or metric["Value"] is None:
                continue
            if self.study.emitted(live, factor * metric["Value"]):
                await self._stop(live)

    async def _advanced(self, live: Live, job: dict[str, Any]) -> None:
        """A trial's training job is as its document says."""
        status = job["TrainingJobStatus"]
        if status in trials.FINAL:
            objective = self.study.definitions[live.study]["TuningObjective"]
            value = trials.last_value(job, OBJECTIVE, objective["MetricName"])
            doc = trials.ended(live.doc, job, objective, value)
            now = self.platform.clock()
            if self._last_end is not None:
                took = now - self._last_end
                self._pace = took if math.isinf(self._pace) else 0.7 * self._pace + 0.3 * took
            self._last_end = now
            await self._tally(self.study.ended(doc, now), doc)
        elif status != live.doc["TrainingJobStatus"]:
            live.doc = {**live.doc, "TrainingJobStatus": status}
            await self._tally({}, live.doc)

    # -- ending

    def _closing(self) -> bool:
        return bool(self.refusal) or self.doc["_state"] == STOPPING or self.study.verdict(self.platform.clock()) is not None

    async def _closed(self) -> bool:
        """Stop what still runs once there is no more to do; True when nothing does and the tuning job has ended."""
        if not self._closing():
            return False
        for live in list(self.study.live.values()):
            await self._stop(live)
        if self.study.live:
            return False
        state, reason = (FAILED, self.refusal) if self.refusal else self.study.verdict(self.platform.clock()) or (STOPPING, "")
        await self.job.send("Ended", State=state, Reason=reason)
        return True

    def _patience(self) -> float:
        return min(self.study.deadline - self.platform.clock(), 86_400.0) if not self._closing() else 86_400.0

    async def _stop(self, live: Live) -> None:
        if live.stopping:
            return
        live.stopping = True
        # one that has ended: its event is on the way
        with contextlib.suppress(Invalid, NotFound):
            await self._call("StopTrainingJob", self.service, TrainingJobName=live.name)

    # -- trials

    async def _fill(self) -> None:
        """Start as many trials as there is room for and points are known."""
        if self.study.strategy == "Bayesian" and "_sampler" not in self.doc and self._wants_sampler():
            await self.job.send("Sample")
        while not self.box.letters and self.study.room() > 0:
            index = self.study.turn()
            point = self._point(index)
            if point is None:
                self._ask(index)
                return
            await self._start(index, point)
            if self.refusal:
                return
        if self.study.room() <= 0 < self.study.most - self.study.launched and self._quick:
            index = self.study.turn()
            if self._needs_sampler(index) and len(self._ahead[index]) <= 1:
                self._ask(index)

    def _point(self, index: int) -> Point | None:
        """The next trial's point; None while the sampler has not said."""
        study, space = self.study, self.study.spaces[index]
        number = study.histories[index].launched + 1
        seed = study.seed + index
        if study.strategy == "Grid":
            return draws.grid(space, number)
        if study.strategy in ("Random", "Hyperband"):
            return draws.uniform(space, seed, number)
        if self._needs_sampler(index):
            return self._ahead[index].popleft() if self._ahead[index] else None
        best = [] if self._identical else self._lessons[index]
        if best and number <= (draws.initial(len(space)) + 1) // 2 and number <= len(best):
            return best[number - 1][0]
        if index not in self._spread:
            self._spread[index] = draws.spread(space, seed)
        return self._spread[index][number - 1]

    def _needs_sampler(self, index: int) -> bool:
        """Whether the next trial is past the first look at its space."""
        if self.study.strategy != "Bayesian":
            return False
        first = draws.initial(len(self.study.spaces[index]))
        if self._identical:
            first -= len(self._lessons[index])
        return self.study.histories[index].launched >= first

    @property
    def _quick(self) -> bool:
        return self._pace < QUICK * self._took

    @property
    def _identical(self) -> bool:
        return bool(self.doc.get("WarmStartConfig", {}).get("WarmStartType") == "IdenticalDataAndAlgorithm")

    async def _start(self, index: int, point: Point) -> None:
        """Write a trial down, then create its training job."""
        study, number = self.study, self.study.launched + 1
        name = trials.name(self.job.record.name, self.doc["CreationTime"], number)
        definition = study.definitions[index]
        desk = self.platform.nouns["training-job"]
        account = self.job.record.scope.split("/", 1)[0]
        doc = trials.planned(
            number=number, name=name, arn=desk.resource.arn(self.region, account, name), study=index, point=point,
            tuned=texts(study.spaces[index], point), definition=definition.get("DefinitionName"), now=self.platform.clock(),
            instance=self._instance(definition),
        )
        await self._tally(study.planned(doc), doc)
        await self._create(study.live[name])

    def _wants_sampler(self) -> bool:
        """Whether the budget goes beyond the first look; the sampler starts while that is under way."""
        firsts = sum(draws.initial(len(s)) for s in self.study.spaces)
        return self._identical or self.study.most > firsts

    def _instance(self, definition: dict[str, Any]) -> int:
        """The first resource configuration that there is capacity for, so far as is known."""
        configs = instances(definition)
        for index in range(min(self.study.exhausted, len(configs) - 1), len(configs)):
            if not jobs.capacity_refusal(self.platform, configs[index]):
                return index
        return len(configs) - 1

    async def _create(self, live: Live) -> None:
        """Create a trial's training job, or find what has become of it."""
        definition = self.study.definitions[live.study]
        request = training_job(definition, live.name, live.doc["TunedHyperParameters"], live.doc["_instance"], self.doc.get("Tags"))
        try:
            await self._call("CreateTrainingJob", self.caller, **request)
            return
        except AlreadyExists:
            pass
        except DomainError as error:
            await self._withdraw(live, f"ClientError: The training job {live.name} could not be created: {error.message}")
            return
        await self._adopt(live)

    async def _adopt(self, live: Live) -> bool:
        """Take in what a trial's training job has come to; False if there is none."""
        try:
            job = await self._call("DescribeTrainingJob", self.service, TrainingJobName=live.name)
        except (NotFound, Invalid):
            return False
        if job.get("TuningJobArn") != self.arn:
            await self._withdraw(live, f"ClientError: A training job {live.name} exists that is not of this tuning job.")
            return True
        if self.study.watches and live.curve == []:
            for timestamp, value in await self._emissions(live.doc):
                live.until = timestamp
                if self.study.emitted(live, value):
                    await self._stop(live)
        await self._advanced(live, job)
        return True

    async def _withdraw(self, live: Live, reason: str) -> None:
        """A trial that cannot be: its record goes, and the tuning job fails."""
        self.refusal = self.refusal or reason
        await self._forgo(live)

    async def _forgo(self, live: Live) -> None:
        """A trial that was written down and has no training job goes."""
        record = self.job.record
        gone = Delete(trials.KIND, record.scope, live.name.lower())
        await self._tally(self.study.forget(live.name), also=gone)

    # -- the sampler

    def _sampled(self, doc: dict[str, Any]) -> None:
        """What the document says of the sampler."""
        mine = doc.get("_sampler", {})
        if "Reason" in mine and self.study.strategy == "Bayesian" and not self.refusal:
            self.refusal = (
                f"InternalServerError: The sampler of Strategy Bayesian does not run: {mine['Reason']} "
                "Run `sagewright images pull sagewright-tuning:1`, or use Strategy Random."
            )
        found = (mine["Socket"], mine.get("Ready", 0.0)) if "Socket" in mine else None
        if found != self._socket:
            if self._suggestions is not None:
                self._suggestions.close()
            self._socket = found
            self._suggestions = Suggestions(found[0], self.study.seed) if found else None

    def _ask(self, index: int) -> None:
        """Ask the sampler, unless it is being asked or is not there; a nudge tells when it has answered."""
        if self._asking is None and self._suggestions is not None:
            self._asking = asyncio.create_task(self._suggest(index, self._suggestions), name="suggest")

    async def _suggest(self, index: int, sampler: Suggestions) -> None:
        history, space = self.study.histories[index], self.study.spaces[index]
        known = self._lessons[index] if self._identical else []
        points = [*(p for p, _ in known), *history.points]
        values = [*(v for _, v in known), *history.values]
        busy = [live.doc["_point"] for live in self.study.live.values() if live.study == index]
        left = self.study.most - self.study.launched
        count = max(1, min(AHEAD, left, len(points) // SHARE)) if self._quick else 1
        began = self.platform.clock()
        try:
            found = await sampler.suggest(index, space, points, values, [*busy, *self._ahead[index]], count)
            self._ahead[index].extend(found)
            self._took = self.platform.clock() - began
        except SamplerLost:
            # its next Ready or its end comes as an event, if it has not come already
            if sampler is self._suggestions:
                sampler.close()
                self._suggestions = None
                self._sampled(self.doc)
        except Exception as error:
            self.refusal = f"InternalServerError: The sampler of Strategy Bayesian failed: {error}"
        finally:
            self._asking = None
            self.box.nudge()

    # -- parts

    async def _tally(self, changes: dict[str, Any], trial: dict[str, Any] | None = None, also: Delete | None = None) -> None:
        """Store a trial and what follows from it in one transaction."""
        record = self.job.record
        written: list[Put | Delete] = [also] if also else []
        if trial is not None:
            name, status = trial["TrainingJobName"], trial["TrainingJobStatus"]
            written.append(Put(
                trials.KIND, record.scope, name.lower(), trial, status=status, name=name, parent=record.key,
                created=trial["CreationTime"],
            ))
        after = await self.platform.reconciler.send(
            record.kind, record.scope, record.key, Event("Tally", {"Changes": changes}), also=tuple(written)
        )
        if after is not None:
            self.doc = after.doc

    async def _call(self, operation: str, principal: Principal, **params: Any) -> dict[str, Any]:
        return await self.platform.api.call("sagemaker", operation, params, principal, self.region, source=self.arn)
