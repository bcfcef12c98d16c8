"""The server as one ASGI app: an ordered list of middlewares, the last of which is the API.

::

    Entrance    reads the head, gives the request an id
    Hosts       refuses unknown Host names and foreign Origins
    Cors        lets the configured origin's pages in
    Front       a person's browser at the bare address is sent to the pages
    Internal    /_sagewright/health, /_sagewright/metrics
    Paths       protocols that own the first component of a path: /v2/, the image registry's
    Faults      writes every error in the caller's protocol
    Doors       signed requests that are no AWS operation, told by a header
    Routes      which service, protocol and operation is meant
    Calls       authenticate, read, dispatch, answer
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from . import s3_form
from .answers import Disconnected, Receive, Send
from .authentication import Authenticator
from .body import StreamBody, gunzip
from .body_errors import sha_mismatch, too_large
from .checksums import ALGORITHMS, running
from .codecs import Codecs
from .dispatch import Dispatcher, failure_of
from .doors import Door, Doors
from .errors import ServiceError
from .exchange import Asgi, Exchange, Scope, WireSettings, exchange_of
from .http import Answer, Request, WireFault
from .middlewares import Cors, Entrance, Front, Hosts, Internal, Paths, finish
from .models import Models, OperationModel, UnknownOperation, UnknownService
from .routing import RouteFault, Router, Target, unknown_operation
from .sigv4 import Verified
from .types import Authority, Body, Call, Principal, Reply

log = logging.getLogger("sagewright.wire")

_REGION = re.compile(r"[a-z]{2}(-[a-z]+)+-\d")


class App:
    """The ASGI app of one server.

    Args:
        models: the service models.
        dispatcher: runs the operations.
        settings: host, account, region, auth, public_url, max_body, max_payload, clock_skew, cors_origin and
            trust_forwarded are read.
        authority: returns the Authority, or None while the server starts (then every signed request is refused).
        internal: name → ASGI app for ``/_sagewright/<name>``.
        paths: first component of a path → ASGI app; see ``middlewares.Paths``.
        home: path of the pages that a browser at the bare address is sent to; none when empty.
        doors: header name → what answers signed requests that carry it; see ``doors``.
        operator: returns the Principal of lenient and off mode; the root of the account when None.
        clock: epoch seconds, for signatures.
        lifespan: an ASGI app for lifespan events; they are acknowledged and nothing else when None.
    """

    def __init__(
        self, models: Models, dispatcher: Dispatcher, settings: WireSettings, authority: Callable[[], Authority | None], *,
        internal: Mapping[str, Callable[..., Any]] | None = None, doors: Mapping[str, Door] | None = None,
        paths: Mapping[str, Asgi] | None = None, home: str = "",
        operator: Callable[[], Principal] | None = None,
        clock: Callable[[], float] = time.time, lifespan: Asgi | None = None,
    ) -> None:
        codecs = Codecs()
        authenticator = Authenticator(
            settings.auth, authority, operator or _root(settings, authority), clock, settings.clock_skew
        )
        name = urlsplit(settings.public_url).hostname or "" if settings.public_url else ""
        domains = tuple(d for d in ("localhost", name) if d and not re.fullmatch(r"[\d.:]+", d))
        router = Router(models, codecs, domains)
        app: Asgi = Calls(models, router, dispatcher, settings, authenticator, clock)
        app = Routes(app, router)
        app = Doors(app, {} if doors is None else doors, authenticator, settings.max_body)
        app = Faults(app, models)
        app = Paths(app, {} if paths is None else paths)
        app = Internal(app, internal or {})
        if home:
            app = Front(app, home)
        app = Cors(app, settings)
        app = Hosts(app, settings)
        self._app: Asgi = Entrance(app, settings)
        self._lifespan = lifespan

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        if scope["type"] == "http":
            return self._app(scope, receive, send)
        if scope["type"] == "lifespan":
            return (self._lifespan or _lifespan)(scope, receive, send)
        return send({"type": "websocket.close", "code": 1000})


def _root(settings: WireSettings, authority: Callable[[], Authority | None]) -> Callable[[], Principal]:
    root = Principal(
        arn=f"arn:aws:sts::{settings.account}:assumed-role/Operator/operator", account=settings.account, kind="root",
        user_id="operator", name="Operator",
    )

    def operator() -> Principal:
        # The identity slice knows the operator's real role; without it, the account's root stands in.
        known = getattr(authority(), "operator", None)
        return known if isinstance(known, Principal) else root

    return operator


async def _lifespan(scope: Scope, receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


class Faults:
    """Turns every exception into an answer in the caller's protocol."""

    def __init__(self, app: Asgi, models: Models) -> None:
        self._app, self._models = app, models
        self._codecs = Codecs()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._app(scope, receive, send)
        except Disconnected:
            log.debug("request %s: the client went away", exchange_of(scope).request_id)
        except Exception as error:
            exchange = exchange_of(scope)
            if exchange.started:
                raise  # half an answer is out: ending the connection is the only honest end
            await finish(exchange, self._answer(exchange, error), send)

    def _answer(self, exchange: Exchange, error: Exception) -> Answer:
        target, request = exchange.target, exchange.request
        if isinstance(error, RouteFault):
            codec, service, model = error.codec, error.service, None
            failure = failure_of(error.fault, None, exchange.request_id)
        else:
            codec = target.codec if target is not None else self._codecs.rest_xml
            model = self._model(target)
            service = model.service if model is not None else self._service(target)
            failure = failure_of(error, model, exchange.request_id)
        failure.resource = request.path
        answer = codec.error(service, failure, exchange.request_id)
        if request.method == "HEAD":
            answer.body = b""
            answer.headers["content-length"] = "0"
        return answer

    def _model(self, target: Target | None) -> OperationModel | None:
        if target is None or not target.service or not target.operation:
            return None
        name = "PutObject" if target.operation == "PostObject" else target.operation
        try:
            return self._models.operation(target.service, name)
        except (UnknownService, UnknownOperation):
            return None

    def _service(self, target: Target | None) -> Any:
        try:
            return self._models.service(target.service) if target is not None and target.service else None
        except UnknownService:
            return None


