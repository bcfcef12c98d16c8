"""What the gateway process does with plain invocations: who asks and may he, which worker, what comes back."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import time
from collections.abc import Callable, Collection, Mapping
from functools import partial
from typing import Any, Literal, cast

from ..wire.errors import ServiceError
from ..wire.http import WireFault
from ..wire.sigv4 import SigV4, header_scope
from ..wire.types import Principal
from . import frames, multimodel
from .answer import Answer, Broken
from .calls import Calls
from .client import Worker
from .front import MODEL, Plain, failure, request_head, success
from .meter import Meter
from .outcomes import busy, measure, model_error, no_answer, unreached
from .pipeline import TARGET
from .routes import Route, Routes, Variant, component_key
from .taps import Taps

log = logging.getLogger(__name__)

TRUST = 1.0
"""Seconds for which what the server said of a key or a permission is believed, unless it says that something changed."""
MOST = 10_000
"""Keys and permissions that are remembered."""
SWEEP = 1.0
RECONNECT = 0.05
HELD = 512 << 20
"""Bytes of requests under way in this process; more are refused."""
_TARGET = TARGET.lower()
_MORE = {"x-amzn-sagemaker-target-variant", "x-amzn-sagemaker-inference-component", _TARGET, MODEL}
"""Headers by which something else may have to be said of a request than that there are too many."""

Grant = tuple[str, str, str, str, str, str, str]
"""Access key, region, endpoint, peer's address, user agent, target container and model: everything that a policy may look at."""


