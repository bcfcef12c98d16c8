"""The images of one data directory, as files. An ``ImageRegistry``; also what imports and pulls write into.

::

    blobs/sha256/<hex>                      manifests, configurations, layers: each once, whatever repositories have it
    repositories/<name>/_repository.json    the repository
    repositories/<name>/_layers/<hex>       an empty file: the repository has that blob
    repositories/<name>/_images/<hex>       {"MediaType", "Pushed", "Size"} of a manifest
    repositories/<name>/_tags/<tag>         {"Digest"}
    uploads/<id>                            bytes that are still coming, ``<id>.name`` the repository they are for
    roots/                                  see ``roots``

Components of repository names never begin with an underscore, so that names and our own files cannot meet. Every file
is written beside its place and renamed into it. A blob has its place only after its bytes were proven.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import secrets
import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from ...stores.image_registry import (
    BadDigest,
    BadManifest,
    MissingBlobs,
    NoSuchBlob,
    NoSuchImage,
    NoSuchRepository,
    Repository,
    RepositoryExists,
    RepositoryNotEmpty,
    StoredImage,
    TagTaken,
)
from . import documents
from .documents import BadImage
from .reference import DIGEST, LONGEST, REPOSITORY, TAG
from .uploads import Uploads

GRACE = 3600.0
"""Seconds that a blob without an image is kept: between a layer's upload and its manifest's."""
ABANDONED = 7 * 86400.0
"""Seconds after which an upload that nobody went on with is removed."""


class Blobs(Uploads):
    """The store below ``root``. Holds no state of its own: every process looks at the files."""

    def __init__(self, root: Path) -> None:
        super().__init__(root / "uploads")
        self.root = root
        self._blobs, self._repositories = root / "blobs" / "sha256", root / "repositories"

    # -- repositories

    def repositories(self) -> list[Repository]:
        found = [str(path.parent.relative_to(self._repositories)) for path in self._repositories.rglob("_repository.json")]
        return [self.repository(name) for name in sorted(found)]

    def repository(self, name: str) -> Repository:
        raw = _read(self._folder(name) / "_repository.json")
        if raw is None:
            raise NoSuchRepository(name)
        return Repository(name, raw["Created"], raw.get("Immutable", False), raw.get("About", {}))

    def create_repository(self, repository: Repository) -> None:
        folder = self._folder(repository.name, ValueError)
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft = self._draft(_dump(repository))
        try:
            os.link(draft, folder / "_repository.json")
        except FileExistsError:
            raise RepositoryExists(repository.name) from None
        finally:
            draft.unlink()

    def update_repository(self, repository: Repository) -> None:
        self.repository(repository.name)
        self._draft(_dump(repository)).replace(self._folder(repository.name) / "_repository.json")

    def ensure_repository(self, name: str) -> None:
        """Make it unless it is there."""
        with contextlib.suppress(RepositoryExists):
            self.create_repository(Repository(name, time.time()))

    def delete_repository(self, name: str, force: bool = False) -> None:
        with self._changing():
            if self.images(name) and not force:
                raise RepositoryNotEmpty(name)
            folder = self._folder(name)
            (folder / "_repository.json").unlink()
            for own in ("_tags", "_images", "_layers"):
                shutil.rmtree(folder / own, ignore_errors=True)
            with contextlib.suppress(OSError):  # other repositories may lie below it
                while folder != self._repositories:
                    folder.rmdir()
                    folder = folder.parent
            self._sweep()

    # -- images

    def images(self, name: str) -> list[StoredImage]:
        self.repository(name)
        tags: dict[str, list[str]] = {}
        for tag, digest in self._tags(name):
            tags.setdefault(digest, []).append(tag)
        found = []
        for path in (self._folder(name) / "_images").glob("*"):
            digest = f"sha256:{path.name}"
            if (raw := _read(path)) is not None:
                found.append(_image(digest, raw, tuple(sorted(tags.get(digest, ())))))
        return sorted(found, key=lambda image: (image.pushed, image.digest))

    def image(self, name: str, reference: str) -> StoredImage:
        self.repository(name)
        digest = self._digest(name, reference)
        raw = _read(self._folder(name) / "_images" / digest.removeprefix("sha256:")) if digest else None
        if raw is None:
            raise NoSuchImage(reference)
        return _image(digest, raw, tuple(sorted(tag for tag, other in self._tags(name) if other == digest)))

    def manifest(self, name: str, reference: str) -> tuple[StoredImage, bytes]:
        found = self.image(name, reference)
        try:
            return found, self.path(found.digest).read_bytes()
        except FileNotFoundError:
            raise NoSuchImage(reference) from None

    def digest_of(self, name: str, reference: str) -> str | None:
        """The digest that a tag or digest of a repository stands for; None if there is none. Two small reads."""
        try:
            digest = self._digest(name, reference)
        except (NoSuchRepository, OSError):
            return None
        if not digest or not (self._folder(name) / "_images" / digest.removeprefix("sha256:")).exists():
            return None
        return digest

    def put_manifest(
        self, name: str, raw: bytes, media_type: str, tag: str = "", digest: str = "", *, partial: bool = False
    ) -> StoredImage:
        """As the port says. ``partial``: an index may name manifests of other platforms that are not here."""
        repository = self.repository(name)
        if tag and not TAG.fullmatch(tag):
            raise BadManifest(f"{tag!r} is no tag")
        found = "sha256:" + hashlib.sha256(raw).hexdigest()
        if digest and digest != found:
            raise BadDigest(f"the manifest has the digest {found}, not {digest}")
        kind, wanted, size, config = _about(raw, media_type)
        with self._changing():
            taken = self.digest_of(name, tag) if tag else None
            if repository.immutable and taken not in (None, found):
                raise TagTaken(tag)
            if not (partial and kind in documents.INDEXES) and (missing := self.missing(name, wanted)):
                raise MissingBlobs(missing)
            self.add(name, raw)
            record = self._folder(name) / "_images" / found.removeprefix("sha256:")
            if not record.exists():
                self._write(record, {"MediaType": kind, "Pushed": time.time(), "Size": size, "Config": config})
            if tag:
                self._write(self._folder(name) / "_tags" / tag, {"Digest": found})
        return self.image(name, found)

    def untag(self, name: str, tag: str) -> StoredImage:
        with self._changing():
            found = self.image(name, tag)
            if found.tags == (tag,):
                self._delete(name, found)
            else:
                (self._folder(name) / "_tags" / tag).unlink(missing_ok=True)
        return found

    def delete_image(self, name: str, digest: str) -> StoredImage:
        with self._changing():
            found = self.image(name, digest)
            self._delete(name, found)
        return found

    def _delete(self, name: str, image: StoredImage) -> None:
        folder = self._folder(name)
        for tag in image.tags:
            (folder / "_tags" / tag).unlink(missing_ok=True)
        (folder / "_images" / image.digest.removeprefix("sha256:")).unlink(missing_ok=True)
        self._sweep()

    # -- blobs

    def path(self, digest: str) -> Path:
        """Where the blob is or would be. Raises NoSuchBlob for what is no digest."""
        if not DIGEST.fullmatch(digest):
            raise NoSuchBlob(digest)
        return self._blobs / digest.removeprefix("sha256:")

    def has(self, digest: str) -> bool:
        return self.path(digest).exists()

    def blob(self, name: str, digest: str) -> Path:
        self.repository(name)
        path = self.path(digest)
        if not (self._folder(name) / "_layers" / path.name).exists() or not path.exists():
            raise NoSuchBlob(digest)
        return path

    def missing(self, name: str, digests: Iterable[str]) -> list[str]:
        self.repository(name)
        links, gone = self._folder(name) / "_layers", []
        for digest in digests:
            path = self.path(digest)
            try:
                if not path.exists():
                    raise FileNotFoundError
                os.utime(links / path.name)  # whoever hears that it is here relies on it for a while
            except FileNotFoundError:
                gone.append(digest)
        return gone

    def mount(self, name: str, digest: str, source: str) -> bool:
        self.repository(name)
        try:
            self.blob(source, digest)
        except (NoSuchRepository, NoSuchBlob):
            return False
        self.link(name, digest)
        return True

    def link(self, name: str, digest: str) -> None:
        """Let the repository have a blob that is here."""
        link = self._folder(name) / "_layers" / self.path(digest).name
        link.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        link.touch()

    def add(self, name: str, content: bytes) -> str:
        """A small blob; its digest."""
        digest = "sha256:" + hashlib.sha256(content).hexdigest()
        path = self.path(digest)
        self.link(name, digest)  # first, so that nobody sweeps the blob away in between
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._draft(content).replace(path)
        return digest

    def adopt(self, name: str, file: Path, digest: str) -> None:
        """Take a file whose bytes are proven to have the digest: it is moved."""
        path = self.path(digest)
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        file.chmod(0o600)
        self.link(name, digest)
        file.replace(path)

    def partial(self, digest: str) -> Path:
        """Where a download of the blob grows, over several attempts."""
        self._uploads.mkdir(parents=True, exist_ok=True, mode=0o700)
        return self._uploads / f"{self.path(digest).name}.part"

    # -- files

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """One at a time among all processes: what decides by looking at several files."""
        self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
        with (self.root / ".lock").open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def sweep(self, grace: float = GRACE) -> None:
        """Remove blobs that belong to no image any more. ``grace``: seconds for images whose manifest is still to come."""
        with self._changing():
            self._sweep(grace)

    def _sweep(self, grace: float = GRACE) -> None:
        """Remove blobs that belong to no image any more, and uploads that were given up. Under ``_changing``."""
        now, linked = time.time(), set()
        for repository in self.repositories():
            needed = {digest for image in self.images(repository.name) for digest in self._closure(image)}
            for link in (self._folder(repository.name) / "_layers").glob("*"):
                if f"sha256:{link.name}" in needed or link.stat().st_mtime > now - grace:
                    linked.add(link.name)
                else:
                    link.unlink(missing_ok=True)
        for blob in self._blobs.glob("*"):
            if blob.name not in linked and not self._linked(blob.name):
                blob.unlink(missing_ok=True)
        for upload in self._uploads.glob("*"):
            with contextlib.suppress(FileNotFoundError):
                if upload.stat().st_mtime < now - ABANDONED:
                    upload.unlink()

    def _linked(self, name: str) -> bool:
        return any(self._repositories.rglob(f"_layers/{name}"))

    def _closure(self, image: StoredImage) -> set[str]:
        """Every blob of an image, its manifest among them."""
        found = {image.digest}
        with contextlib.suppress(FileNotFoundError, BadManifest):
            found |= set(_about(self.path(image.digest).read_bytes(), image.media_type)[1])
        return found

    def _folder(self, name: str, error: type[Exception] = NoSuchRepository) -> Path:
        if not REPOSITORY.fullmatch(name) or max(map(len, name.split("/"))) > LONGEST:
            raise error(name)
        return self._repositories / name

    def _digest(self, name: str, reference: str) -> str:
        if DIGEST.fullmatch(reference):
            return reference
        raw = _read(self._folder(name) / "_tags" / reference) if TAG.fullmatch(reference) else None
        return str(raw["Digest"]) if raw else ""

    def _tags(self, name: str) -> Iterator[tuple[str, str]]:
        for path in (self._folder(name) / "_tags").glob("*"):
            if (raw := _read(path)) is not None:
                yield path.name, raw["Digest"]

    def _write(self, path: Path, document: dict[str, Any]) -> None:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._draft(documents.dump(document)).replace(path)

    def _draft(self, content: bytes) -> Path:
        self._uploads.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = self._uploads / f"{secrets.token_hex(16)}.draft"
        path.write_bytes(content)
        path.chmod(0o600)
        return path


def copy_hashed(source: IO[bytes], target: IO[bytes], limit: int) -> tuple[str, int]:
    """Copy; the digest and size of what was copied. Raises BadImage above ``limit`` bytes."""
    digest, size = hashlib.sha256(), 0
    while data := source.read(2**20):
        size += len(data)
        if size > limit:
            raise BadImage(f"a part of the image is larger than {limit} bytes")
        digest.update(data)
        target.write(data)
    return f"sha256:{digest.hexdigest()}", size


def _about(raw: bytes, media_type: str) -> tuple[str, list[str], int, str]:
    """(media type, digests that it needs, bytes of its blobs, media type of its configuration). Raises BadManifest."""
    try:
        document = documents.read_json(raw, "the manifest")
        kind = documents.kind_of(document, media_type)
        if kind in documents.INDEXES:
            return kind, [d.digest for d, _ in documents.children(document)], 0, ""
        if kind not in documents.MANIFESTS:
            raise BadImage(f"{kind} is no kind of manifest that is understood here")
        found = documents.manifest_of(document)
    except BadImage as error:
        raise BadManifest(str(error)) from None
    return kind, [d.digest for d in found.blobs], sum(d.size for d in found.blobs), found.config.media_type


def _image(digest: str, raw: dict[str, Any], tags: tuple[str, ...]) -> StoredImage:
    return StoredImage(digest, raw["MediaType"], raw["Pushed"], raw["Size"], tags, raw.get("Config", ""))


def _dump(repository: Repository) -> bytes:
    about = {"Created": repository.created, "Immutable": repository.immutable, "About": repository.about}
    return documents.dump(about)


def _read(path: Path) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = json.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return None
    return found
