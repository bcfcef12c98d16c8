"""Reading an object of an external S3 as a file."""

from __future__ import annotations

import io
import threading
import time
from collections import OrderedDict
from typing import Any

from ...stores.objects import NoSuchKey, ObjectInfo, PreconditionFailed
from .errors import translated

SIGNED = 600.0
"""Seconds that a signed URL is used; it holds twice as long."""
URLS = 4096


class Ranges:
    """Ranges of objects. One signed URL an object serves for many: signing and parsing cost more than a small range does.

    What a URL cannot get goes the usual way, with boto3's retries and errors.
    """

    def __init__(self, client: Any) -> None:
        self._client = client
        self._urls: OrderedDict[tuple[str, str], tuple[float, str]] = OrderedDict()
        self._guard = threading.Lock()

    def read(self, info: ObjectInfo, start: int, size: int) -> bytes:
        """At least one byte of the version. Raises NoSuchKey when it is gone."""
        headers = {"Range": f"bytes={start}-{start + size - 1}", "If-Match": f'"{info.etag}"'}
        data = self._quick(info, headers, size)
        if data is None:
            try:
                with translated(info.key):
                    named = {"Range": headers["Range"], "IfMatch": headers["If-Match"]}
                    data = self._client.get_object(Bucket=info.bucket, Key=info.key, **named)["Body"].read()
            except PreconditionFailed:
                raise NoSuchKey(info.key) from None
        return data

    def _quick(self, info: ObjectInfo, headers: dict[str, str], size: int) -> bytes | None:
        from botocore.awsrequest import AWSRequest
        from botocore.exceptions import BotoCoreError
        from urllib3.exceptions import HTTPError

        try:
            request = AWSRequest("GET", self._url(info), headers, stream_output=True).prepare()
            response = self._client._endpoint.http_session.send(request)
            data: bytes = response.raw.read()  # in one piece, and the connection is free again
        except (BotoCoreError, HTTPError, OSError):
            return None
        if response.status_code == 412:
            raise NoSuchKey(info.key)
        return data if response.status_code == 206 and len(data) == size else None

    def _url(self, info: ObjectInfo) -> str:
        name, now = (info.bucket, info.key), time.monotonic()
        with self._guard:
            until, url = self._urls.get(name, (0.0, ""))
        if now >= until:
            params = {"Bucket": info.bucket, "Key": info.key}
            url = self._client.generate_presigned_url("get_object", Params=params, ExpiresIn=int(2 * SIGNED))
            with self._guard:
                self._urls[name] = (now + SIGNED, url)
                if len(self._urls) > URLS:
                    self._urls.popitem(last=False)
        return str(url)


class RangedFile(io.RawIOBase):
    """A seekable file over ranged GETs of one version: ``If-Match`` keeps another version from slipping in.

    Sequential reads share one request; a seek begins another.
    """

    def __init__(self, client: Any, info: ObjectInfo) -> None:
        super().__init__()
        self._client, self._info = client, info
        self._at = 0
        self._stream: Any = None
        if info.size:
            self._begin()  # a version that is replaced right after this is still the one that is read

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._info.size}[whence]
        target = max(0, base + offset)
        if target != self._at:
            self._drop()
            self._at = target
        return self._at

    def read(self, size: int | None = -1) -> bytes:
        left = max(0, self._info.size - self._at)
        wanted = left if size is None or size < 0 else min(size, left)
        if not wanted:
            return b""
        if self._stream is None:
            self._begin()
        data: bytes = self._stream.read(wanted)
        self._at += len(data)
        return data

    def readall(self) -> bytes:
        return self.read(-1)

    def readinto(self, buffer: Any) -> int:
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def _begin(self) -> None:
        with translated(self._info.key):
            answer = self._client.get_object(
                Bucket=self._info.bucket, Key=self._info.key, IfMatch=f'"{self._info.etag}"', Range=f"bytes={self._at}-"
            )
        self._stream = answer["Body"]

    def _drop(self) -> None:
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    def close(self) -> None:
        self._drop()
        super().close()
