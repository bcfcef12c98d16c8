"""Object store by boto3: one large file up and down in parts, many small objects; Sagewright and moto's server in turn.

    python benchmarks/object_store.py [--mib 1024] [--objects 10000]

Prints seconds, ratios, and large transfers as a share of a plain file copy on the same disk. The floor is boto3 itself:
the same transfers against a server that stores and checks nothing, so that nothing but the client and the socket is left.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import multiprocessing
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from peers import program

from sagewright.testing.server import TestServer

MIB = 1 << 20
CLIENTS = 4
TRANSFER = TransferConfig(multipart_threshold=8 * MIB, multipart_chunksize=16 * MIB, max_concurrency=4)


def timed(work: Callable[[], Any]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


@contextlib.contextmanager
def sagewright(folder: Path) -> Iterator[dict[str, str]]:
    with TestServer(folder / "data") as server:
        keys = server.credentials()
        yield {"endpoint_url": server.url, "aws_access_key_id": keys["access_key"], "aws_secret_access_key": keys["secret_key"]}


@contextlib.contextmanager
def moto(folder: Path) -> Iterator[dict[str, str]]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [program("moto", "moto_server"), "-H", "127.0.0.1", "-p", str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        env={**os.environ, "TMPDIR": str(folder)},
    )
    try:
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                break
            time.sleep(0.02)  # another program: there is nothing to wait on but its port
        yield {"endpoint_url": f"http://127.0.0.1:{port}", "aws_access_key_id": "x", "aws_secret_access_key": "x"}
    finally:
        process.terminate()
        process.wait()


async def _constant(scope: Any, receive: Any, send: Any) -> None:
    """Takes every body and forgets it, sends every range as zeros out of one file."""
    more = True
    while more:
        more = (await receive()).get("more_body", False)
    query, headers = scope["query_string"], dict(scope["headers"])
    body, answer = b"", [(b"etag", b'"0123456789abcdef0123456789abcdef"'), (b"last-modified", b"Sat, 01 Jan 2022 00:00:00 GMT")]
    if scope["method"] == "HEAD":
        answer.append((b"content-length", os.environ["FLOOR_SIZE"].encode()))
    elif scope["method"] == "GET":
        first, last = headers[b"range"].removeprefix(b"bytes=").split(b"-")
        last = last or b"%d" % (int(os.environ["FLOOR_SIZE"]) - 1)
        count = int(last) - int(first) + 1
        said = b"bytes %s-%s/%s" % (first, last, os.environ["FLOOR_SIZE"].encode())
        answer += [(b"content-length", b"%d" % count), (b"content-range", said)]
        await send({"type": "http.response.start", "status": 206, "headers": answer})
        with open(os.environ["FLOOR_FILE"], "rb") as file:  # noqa: PTH123
            await send({"type": "http.response.zerocopysend", "file": file.fileno(), "offset": int(first), "count": count})
        return
    elif query == b"uploads":
        body = b"<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>"
    elif b"uploadId" in query and scope["method"] == "POST":
        body = b"<CompleteMultipartUploadResult><ETag>e</ETag></CompleteMultipartUploadResult>"
    if scope["method"] != "HEAD":
        answer.append((b"content-length", b"%d" % len(body)))
    await send({"type": "http.response.start", "status": 200, "headers": answer})
    await send({"type": "http.response.body", "body": body})


def _serve_constant(ports: Any) -> None:
    import uvloop

    from sagewright.listener import Listener

    async def main() -> None:
        listener = Listener(_constant, "127.0.0.1", 0)
        await listener.start()
        ports.put(listener.port)
        await asyncio.Event().wait()

    uvloop.run(main())


def floor(source: Path) -> dict[str, float]:
    """Seconds of the large transfers against the constant server."""
    context = multiprocessing.get_context("spawn")
    os.environ |= {"FLOOR_SIZE": str(source.stat().st_size), "FLOOR_FILE": str(source)}
    ports = context.Queue()
    process = context.Process(target=_serve_constant, args=(ports,), daemon=True)
    process.start()
    try:
        named = {"endpoint_url": f"http://127.0.0.1:{ports.get(timeout=30)}", "aws_access_key_id": "x", "aws_secret_access_key": "x"}
        return large(client(named), source)
    finally:
        process.terminate()
        process.join()


def client(named: dict[str, str]) -> Any:
    return boto3.client("s3", region_name="us-east-1", config=Config(max_pool_connections=20), **named)


def small(named: dict[str, str], numbers: range, start: Any, write: bool) -> None:
    """One client process: write or read its share of the small objects."""
    s3, data = client(named), os.urandom(1024)
    s3.head_bucket(Bucket="bench")
    start.wait()
    for n in numbers:
        if write:
            s3.put_object(Bucket="bench", Key=f"small/{n:06}", Body=data)
        else:
            s3.get_object(Bucket="bench", Key=f"small/{n:06}")["Body"].read()


def fleet(named: dict[str, str], objects: int, write: bool) -> float:
    """Seconds that the client processes take together; their own start is not counted.

    Processes, because threads of one would wait for each other's interpreter lock and not for the server.
    """
    context = multiprocessing.get_context("spawn")
    start = context.Barrier(CLIENTS + 1)
    shares = [range(n, objects, CLIENTS) for n in range(CLIENTS)]
    processes = [context.Process(target=small, args=(named, share, start, write)) for share in shares]
    for process in processes:
        process.start()
    start.wait(60)
    begun = time.perf_counter()
    for process in processes:
        process.join()
    if any(process.exitcode for process in processes):
        raise SystemExit("a client failed")
    return time.perf_counter() - begun


def large(s3: Any, source: Path) -> dict[str, float]:
    """Seconds to send a large file and to fetch it; the better of two, so that a hiccup does not count."""
    back = source.with_suffix(".back")
    found: dict[str, float] = {}
    for _ in range(2):
        took = {
            "large up": timed(lambda: s3.upload_file(str(source), "bench", "large", Config=TRANSFER)),
            "large down": timed(lambda: s3.download_file("bench", "large", str(back), Config=TRANSFER)),
        }
        found = {name: min(seconds, found.get(name, seconds)) for name, seconds in took.items()}
        if back.stat().st_size != source.stat().st_size:
            raise SystemExit("the large object came back with another size")
        back.unlink()
    return found


def measure(named: dict[str, str], source: Path, objects: int) -> dict[str, float]:
    """Seconds of each task."""
    s3 = client(named)
    s3.create_bucket(Bucket="bench")
    found = large(s3, source)
    s3.delete_object(Bucket="bench", Key="large")
    found["small put"] = fleet(named, objects, write=True)
    found["small get"] = fleet(named, objects, write=False)
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
        least = floor(source)
        with sagewright(folder) as named:
            ours = measure(named, source, args.objects)
        theirs: dict[str, float] = {}
        if not args.without_peer:
            with moto(folder) as named:
                theirs = measure(named, source, args.objects)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(f"plain copy of {args.mib} MiB: {copy:.2f} s ({args.mib / copy:.0f} MiB/s)")
    for name, seconds in ours.items():
        peer = f"  moto {theirs[name]:8.2f} s  ratio {theirs[name] / seconds:5.1f} x" if theirs else ""
        share = f"  {copy / seconds:4.0%} of a plain copy  (boto3's floor {least[name]:.2f} s, {copy / least[name]:.0%})" if name in least else f"  {args.objects / seconds:7.0f} /s"
        print(f"{name:11} {seconds:8.2f} s{share}{peer}")


if __name__ == "__main__":
    main()
