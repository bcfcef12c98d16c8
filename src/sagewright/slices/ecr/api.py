"""The registry's own HTTP API below /v2/: what `docker push`, skopeo, crane and our own pull speak.

https://github.com/opencontainers/distribution-spec/blob/main/spec.md. Callers show a token of GetAuthorizationToken as a
Basic password, as Amazon ECR has it; every request is authorised as the ECR operation that it amounts to.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlencode

import orjson

from ...resources.platform import Platform
from ...stores.image_registry import (
    BadDigest,
    BadManifest,
    BadRange,
    ImageRegistry,
    MissingBlobs,
    NoSuchBlob,
    NoSuchImage,
    NoSuchRepository,
    TagTaken,
)
from ...wire.errors import AccessDenied, DomainError, ServiceError
from ...wire.exchange import Exchange, Scope, exchange_of
from ...wire.http import Answer
from ...wire.middlewares import finish
from ...wire.types import FileSlice, Principal
from . import common
from .tokens import Tokens

BATCH = 4 * 2**20
"""Bytes of an upload that are written at a time."""
LARGEST_MANIFEST = 4 * 2**20
MOST_NAMES = 1000
_NAME = r"(?P<name>[a-z0-9][a-z0-9._/-]*)"
_ROUTES = tuple((re.compile(pattern), kind) for pattern, kind in (
    (r"/v2/?", "root"),
    (r"/v2/_catalog", "catalog"),
    (rf"/v2/{_NAME}/tags/list", "tags"),
    (rf"/v2/{_NAME}/manifests/(?P<reference>[A-Za-z0-9_][A-Za-z0-9._:-]*)", "manifest"),
    (rf"/v2/{_NAME}/blobs/uploads/?", "uploads"),
    (rf"/v2/{_NAME}/blobs/uploads/(?P<upload>[0-9a-f-]+)", "upload"),
    (rf"/v2/{_NAME}/blobs/(?P<digest>sha256:[0-9a-f]{{64}})", "blob"),
))
_RANGE = re.compile(r"(?:bytes=)?(\d+)-(\d*)")
Visit = dict[str, str]


class Refused(Exception):
    """An answer that is an error, by the specification's own codes."""

    def __init__(self, status: int, code: str, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.headers = status, code, message, headers or {}


class RegistryApi:
    """An ASGI app for the requests below /v2/."""

    def __init__(self, platform: Platform, tokens: Tokens) -> None:
        self.platform, self.tokens = platform, tokens
        self._handlers: dict[tuple[str, str], tuple[str, Callable[[Exchange, Visit, Principal], Awaitable[Answer]]]] = {
            ("root", "GET"): ("", self._root),
            ("catalog", "GET"): ("ecr:DescribeRepositories", self._catalog),
            ("tags", "GET"): ("ecr:ListImages", self._tags),
            ("manifest", "GET"): ("ecr:BatchGetImage", self._manifest),
            ("manifest", "HEAD"): ("ecr:BatchGetImage", self._manifest),
            ("manifest", "PUT"): ("ecr:PutImage", self._put_manifest),
            ("manifest", "DELETE"): ("ecr:BatchDeleteImage", self._delete_manifest),
            ("blob", "GET"): ("ecr:GetDownloadUrlForLayer", self._blob),
            ("blob", "HEAD"): ("ecr:BatchCheckLayerAvailability", self._blob),
            ("uploads", "POST"): ("ecr:InitiateLayerUpload", self._begin),
            ("upload", "GET"): ("ecr:UploadLayerPart", self._progress),
            ("upload", "PATCH"): ("ecr:UploadLayerPart", self._part),
            ("upload", "PUT"): ("ecr:CompleteLayerUpload", self._complete),
            ("upload", "DELETE"): ("ecr:UploadLayerPart", self._cancel),
        }

    @property
    def store(self) -> ImageRegistry:
        return common.store(self.platform)

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        exchange = exchange_of(scope)
        try:
            answer = await self._answer(exchange)
        except Refused as refused:
            answer = _error(refused.status, refused.code, refused.message, refused.headers)
        except ServiceError as error:
            answer = _error(error.status, error.code, error.message)
        except DomainError as error:
            denied = isinstance(error, AccessDenied)
            answer = _error(403 if denied else 400, "DENIED" if denied else "UNSUPPORTED", error.message)
        answer.headers["docker-distribution-api-version"] = "registry/2.0"
        await finish(exchange, answer, send)

    async def _answer(self, exchange: Exchange) -> Answer:
        request = exchange.request
        principal = self.tokens.principal(request.headers.get("authorization", ""))
        if principal is None:
            challenge = f'Basic realm="{exchange.base}/",service="ecr.amazonaws.com"'
            raise Refused(401, "UNAUTHORIZED", "Log in with `aws ecr get-login-password`.", {"www-authenticate": challenge})
        kind, visit = _route(request.path)
        entry = self._handlers.get((kind, request.method))
        if entry is None:
            raise Refused(405, "UNSUPPORTED", f"{request.method} is not supported for {request.path}")
        action, handler = entry
        self._authorize(principal, action, visit.get("name", "*"))
        try:
            return await handler(exchange, visit, principal)
        except tuple(_CODES) as error:
            raise self._refused(error, visit) from None

    def _authorize(self, principal: Principal, action: str, name: str) -> None:
        authority, settings = self.platform.authority, self.platform.settings
        if action and authority is not None:
            where = common.repository_arn(settings.region, principal.account or settings.account, name)
            authority.authorize(principal, action, where, {"aws:RequestedRegion": settings.region})

    def _refused(self, error: Exception, visit: Visit) -> Refused:
        status, code = next(value for kind, value in _CODES.items() if isinstance(error, kind))
        found = common.translated(error, visit.get("name", ""), self.platform.settings.account)
        return Refused(status, code, found.message if found is not None else str(error))

    # -- reading

    async def _root(self, exchange: Exchange, visit: Visit, who: Principal) -> Answer:
        return _json(200, {})

    async def _catalog(self, exchange: Exchange, visit: Visit, who: Principal) -> Answer:
        names = [r.name for r in await asyncio.to_thread(self.store.repositories)]
        shown, headers = _page(exchange, names)
        return _json(200, {"repositories": shown}, headers)

    async def _tags(self, exchange: Exchange, visit: Visit, who: Principal) -> Answer:
        images = await asyncio.to_thread(self.store.images, visit["name"])
        shown, headers = _page(exchange, sorted(tag for image in images for tag in image.tags))
        return _json(200, {"name": visit["name"], "tags": shown}, headers)

    async def _manifest(self, exchange: Exchange, visit: Visit, who: Principal) -> Answer:
        image, raw = await asyncio.to_thread(self.store.manifest, visit["name"], visit["reference"])
        headers = {"content-type": image.media_type, "docker-content-digest": image.digest, "content-length": str(len(raw))}
        return Answer(200, headers, raw)

    async def _blob(self, exchange: Exchange, visit: Visit, who: Principal) -> Answer:
        path = await asyncio.to_thread(self.store.blob, visit["name"], visit["digest"])
        file = path.open("rb")
        try:
            size = path.stat().st_size
            first, last = 0, size - 1
            wanted = _RANGE.fullmatch(exchange.request.headers.get("range", ""))
            if wanted is not None:
                first, last = int(wanted[1]), min(int(wanted[2] or size - 1), size - 1)
                if first > last:
                    raise Refused(416, "UNSUPPORTED", "The range lies beyond the blob", {"content-range": f"bytes */{size}"})
            headers = {"content-type": "application/octet-stream", "docker-content-digest": visit["digest"],
                       "accept-ranges": "bytes", "content-length": str(last - first + 1)}
            if wanted is not None:
                headers["content-range"] = f"bytes {first}-{last}/{size}"
            if exchange.request.method == "HEAD":
                file.close()
                return Answer(200, headers)
            return Answer(200 if wanted is None else 206, headers, FileSlice(path, first, last - first + 1, file))
        except BaseException:
            file.close()
            raise

    # -- writing

    async def _begin(self, exchange: Exchange, visit: Visit, who: Principal) -> Answer:
        name, arg = visit["name"], exchange.request.arg
        if "mount" in arg and "from" in arg:
            self._authorize(who, "ecr:BatchCheckLayerAvailability", arg["from"])
            if await asyncio.to_thread(self.store.mount, name, arg["mount"], arg["from"]):
                return _made(name, "blobs", arg["mount"])
        upload = await asyncio.to_thread(self.store.begin, name)
        if "digest" in arg:
            return await self._complete(exchange, {**visit, "upload": upload}, who)
        return _uploading(name, upload, 0)

    async def _progress(self, exchange: Exchange, visit: Visit, who: Principal) -> Answer:
        size = await asyncio.to_thread(self.store.received, visit["name"], visit["upload"])
        return _uploading(visit["name"], visit["upload"], size, 204)

    async def _part(self, exchange: Exchange, visit: Visit, who: Principal) -> Answer:
        size = await self._receive(exchange, visit)
        return _uploading(visit["name"], visit["upload"], size)

    async def _complete(self, exchange: Exchange, visit: Visit, who: Principal) -> Answer:
        digest = exchange.request.arg.get("digest", "")
        if not exchange.incoming.finished:
            await self._receive(exchange, visit)
        await asyncio.to_thread(self.store.complete, visit["name"], visit["upload"], digest)
        return _made(visit["name"], "blobs", digest)

    async def _receive(self, exchange: Exchange, visit: Visit) -> int:
        """Append the request's body to the upload; the bytes there are then."""
        name, upload = visit["name"], visit["upload"]
        wanted = _RANGE.fullmatch(exchange.request.headers.get("content-range", ""))
        at = int(wanted[1]) if wanted is not None else None
        size = await asyncio.to_thread(self.store.received, name, upload)
        if at is not None and at != size:
            raise BadRange(size)
        waiting = bytearray()
        async for data in exchange.incoming:
            waiting += data
            if len(waiting) >= BATCH:
                size = await asyncio.to_thread(self.store.receive, name, upload, bytes(waiting), size)
                waiting.clear()
        if waiting:
            size = await asyncio.to_thread(self.store.receive, name, upload, bytes(waiting), size)
        return size

    async def _cancel(self, exchange: Exchange, visit: Visit, who: Principal) -> Answer:
        await asyncio.to_thread(self.store.cancel, visit["name"], visit["upload"])
        return Answer(204)

    async def _put_manifest(self, exchange: Exchange, visit: Visit, who: Principal) -> Answer:
        """By way of PutImage, so that it is validated and audited; the same image once more is no error here."""
        raw = await exchange.incoming.read(LARGEST_MANIFEST)
        name, reference = visit["name"], visit["reference"]
        by_digest = reference.startswith("sha256:")
        params = {"repositoryName": name, "imageManifest": _text(raw), **({"imageDigest": reference} if by_digest else {"imageTag": reference})}
        if kind := exchange.request.content_type:
            params["imageManifestMediaType"] = kind.partition(";")[0]
        try:
            made = await self.platform.api.call("ecr", "PutImage", params, who)
            digest = made["image"]["imageId"]["imageDigest"]
        except ServiceError as error:
            if error.code != "ImageAlreadyExistsException":
                status, code = _PUT_CODES.get(error.code, (400, "MANIFEST_INVALID"))
                raise Refused(status, code, error.message) from None
            digest = (await asyncio.to_thread(self.store.image, name, reference)).digest
        return _made(name, "manifests", digest)

    async def _delete_manifest(self, exchange: Exchange, visit: Visit, who: Principal) -> Answer:
        by_digest = visit["reference"].startswith("sha256:")
        wanted = {"imageDigest" if by_digest else "imageTag": visit["reference"]}
        params = {"repositoryName": visit["name"], "imageIds": [wanted]}
        done = await self.platform.api.call("ecr", "BatchDeleteImage", params, who)
        if done["failures"]:
            raise NoSuchImage(visit["reference"])
        return Answer(202)


def _route(path: str) -> tuple[str, Visit]:
    for pattern, kind in _ROUTES:
        if (found := pattern.fullmatch(path)) is not None:
            return kind, found.groupdict()
    raise Refused(404, "NAME_INVALID", f"{path} is no path of a registry")


_CODES: dict[type[Exception], tuple[int, str]] = {
    NoSuchRepository: (404, "NAME_UNKNOWN"), NoSuchImage: (404, "MANIFEST_UNKNOWN"), NoSuchBlob: (404, "BLOB_UNKNOWN"),
    BadDigest: (400, "DIGEST_INVALID"), BadManifest: (400, "MANIFEST_INVALID"), BadRange: (416, "BLOB_UPLOAD_INVALID"),
    MissingBlobs: (404, "MANIFEST_BLOB_UNKNOWN"), TagTaken: (400, "TAG_INVALID"),
}
_PUT_CODES = {
    "RepositoryNotFoundException": (404, "NAME_UNKNOWN"), "LayersNotFoundException": (404, "MANIFEST_BLOB_UNKNOWN"),
    "ImageDigestDoesNotMatchException": (400, "DIGEST_INVALID"), "ImageTagAlreadyExistsException": (400, "TAG_INVALID"),
}


def _text(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise Refused(400, "MANIFEST_INVALID", "The manifest is not text") from None


def _json(status: int, document: dict[str, Any], headers: dict[str, str] | None = None) -> Answer:
    return Answer(status, {"content-type": "application/json", **(headers or {})}, orjson.dumps(document))


def _error(status: int, code: str, message: str, headers: dict[str, str] | None = None) -> Answer:
    return _json(status, {"errors": [{"code": code, "message": message}]}, headers)


def _made(name: str, kind: str, digest: str) -> Answer:
    return Answer(201, {"location": f"/v2/{name}/{kind}/{digest}", "docker-content-digest": digest})


def _uploading(name: str, upload: str, size: int, status: int = 202) -> Answer:
    return Answer(status, {
        "location": f"/v2/{name}/blobs/uploads/{upload}", "range": f"0-{max(size - 1, 0)}", "docker-upload-uuid": upload,
    })


def _page(exchange: Exchange, names: list[str]) -> tuple[list[str], dict[str, str]]:
    """The names that the query asks for, and the link to the next page."""
    arg = exchange.request.arg
    said = arg.get("n", "")
    size = min(int(said), MOST_NAMES) if said.isdigit() and int(said) else MOST_NAMES
    rest = [name for name in names if name > arg.get("last", "")]
    if len(rest) <= size:
        return rest, {}
    query = urlencode({"n": size, "last": rest[size - 1]})
    return rest[:size], {"link": f'<{exchange.request.path}?{query}>; rel="next"'}
