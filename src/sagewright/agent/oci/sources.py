"""Images from files into the store: `docker save` and OCI archives, OCI layout folders, plain root file systems."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import secrets
import shutil
import stat
import tarfile
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, Any

from ...stores.image_registry import BadManifest, MissingBlobs, StoredImage
from ..archive import room
from . import documents
from .blobs import Blobs, copy_hashed
from .documents import BadImage, Descriptor, dump
from .layers import Member
from .reference import Reference

Progress = Callable[[str], None]
MAX_FILES = 10_000
"""Members of an image archive; layers are single files there."""
ROOT_MARKS = ("bin", "usr", "etc", "lib")
_SAVED_NAME = "org.opencontainers.image.ref.name"


def import_path(
    blobs: Blobs, reference: Reference, path: Path, program: dict[str, Any], progress: Progress = lambda line: None
) -> StoredImage:
    """Put what lies at ``path`` into the store under the reference's name and tag.

    ``program``: for a root file system that has no configuration: its Entrypoint, Cmd, Env, WorkingDir, User.

    Raises:
        BadImage: nothing that is understood, damaged, or several images of which none has that name.
    """
    blobs.ensure_repository(reference.name)
    if path.is_dir():
        if (path / "index.json").is_file():
            return _layout(blobs, reference, Files.of_folder(path), progress)
        if any((path / name).exists() for name in ROOT_MARKS):
            return _root(blobs, reference, path, program, progress)
        raise BadImage(f"{path} is neither an OCI layout (no index.json) nor a root file system (no {', '.join(ROOT_MARKS)})")
    if not path.is_file():
        raise BadImage(f"{path} does not exist")
    with _unpacked(blobs, path, progress) as files:
        if "index.json" in files:
            return _layout(blobs, reference, files, progress)
        if "manifest.json" in files:
            return _saved(blobs, reference, files, progress)
        raise BadImage(f"{path} holds neither index.json (OCI archive) nor manifest.json (docker save)")


class Files:
    """The files of an image archive or layout, by their names in it."""

    def __init__(self, found: dict[str, Path], links: dict[str, str] | None = None) -> None:
        self._found, self._links = found, links or {}

    @classmethod
    def of_folder(cls, folder: Path) -> Files:
        root = folder.resolve()
        return cls({
            str(path.relative_to(root)): path for path in (root / "index.json", root / "oci-layout", *root.glob("blobs/*/*"))
            if path.is_file() and path.resolve().is_relative_to(root)
        })

    def __contains__(self, name: str) -> bool:
        return name in self._found

    def path(self, name: str) -> Path:
        """Raises BadImage."""
        for _ in range(4):
            if (found := self._found.get(name)) is not None:
                return found
            if name not in self._links:
                break
            name = self._links[name]
        raise BadImage(f"the archive has no {name!r}")

    def read(self, name: str) -> bytes:
        path = self.path(name)
        if path.stat().st_size > documents.LARGEST:
            raise BadImage(f"{name} in the archive has {path.stat().st_size} bytes")
        return path.read_bytes()


@contextmanager
def _unpacked(blobs: Blobs, path: Path, progress: Progress) -> Iterator[Files]:
    """The archive's members as files of our own naming, in a folder that is gone afterwards."""
    folder = blobs.partial("sha256:" + "0" * 64).with_name(f"import-{secrets.token_hex(8)}")
    folder.mkdir(mode=0o700)
    most = room(path.stat().st_size, folder)
    found: dict[str, Path] = {}
    links: dict[str, str] = {}
    try:
        progress(f"Reading {path.name} ({path.stat().st_size / 2**20:.1f} MiB)")
        with path.open("rb") as raw, tarfile.open(fileobj=raw, mode="r|*", tarinfo=Member) as tar:
            for member in tar:
                name = str(PurePosixPath(member.name))
                if len(found) + len(links) >= MAX_FILES:
                    raise BadImage(f"the archive has more than {MAX_FILES} members")
                if member.issym() or member.islnk():
                    base = PurePosixPath(name).parent if member.issym() else PurePosixPath()
                    links[name] = os.path.normpath(base / member.linkname)
                elif member.isreg():
                    source = tar.extractfile(member)
                    assert source is not None
                    target = folder / str(len(found))
                    with target.open("xb") as file:
                        most -= copy_hashed(source, file, most)[1]
                    found[name] = target
        yield Files(found, links)
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile, ValueError) as error:
        raise BadImage(f"{path} is no readable tar archive: {error}") from None
    finally:
        shutil.rmtree(folder, ignore_errors=True)