class Routes:
    """Finds out what a request means."""

    def __init__(self, app: Asgi, router: Router) -> None:
        self._app, self._router = app, router

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        exchange = exchange_of(scope)
        exchange.target = self._router.route(exchange.request)
        return self._app(scope, receive, send)


class Calls:
    """Authenticates, reads the parameters, runs the operation and answers."""

    def __init__(
        self, models: Models, router: Router, dispatcher: Dispatcher, settings: WireSettings, authenticator: Authenticator,
        clock: Callable[[], float],
    ) -> None:
        self._models, self._router, self._dispatcher = models, router, dispatcher
        self._settings, self._authenticator, self._clock = settings, authenticator, clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        exchange = exchange_of(scope)
        target = exchange.target
        assert target is not None
        if target.operation == "PostObject":
            answer = await self._form(exchange, target)
        else:
            op, verified, body = await self._read(exchange, target)
            answer = await self._invoke(exchange, target, op, verified, exchange.request, body)
        await finish(exchange, answer, send)

    async def _invoke(
        self, exchange: Exchange, target: Target, op: OperationModel, verified: Verified, request: Request, body: bytes | Body
    ) -> Answer:
        params = target.codec.parse(op, request, target.labels, body)
        call = self._call(exchange, op, verified, params)
        reply: Reply = await self._dispatcher.invoke(call)
        answer = target.codec.serialize(op, reply.result, exchange.request_id)
        if reply.status is not None:
            answer.status = reply.status
        for name, value in reply.headers.items():
            answer.headers[name.lower()] = value
        return answer

    def _call(self, exchange: Exchange, op: OperationModel, verified: Verified, params: dict[str, Any]) -> Call:
        request, settings = exchange.request, self._settings
        principal = verified.principal
        region = verified.region if _REGION.fullmatch(verified.region) else settings.region
        return Call(
            service=op.service.name, operation=op.name, params=params, principal=principal,
            account=principal.account or settings.account, region=region, request_id=exchange.request_id,
            user_agent=request.headers.get("user-agent", ""), source_ip=request.source_ip,
            endpoint=settings.public_url or exchange.base, headers=request.headers,
        )

    # reading

    async def _read(self, exchange: Exchange, target: Target) -> tuple[OperationModel, Verified, bytes | Body]:
        if target.service == "s3":
            return await self._read_s3(exchange, target)
        request, incoming = exchange.request, exchange.incoming
        if target.operation:
            self._refuse_unsigned(request, target)
        limit = self._settings.max_payload if target.service == "sagemaker-runtime" else self._settings.max_body
        if (incoming.declared or 0) > limit:
            raise _oversized(limit, target)
        try:
            body = incoming.whole(limit)
            if body is None:
                body = await incoming.read(limit)
        except ServiceError as error:
            raise _oversized(limit, target) if error.code == "EntityTooLarge" else error from None
        return self._prove(exchange, target, body)

    def _prove(self, exchange: Exchange, target: Target, body: bytes) -> tuple[OperationModel, Verified, bytes]:
        """Who sent the body, and that it is whole."""
        request = exchange.request
        if not target.operation:
            target.operation = self._router.operation_of(target, request, body)
            self._refuse_unsigned(request, target)
        info = self._models.infos.get(target.service)
        verified = self._authenticator.authenticate(request, info, "", lambda: hashlib.sha256(body).hexdigest())
        if verified.payload_sha256 and ("x-amz-content-sha256" in request.headers or "X-Amz-Content-Sha256" in request.arg):
            found = hashlib.sha256(body).hexdigest()
            if not hmac.compare_digest(found, verified.payload_sha256):
                raise sha_mismatch(verified.payload_sha256, found)
        op = self._operation(target)
        if request.headers.get("content-encoding", "").strip().lower() == "gzip" and not _raw_payload(op):
            body = gunzip(body, self._settings.max_body)
        return op, verified, body

    async def _read_s3(self, exchange: Exchange, target: Target) -> tuple[OperationModel, Verified, bytes | Body]:
        request = exchange.request
        self._refuse_unsigned(request, target)
        info = self._models.infos["s3"]
        verified = self._authenticator.authenticate(request, info, target.bucket_in_host, None)
        op = self._operation(target)
        body = StreamBody(exchange.incoming, request, verified.payload_sha256, verified.chunks)
        if target.codec.streams(op):
            return op, verified, body
        if (exchange.incoming.declared or 0) > self._settings.max_body:
            raise too_large(self._settings.max_body)
        data = await body.read(self._settings.max_body)
        _check_digests(request, data)
        return op, verified, data

    def _operation(self, target: Target) -> OperationModel:
        try:
            return self._models.operation(target.service, target.operation)
        except (UnknownService, UnknownOperation):
            raise unknown_operation(target.service, target.operation) from None

    def _refuse_unsigned(self, request: Request, target: Target) -> None:
        """Deny by default, before a byte of the body is read."""
        if not self._authenticator.verifies or self._authenticator.signed(request):
            return
        bound = self._dispatcher.operations.get(target.service, target.operation)
        if bound is not None and bound.public:
            return
        if target.service == "s3":
            raise WireFault("AccessDenied", "Access Denied", 403)
        raise WireFault(
            "MissingAuthenticationTokenException", "Missing Authentication Token", 403, query="MissingAuthenticationToken"
        )

    # browser uploads

    async def _form(self, exchange: Exchange, target: Target) -> Answer:
        request = exchange.request
        form = s3_form.Form(exchange.incoming, request.content_type)
        await form.read_fields()
        bucket = target.labels["Bucket"]
        believed = None if self._authenticator.verifies else self._authenticator.authenticate(request, None, "", None)
        verified = s3_form.authenticate(form, bucket, self._authenticator, self._clock(), believed)
        op = self._models.operation("s3", "PutObject")
        inner = Target("s3", target.codec, "PutObject", {"Bucket": bucket, "Key": form.fields["key"]})
        put = await self._invoke(exchange, inner, op, verified, s3_form.as_put(form, request), form)
        return s3_form.answer(form, bucket, put, self._settings.public_url or exchange.base)


