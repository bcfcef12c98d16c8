"""Object store by boto3: one large file up and down in parts, many small objects; Sagewright and moto's server in turn.

    python benchmarks/object_store.py [--mib 1024] [--objects 10000]

Prints seconds, ratios, and large transfers as a share of a plain file copy on the same disk.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config

from sagewright.testing.server import TestServer

MIB = 1 << 20
TRANSFER = TransferConfig(multipart_threshold=8 * MIB, multipart_chunksize=16 * MIB, max_concurrency=4)


def timed(work: Callable[[], Any]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


@contextlib.contextmanager
def sagewright(folder: Path) -> Iterator[Any]:
    with TestServer(folder / "data") as server:
        yield server.client("s3", config={"max_pool_connections": 20})


@contextlib.contextmanager
def moto(folder: Path) -> Iterator[Any]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-p", str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        env={**os.environ, "TMPDIR": str(folder)},
    )
    try:
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                break
            time.sleep(0.02)  # another program: there is nothing to wait on but its port
        yield boto3.client("s3", endpoint_url=f"http://127.0.0.1:{port}", region_name="us-east-1", aws_access_key_id="x",
                           aws_secret_access_key="x", config=Config(max_pool_connections=20))
    finally:
        process.terminate()
        process.wait()


def measure(s3: Any, source: Path, objects: int) -> dict[str, float]:
    """Seconds of each task."""
    s3.create_bucket(Bucket="bench")
    back = source.with_suffix(".back")
    found = {
        "large up": timed(lambda: s3.upload_file(str(source), "bench", "large", Config=TRANSFER)),
        "large down": timed(lambda: s3.download_file("bench", "large", str(back), Config=TRANSFER)),
    }
    if back.stat().st_size != source.stat().st_size:
        raise SystemExit("the large object came back with another size")
    back.unlink()
    s3.delete_object(Bucket="bench", Key="large")
    data = os.urandom(1024)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        found["small put"] = timed(lambda: list(pool.map(lambda n: s3.put_object(Bucket="bench", Key=f"small/{n:06}", Body=data), range(objects))))
        found["small get"] = timed(
            lambda: list(pool.map(lambda n: s3.get_object(Bucket="bench", Key=f"small/{n:06}")["Body"].read(), range(objects)))
        )
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket="bench")
    counts: list[int] = []
    found["small list"] = timed(lambda: counts.extend(page["KeyCount"] for page in pages))
    if sum(counts) != objects:
        raise SystemExit(f"{sum(counts)} objects listed, {objects} written")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mib", type=int, default=1024, help="size of the large file")
    parser.add_argument("--objects", type=int, default=10_000, help="how many small objects of 1 KiB")
    parser.add_argument("--without-peer", action="store_true", help="measure Sagewright alone")
    args = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="sagewright-bench-"))
    try:
        source = folder / "source"
        with source.open("wb") as file:
            for _ in range(args.mib):
                file.write(os.urandom(MIB))
        copy = min(timed(lambda: subprocess.run(["cp", source, folder / "copy"], check=True)) for _ in range(3))
        (folder / "copy").unlink()
        with sagewright(folder) as s3:
            ours = measure(s3, source, args.objects)
        theirs: dict[str, float] = {}
        if not args.without_peer:
            with moto(folder) as s3:
                theirs = measure(s3, source, args.objects)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(f"plain copy of {args.mib} MiB: {copy:.2f} s ({args.mib / copy:.0f} MiB/s)")
    for name, seconds in ours.items():
        peer = f"  moto {theirs[name]:8.2f} s  ratio {theirs[name] / seconds:5.1f} x" if theirs else ""
        share = f"  {copy / seconds:4.0%} of a plain copy" if name.startswith("large") else f"  {args.objects / seconds:7.0f} /s"
        print(f"{name:11} {seconds:8.2f} s{share}{peer}")


if __name__ == "__main__":
    main()