# -- OCI


def _layout(blobs: Blobs, reference: Reference, files: Files, progress: Progress) -> StoredImage:
    index = documents.read_json(files.read("index.json"), "index.json")
    chosen = _named(index, reference)
    raw = files.read(_blob_name(chosen))
    document = documents.read_json(raw, "the manifest")
    if documents.kind_of(document, chosen.media_type) in documents.INDEXES:
        chosen = documents.choose(document)
        raw = files.read(_blob_name(chosen))
    _proven(raw, chosen.digest)
    manifest = documents.manifest_of(documents.read_json(raw, "the manifest"))
    for number, blob in enumerate(manifest.blobs):
        if blobs.missing(reference.name, [blob.digest]):
            progress(f"Taking in blob {number + 1} of {len(manifest.blobs)} ({blob.size / 2**20:.1f} MiB)")
            _take(blobs, reference.name, files.path(_blob_name(blob)), blob.digest)
    return _put(blobs, reference, raw, chosen.media_type)


def _named(index: dict[str, Any], reference: Reference) -> Descriptor:
    """The manifest of a layout that is meant: the only one, the one of that tag, or the one for this machine."""
    pairs = documents.children(index)
    if not pairs:
        raise BadImage("index.json names no image")
    if len(pairs) == 1:
        return pairs[0][0]
    named: dict[str, Descriptor] = {}
    for (d, _), item in zip(pairs, index["manifests"], strict=False):
        notes = item.get("annotations")
        if isinstance(notes, dict) and isinstance(notes.get(_SAVED_NAME), str):
            named[notes[_SAVED_NAME]] = d
    for name in (reference.tag, str(reference), f"{reference.path}:{reference.tag}"):
        if name in named:
            return named[name]
    if named:
        raise BadImage(f"the archive holds several images, none with the tag {reference.tag!r}: {', '.join(sorted(named))}")
    return documents.choose(index)


def _blob_name(d: Descriptor) -> str:
    return "blobs/sha256/" + d.digest.removeprefix("sha256:")


# -- docker save


