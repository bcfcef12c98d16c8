"""InvokeEndpoint: from a request to a worker and back. The hot path: memory only, no records."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Collection
from typing import Any

from ...gateway import multimodel
from ...gateway.answer import Answer, Broken
from ...gateway.capture import Recorder
from ...gateway.client import Stream, Worker
from ...gateway.meter import NAMESPACE, Meter
from ...gateway.outcomes import absent, busy, measure, model_error, no_answer, unreached
from ...gateway.pipeline import TARGET
from ...gateway.routes import Route, Routes, Variant
from ...gateway.taps import Taps
from ...resources.arn import arn
from ...resources.platform import Platform
from ...wire.errors import NotImplementedHere, ServiceError
from ...wire.types import Call
from .containers import check_target
from .sessions import Sessions

BUSY = 1000
"""Requests that one worker may have waiting; more are refused."""
FORWARDED = {
    "ContentType": "Content-Type",
    "Accept": "Accept",
    "CustomAttributes": "X-Amzn-SageMaker-Custom-Attributes",
    "InferenceId": "X-Amzn-SageMaker-Inference-Id",
    "SessionId": "X-Amzn-SageMaker-Session-Id",
    "TargetContainerHostname": TARGET,
    "TargetModel": multimodel.HEADER,
}
"""All that a container gets to see of the caller's headers."""
RETURNED = {
    "content-type": "ContentType",
    "x-amzn-sagemaker-custom-attributes": "CustomAttributes",
    "x-amzn-sagemaker-new-session-id": "NewSessionId",
    "x-amzn-sagemaker-closed-session-id": "ClosedSessionId",
}


