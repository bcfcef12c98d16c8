"""The object store while its server is killed: what was acknowledged is there, whole, and nothing else is."""

from __future__ import annotations

import contextlib
import hashlib
import os
import random
import socket
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from sagewright.testing.waiting import until

from .conftest import Chaos

PART = 5 * 2**20


def data(seed: int, size: int = PART) -> bytes:
    return random.Random(seed).randbytes(size)


def half(chaos: Chaos, path: str, query: dict[str, str], size: int) -> socket.socket:
    """A PUT whose head and half of whose body are sent; the server has taken them in."""
    params = {"Bucket": chaos.jobs.bucket, "Key": path, **query}
    url = chaos.jobs.s3.generate_presigned_url("upload_part" if query else "put_object", params)
    target = url.removeprefix(chaos.server.url)
    host, _, port = chaos.server.url.removeprefix("http://").partition(":")
    line = socket.create_connection((host, int(port)))
    line.sendall(f"PUT {target} HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Length: {size}\r\n\r\n".encode())
    line.sendall(bytes(size // 2))
    until(lambda: _written(chaos.data / "objects") >= size // 4)
    return line


def _written(folder: Path) -> int:
    """Bytes in files that are not yet objects."""
    total = 0
    for part in ("tmp", "uploads"):
        for place, _, files in os.walk(folder / part):
            for name in files:
                with contextlib.suppress(FileNotFoundError):
                    total += Path(place, name).stat().st_size
    return total


def test_half_a_put_is_nothing(chaos: Chaos) -> None:
    s3, bucket = chaos.jobs.s3, chaos.jobs.bucket
    s3.put_object(Bucket=bucket, Key="old", Body=b"old content")
    for key in ("old", "new"):
        with half(chaos, key, {}, 8 * PART):
            chaos.restart()
    assert s3.get_object(Bucket=bucket, Key="old")["Body"].read() == b"old content"
    with pytest.raises(ClientError, match="404"):
        s3.head_object(Bucket=bucket, Key="new")
    assert _written(chaos.data / "objects") == 0, "what a killed server left is swept"
    chaos.whole()


def test_a_multipart_upload_goes_on(chaos: Chaos) -> None:
    """Parts that were acknowledged stay, the one that was cut off does not count, and the upload completes."""
    s3, bucket = chaos.jobs.s3, chaos.jobs.bucket
    upload = s3.create_multipart_upload(Bucket=bucket, Key="big")["UploadId"]
    of: dict[str, Any] = {"Bucket": bucket, "Key": "big", "UploadId": upload}
    tags = {2: s3.upload_part(**of, PartNumber=2, Body=data(2))["ETag"]}
    chaos.restart()
    tags[1] = s3.upload_part(**of, PartNumber=1, Body=data(1))["ETag"]
    with half(chaos, "big", {"UploadId": upload, "PartNumber": 3}, 2 * PART):  # type: ignore[dict-item]
        chaos.restart()
    listed = s3.list_parts(**of)["Parts"]
    assert [(p["PartNumber"], p["ETag"], p["Size"]) for p in listed] == [(n, tags[n], PART) for n in (1, 2)]
    with pytest.raises(ClientError, match="404"):
        s3.head_object(Bucket=bucket, Key="big")
    tags[3] = s3.upload_part(**of, PartNumber=3, Body=data(3))["ETag"]
    s3.complete_multipart_upload(**of, MultipartUpload={"Parts": [{"PartNumber": n, "ETag": tags[n]} for n in (1, 2, 3)]})
    chaos.restart()
    assert s3.get_object(Bucket=bucket, Key="big")["Body"].read() == data(1) + data(2) + data(3)
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=bucket)
    chaos.whole()


def test_an_aborted_upload_stays_aborted(chaos: Chaos) -> None:
    s3, bucket = chaos.jobs.s3, chaos.jobs.bucket
    upload = s3.create_multipart_upload(Bucket=bucket, Key="big")["UploadId"]
    s3.upload_part(Bucket=bucket, Key="big", UploadId=upload, PartNumber=1, Body=data(1))
    chaos.restart()
    s3.abort_multipart_upload(Bucket=bucket, Key="big", UploadId=upload)
    chaos.restart()
    with pytest.raises(ClientError, match="NoSuchUpload"):
        s3.list_parts(Bucket=bucket, Key="big", UploadId=upload)
    assert _written(chaos.data / "objects") == 0
    chaos.whole()


@pytest.mark.parametrize("delay", [0.0, 0.002, 0.01, 0.05])
def test_killed_while_completing(chaos: Chaos, delay: float) -> None:
    """Either the object is there, whole, or the upload is, and can be completed."""
    s3, bucket = chaos.jobs.s3, chaos.jobs.bucket
    upload = s3.create_multipart_upload(Bucket=bucket, Key="big")["UploadId"]
    of = {"Bucket": bucket, "Key": "big", "UploadId": upload}
    parts = [{"PartNumber": n, "ETag": s3.upload_part(**of, PartNumber=n, Body=data(n))["ETag"]} for n in (1, 2)]

    def complete() -> None:
        with contextlib.suppress(BotoCoreError, ClientError):
            chaos.server.client("s3").complete_multipart_upload(**of, MultipartUpload={"Parts": parts})

    completing = threading.Thread(target=complete)
    completing.start()
    time.sleep(delay)
    chaos.restart()
    completing.join()
    if "Uploads" in s3.list_multipart_uploads(Bucket=bucket):
        s3.complete_multipart_upload(**of, MultipartUpload={"Parts": parts})
    assert s3.get_object(Bucket=bucket, Key="big")["Body"].read() == data(1) + data(2)
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=bucket)
    chaos.whole()


def test_writers_in_a_storm(chaos: Chaos) -> None:
    """Each key reads as one of its versions, whole, and never older than the last that was acknowledged."""
    bucket, chance = chaos.jobs.bucket, random.Random(11)
    acknowledged: dict[str, int] = {}
    deleted: dict[str, int] = {}
    tried: dict[str, int] = {}
    over = threading.Event()

    def version(key: str, number: int) -> bytes:
        text = f"{key} {number} ".encode() * (200 if number % 3 else 20_000)
        return hashlib.sha256(text).hexdigest().encode() + b" " + text

    def write(key: str) -> None:
        client, number = chaos.server.client("s3"), 0
        while not over.is_set():
            number += 1
            tried[key] = number
            try:
                if number % 7 == 0:
                    client.delete_object(Bucket=bucket, Key=key)
                    deleted[key] = number
                else:
                    client.put_object(Bucket=bucket, Key=key, Body=version(key, number))
                    acknowledged[key] = number
            except (BotoCoreError, ClientError):
                time.sleep(0.02)  # the server is down

    # "a" and "a/b" and "a/b/c" make the files on the disk move about
    writers = [threading.Thread(target=write, args=(key,)) for key in ("a", "a/b", "a/b/c", "other/ä + b")]
    for writer in writers:
        writer.start()
    try:
        for _ in range(5):
            time.sleep(chance.uniform(0.1, 0.5))
            chaos.restart()
    finally:
        over.set()
        for writer in writers:
            writer.join()
    for key, last in acknowledged.items():
        try:
            content = chaos.jobs.s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        except chaos.jobs.s3.exceptions.NoSuchKey:
            # a deletion may have been carried out by a server that was killed before it could say so
            assert any(number % 7 == 0 for number in range(last + 1, tried[key] + 1)), f"{key} {last} is lost"
            continue
        digest, _, text = content.partition(b" ")
        assert hashlib.sha256(text).hexdigest().encode() == digest, "half an object"
        number = int(text.rsplit(b" ", 3)[-2])
        assert number >= max(last, deleted.get(key, 0)), "an acknowledged write is lost"
    chaos.whole()
