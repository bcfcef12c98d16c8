"""Object store by boto3: one large file up and down in parts, many small objects; Sagewright and moto's server in turn.

    python benchmarks/object_store.py [--mib 1024] [--objects 10000]

Prints seconds, ratios, and large transfers as a share of a plain file copy on the same disk. The floor is boto3 itself:
the same calls against a server that stores and checks nothing, so that nothing but the client and the socket is left.
The small objects are written and read twice: by four client processes, which share the cores with the server, and by one
client whose eight threads share one interpreter, as a script would do it. Where the client is most of the work, the
server's CPU time tells more than the seconds do, and it means the same on a busy machine.
"""

from __future__ import annotations

import argparse
import asyncio
import concurrent.futures
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
from typing import Any, NamedTuple

import boto3
import psutil
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from peers import program

from sagewright.testing.server import TestServer

MIB = 1 << 20
PROCESSES, THREADS = 4, 8
TRANSFER = TransferConfig(multipart_threshold=8 * MIB, multipart_chunksize=16 * MIB, max_concurrency=4)
SMALL = 1024


class Took(NamedTuple):
    """What a task took: seconds on the clock, and seconds of the server's CPU."""

    seconds: float
    cpu: float = 0.0


class Target(NamedTuple):
    """A server to measure: how boto3 reaches it, and its process."""

    named: dict[str, str]
    process: psutil.Process

    def took(self, work: Callable[[], Any]) -> Took:
        before = sum(self.process.cpu_times()[:2])
        seconds = timed(work)
        return Took(seconds, sum(self.process.cpu_times()[:2]) - before)


def timed(work: Callable[[], Any]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


@contextlib.contextmanager
def sagewright(folder: Path) -> Iterator[Target]:
    with TestServer(folder / "data") as server:
        keys = server.credentials()
        named = {"endpoint_url": server.url, "aws_access_key_id": keys["access_key"], "aws_secret_access_key": keys["secret_key"]}
        assert server.process is not None
        yield Target(named, psutil.Process(server.process.pid))


@contextlib.contextmanager
def moto(folder: Path) -> Iterator[Target]:
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
        named = {"endpoint_url": f"http://127.0.0.1:{port}", "aws_access_key_id": "x", "aws_secret_access_key": "x"}
        yield Target(named, psutil.Process(process.pid))
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
    elif scope["method"] == "GET" and b"range" not in headers:
        body = bytes(SMALL)
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


@contextlib.contextmanager
def constant(source: Path) -> Iterator[Target]:
    """The server that stores and checks nothing."""
    context = multiprocessing.get_context("spawn")
    os.environ |= {"FLOOR_SIZE": str(source.stat().st_size), "FLOOR_FILE": str(source)}
    ports = context.Queue()
    process = context.Process(target=_serve_constant, args=(ports,), daemon=True)
    process.start()
    try:
        named = {"endpoint_url": f"http://127.0.0.1:{ports.get(timeout=30)}", "aws_access_key_id": "x", "aws_secret_access_key": "x"}
        yield Target(named, psutil.Process(process.pid))
    finally:
        process.terminate()
        process.join()


def client(named: dict[str, str]) -> Any:
    return boto3.client("s3", region_name="us-east-1", config=Config(max_pool_connections=20), **named)


def one(s3: Any, key: str, data: bytes | None) -> None:
    """Write or read one small object."""
    if data is not None:
        s3.put_object(Bucket="bench", Key=key, Body=data)
    else:
        s3.get_object(Bucket="bench", Key=key)["Body"].read()


def share(named: dict[str, str], numbers: range, start: Any, write: bool) -> None:
    """One client process: its share of the small objects."""
    s3, data = client(named), os.urandom(SMALL) if write else None
    s3.head_bucket(Bucket="bench")
    start.wait()
    for n in numbers:
        one(s3, f"processes/{n:06}", data)


def by_processes(target: Target, objects: int, write: bool) -> Took:
    """Client processes at once; their own start is not counted."""
    context = multiprocessing.get_context("spawn")
    start = context.Barrier(PROCESSES + 1)
    shares = [range(n, objects, PROCESSES) for n in range(PROCESSES)]
    processes = [context.Process(target=share, args=(target.named, numbers, start, write)) for numbers in shares]
    for process in processes:
        process.start()
    start.wait(60)
    took = target.took(lambda: [process.join() for process in processes])
    if any(process.exitcode for process in processes):
        raise SystemExit("a client failed")
    return took


def by_threads(target: Target, objects: int, write: bool) -> Took:
    """One client in one process, called from a pool of threads."""
    s3, data = client(target.named), os.urandom(SMALL) if write else None
    s3.head_bucket(Bucket="bench")
    with concurrent.futures.ThreadPoolExecutor(THREADS) as pool:
        return target.took(lambda: [*pool.map(lambda n: one(s3, f"threads/{n:06}", data), range(objects))])


def large(target: Target, source: Path) -> dict[str, Took]:
    """Sending a large file and fetching it; the better of two, so that a hiccup does not count."""
    s3, back = client(target.named), source.with_suffix(".back")
    found: dict[str, Took] = {}
    for _ in range(2):
        took = {
            "large up": target.took(lambda: s3.upload_file(str(source), "bench", "large", Config=TRANSFER)),
            "large down": target.took(lambda: s3.download_file("bench", "large", str(back), Config=TRANSFER)),
        }
        found = {name: min(one, found.get(name, one)) for name, one in took.items()}
        if back.stat().st_size != source.stat().st_size:
            raise SystemExit("the large object came back with another size")
        back.unlink()
    return found


def measure(target: Target, source: Path, objects: int) -> dict[str, Took]:
    """Every task but the listing, which the floor's server cannot answer."""
    found = large(target, source)
    for write, name in ((True, "put"), (False, "get")):
        found[f"small {name}, {PROCESSES} processes"] = by_processes(target, objects, write)
        found[f"small {name}, {THREADS} threads"] = by_threads(target, objects, write)
    return found


def stored(target: Target, source: Path, objects: int) -> dict[str, Took]:
    """Every task, on a server that stores."""
    s3 = client(target.named)
    s3.create_bucket(Bucket="bench")
    found = measure(target, source, objects)
    s3.delete_object(Bucket="bench", Key="large")
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket="bench")
    counts: list[int] = []
    found["small list"] = target.took(lambda: counts.extend(page["KeyCount"] for page in pages))
    if sum(counts) != 2 * objects:
        raise SystemExit(f"{sum(counts)} objects listed, {2 * objects} written")
    return found