class Invocations:
    """The runtime verbs of one platform."""

    def __init__(self, platform: Platform, routes: Routes, recorder: Recorder) -> None:
        self.platform, self.routes = platform, routes
        self.meter = Meter(platform.metrics.put, NAMESPACE, platform.clock)
        self.taps = Taps(recorder, self.meter)
        self.sessions = Sessions(platform)

    def install(self) -> None:
        self.sessions.install()
        bind = self.platform.operations.bind
        for name, verb in (("InvokeEndpoint", self.invoke), ("InvokeEndpointWithResponseStream", self.stream)):
            bind("sagemaker-runtime", name, self._served(verb), action="sagemaker:InvokeEndpoint", resources=self._arns, conditions=_conditions)

    async def invoke(self, call: Call, route: Route | None = None) -> dict[str, Any]:
        """One answer. Raises ServiceError with the runtime's codes."""
        began = time.perf_counter()
        route, variant = self._route(call, route)
        if pinned := await self.sessions.pinned(call, route):
            variant, _ = pinned
        headers = _headers(call.params)
        body = call.params.get("Body", b"")
        tried: list[Worker] = []
        while True:
            worker = _willing(*pinned) if pinned else self._worker(variant, tried, call.params.get("TargetModel"))
            sent = time.perf_counter()
            try:
                answer = await worker.request("POST", "/invocations", headers, body, seconds=self.platform.settings.invocation_timeout)
                sent += multimodel.waited(answer)
                break
            except (Broken, TimeoutError) as error:
                tried.append(worker)
                if isinstance(error, Broken) and error.untouched and not pinned and len(tried) < len(variant.workers):
                    continue
                raise self._broken(call, route, variant, worker, error, began, sent) from None
        done = time.perf_counter()
        self._measure(variant, answer, began, sent, done)
        if variant.tapped:
            self.taps.request(variant, _lowered(headers), body, answer)
        if not 200 <= answer.status < 300:
            raise self._model_error(call, route, variant, worker, answer)
        if wrong := await self.sessions.answered(call, route, worker, answer):
            raise self._model_error(call, route, variant, worker, wrong)
        return {"Body": answer.body, "InvokedProductionVariant": variant.name, **_returned(answer)}

    async def stream(self, call: Call, route: Route | None = None) -> dict[str, Any]:
        """The answer's chunks as PayloadPart events, each sent on as it comes."""
        began = time.perf_counter()
        route, variant = self._route(call, route)
        pinned = await self.sessions.pinned(call, route)
        if pinned:
            variant, _ = pinned
        settings = self.platform.settings
        tried: list[Worker] = []
        while True:
            worker = _willing(*pinned) if pinned else self._worker(variant, tried)
            sent = time.perf_counter()
            try:
                answer, chunks = await worker.stream(
                    "POST", "/invocations", _headers(call.params), call.params.get("Body", b""),
                    seconds=settings.invocation_timeout, total=settings.stream_timeout,
                )
                break
            except (Broken, TimeoutError) as error:
                tried.append(worker)
                if isinstance(error, Broken) and error.untouched and not pinned and len(tried) < len(variant.workers):
                    continue
                raise self._broken(call, route, variant, worker, error, began, sent) from None
        self._measure(variant, answer, began, sent, time.perf_counter())
        if not 200 <= answer.status < 300:
            try:
                answer.body = b"".join([chunk async for chunk in chunks])
            except (Broken, TimeoutError):
                answer.cut = True
            raise self._model_error(call, route, variant, worker, answer)
        await self.sessions.answered(call, route, worker, answer)
        headers, body = _headers(call.params), call.params.get("Body", b"")
        parts = self.taps.tee(variant, _lowered(headers), body, answer, chunks) if variant.tapped else chunks
        return {"Body": _parts(parts), "InvokedProductionVariant": variant.name, **_returned(answer)}

    # -- parts

    def _arns(self, call: Call) -> list[str]:
        return [arn("sagemaker", call.region, call.account, f"endpoint/{call.params['EndpointName'].lower()}")]

    def _served(self, verb: Callable[..., Awaitable[dict[str, Any]]]) -> Callable[[Call], Awaitable[dict[str, Any]]]:
        """The verb, by way of whoever finds this endpoint's requests an instance."""

        async def served(call: Call) -> dict[str, Any]:
            for servant in self.platform.servants.values():
                if servant.serves(call.scope, call.params["EndpointName"]):
                    return await servant.answer(call, verb)
            return await verb(call)

        return served

    def _route(self, call: Call, route: Route | None = None) -> tuple[Route, Variant]:
        params = call.params
        name = params["EndpointName"]
        route = route or self.routes.get((call.scope, name.lower()))
        if route is None and (call.scope, name.lower()) in self.routes.queued:
            raise ServiceError("ValidationError", f"Endpoint {name} is asynchronous: invoke it by InvokeEndpointAsync.")
        if route is None:
            raise ServiceError("ValidationError", f"Endpoint {name} of account {call.account} not found.")
        if len(params.get("Body", b"")) > self.platform.settings.max_payload:
            limit = self.platform.settings.max_payload
            raise ServiceError("ValidationError", f"Request body of endpoint {name} is larger than {limit} bytes.", 413)
        if "InferenceComponentName" in params:
            raise ServiceError("ValidationError", f"InferenceComponentName cannot be given: endpoint {name} has none.")
        if "EnableExplanations" in params:
            raise NotImplementedHere(f"{call.operation} with EnableExplanations is not implemented.")
        target = params.get("TargetVariant")
        variant = route.pick(target)
        if variant is None:
            raise ServiceError("ValidationError", f"Variant {target} of endpoint {name} not found.")
        check_target(variant, name, params.get("TargetContainerHostname"))
        multimodel.check(name, variant, params.get("TargetModel"))
        return route, variant

    def _worker(self, variant: Variant, avoid: Collection[Worker] = (), model: str | None = None) -> Worker:
        worker = variant.worker(avoid, model)
        if worker is None:
            raise absent(variant)
        return _willing(variant, worker)

    def _broken(
        self, call: Call, route: Route, variant: Variant, worker: Worker, error: Exception, began: float, sent: float
    ) -> ServiceError:
        missing = no_answer(error)
        self._measure(variant, missing, began, sent, time.perf_counter())
        if isinstance(error, Broken) and error.untouched:
            return unreached(variant, error)
        return self._model_error(call, route, variant, worker, missing)

    def _model_error(self, call: Call, route: Route, variant: Variant, worker: Worker, answer: Answer) -> ServiceError:
        stream = variant.streams.get(worker.path, variant.name)
        return model_error(call.endpoint or self.platform.endpoint, call.account, call.region, route, stream, answer)

    def _measure(self, variant: Variant, answer: Answer, began: float, sent: float, done: float) -> None:
        measure(self.meter, variant, answer.status, began, sent, done, answer.steps)


def _conditions(call: Call) -> dict[str, str]:
    """What a policy may look at."""
    return {f"sagemaker:{member}": call.params[member] for member in ("TargetModel", "TargetContainerHostname") if member in call.params}


def _willing(variant: Variant, worker: Worker) -> Worker:
    """The worker itself, if it takes one more request."""
    if worker.outstanding >= BUSY:
        raise busy(variant)
    return worker


def _headers(params: dict[str, Any]) -> dict[str, str]:
    headers = {header: params[member] for member, header in FORWARDED.items() if member in params}
    for name, value in headers.items():
        if not value.isascii() or not value.isprintable():
            raise ServiceError("ValidationError", f"{name} must be printable ASCII text.")
    return headers


def _lowered(headers: dict[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def _returned(answer: Answer) -> dict[str, Any]:
    return {member: answer.headers[name] for name, member in RETURNED.items() if name in answer.headers}


async def _parts(chunks: Stream | AsyncGenerator[bytes, None]) -> AsyncIterator[dict[str, Any]]:
    try:
        async for chunk in chunks:
            yield {"PayloadPart": {"Bytes": chunk}}
    except TimeoutError:
        text = "The model took too long to complete its answer."
        yield {"ModelStreamError": {"Message": text, "ErrorCode": "ModelInvocationTimeExceeded"}}
    except Broken as error:
        yield {"ModelStreamError": {"Message": str(error), "ErrorCode": "StreamBroken"}}
    finally:
        await chunks.aclose()  # the caller may have gone away in the middle