class Keys:
    """The wire's Authority as far as the gateway needs it: what the server has said of keys a moment ago."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[float, tuple[str, str | None, Principal]]] = {}
        self.changed: list[Callable[[], None]] = []

    def fresh(self, access_key: str) -> bool:
        """Whether what is known of a key need not be asked for again."""
        found = self._known.get(access_key)
        return found is not None and found[0] > time.monotonic()

    def secret(self, access_key: str) -> tuple[str, str | None, Principal] | None:
        """What was said of a key, fresh or not: a request is verified a moment after ``fresh``, and must not fall between the two."""
        found = self._known.get(access_key)
        return found[1] if found is not None else None

    def learn(self, access_key: str, secret: str, token: str | None, principal: Principal) -> None:
        if len(self._known) >= MOST:
            self._known.clear()
        self._known[access_key] = time.monotonic() + TRUST, (secret, token, principal)

    def forget(self) -> None:
        self._known.clear()

    def authorize(self, principal: Principal, action: str, resource: str, context: Any) -> None:
        raise NotImplementedError("the server decides that")


class Gate:
    """Every endpoint's traffic in this process.

    Args:
        ask: asks the server about a Grant; the answer comes to ``told`` with the same number.
        taps: gets the requests of variants that have some.
        seconds: that a model has to answer.
        largest: bytes that a request's body may have, for whoever reads them.
        queue: seconds that a request may be expected to wait for its turn; more requests are refused.
        url: where the links of error messages lead.
    """

    def __init__(self, ask: Callable[[int, Grant], None], meter: Meter, taps: Taps, *, skew: float, largest: int, seconds: float, queue: float, url: str) -> None:
        self._ask, self._meter, self._taps, self.largest, self._url = ask, meter, taps, largest, url
        taps.connect = self.put
        self._seconds, self._queue = seconds, queue
        self.keys = Keys()
        self.routes = Routes()
        self._v4 = SigV4(lambda: self.keys, time.time, skew)
        self._grants: dict[Grant, float] = {}
        self._asked: dict[Grant, tuple[int, list[Plain]]] = {}
        self._questions: dict[int, Grant] = {}
        self._number = self._held = 0
        self._connecting: dict[str, asyncio.Task[None]] = {}
        self._sweep()

    # -- what the server says

    def put(self, worker: Worker) -> None:
        """Open the connections to a worker's processes, as soon as they listen."""
        for part in worker.parts:
            if part.path not in self._connecting and not part.usable:
                task = asyncio.create_task(self._connect(part))
                self._connecting[part.path] = task
                task.add_done_callback(lambda _, path=part.path: self._connecting.pop(path, None))  # type: ignore[misc]

    def told(self, number: int, message: dict[str, Any]) -> None:
        """The server's word about a Grant."""
        grant = self._questions.pop(number, None)
        waiting = self._asked.pop(grant)[1] if grant in self._asked else []
        if grant is not None and message.get("secret"):
            self.keys.learn(grant[0], message["secret"], message.get("token"), _principal(message["principal"]))
            if message["allowed"]:
                if len(self._grants) >= MOST:
                    self._grants.clear()
                self._grants[grant] = time.monotonic() + TRUST
        for plain in waiting:
            self._handle(plain, asked=True)

    def forget(self) -> None:
        """Keys or permissions have changed."""
        self.keys.forget()
        self._grants.clear()

    # -- a request

    def handle(self, plain: Plain) -> None:
        self._handle(plain, asked=False)

    def _handle(self, plain: Plain, asked: bool) -> None:
        if plain.front.gone:
            return
        try:
            found = self._allowed(plain, asked)
        except WireFault:
            plain.front.give_back()  # the server says what is wrong
            return
        if found is None:
            return
        (account, region), route = found
        variant = route.pick(plain.request.headers.get("x-amzn-sagemaker-target-variant")) if route is not None else None
        if route is None or variant is None or not _aimed(variant, plain.request.headers):
            plain.front.give_back()
            return
        self._send(plain, (account, region), route, variant, ())

    def _allowed(self, plain: Plain, asked: bool) -> tuple[tuple[str, str], Route | None] | None:
        """(account, region) and route of the endpoint, when who signed the request may invoke it; None: it goes another way.

        Raises:
            WireFault: he may not.
        """
        request, headers = plain.request, plain.request.headers
        scope = header_scope(headers["authorization"])
        if scope is None or scope.service != "sagemaker":
            raise WireFault("InvalidSignatureException", "")
        grant = (
            scope.key, scope.region, plain.name, request.source_ip, headers.get("user-agent", ""), headers.get(_TARGET, ""), headers.get(MODEL, ""),
        )
        known = self.keys.secret(scope.key)
        if known is None or not self.keys.fresh(scope.key) or self._grants.get(grant, 0.0) < time.monotonic():
            if not asked:
                self._question(grant, plain)
                return None
            raise WireFault("AccessDeniedException", "")
        account = known[2].account
        component = headers.get("x-amzn-sagemaker-inference-component")
        place = f"{account}/{scope.region}"
        route = self.routes.get(component_key(place, plain.name, component) if component else (place, plain.name.lower()))
        if route is not None and (crowd := self._crowd(headers, route)) is not None:
            plain.front.answer(failure(busy(crowd)))
            return None
        digest = hashlib.sha256(plain.body).hexdigest()
        if self._v4.verify_header(request, scope, lambda: digest).payload_sha256 != digest:
            raise WireFault("InvalidSignatureException", "")
        return (account, scope.region), route

    def _crowd(self, headers: Mapping[str, str], route: Route) -> Variant | None:
        """The only variant of the endpoint, when it takes no more requests: then nobody need verify this one.

        Whoever asks from the same address in the name of the same key was allowed to a moment ago, and learns no more than that
        the endpoint is busy. Refusing has to cost less than answering, or it keeps the model from its work.
        """
        if len(route.every) != 1:
            return None
        [variant] = route.every
        if not any(w.frames is not None and w.frames.strained for w in variant.workers) or not _MORE.isdisjoint(headers):
            return None
        worker = variant.worker()
        carrier = worker.frames if worker is not None else None
        full = carrier is not None and carrier.usable and carrier.strained and not carrier.room(self._queue)
        return variant if full else None

    def _question(self, grant: Grant, plain: Plain) -> None:
        found = self._asked.get(grant)
        if found is not None:
            found[1].append(plain)
            return
        self._number += 1
        self._asked[grant] = self._number, [plain]
        self._questions[self._number] = grant
        self._ask(self._number, grant)

    def _send(self, plain: Plain, where: tuple[str, str], route: Route, variant: Variant, tried: Collection[Worker]) -> None:
        model = plain.request.headers[MODEL] if variant.many else None
        worker = first = variant.worker(tried, model)
        while worker is not None and not worker.usable:  # it has just ended, or is being started again: another may do
            self.put(worker)
            tried = (*tried, worker)
            worker = variant.worker(tried, model)
        if worker is None or worker.frames is None:
            plain.front.give_back(later=first is None or not self._connecting.keys().isdisjoint(part.path for part in first.parts))
            return
        if self._held + len(plain.body) > HELD or not worker.frames.room(self._queue):
            plain.front.answer(failure(busy(variant)))
            return
        self._held += len(plain.body)
        worker.enter()
        if variant.component:
            self._meter.concurrent(variant.dimensions, variant.concurrency())
        sent = time.perf_counter()
        done = partial(self._done, plain, where, route, variant, worker, tried, sent)
        worker.frames.submit(request_head(plain.request.headers), plain.body, done)

    def _done(
        self, plain: Plain, where: tuple[str, str], route: Route, variant: Variant, worker: Worker, tried: Collection[Worker],
        sent: float, outcome: Answer | Exception,
    ) -> None:
        done = time.perf_counter()
        self._held -= len(plain.body)
        worker.leave()
        if isinstance(outcome, frames.Refused):
            plain.front.answer(failure(busy(variant)))
            return
        if isinstance(outcome, ServiceError):  # what an instance of many models says itself
            plain.front.answer(failure(outcome))
            return
        if isinstance(outcome, Broken) and outcome.untouched:
            if any(w is not worker and w not in tried for w in variant.workers):
                self._send(plain, where, route, variant, (*tried, worker))
            else:
                measure(self._meter, variant, 0, plain.began, sent, done)
                plain.front.answer(failure(unreached(variant, outcome)))
            return
        answer = outcome if isinstance(outcome, Answer) else no_answer(outcome)
        if variant.many:
            sent += multimodel.waited(answer)
        if 200 <= answer.status < 300:
            plain.front.answer(success(answer, variant.name))
        else:
            stream = variant.streams.get(worker.path, variant.name)
            plain.front.answer(failure(model_error(self._url, *where, route, stream, answer)))
        measure(self._meter, variant, answer.status, plain.began, sent, done, answer.steps)
        if variant.tapped:
            self._taps.request(variant, plain.request.headers, plain.body, answer)

    # -- upkeep

    async def _connect(self, worker: Worker) -> None:
        for _ in range(20):
            try:
                made = await frames.connect(worker.path)
            except OSError:
                await asyncio.sleep(RECONNECT)  # another process: it listens when it does
                continue
            worker.frames = made or Calls(worker.path, self._seconds)
            return

    def _sweep(self) -> None:
        """Give up on answers that take too long, and count what is under way."""
        for worker in self.routes.workers():
            if worker.frames is not None:
                worker.frames.expire(self._seconds)
        for variant in self.routes.variants():
            if busy_with := variant.concurrency():
                self._meter.concurrent(variant.dimensions, busy_with)
        asyncio.get_running_loop().call_later(min(SWEEP, self._seconds / 4), self._sweep)


def _aimed(variant: Variant, headers: Mapping[str, str]) -> bool:
    """Whether the request names a container and a model where it must, and none where it cannot."""
    if variant.many is not (MODEL in headers) or (variant.many and variant.containers):
        return False  # a model of one of several containers is for the server to find
    target = headers.get(_TARGET)
    return target in variant.containers if variant.direct else target is None


def _principal(said: dict[str, str]) -> Principal:
    kind = cast(Literal["root", "user", "role", "service", "anonymous"], said["kind"])
    return Principal(arn=said["arn"], account=said["account"], kind=kind, access_key=said["access_key"], name=said["name"])
