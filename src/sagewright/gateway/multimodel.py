"""Endpoints with many models in one container, as callers see them: which instance gets a model's requests, and what they are told.

An instance's models are behind one socket, whose name says so (``agent.model_door`` listens there). Each model has its own order
of the instances, so that it is loaded in as few as its requests need, and stays there when others come or go.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterable, Collection, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from ..resources.arn import s3_location, s3_uri
from ..resources.instances import instance
from ..wire.errors import Invalid, ServiceError
from .answer import Answer, Broken
from .client import Worker

if TYPE_CHECKING:
    from .routes import Variant

NAME = "models.sock"
"""How the sockets of such instances are called."""
HEADER = "X-Amzn-SageMaker-Target-Model"
LOADING = 120.0
"""Seconds beyond those for an answer: a model may take 60 to load, and the instance says itself when they are over."""
MOST = 1000
"""Requests under way in an instance: those that wait for their models do not hold up the others."""
SPILL = 16
"""Requests that an instance has under way from which one with less than half as many takes over."""
SHARE = 0.8
"""Of an instance's memory that its workers may fill with models."""
OUTCOME, WAITED = "x-sagewright-outcome", "x-sagewright-waited"


# -- the instance


def multi(container: dict[str, Any]) -> bool:
    """Whether a container serves the models below a prefix."""
    return bool(container.get("Mode") == "MultiModel")


def prefix(container: dict[str, Any]) -> str:
    """The S3 prefix of its models, with a slash at its end."""
    uri = s3_uri(container["ModelDataUrl"])
    return uri if uri.endswith("/") else uri + "/"


def models(container: dict[str, Any], instance_type: str, sharing: int = 1) -> dict[str, Any]:
    """What a task is told of its models; empty for a container of one. ``sharing``: containers that the instance has."""
    if not multi(container):
        return {}
    bucket, key = s3_location(prefix(container))
    env = container.get("Environment", {})
    return {
        "bucket": bucket,
        "prefix": key,
        "memory": _mebibytes(env, "SAGEWRIGHT_MULTI_MODEL_MEMORY_MB") or int(instance(instance_type).memory * SHARE / sharing),
        "disk": _mebibytes(env, "SAGEWRIGHT_MULTI_MODEL_DISK_MB"),
        "wait": min(float(_number(env, "SAGEWRIGHT_MULTI_MODEL_WAIT_SECONDS") or 60), 60.0),
        "cache": container.get("MultiModelConfig", {}).get("ModelCacheSetting", "Enabled") == "Enabled",
    }


def _mebibytes(env: dict[str, str], name: str) -> int:
    return _number(env, name) << 20


def _number(env: dict[str, str], name: str) -> int:
    return int(env[name]) if env.get(name, "").isdigit() else 0


def check_variant(config: dict[str, Any], variant: dict[str, Any], about: dict[str, Any]) -> None:
    """Raises Invalid: requests of a queue, and those that are given an instance one by one, name no model."""
    if any(map(multi, about.get("Containers") or [about.get("Container", {})])) and ("AsyncInferenceConfig" in config or "ServerlessConfig" in variant):
        kind = "An asynchronous" if "AsyncInferenceConfig" in config else "A serverless"
        raise Invalid(f"{kind} endpoint cannot have a MultiModel container (variant {variant['VariantName']}).")


# -- requests


def check(name: str, variant: Variant, target: str | None) -> None:
    """A request names a model where there are many, and only there. Raises ServiceError."""
    if not variant.workers:
        return  # nothing can be said yet: it is told that no instance answers
    some = many(variant.workers[0].path)
    if some and target is None:
        raise ServiceError("ValidationError", f"TargetModel is required: endpoint {name} has many models in its container.")
    if not some and target is not None:
        raise ServiceError("ValidationError", f"TargetModel cannot be given: endpoint {name} has one model in one container.")


class Instance(Worker):
    """An instance with many models: what looks like one worker. It says itself when the time is over."""

    def __init__(self, path: str) -> None:
        super().__init__(path, limit=MOST)

    async def request(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes | AsyncIterable[bytes] = b"", *, seconds: float
    ) -> Answer:
        """As a worker's; ServiceError: there is no such model, or it is not there yet."""
        return heard(await super().request(method, path, headers, body, seconds=seconds + LOADING))


def behind(address: str) -> bool:
    """Whether many models are behind an address."""
    return address.partition("?")[0].endswith("/" + NAME)  # also by way of a relay


@lru_cache(maxsize=1024)
def many(address: str) -> bool:
    """Whether requests to an address name a model: many are behind it, or behind one of several containers."""
    if not address.startswith("["):
        return behind(address)
    return any(behind(path) for _, *paths in json.loads(address) for path in paths)


def pick(workers: list[Worker], target: str, avoid: Collection[Worker] = ()) -> Worker | None:
    """The instance for a model's next request; None if there is none besides those to ``avoid``."""
    order = sorted((w for w in workers if w not in avoid), key=lambda w: rank(w.path, target))
    if not order:
        return None
    first = order[0]
    if first.outstanding < SPILL:
        return first
    calm = min(order, key=lambda w: w.outstanding)
    return calm if calm.outstanding * 2 < first.outstanding else first


def rank(path: str, target: str) -> bytes:
    """Where an instance stands in a model's order: by chance, and always the same."""
    return hashlib.blake2b(f"{target.lstrip('/')}\0{path}".encode(), digest_size=8).digest()


def heard(answer: Answer) -> Answer:
    """The container's answer.

    Raises:
        ServiceError: there is no such model, it is not there yet, or the object store did not give it away.
        Broken, TimeoutError: as if the container had been asked directly.
    """
    text = answer.body.decode("utf-8", "replace")
    match answer.headers.get(OUTCOME, ""):
        case "not-ready":
            raise ServiceError("ModelNotReadyException", text, 429)
        case "no-store":
            raise ServiceError("InternalDependencyException", text, 530)
        case "no-model":
            raise ServiceError("ValidationError", text)
        case "timed-out":
            raise TimeoutError
        case "broken":
            raise Broken(text)
        case "unreached":
            raise Broken(text, untouched=True)
    return answer


def waited(answer: Answer) -> float:
    """Seconds that a request waited for its model."""
    return float(answer.headers.get(WAITED, 0.0))


def after(headers: dict[str, str], seconds: float) -> dict[str, str]:
    """The headers of an answer to a request that has waited so long for its model."""
    return {**headers, WAITED: f"{seconds:.6f}"} if seconds else headers
