"""What the wire itself costs a call: route, verify the signature, parse, validate, authorise, serialize. No network.

    PYTHONPATH=src python benchmarks/wire_cost.py

Prints microseconds of CPU time a call, the median of several rounds, for a small and a large JSON call, a query call and an S3 GET.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

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
    }
    for service, name in (("sagemaker", "DescribeModel"), ("sagemaker", "CreateTrainingJob"), ("sts", "GetCallerIdentity"), ("s3", "GetObject")):
        operations.bind(service, name, handler)
    settings = Settings.load({}, data=Path("/tmp/none"))
    return App(models, Dispatcher(models, operations, settings, lambda: keys), settings, lambda: keys)


def signed(service: str, method: str, path: str, body: bytes, headers: dict[str, str]) -> dict[str, Any]:
    request = AWSRequest(method, f"http://{HOST}{path}", data=body, headers=headers)
    (S3SigV4Auth if service == "s3" else SigV4Auth)(Credentials(KEY, SECRET), service, "us-east-1").add_auth(request)
    sent = [(k.lower().encode(), v.encode()) for k, v in request.headers.items()]
    sent += [(b"host", HOST.encode()), (b"content-length", str(len(body)).encode()), (b"user-agent", b"Boto3/1.44 md/Botocore")]
    return {"type": "http", "method": method, "path": path, "raw_path": path.encode(), "query_string": b"", "headers": sent,
            "scheme": "http", "client": ("127.0.0.1", 1)}


async def measure(target: App, scope: dict[str, Any], body: bytes, calls: int = 2000, rounds: int = 7) -> float:
    statuses: set[int] = set()

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            statuses.add(message["status"])

    async def run(times: int) -> float:
        began = time.process_time()
        for _ in range(times):
            await target(dict(scope), receive, send)
        return (time.process_time() - began) / times * 1e6

    await run(200)
    figure = statistics.median([await run(calls) for _ in range(rounds)])
    if statuses != {200}:
        raise SystemExit(f"the calls failed: {statuses}")
    return figure


async def main() -> None:
    target = app()
    json_type = {"Content-Type": "application/x-amz-json-1.1"}
    small, large = json.dumps({"ModelName": "m"}).encode(), json.dumps(TRAINING_JOB).encode()
    form = b"Action=GetCallerIdentity&Version=2011-06-15"
    for label, scope, body in (
        ("sagemaker DescribeModel", signed("sagemaker", "POST", "/", small, {**json_type, "X-Amz-Target": "SageMaker.DescribeModel"}), small),
        ("sagemaker CreateTrainingJob", signed("sagemaker", "POST", "/", large, {**json_type, "X-Amz-Target": "SageMaker.CreateTrainingJob"}), large),
        ("sts GetCallerIdentity", signed("sts", "POST", "/", form, {"Content-Type": "application/x-www-form-urlencoded"}), form),
        ("s3 GetObject", signed("s3", "GET", "/bucket/some/key.csv", b"", {}), b""),
    ):
        print(f"{label:30} {await measure(target, scope, body):7.1f} µs a call")


if __name__ == "__main__":
    asyncio.run(main())
