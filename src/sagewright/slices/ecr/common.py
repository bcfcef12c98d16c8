"""What the operations share: ARNs, the errors that the registry's own become, and pages."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
from collections.abc import Callable, Sequence
from typing import Any, ParamSpec, TypeVar

from ...resources.arn import arn
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
    RepositoryExists,
    RepositoryNotEmpty,
    TagTaken,
)
from ...wire.errors import Invalid, ServiceError
from ...wire.types import Call

P = ParamSpec("P")
T = TypeVar("T")
PAGE = 100


def store(platform: Platform) -> ImageRegistry:
    if platform.image_registry is None:
        raise RuntimeError("the server was built without an image registry")
    return platform.image_registry


def repository_arn(region: str, account: str, name: str) -> str:
    return arn("ecr", region, account, f"repository/{name}")


def resources(call: Call) -> list[str]:
    """What a call on one repository acts on, for policies."""
    return [repository_arn(call.region, call.account, call.params["repositoryName"])]


def check_registry(call: Call) -> None:
    """There is one registry: the account's own. Raises Invalid for another."""
    wanted = call.params.get("registryId", call.account)
    if wanted != call.account:
        raise Invalid(f"The registry {wanted} does not exist here; this account's is {call.account}.")


async def run(call: Call, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call the store on a thread; its errors become those of ECR."""
    try:
        return await asyncio.to_thread(function, *args, **kwargs)
    except Exception as error:
        found = translated(error, call.params.get("repositoryName", ""), call.account)
        if found is None:
            raise
        raise found from None


def translated(error: Exception, name: str, account: str) -> ServiceError | None:
    """The error of ECR that an error of the store stands for; None for what is none of those."""
    where = f"the repository with name '{name}' in the registry with id '{account}'"
    table: dict[type[Exception], tuple[str, str]] = {
        NoSuchRepository: (
            "RepositoryNotFoundException", f"The repository with name '{error}' does not exist in the registry with id '{account}'"),
        RepositoryExists: (
            "RepositoryAlreadyExistsException", f"The repository with name '{error}' already exists in the registry with id '{account}'"),
        RepositoryNotEmpty: (
            "RepositoryNotEmptyException",
            f"The repository with name '{error}' in registry with id '{account}' cannot be deleted because it still contains images"),
        NoSuchImage: ("ImageNotFoundException", f"The image with imageId {error} does not exist within {where}"),
        TagTaken: (
            "ImageTagAlreadyExistsException", f"The image tag '{error}' already exists in {where} and cannot be overwritten because the repository is immutable."),
        MissingBlobs: ("LayersNotFoundException", f"Layers with digests '[{error}]' required for pushing image into {where} do not exist"),
        NoSuchBlob: ("UploadNotFoundException", f"The upload does not exist within {where} ({error})"),
        BadDigest: ("ImageDigestDoesNotMatchException", f"{error}"),
        BadRange: ("InvalidLayerPartException", f"Layer parts must be uploaded in order: {error}"),
        BadManifest: ("InvalidParameterException", f"Invalid parameter at 'ImageManifest' failed to satisfy constraint: '{error}'"),
        ValueError: ("InvalidParameterException", f"Invalid parameter at 'repositoryName' failed to satisfy constraint: '{error}' is no repository name"),
    }
    for kind, (code, message) in table.items():
        if isinstance(error, kind):
            return ServiceError(code, message, 400)
    return None


def page(call: Call, items: Sequence[T], key: Callable[[T], str]) -> tuple[list[T], str | None]:
    """One page of items that are in the order of ``key``, and the token of the next."""
    after = _read(call)
    rest = [item for item in items if after is None or key(item) > after]
    size = int(call.params.get("maxResults", PAGE))
    shown = rest[:size]
    return shown, _token(call, key(shown[-1])) if len(rest) > size else None


def _token(call: Call, last: str) -> str:
    return base64.urlsafe_b64encode(json.dumps([_digest(call), last]).encode()).decode()


def _read(call: Call) -> str | None:
    text = call.params.get("nextToken")
    if text is None:
        return None
    try:
        digest, last = json.loads(base64.urlsafe_b64decode(text.encode()))
    except (ValueError, TypeError):
        raise Invalid("Invalid parameter at 'nextToken'.") from None
    if digest != _digest(call) or not isinstance(last, str):
        raise Invalid("nextToken belongs to a request with other parameters; repeat those, or start without a token.")
    return last


def _digest(call: Call) -> str:
    request: dict[str, Any] = {k: v for k, v in call.params.items() if k not in ("nextToken", "maxResults")}
    return hashlib.sha256(json.dumps([call.operation, request], sort_keys=True, default=str).encode()).hexdigest()[:16]
