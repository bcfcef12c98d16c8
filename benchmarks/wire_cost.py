"""What the wire itself costs a call, bytes in to bytes out: HTTP, route, verify the signature, parse, validate, authorise,
serialize. No network, and operations that do nothing.

    PYTHONPATH=src python benchmarks/wire_cost.py

Prints microseconds of CPU time a call, the least and the median of many short rounds, for ten points of metrics, a small and a large
JSON call, a query call and an S3 GET.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from sagewright.http1 import Connection, Shared
from sagewright.settings import Settings
from sagewright.wire.app import App
from sagewright.wire.dispatch import Dispatcher
from sagewright.wire.models import Models
from sagewright.wire.operations import Operations
from sagewright.wire.types import Call, Principal

KEY, SECRET, HOST = "AKIABENCHMARK", "secret", "127.0.0.1:4566"
ROLE = Principal("arn:aws:sts::123456789012:assumed-role/Job/one", "123456789012", "role")


class Keys:
    """Allows everything, so that only the wire is measured."""

    changed: list[Callable[[], None]] = []  # noqa: RUF012  # nothing ever changes

    def secret(self, access_key: str) -> tuple[str, str | None, Principal] | None:
        return SECRET, None, ROLE

    def authorize(self, principal: Principal, action: str, resource: str, context: Mapping[str, str]) -> None:
        return


TRAINING_JOB = {
    "TrainingJobName": "job-1", "RoleArn": "arn:aws:iam::123456789012:role/Job",
    "HyperParameters": {f"parameter_{i}": str(i) for i in range(20)},
    "AlgorithmSpecification": {"TrainingImage": "1.dkr.ecr.us-east-1.amazonaws.com/x:1", "TrainingInputMode": "File"},
    "InputDataConfig": [
        {"ChannelName": name, "ContentType": "text/csv",
         "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://bucket/{name}"}}}
        for name in ("train", "validation", "test")
    ],
    "OutputDataConfig": {"S3OutputPath": "s3://bucket/out"},
    "ResourceConfig": {"InstanceType": "ml.m5.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 30},
    "StoppingCondition": {"MaxRuntimeInSeconds": 3600},
    "Tags": [{"Key": f"key{i}", "Value": f"value{i}"} for i in range(10)],
}


def app() -> App:
    operations, keys, models = Operations(), Keys(), Models()

    async def handler(call: Call) -> dict[str, Any]:
        return answers[call.operation]

    answers: dict[str, dict[str, Any]] = {
        "DescribeModel": {"ModelName": "m", "ModelArn": "arn:aws:sagemaker:us-east-1:123456789012:model/m", "CreationTime": 1.7e9},
        "CreateTrainingJob": {"TrainingJobArn": "arn:aws:sagemaker:us-east-1:123456789012:training-job/job-1"},
        "GetCallerIdentity": {"Account": "123456789012", "Arn": ROLE.arn, "UserId": "u"},
        "GetObject": {"Body": b"x" * 1000, "ContentType": "text/plain", "ETag": '"e"'},
        "BatchPutMetrics": {},
    }
    for service, name in (("sagemaker-metrics", "BatchPutMetrics"), ("sagemaker", "DescribeModel"), ("sagemaker", "CreateTrainingJob"), ("sts", "GetCallerIdentity"), ("s3", "GetObject")):
        operations.bind(service, name, handler)
    settings = Settings.load({}, data=Path("/tmp/none"))
    return App(models, Dispatcher(models, operations, settings, lambda: keys), settings, lambda: keys)


def signed(service: str, method: str, path: str, body: bytes, headers: dict[str, str]) -> bytes:
    """The bytes of a request as a client sends them."""
    request = AWSRequest(method, f"http://{HOST}{path}", data=body, headers=headers)
    (S3SigV4Auth if service == "s3" else SigV4Auth)(Credentials(KEY, SECRET), service, "us-east-1").add_auth(request)
    lines = [f"{method} {path} HTTP/1.1", *(f"{k}: {v}" for k, v in request.headers.items())]
    lines += [f"Host: {HOST}", f"Content-Length: {len(body)}", "User-Agent: Boto3/1.44 md/Botocore", "Accept-Encoding: identity", "", ""]
    return "\r\n".join(lines).encode() + body


class Wire(asyncio.Transport):
    """A connection that ends in memory."""

    def __init__(self) -> None:
        super().__init__({"peername": ("127.0.0.1", 1), "sockname": ("127.0.0.1", 4566)})
        self.answered = asyncio.Event()
        self.bad = b""

    def write(self, data: Any) -> None:
        if not data.startswith(b"HTTP/1.1 200 "):
            self.bad = bytes(data)
        self.answered.set()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Nothing waits here."""

    def is_closing(self) -> bool:
        return False

    def pause_reading(self) -> None:
        """Nothing more comes."""

    def resume_reading(self) -> None:
        """Nothing waits."""


async def measure(target: App, raw: bytes, calls: int = 200, rounds: int = 60) -> tuple[float, float]:
    """(least, median)."""
    connection, wire = Connection(Shared(target, 75.0)), Wire()
    connection.connection_made(wire)

    async def run(times: int) -> float:
        began = time.process_time()
        for _ in range(times):
            wire.answered.clear()
            connection.data_received(raw)
            await wire.answered.wait()
        return (time.process_time() - began) / times * 1e6

    await run(200)
    figures = [await run(calls) for _ in range(rounds)]
    if wire.bad:
        raise SystemExit(f"the calls failed: {wire.bad!r}")
    return min(figures), statistics.median(figures)


async def main() -> None:
    target = app()
    json_type = {"Content-Type": "application/x-amz-json-1.1"}
    small, large = json.dumps({"ModelName": "m"}).encode(), json.dumps(TRAINING_JOB).encode()
    points = json.dumps({"TrialComponentName": "run-1", "MetricData": [
        {"MetricName": f"metric_{n}", "Timestamp": 1.75e9 + n, "Step": 17, "Value": n / 8} for n in range(10)]}).encode()
    form = b"Action=GetCallerIdentity&Version=2011-06-15"
    form_type = {"Content-Type": "application/x-www-form-urlencoded"}
    describe, create = ({**json_type, "X-Amz-Target": f"SageMaker.{name}"} for name in ("DescribeModel", "CreateTrainingJob"))
    for label, raw in (
        ("sagemaker-metrics BatchPutMetrics", signed("sagemaker", "PUT", "/BatchPutMetrics", points, {"Content-Type": "application/json"})),
        ("sagemaker DescribeModel", signed("sagemaker", "POST", "/", small, describe)),
        ("sagemaker CreateTrainingJob", signed("sagemaker", "POST", "/", large, create)),
        ("sts GetCallerIdentity", signed("sts", "POST", "/", form, form_type)),
        ("s3 GetObject", signed("s3", "GET", "/bucket/some/key.csv", b"", {})),
    ):
        least, usual = await measure(target, raw)
        print(f"{label:36} {least:7.1f} µs a call at least, {usual:7.1f} at the median")


if __name__ == "__main__":
    asyncio.run(main())
