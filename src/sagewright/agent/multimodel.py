"""Many models behind one endpoint, on one instance: each is fetched when a request first names it, loaded into a worker, and
unloaded when its room is needed.

The instance's workers are behind this manager, which the gateway asks by ``POST /invocations`` with the header
``X-Amzn-SageMaker-Target-Model``; it asks them by the contract that AWS documents for multi-model containers
(``POST /models``, ``DELETE /models/{id}``, ``POST /models/{id}/invoke``). All it knows is in memory: it begins with an empty
instance and ends with it. What is not the container's own answer says so in the header ``OUTCOME``.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import time
from collections.abc import Callable, Coroutine
from typing import Any

from ..gateway.answer import Answer, Broken
from ..gateway.client import Worker
from .model_cache import Kept, Place, crowded, discard, nearest, next_worker, unload
from .model_files import SEEN, Full, ModelFiles, NoModel, Unreadable
from .model_meter import ModelMeter
from .model_parts import (
    BROKEN,
    LOAD_FAILED,
    NO_MODEL,
    NO_STORE,
    NOT_READY,
    OUTCOME,
    TIMED_OUT,
    UNREACHED,
    WAITED,
    About,
    LoadFailed,
    Member,
    Model,
    NotReady,
    said,
)

LOADING, INVOKING, UNLOADING = 360.0, 60.0, 60.0
"""Seconds that a container has to load a model, to answer, and to unload one."""
RETURNED = ("content-type", "x-amzn-sagemaker-custom-attributes")
TRIES = 4
"""Times that a request looks for its model anew when it has left the worker meanwhile."""


class ModelManager:
    """Everything runs on one event loop; ``put`` and ``lost`` belong there, too.

    Args:
        resident: bytes that a worker takes at the moment.
        say: writes lines to the instance's log; blocking.
        kill: ends a worker that hangs; it is started again by whoever watches it.
    """

    def __init__(
        self, about: About, files: ModelFiles, meter: ModelMeter, resident: Callable[[int], int], say: Callable[[str], None],
        kill: Callable[[int], None],
    ) -> None:
        self.about, self._files, self._meter = about, files, meter
        self._resident, self._say, self._kill = resident, say, kill
        self.models: dict[str, Model] = {}
        self.workers: dict[int, Member] = {}
        self._room = asyncio.Lock()
        self._reserved: dict[tuple[str, int], int] = {}
        """Loads under way → bytes of memory that they may take."""
        self._arrived = asyncio.Event()
        self._background: set[asyncio.Task[Any]] = set()

    # -- workers come and go

    def put(self, index: int, path: str) -> None:
        """A worker answers; it has no model yet."""
        self.lost(index)
        self.workers[index] = Member(index, Worker(path, limit=1000))
        self._arrived.set()

    def lost(self, index: int) -> None:
        """A worker is gone, and every model that it had."""
        member = self.workers.pop(index, None)
        if member is None:
            return
        member.client.close()
        for model in self.models.values():
            model.places.pop(index, None)
        if not self.workers:
            self._arrived.clear()
        self._count()

    def listing(self) -> bytes:
        """What is where at the moment, for whoever looks into an instance."""
        return json.dumps({"models": [
            {"modelName": m.target, "bytes": m.size, "diskBytes": m.disk, "workers": sorted(m.places), "loading": sorted(m.loading)}
            for m in self.models.values()
        ]}).encode()

    # -- a request

    async def invoke(self, target: str, headers: dict[str, str], body: bytes) -> Answer:
        """The container's answer, or one with an OUTCOME."""
        name = target.lstrip("/")
        model = self.models.get(name)
        if model is None:
            key = self.about.prefix + name
            model = self.models[name] = Model(name, key, hashlib.sha256(key.encode()).hexdigest())
        model.waiting += 1
        model.used = began = time.monotonic()
        hit = any(not place.leaving for place in model.places.values())
        self._meter.add("ModelCacheHit", float(hit))
        try:
            answer = await self._answered(model, headers, body, began)
        except NoModel as error:
            answer = said(NO_MODEL, str(error), 400)
        except Unreadable as error:
            answer = said(NO_STORE, str(error), 530)
        except LoadFailed as error:
            answer = Answer(error.answer.status, {OUTCOME: LOAD_FAILED}, error.answer.body)
        except Full as error:
            answer = said(LOAD_FAILED, f"There is no disk space for model {name}: {error}", 507)
        except TimeoutError:
            answer = said(TIMED_OUT, "", 504)
        except Broken as error:
            answer = said(UNREACHED if error.untouched else BROKEN, str(error), 502)
        finally:
            model.waiting -= 1
        if not self.about.cache:
            self._start(self._let_go(model))
        elif not model.places and not model.loading and model.disk is None and not model.waiting:
            self.models.pop(name, None)  # there may be any number of names that mean nothing
        return answer

    async def _answered(self, model: Model, headers: dict[str, str], body: bytes, began: float) -> Answer:
        waited, checked = 0.0, False
        for turn in range(TRIES):
            place = self._now(model)
            if place is None:
                try:
                    place = await self._soon(model, began + self.about.wait)
                except NotReady:
                    return said(NOT_READY, f"Model {model.target} is not ready for inference yet: it is still being loaded.", 429)
                waited = time.monotonic() - began
            answer = await self._sent(model, place, headers, body)
            if answer is None:
                continue  # the worker is gone and cannot have seen it
            if answer.status == 404 and not checked and not await self._has(model, place):
                self._drop(model, place)
                continue
            if answer.status == 507 and turn < TRIES - 1 and await self._shrink(place.worker, model):
                continue
            checked = True
            break
        else:
            raise Broken(f"model {model.target} left its worker {TRIES} times before it could answer")
        if waited:
            self._meter.add("ModelLoadingWaitTime", waited * 1e6)
        kept = {header: answer.headers[header] for header in RETURNED if header in answer.headers}
        return Answer(answer.status, {**kept, WAITED: f"{waited:.6f}"}, answer.body)

    def _now(self, model: Model) -> Place | None:
        """Where the model is; may begin to load it somewhere."""
        having = {index: p.busy for index, p in model.places.items() if not p.leaving and index in self.workers}
        ask = nearest(having)
        if ask is None or (crowded(having) and self._taken() + model.needs <= self.about.memory):
            more = next_worker(having, self._load_of_workers(), model.loading)
            if more is not None:
                self._begin(model, more)
        return None if ask is None else model.places[ask]

    async def _soon(self, model: Model, until: float) -> Place:
        """Where the model is as soon as it is somewhere. Raises NotReady, NoModel, Unreadable, LoadFailed, Full, Broken."""
        while True:
            if (place := self._now(model)) is not None:
                return place
            left = until - time.monotonic()
            tasks: set[asyncio.Future[Any]] = set(model.loading.values())
            arrival = None
            if not tasks:
                arrival = asyncio.ensure_future(self._arrived.wait())
                tasks = {arrival}
            done, _ = await asyncio.wait(tasks, timeout=max(left, 0.0), return_when=asyncio.FIRST_COMPLETED)
            if arrival is not None:
                arrival.cancel()
            if not done:
                raise NotReady
            for task in done:
                error = None if task is arrival or task.cancelled() else task.exception()
                if error is not None and not model.places and not (isinstance(error, Broken) and error.untouched):
                    raise error

    async def _sent(self, model: Model, place: Place, headers: dict[str, str], body: bytes) -> Answer | None:
        """The worker's answer; None if the worker is gone and has not seen the request."""
        member = self.workers[place.worker]
        place.busy += 1
        place.used = time.monotonic()
        try:
            return await member.client.request("POST", f"/models/{model.id}/invoke", headers, body, seconds=INVOKING)
        except Broken as error:
            if not error.untouched:
                raise
            if self.workers.get(place.worker) is member:
                self.lost(place.worker)  # it says itself when it is there again
            return None
        finally:
            place.busy -= 1

    async def _has(self, model: Model, place: Place) -> bool:
        """Whether the worker knows the model: an answer of 404 may be the model's own."""
        member = self.workers.get(place.worker)
        if member is None:
            return False
        with contextlib.suppress(Broken, TimeoutError):
            return (await member.client.request("GET", f"/models/{model.id}", {}, seconds=INVOKING)).status == 200
        return False

    # -- loading

    def _begin(self, model: Model, index: int) -> None:
        task = self._start(self._load(model, self.workers[index]))
        model.loading[index] = task

        def ended(task: asyncio.Task[None]) -> None:
            if model.loading.get(index) is task:
                del model.loading[index]

        task.add_done_callback(ended)

    async def _load(self, model: Model, member: Member) -> None:
        try:
            await self._fetch(model)
            async with member.loads:
                if going := model.leaving.get(member.index):
                    await asyncio.wait([going])
                await self._into(model, member)
        except Broken as error:
            if error.untouched and self.workers.get(member.index) is member:
                self.lost(member.index)
            raise
        except (NoModel, Unreadable, LoadFailed, Full) as error:
            await asyncio.to_thread(self._say, f"model {model.target} could not be loaded: {error.__cause__ or error}")
            async with model.files:
                if not model.places and model.disk is not None:  # what is put in its place next is what is fetched next
                    model.disk = None
                    await asyncio.to_thread(self._files.remove, model.id)
            raise

    async def _into(self, model: Model, member: Member) -> None:
        """Make room, then have the worker load it."""
        share = (model.id, member.index)
        await self._make_room(model, share)
        try:
            before = self._resident(member.index)
            began = time.monotonic()
            await self._ask(model, member)
            self._meter.add("ModelLoadingTime", (time.monotonic() - began) * 1e6)
            model.size = max(self._resident(member.index) - before, 0)
        finally:
            self._reserved.pop(share, None)
        if self.workers.get(member.index) is not member:
            raise Broken("the worker ended while it loaded the model")
        model.places[member.index] = place = Place(model.target, member.index, model.size, time.monotonic())
        self._count()
        place.busy += 1
        try:
            await self._below_limit()
        finally:
            place.busy -= 1

    async def _ask(self, model: Model, member: Member) -> None:
        """POST /models until it is loaded; 507 means that something has to go first."""
        body = json.dumps({"model_name": model.id, "url": f"{SEEN}/{model.id}/model"}).encode()
        while True:
            try:
                answer = await member.client.request(
                    "POST", "/models", {"Content-Type": "application/json"}, body, seconds=LOADING
                )
            except TimeoutError:
                self._kill(member.index)
                text = f"The model was not loaded within {LOADING:g} seconds."
                raise LoadFailed(Answer(500, {"content-type": "text/plain"}, text.encode())) from None
            if 200 <= answer.status < 300 or answer.status == 409:
                return
            if answer.status != 507 or not await self._shrink(member.index, model):
                raise LoadFailed(answer)

    async def _make_room(self, model: Model, share: tuple[str, int]) -> None:
        """Unload what was used least recently until the model fits, as far as that helps."""
        async with self._room:
            await self._free(model.needs)
            self._reserved[share] = model.needs

    async def _below_limit(self) -> None:
        """A model may have grown to more than was expected."""
        async with self._room:
            await self._free(0)

    async def _free(self, wanted: int) -> None:
        while going := unload(self._places(), taken := self._taken(), wanted, self.about.memory):
            await asyncio.gather(*(self._unload(place) for place in going))
            if self._taken() > taken - sum(place.size for place in going) // 2:
                return  # what a worker lets go does not come back to the system: to unload all would not help either

    async def _shrink(self, index: int, model: Model) -> bool:
        """Unload the worker's least recently used model, after a 507; False if there is none besides ``model``."""
        idle = [p for p in self._places() if p.worker == index and p.model != model.target and not p.busy and not p.leaving]
        if not idle:
            return False
        await self._unload(min(idle, key=lambda p: p.used))
        return True

    async def _unload(self, place: Place) -> None:
        model = self.models[place.model]
        place.leaving = True
        gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        model.leaving[place.worker] = gone
        member, began = self.workers.get(place.worker), time.monotonic()
        try:
            if member is not None:
                with contextlib.suppress(Broken):  # a worker that has ended has unloaded everything
                    await member.client.request("DELETE", f"/models/{model.id}", {}, seconds=UNLOADING)
                    self._meter.add("ModelUnloadingTime", (time.monotonic() - began) * 1e6)
        except TimeoutError:
            self._kill(place.worker)
        finally:
            self._drop(model, place)
            del model.leaving[place.worker]
            gone.set_result(None)

    def _drop(self, model: Model, place: Place) -> None:
        if model.places.get(place.worker) is place:
            del model.places[place.worker]
        self._count()

    # -- files

    async def _fetch(self, model: Model) -> None:
        """Have the model's files here, once for all workers. Raises NoModel, Unreadable, Full."""
        async with model.files:
            if model.disk is not None:
                return
            began = time.monotonic()
            try:
                model.disk = await self._unpack(model, self._left())
            except Full as error:
                await self._make_disk_room(error.wanted)
                model.disk = await self._unpack(model, None)
            self._meter.add("ModelDownloadingTime", (time.monotonic() - began) * 1e6)
        await self._make_disk_room(0)

    async def _unpack(self, model: Model, left: int | None) -> int:
        return await asyncio.to_thread(self._files.fetch, self.about.bucket, model.key, model.id, left)

    def _left(self) -> int:
        """Bytes that files may still take."""
        if self.about.disk:
            return self.about.disk - sum(model.disk or 0 for model in self.models.values())
        return self._files.spare()

    async def _make_disk_room(self, wanted: int) -> None:
        left = self._left()
        if left >= wanted:
            return
        kept = [
            Kept(m.target, m.disk, m.used, bool(m.places), bool(m.loading) or bool(m.waiting))
            for m in self.models.values() if m.disk is not None
        ]
        for one in discard(kept, 0, wanted, left):
            await self._forget(self.models[one.model])

    async def _forget(self, model: Model) -> None:
        """Remove a model from memory and from disk, unless somebody wants it again."""
        if model.files.locked():
            return  # it is being fetched or removed
        async with model.files:
            if model.waiting or model.loading:
                return
            places = [place for place in model.places.values() if not place.leaving]
            for place in places:
                place.leaving = True
            await asyncio.gather(*(self._unload(place) for place in places))
            if model.places:
                return
            model.disk = None
            await asyncio.to_thread(self._files.remove, model.id)
        if not model.waiting and not model.loading and not model.places:
            self.models.pop(model.target, None)

    async def _let_go(self, model: Model) -> None:
        """Without a cache nothing stays once the last request has its answer."""
        if not model.waiting and not model.loading and self.models.get(model.target) is model:
            await self._forget(model)

    # -- parts

    def _load_of_workers(self) -> dict[int, tuple[int, int]]:
        load = {index: [member.client.outstanding, 0] for index, member in self.workers.items()}
        for place in self._places():
            if place.worker in load:
                load[place.worker][1] += max(place.size, 1)
        for model in self.models.values():
            for index in model.loading:
                if index in load:
                    load[index][1] += max(model.needs, 1)
        return {index: (busy, held) for index, (busy, held) in load.items()}

    def _places(self) -> list[Place]:
        return [place for model in self.models.values() for place in model.places.values()]

    def _taken(self) -> int:
        return sum(self._resident(index) for index in self.workers) + sum(self._reserved.values())

    def _count(self) -> None:
        self._meter.loaded = sum(bool(model.places) for model in self.models.values())

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.ensure_future(work)
        self._background.add(task)

        def ended(task: asyncio.Task[None]) -> None:
            self._background.discard(task)
            if not task.cancelled():
                task.exception()  # whoever waits for it is told; nobody may

        task.add_done_callback(ended)
        return task
