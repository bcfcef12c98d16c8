"""Control plane by boto3: create, describe and list models, Sagewright and moto server in turn, durable writes on.

    python benchmarks/control_plane.py [--count 3000] [--million]

Prints calls a second and the ratios. ``--million`` also fills the records to 1,000, 100,000 and 1,000,000 models and
times one page of a list at each.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

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


def measure(client: Any, s3: Any, role: str, count: int) -> dict[str, float]:
    image = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:1.7-1"

    s3.create_bucket(Bucket="bucket")
    s3.put_object(Bucket="bucket", Key="model.tar.gz", Body=b"x")

    def create(n: int) -> Any:
        container = {"Image": image, "ModelDataUrl": "s3://bucket/model.tar.gz", "Environment": {"A": "1", "B": "2"}}
        return client.create_model(ModelName=f"model-{n}", ExecutionRoleArn=role, PrimaryContainer=container)

    client.list_models(MaxResults=1)
    found = {"create": rate(create, count)}
    found["describe"] = rate(lambda n: client.describe_model(ModelName=f"model-{n}"), count)
    found["list of 100"] = rate(lambda n: client.list_models(MaxResults=100), 100)
    return found


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
        mine = measure(client, s3, role, given.count)
    with moto() as client:
        theirs = measure(client("sagemaker"), client("s3"), "arn:aws:iam::123456789012:role/r", given.count)
    print(f"{'by boto3, calls/s':<18}{'Sagewright':>12}{'moto server':>13}{'ratio':>8}")
    for name in mine:
        print(f"{name:<18}{mine[name]:>12.0f}{theirs[name]:>13.0f}{mine[name] / theirs[name]:>7.1f}x")
    if given.million:
        pages()


if __name__ == "__main__":
    main()
