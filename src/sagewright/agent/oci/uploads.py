"""Uploads: bytes of blobs that are still coming, in order, over any number of requests and of this server's lives."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
import uuid
from abc import ABC, abstractmethod
from pathlib import Path

from ...stores.image_registry import BadDigest, BadRange, NoSuchBlob, Repository
from .reference import DIGEST

_UPLOAD = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Uploads(ABC):
    """The part of the store that receives. An upload is a file, and beside it the name of the repository it is for."""

    def __init__(self, folder: Path) -> None:
        self._uploads = folder

    @abstractmethod
    def repository(self, name: str) -> Repository:
        """Raises NoSuchRepository."""

    @abstractmethod
    def adopt(self, name: str, file: Path, digest: str) -> None:
        """Take a file whose bytes are proven to have the digest."""

    def begin(self, name: str) -> str:
        self.repository(name)
        self._uploads.mkdir(parents=True, exist_ok=True, mode=0o700)
        upload = str(uuid.uuid4())  # the form that ECR's model asks for
        (self._uploads / f"{upload}.name").write_text(name)
        (self._uploads / upload).touch(mode=0o600)
        return upload

    def received(self, name: str, upload: str) -> int:
        return self._upload(name, upload).stat().st_size

    def receive(self, name: str, upload: str, data: bytes, at: int | None = None) -> int:
        with self._upload(name, upload).open("r+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            size = file.seek(0, os.SEEK_END)
            if at is not None and at != size:
                raise BadRange(size)
            file.write(data)
            return size + len(data)

    def complete(self, name: str, upload: str, digest: str) -> int:
        path = self._upload(name, upload)
        if not DIGEST.fullmatch(digest):
            raise BadDigest(f"{digest!r} is no sha256 digest")
        with path.open("rb") as file:
            found = "sha256:" + hashlib.file_digest(file, "sha256").hexdigest()
        size = path.stat().st_size
        if found != digest:
            self.cancel(name, upload)
            raise BadDigest(f"what was uploaded has the digest {found}, not {digest}")
        self.adopt(name, path, digest)
        self.cancel(name, upload)
        return size

    def cancel(self, name: str, upload: str) -> None:
        with contextlib.suppress(NoSuchBlob):
            self._upload(name, upload).unlink(missing_ok=True)
        if _UPLOAD.fullmatch(upload):
            (self._uploads / f"{upload}.name").unlink(missing_ok=True)

    def _upload(self, name: str, upload: str) -> Path:
        path = self._uploads / upload
        if not _UPLOAD.fullmatch(upload) or not path.exists() or (self._uploads / f"{upload}.name").read_text() != name:
            raise NoSuchBlob(f"no upload {upload}")
        return path
