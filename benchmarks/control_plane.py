"""Control plane by boto3: create, describe and list models, Sagewright and moto server in turn, durable writes on.

    python benchmarks/control_plane.py [--count 3000] [--million]

Prints calls a second, the ratios, and the CPU time that the server itself spends on a call: that figure stays the same on
a busy machine. The floor is boto3 alone, against a server that gives every call the same answer. ``--million`` also fills the records to 1,000, 100,000 and 1,000,000 models and
times one page of a list at each.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import boto3
import psutil
from peers import moto

from sagewright.testing.server import TestServer


def rate(call: Callable[[int], Any], count: int) -> float:
    """Calls a second: the median of five equal stretches, so that one hiccup does not count."""
    share, rates = count // 5, []
    for stretch in range(5):
        began = time.perf_counter()
        for n in range(share):
            call(stretch * share + n)
        rates.append(share / (time.perf_counter() - began))
    return statistics.median(rates)


def measured(server: psutil.Process | None, call: Callable[[int], Any], count: int) -> tuple[float, float]:
    """(calls a second, milliseconds of the server's CPU a call)."""
    before = sum(server.cpu_times()[:2]) if server else 0.0
    calls = rate(call, count)
    return calls, ((sum(server.cpu_times()[:2]) if server else 0.0) - before) / count * 1000


def newest_child() -> psutil.Process:
    """The server that was started last."""
    return max(psutil.Process().children(), key=lambda child: child.create_time())


Found = dict[str, tuple[float, float]]


def measure(client: Any, s3: Any, role: str, count: int, server: psutil.Process | None = None) -> Found:
    image = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:1.7-1"

    if s3:
        s3.create_bucket(Bucket="bucket")
        s3.put_object(Bucket="bucket", Key="model.tar.gz", Body=b"x")

    def create(n: int) -> Any:
        container = {"Image": image, "ModelDataUrl": "s3://bucket/model.tar.gz", "Environment": {"A": "1", "B": "2"}}
        return client.create_model(ModelName=f"model-{n}", ExecutionRoleArn=role, PrimaryContainer=container)

    client.list_models(MaxResults=1)
    return {
        "create": measured(server, create, count),
        "describe": measured(server, lambda n: client.describe_model(ModelName=f"model-{n}"), count),
        "list of 100": measured(server, lambda n: client.list_models(MaxResults=100), 100),
    }


async def constant(scope: Any, receive: Any, send: Any) -> None:
    """One answer for every call, with what a Describe and a List would have."""
    while (await receive()).get("more_body", False):
        pass
    arn = "arn:aws:sagemaker:us-east-1:123456789012:model/model-1"
    item = {"ModelName": "model-1", "ModelArn": arn, "CreationTime": 1.7e9}
    container = {"Image": "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:1.7-1", "Environment": {"A": "1", "B": "2"}}
    listing = b"ListModels" in dict(scope["headers"]).get(b"x-amz-target", b"")
    body = json.dumps({"Models": [item] * 100} if listing else {**item, "PrimaryContainer": container}).encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})


def serve_constant(ports: Any) -> None:
    import uvloop

    from sagewright.listener import Listener

    async def main() -> None:
        listener = Listener(constant, "127.0.0.1", 0)
        await listener.start()
        ports.put(listener.port)
        await asyncio.Event().wait()

    uvloop.run(main())


def floor(count: int) -> Found:
    """What boto3 reaches when the server does nothing."""
    context = multiprocessing.get_context("spawn")
    ports = context.Queue()
    process = context.Process(target=serve_constant, args=(ports,), daemon=True)
    process.start()
    try:
        client = boto3.client(
            "sagemaker", endpoint_url=f"http://127.0.0.1:{ports.get(timeout=30)}", region_name="us-east-1",
            aws_access_key_id="x", aws_secret_access_key="y",
        )
        return measure(client, None, "arn:aws:iam::123456789012:role/floor-floor", count, psutil.Process(process.pid))
    finally:
        process.terminate()
        process.join()


@contextlib.contextmanager
def ours() -> Iterator[tuple[Any, Any, str]]:
    with tempfile.TemporaryDirectory(prefix="sagewright-bench-") as folder, TestServer(Path(folder) / "data") as server:
        account = server.client("sts").get_caller_identity()["Account"]
        yield server.client("sagemaker"), server.client("s3"), f"arn:aws:iam::{account}:role/{server.execution_role()}"


def pages(sizes: tuple[int, ...] = (1_000, 100_000, 1_000_000)) -> None:
    """One page of 100 of a list, by boto3, as the number of models grows; the records are filled directly."""
    from sagewright.adapters.sqlite import SqliteRecords
    from sagewright.stores.records import Put

    with tempfile.TemporaryDirectory(prefix="sagewright-bench-") as folder:
        server = TestServer(Path(folder) / "data")
        server.start()
        account = server.client("sts").get_caller_identity()["Account"]
        have, first = 0, 0.0
        try:
            for size in sizes:
                server.stop()

                async def fill(start: int = have, end: int = size) -> None:
                    records = SqliteRecords(server.data / "records.sqlite")
                    for n in range(start, end, 5_000):
                        await records.commit(*(
                            Put("Model", f"{account}/us-east-1", f"m-{i}", {
                                "ModelName": f"m-{i}", "ModelArn": f"arn:aws:sagemaker:us-east-1:{account}:model/m-{i}",
                                "CreationTime": 1.7e9 + i}, 0, created=1.7e9 + i)
                            for i in range(n, min(n + 5_000, end))
                        ))
                    await records.close()

                asyncio.run(fill())
                have = size
                server.start()
                page = partial(server.client("sagemaker").list_models, MaxResults=100)
                page()
                took = 1000 / rate(lambda n, page=page: page(), 100)
                first = first or took
                print(f"list page among {size:>9,} models: {took:6.2f} ms  ({took / first:.2f} x the first)")
        finally:
            server.stop()
            server.sweep()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=3000)
    parser.add_argument("--million", action="store_true")
    given = parser.parse_args()
    with ours() as (client, s3, role):
        mine = measure(client, s3, role, given.count, newest_child())
    with moto() as client:
        theirs = measure(client("sagemaker"), client("s3"), "arn:aws:iam::123456789012:role/r", given.count, newest_child())
    least = floor(given.count // 2)
    print(f"{'by boto3':<14}{'Sagewright':>22}{'moto server':>22}{'ratio':>8}{'server CPU':>12}{'floor of boto3':>16}")
    for name, (calls, cpu) in mine.items():
        print(
            f"{name:<14}{calls:>10.0f}/s {cpu:>6.2f} ms{theirs[name][0]:>12.0f}/s {theirs[name][1]:>5.1f} ms"
            f"{calls / theirs[name][0]:>7.1f}x{theirs[name][1] / cpu:>11.1f}x{least[name][0]:>14.0f}/s"
        )
    if given.million:
        pages()


if __name__ == "__main__":
    main()