def line(name: str, mine: Took, peer: Took | None, least: Took | None, calls: int, copy: float) -> str:
    """One task: a rate of calls or a share of a plain copy, the peer's beside it, and what boto3 alone takes."""
    many = name.startswith("small")
    cpu = f"{mine.cpu / calls * 1000:.2f} ms" if many else f"{mine.cpu:.2f} s"
    text = f"{name:24}{mine.seconds:8.2f} s" + (f"{calls / mine.seconds:7.0f}/s" if many else f"{copy / mine.seconds:9.0%}") + f"  CPU {cpu:>8}"
    if peer is not None:
        text += f"   moto {peer.seconds:7.2f} s {peer.seconds / mine.seconds:6.1f} x, CPU {peer.cpu / max(mine.cpu, 0.01):5.1f} x"
    if least is not None:
        text += f"   floor {least.seconds:6.2f} s"
        if peer is not None:
            text += f" {peer.seconds / least.seconds:6.1f} x"
    return text


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
        with constant(source) as target:
            least = measure(target, source, args.objects)
        with sagewright(folder) as target:
            ours = stored(target, source, args.objects)
        theirs: dict[str, Took] = {}
        if not args.without_peer:
            with moto(folder) as target:
                theirs = stored(target, source, args.objects)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(f"plain copy of {args.mib} MiB: {copy:.2f} s ({args.mib / copy:.0f} MiB/s), of which the transfers are a share")
    print("CPU is the server's, for a call or a transfer; the floor is boto3 against a server that does nothing")
    for name, took in ours.items():
        calls = 2 * args.objects if name == "small list" else args.objects
        print(line(name, took, theirs.get(name), least.get(name), calls, copy))


if __name__ == "__main__":
    main()
