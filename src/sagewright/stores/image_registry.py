"""The registry: container images by repository, tag and digest, as `docker push` writes them and jobs name them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol


class NoSuchRepository(Exception):
    """The repository does not exist."""


class RepositoryExists(Exception):
    """A repository of that name exists."""


class RepositoryNotEmpty(Exception):
    """The repository holds images."""


class NoSuchBlob(Exception):
    """No such blob, or not in this repository."""


class NoSuchImage(Exception):
    """No such tag or digest in the repository."""


class TagTaken(Exception):
    """The repository's tags are immutable and this one stands for another image."""


class MissingBlobs(Exception):
    """A manifest names blobs that the repository does not have; ``digests`` says which."""

    def __init__(self, digests: list[str]) -> None:
        super().__init__(", ".join(digests))
        self.digests = digests


class BadManifest(Exception):
    """A manifest that is none; the message says why."""


class BadDigest(Exception):
    """Bytes that do not have the digest that was said of them."""


class BadRange(Exception):
    """A part of an upload that does not begin where the part before it ended; ``received`` is where that is, in bytes."""

    def __init__(self, received: int) -> None:
        super().__init__(f"{received} bytes have been received")
        self.received = received


@dataclass(frozen=True, slots=True)
class Repository:
    name: str
    created: float
    immutable: bool = False
    """A tag that exists cannot be moved to another image."""
    about: dict[str, Any] = field(default_factory=dict)
    """Whatever else its maker said of it: tags, encryption. Kept and shown."""


@dataclass(frozen=True, slots=True)
class StoredImage:
    """A manifest, or an index of manifests, in a repository."""

    digest: str
    media_type: str
    pushed: float
    size: int
    """Bytes of its blobs, compressed; of an index: of nothing."""
    tags: tuple[str, ...]
    config_type: str = ""


class ImageRegistry(Protocol):
    """Blocking, safe for several processes. A write is whole or not there; a repository name is a path without host."""

    def repositories(self) -> list[Repository]:
        """By name."""
        ...

    def repository(self, name: str) -> Repository:
        """Raises NoSuchRepository."""
        ...

    def create_repository(self, repository: Repository) -> None:
        """Raises RepositoryExists; ValueError for a name that is none."""
        ...

    def update_repository(self, repository: Repository) -> None:
        """Raises NoSuchRepository."""
        ...

    def delete_repository(self, name: str, force: bool = False) -> None:
        """Raises NoSuchRepository, RepositoryNotEmpty."""
        ...

    def images(self, name: str) -> list[StoredImage]:
        """Every image of the repository, oldest first. Raises NoSuchRepository."""
        ...

    def image(self, name: str, reference: str) -> StoredImage:
        """By tag or digest. Raises NoSuchRepository, NoSuchImage."""
        ...

    def manifest(self, name: str, reference: str) -> tuple[StoredImage, bytes]:
        """The image and its manifest as it was pushed. Raises NoSuchRepository, NoSuchImage."""
        ...

    def put_manifest(self, name: str, raw: bytes, media_type: str, tag: str = "", digest: str = "") -> StoredImage:
        """Make an image of blobs that are there. ``digest``: what it must have, if anything.

        Raises:
            NoSuchRepository, BadManifest, BadDigest, MissingBlobs, TagTaken.
        """
        ...

    def untag(self, name: str, tag: str) -> StoredImage:
        """Remove one tag; an image that loses its last one is removed with it. Raises NoSuchRepository, NoSuchImage."""
        ...

    def delete_image(self, name: str, digest: str) -> StoredImage:
        """Remove an image and its tags. Raises NoSuchRepository, NoSuchImage."""
        ...

    def blob(self, name: str, digest: str) -> Path:
        """A file that holds the blob. Raises NoSuchRepository, NoSuchBlob."""
        ...

    def missing(self, name: str, digests: Iterable[str]) -> list[str]:
        """Those that the repository does not have. Raises NoSuchRepository."""
        ...

    def mount(self, name: str, digest: str, source: str) -> bool:
        """Let ``name`` have a blob of the repository ``source``; False if that has none. Raises NoSuchRepository."""
        ...

    def begin(self, name: str) -> str:
        """A new upload; its id. Raises NoSuchRepository."""
        ...

    def received(self, name: str, upload: str) -> int:
        """Bytes so far. Raises NoSuchBlob for an unknown upload."""
        ...

    def receive(self, name: str, upload: str, data: bytes, at: int | None = None) -> int:
        """Append; the bytes received by then. ``at``: where the data must begin. Raises NoSuchBlob, BadRange."""
        ...

    def complete(self, name: str, upload: str, digest: str) -> int:
        """Make the upload a blob of the repository; its size. Raises NoSuchBlob, BadDigest (the upload is gone then)."""
        ...

    def sweep(self) -> None:
        """Remove uploads that were given up and blobs that belong to no image, both only after a while."""
        ...

    def cancel(self, name: str, upload: str) -> None:
        """Forget an upload; an unknown one is fine."""
        ...
