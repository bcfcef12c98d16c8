"""Operations behind a wire that do as little as its tests need, and keep what they saw."""

from __future__ import annotations

import asyncio
import hashlib
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sagewright.wire.errors import AlreadyExists, NotFound, ServiceError
from sagewright.wire.types import Call, FileSlice, Reply

from .wireserver import Wire

World = tuple[str, Wire, dict[str, Any]]
"""Where it listens, the wire, what the operations saw."""


def bind(wire: Wire, seen: dict[str, Any]) -> None:
    objects: dict[str, bytes] = seen["objects"]

    async def describe(call: Call) -> dict[str, Any]:
        seen["call"] = call
        if call.params["TrainingJobName"] == "crash":
            raise KeyError("a secret of the server")
        raise NotFound("Requested resource not found.")

    async def create_model(call: Call) -> dict[str, Any]:
        seen["call"] = call
        if call.params["ModelName"] == "taken":
            raise AlreadyExists("Cannot create already existing model taken")
        return {"ModelArn": f"arn:aws:sagemaker:{call.region}:{call.account}:model/{call.params['ModelName']}"}

    async def put(call: Call) -> dict[str, Any]:
        data = await call.params["Body"].read()
        objects[call.params["Key"]] = data
        seen["call"] = call
        return {"ETag": f'"{hashlib.md5(data).hexdigest()}"'}

    async def get(call: Call) -> dict[str, Any] | Reply:
        if call.params["Key"] not in objects:
            raise ServiceError("NoSuchKey", "The specified key does not exist.", 404, Key=call.params["Key"])
        data = objects[call.params["Key"]]
        path: Path = seen["folder"] / "object"
        path.write_bytes(data)
        body = {"Body": FileSlice(path, 0, len(data)), "ContentLength": len(data), "ContentType": "text/x-test"}
        return Reply(body, 206) if "Range" in call.params else body

    async def head(call: Call) -> dict[str, Any]:
        if call.params["Key"] not in objects:
            raise ServiceError("NoSuchKey", "The specified key does not exist.", 404)
        return {"ContentLength": len(objects[call.params["Key"]]), "Metadata": {"a": "b"}}

    async def delete(call: Call) -> None:
        objects.pop(call.params["Key"], None)

    async def identity(call: Call) -> dict[str, Any]:
        return {"Account": call.account, "Arn": call.principal.arn, "UserId": "u"}

    async def metrics(call: Call) -> None:
        seen["call"] = call

    async def alarms(call: Call) -> dict[str, Any]:
        raise ServiceError("ResourceNotFoundException", "no such alarm", 404)

    async def record(call: Call) -> None:
        seen["call"] = call

    async def predict(call: Call) -> dict[str, Any]:
        seen["call"] = call
        return {"Body": call.params["Body"][::-1], "ContentType": call.params.get("Accept", "text/csv"), "InvokedProductionVariant": "v"}

    async def stream(call: Call) -> dict[str, Any]:
        async def parts() -> AsyncIterator[dict[str, Any]]:
            for piece in (b"one ", b"two ", b"three"):
                yield {"PayloadPart": {"Bytes": piece}}
            if call.params["EndpointName"] == "breaks":
                yield {"ModelStreamError": {"Message": "it broke", "ErrorCode": "StreamBroken"}}

        return {"Body": parts(), "ContentType": "text/plain"}

    async def role(call: Call) -> dict[str, Any]:
        raise NotFound(f"The role with name {call.params['RoleName']} cannot be found.")

    async def endless(call: Call) -> dict[str, Any]:
        async def forever() -> AsyncIterator[bytes]:
            try:
                while True:
                    yield b"x" * 65536
                    await asyncio.sleep(0.001)
            finally:
                seen["closed"].set()

        return {"Body": forever()}

    seen["closed"] = threading.Event()
    bind_ = wire.operations.bind
    bind_("sagemaker", "DescribeTrainingJob", describe)
    bind_("sagemaker", "CreateModel", create_model, resources=lambda c: [f"arn:model/{c.params['ModelName']}"])
    bind_("s3", "PutObject", put)
    bind_("s3", "GetObject", get)
    bind_("s3", "HeadObject", head)
    bind_("s3", "DeleteObject", delete)
    bind_("s3", "GetObjectTorrent", endless)
    bind_("sts", "GetCallerIdentity", identity)
    bind_("iam", "GetRole", role)
    bind_("cloudwatch", "PutMetricData", metrics)
    bind_("cloudwatch", "DeleteAlarms", alarms)
    bind_("sagemaker-featurestore-runtime", "PutRecord", record)
    bind_("sagemaker-runtime", "InvokeEndpoint", predict)
    bind_("sagemaker-runtime", "InvokeEndpointWithResponseStream", stream)


def code_of(caught: pytest.ExceptionInfo[ClientError]) -> tuple[str, int, str]:
    error = caught.value.response
    return error["Error"]["Code"], error["ResponseMetadata"]["HTTPStatusCode"], error["Error"]["Message"]