def _saved(blobs: Blobs, reference: Reference, files: Files, progress: Progress) -> StoredImage:
    """An archive of `docker save` before Docker 25: layers are plain tars, the configuration stands by its name."""
    try:
        entries = json.loads(files.read("manifest.json"))
        entry = _chosen(entries, reference)
        config_raw, names = files.read(entry["Config"]), list(entry["Layers"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadImage(f"manifest.json in the archive is not of docker save: {error!r}") from None
    config = documents.config_of(documents.read_json(config_raw, "the configuration"))
    if len(names) != len(config.diff_ids):
        raise BadImage(f"the archive has {len(names)} layers and its configuration tells of {len(config.diff_ids)}")
    found = []
    for number, name in enumerate(names, 1):
        progress(f"Taking in layer {number} of {len(names)}")
        found.append(_layer(blobs, reference.name, files.path(name)))
    digest = blobs.add(reference.name, config_raw)
    described = Descriptor(digest, len(config_raw), documents.OCI_CONFIG)
    return _put(blobs, reference, dump(documents.new_manifest(described, found)), documents.OCI_MANIFEST)


def _chosen(entries: list[dict[str, Any]], reference: Reference) -> dict[str, Any]:
    if len(entries) == 1:
        return entries[0]
    for entry in entries:
        if any(tag.endswith(f"{reference.path}:{reference.tag}") for tag in entry.get("RepoTags") or ()):
            return entry
    tags = sorted(tag for entry in entries for tag in entry.get("RepoTags") or ())
    raise BadImage(f"the archive holds several images, none named {reference.path}:{reference.tag}: {', '.join(tags)}")


def _layer(blobs: Blobs, name: str, path: Path) -> Descriptor:
    with path.open("rb") as file:
        magic = file.read(2)
        file.seek(0)
        digest = "sha256:" + hashlib.file_digest(file, "sha256").hexdigest()
    size = path.stat().st_size
    if blobs.missing(name, [digest]):
        _take(blobs, name, path, digest)
    return Descriptor(digest, size, documents.OCI_LAYER + ("+gzip" if magic == b"\x1f\x8b" else ""))


# -- a root file system


def _root(blobs: Blobs, reference: Reference, path: Path, program: dict[str, Any], progress: Progress) -> StoredImage:
    """One layer of a folder, owners and set-user-id bits left behind."""
    draft = blobs.partial("sha256:" + "0" * 64).with_name(f"{secrets.token_hex(16)}.layer")
    count = 0

    def plain(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
        nonlocal count
        if not (member.isreg() or member.isdir() or member.issym() or member.islnk()):
            return None
        count += 1
        if count % 5000 == 0:
            progress(f"Packing {path}: {count} files")
        member.uid = member.gid = 0
        member.uname = member.gname = ""
        member.mode &= 0o1777
        return member

    try:
        with draft.open("xb") as raw:
            plain_stream = _Hashed(gzip.GzipFile(fileobj=raw, mode="wb", compresslevel=1, mtime=0, filename=""))
            with tarfile.open(fileobj=plain_stream, mode="w|", format=tarfile.PAX_FORMAT) as tar:  # type: ignore[call-overload]
                for child in sorted(path.iterdir()):
                    if not stat.S_ISSOCK(child.lstat().st_mode):
                        tar.add(child, child.name, filter=plain)
            plain_stream.close()
        layer = _layer(blobs, reference.name, draft)
    except PermissionError as error:
        raise BadImage(f"{error.filename} cannot be read by this user") from None
    finally:
        draft.unlink(missing_ok=True)
    config = dump({
        "architecture": documents.architecture(), "os": "linux",
        "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "config": program, "rootfs": {"type": "layers", "diff_ids": [plain_stream.digest]},
    })
    described = Descriptor(blobs.add(reference.name, config), len(config), documents.OCI_CONFIG)
    return _put(blobs, reference, dump(documents.new_manifest(described, [layer])), documents.OCI_MANIFEST)


class _Hashed:
    """A stream to write to that knows the digest of what was written."""

    def __init__(self, target: gzip.GzipFile) -> None:
        self._target, self._hash = target, hashlib.sha256()

    def write(self, data: bytes) -> int:
        self._hash.update(data)
        return self._target.write(data)

    def close(self) -> None:
        self._target.close()

    @property
    def digest(self) -> str:
        return f"sha256:{self._hash.hexdigest()}"


# -- parts


def _proven(raw: bytes, digest: str) -> None:
    if "sha256:" + hashlib.sha256(raw).hexdigest() != digest:
        raise BadImage(f"the manifest {digest} is damaged: its bytes have another digest")


def _take(blobs: Blobs, name: str, path: Path, digest: str) -> None:
    """A copy of the file as a blob, if its bytes have the digest."""
    draft = blobs.partial(digest).with_name(f"{secrets.token_hex(16)}.take")
    try:
        with path.open("rb") as source, draft.open("xb") as target:
            found, _ = _copy(source, target)
        if found != digest:
            raise BadImage(f"the blob {digest} is damaged: its bytes have the digest {found}")
        blobs.adopt(name, draft, digest)
    finally:
        draft.unlink(missing_ok=True)


def _copy(source: IO[bytes], target: IO[bytes]) -> tuple[str, int]:
    return copy_hashed(source, target, 2**62)


def _put(blobs: Blobs, reference: Reference, raw: bytes, media_type: str) -> StoredImage:
    try:
        return blobs.put_manifest(reference.name, raw, media_type, reference.tag)
    except (BadManifest, MissingBlobs) as error:
        raise BadImage(str(error)) from None
