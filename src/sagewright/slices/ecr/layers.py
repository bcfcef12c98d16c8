"""Layers by the AWS API, as tools push them that do not speak the registry's own."""

from __future__ import annotations

from typing import Any

from ...resources.platform import Platform
from ...stores.image_registry import BadDigest, BadRange, NoSuchBlob
from ...wire.errors import ServiceError
from ...wire.types import Call
from . import common

PART = 10 * 2**20


class Layers:
    """The operations of one platform."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform

    def install(self) -> None:
        for name, handler in (
            ("BatchCheckLayerAvailability", self.check), ("InitiateLayerUpload", self.begin),
            ("UploadLayerPart", self.part), ("CompleteLayerUpload", self.complete),
        ):
            self.platform.operations.bind("ecr", name, handler, resources=common.resources)

    async def check(self, call: Call) -> dict[str, Any]:
        common.check_registry(call)
        store, name = common.store(self.platform), call.params["repositoryName"]
        await common.run(call, store.repository, name)
        layers, failures = [], []
        for digest in call.params["layerDigests"]:
            try:
                gone = store.missing(name, [digest])
            except NoSuchBlob:
                reason = "Invalid parameter at 'layerDigests': not a sha256 digest"
                failures.append({"layerDigest": digest, "failureCode": "InvalidLayerDigest", "failureReason": reason})
                continue
            layer = {"layerDigest": digest, "layerAvailability": "UNAVAILABLE" if gone else "AVAILABLE"}
            layers.append(layer if gone else {**layer, "layerSize": store.blob(name, digest).stat().st_size})
        return {"layers": layers, "failures": failures}

    async def begin(self, call: Call) -> dict[str, Any]:
        common.check_registry(call)
        upload = await common.run(call, common.store(self.platform).begin, call.params["repositoryName"])
        return {"uploadId": upload, "partSize": PART}

    async def part(self, call: Call) -> dict[str, Any]:
        params, store = call.params, common.store(self.platform)
        data: bytes = params["layerPartBlob"]
        first, last = params["partFirstByte"], params["partLastByte"]
        if last - first + 1 != len(data):
            raise ServiceError("InvalidLayerPartException", f"The part has {len(data)} bytes; {first} to {last} are {last - first + 1}.", 400)
        try:
            size = await common.run(call, store.receive, params["repositoryName"], params["uploadId"], data, first)
        except BadRange as error:
            raise ServiceError("InvalidLayerPartException", f"Parts come in order; {error}.", 400) from None
        return {"registryId": call.account, "repositoryName": params["repositoryName"], "uploadId": params["uploadId"], "lastByteReceived": size - 1}

    async def complete(self, call: Call) -> dict[str, Any]:
        params, store = call.params, common.store(self.platform)
        digest = params["layerDigests"][0]
        try:
            await common.run(call, _complete, store, params["repositoryName"], params["uploadId"], digest)
        except BadDigestHere as error:
            raise ServiceError("InvalidLayerException", str(error), 400) from None
        return {"registryId": call.account, "repositoryName": params["repositoryName"], "uploadId": params["uploadId"], "layerDigest": digest}


class BadDigestHere(Exception):
    """A layer, not a manifest, has another digest than was said."""


def _complete(store: Any, name: str, upload: str, digest: str) -> None:
    try:
        store.complete(name, upload, digest)
    except BadDigest as error:
        raise BadDigestHere(str(error)) from None
