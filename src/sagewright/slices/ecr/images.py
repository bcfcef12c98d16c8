"""Images of a repository: listed, described, put and deleted."""

from __future__ import annotations

from typing import Any

from ...resources.platform import Platform
from ...stores.image_registry import NoSuchImage, StoredImage
from ...wire.errors import Invalid, ServiceError
from ...wire.types import Call
from . import common


class Images:
    """The operations of one platform."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform

    def install(self) -> None:
        for name, handler in (
            ("ListImages", self.list_images), ("DescribeImages", self.describe), ("PutImage", self.put),
            ("BatchGetImage", self.get), ("BatchDeleteImage", self.delete),
        ):
            self.platform.operations.bind("ecr", name, handler, resources=common.resources)

    async def list_images(self, call: Call) -> dict[str, Any]:
        found = [
            {"imageDigest": image.digest, **({"imageTag": tag} if tag else {})}
            for image in await self._all(call) for tag in (image.tags or ("",))
        ]
        found.sort(key=_id_key)
        shown, token = common.page(call, found, _id_key)
        return {"imageIds": shown, **({"nextToken": token} if token else {})}

    async def describe(self, call: Call) -> dict[str, Any]:
        if ids := call.params.get("imageIds"):
            common.check_registry(call)
            store, name = common.store(self.platform), call.params["repositoryName"]
            return {"imageDetails": [_detail(call, await common.run(call, store.image, name, _reference(i))) for i in ids]}
        shown, token = common.page(call, sorted(await self._all(call), key=lambda i: i.digest), lambda i: i.digest)
        return {"imageDetails": [_detail(call, image) for image in shown], **({"nextToken": token} if token else {})}

    async def put(self, call: Call) -> dict[str, Any]:
        common.check_registry(call)
        params, store = call.params, common.store(self.platform)
        name, tag, raw = params["repositoryName"], params.get("imageTag", ""), params["imageManifest"].encode()
        try:
            there = await common.run(call, store.image, name, tag) if tag else None
        except ServiceError as error:
            if error.code != "ImageNotFoundException":
                raise
            there = None
        made = await common.run(
            call, store.put_manifest, name, raw, params.get("imageManifestMediaType", ""), tag, params.get("imageDigest", "")
        )
        if there is not None and there.digest == made.digest:
            raise ServiceError(
                "ImageAlreadyExistsException",
                f"Image with digest '{made.digest}' and tag '{tag}' already exists in the repository with name '{name}' in "
                f"registry with id '{call.account}'", 400,
            )
        return {"image": _image(call, made, raw, tag)}

    async def get(self, call: Call) -> dict[str, Any]:
        common.check_registry(call)
        store, name = common.store(self.platform), call.params["repositoryName"]
        await common.run(call, store.repository, name)
        images, failures = [], []
        for wanted in call.params["imageIds"]:
            try:
                found, raw = store.manifest(name, _reference(wanted))
            except NoSuchImage:
                failures.append(_failure(wanted))
            else:
                images.append(_image(call, found, raw, wanted.get("imageTag", "")))
        return {"images": images, "failures": failures}

    async def delete(self, call: Call) -> dict[str, Any]:
        common.check_registry(call)
        store, name = common.store(self.platform), call.params["repositoryName"]
        await common.run(call, store.repository, name)
        gone, failures = [], []
        for wanted in call.params["imageIds"]:
            tag, digest = wanted.get("imageTag"), wanted.get("imageDigest")
            try:
                if tag and not digest:
                    found = await common.run(call, store.untag, name, tag)
                    gone.append({"imageDigest": found.digest, "imageTag": tag})
                else:
                    found = await common.run(call, store.delete_image, name, _reference(wanted))
                    gone += [{"imageDigest": found.digest, **({"imageTag": t} if t else {})} for t in found.tags or ("",)]
            except ServiceError as error:
                if error.code != "ImageNotFoundException":
                    raise
                failures.append(_failure(wanted))
        return {"imageIds": gone, "failures": failures}

    async def _all(self, call: Call) -> list[StoredImage]:
        common.check_registry(call)
        found = await common.run(call, common.store(self.platform).images, call.params["repositoryName"])
        status = call.params.get("filter", {}).get("tagStatus", "ANY")
        return [image for image in found if status == "ANY" or bool(image.tags) == (status == "TAGGED")]


def _reference(wanted: dict[str, str]) -> str:
    reference = wanted.get("imageDigest") or wanted.get("imageTag")
    if not reference:
        raise Invalid("Invalid parameter at 'imageIds': an image is named by imageTag or imageDigest.")
    return reference


def _failure(wanted: dict[str, str]) -> dict[str, Any]:
    return {"imageId": wanted, "failureCode": "ImageNotFound", "failureReason": "Requested image not found"}


def _id_key(image: dict[str, str]) -> str:
    return f"{image['imageDigest']} {image.get('imageTag', '')}"


def _image(call: Call, image: StoredImage, raw: bytes, tag: str) -> dict[str, Any]:
    return {
        "registryId": call.account, "repositoryName": call.params["repositoryName"],
        "imageId": {"imageDigest": image.digest, **({"imageTag": tag} if tag else {})},
        "imageManifest": raw.decode(), "imageManifestMediaType": image.media_type,
    }


def _detail(call: Call, image: StoredImage) -> dict[str, Any]:
    shown = {
        "registryId": call.account, "repositoryName": call.params["repositoryName"], "imageDigest": image.digest,
        "imageSizeInBytes": image.size, "imagePushedAt": image.pushed, "imageManifestMediaType": image.media_type,
    }
    if image.tags:
        shown["imageTags"] = list(image.tags)
    if image.config_type:
        shown["artifactMediaType"] = image.config_type
    return shown


