"""Reading an object of an external S3 as a file."""

from __future__ import annotations

import io
from typing import Any

from ...stores.objects import ObjectInfo
from .errors import translated


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