def _raw_payload(op: OperationModel) -> bool:
    payload = op.input.payload if op.input is not None else None
    return payload is not None and payload.type == "blob"


def _oversized(limit: int, target: Target) -> WireFault:
    if target.service == "sagemaker-runtime":
        return WireFault("ValidationError", f"The request body exceeds {limit} bytes", 413)
    return WireFault(
        "RequestEntityTooLargeException", f"The request body is larger than {limit} bytes", 413,
        query="RequestEntityTooLarge", xml="EntityTooLarge",
    )


def _check_digests(request: Request, body: bytes) -> None:
    """Digests that the head promised of a body that has been read."""
    md5 = request.headers.get("content-md5")
    if md5 is not None:
        found = running("md5")
        assert found is not None
        found.update(body)
        if found.base64() != md5.strip():
            raise ServiceError("BadDigest", "The Content-MD5 you specified did not match what we received.", 400)
    for algorithm in ALGORITHMS:
        said = request.headers.get(f"x-amz-checksum-{algorithm}")
        checksum = running(algorithm) if said is not None else None
        if said is not None and checksum is not None:
            checksum.update(body)
            if checksum.base64() != said.strip():
                raise ServiceError(
                    "BadDigest", f"The {algorithm.upper()} you specified did not match the calculated checksum.", 400
                )

