"""Backup and restore of a data directory: one tar file with a manifest of sizes and digests, checked both ways.

Taken while the server runs: records first, then objects, so that every object that a record names is there.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import sqlite3
import tarfile
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from .. import __version__
from ..adapters.directory import DirectoryObjects, archive
from ..adapters.directory.tree import escaped, natural
from ..adapters.runs.sqlite import copy as copy_runs
from ..settings import Settings
from .agent import objects
from .server import open_records

MANIFEST = "manifest.json"
FORMAT = 1
FILES = ("credentials.json", "secrets.key", "images.toml")
FOLDERS = ("tls", "logs")
VOLUMES = "volumes"
SQLITE = b"SQLite format 3\0"
Progress = Callable[[str, int], None]
"""(what is being done, bytes so far)"""


class BadBackup(Exception):
    """The file is not a whole backup; the message says what is wrong with it."""


class _Hashed(io.RawIOBase):
    """Reads at most ``left`` bytes of a file and keeps their digest; a file that shrinks is filled up with zeros."""

    def __init__(self, file: IO[bytes], left: int) -> None:
        self.file, self.left, self.digest = file, left, hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        want = self.left if size < 0 else min(size, self.left)
        data = self.file.read(want)
        data += b"\0" * (want - len(data))
        self.left -= want
        self.digest.update(data)
        return data


class Writer:
    """A tar file that remembers what it holds."""

    def __init__(self, tar: tarfile.TarFile, progress: Progress) -> None:
        self.tar, self.progress = tar, progress
        self.files: dict[str, dict[str, Any]] = {}
        self.total = 0

    def add(self, name: str, file: IO[bytes], stamp: int | None = None) -> None:
        about = os.fstat(file.fileno())
        info = tarfile.TarInfo(name)
        info.size, info.mode = about.st_size, 0o600
        info.mtime = (about.st_mtime_ns if stamp is None else stamp) / 1e9
        info.pax_headers = {"SAGEWRIGHT.mtime_ns": str(about.st_mtime_ns if stamp is None else stamp)}
        hashed = _Hashed(file, info.size)
        self.tar.addfile(info, hashed)
        self.files[name] = {"size": info.size, "sha256": hashed.digest.hexdigest()}
        self.total += info.size
        self.progress(name, self.total)

    def path(self, name: str, path: Path) -> None:
        with path.open("rb") as file:
            self.add(name, file)

    def manifest(self, **about: Any) -> None:
        text = json.dumps({"format": FORMAT, **about, "files": self.files}, indent=1).encode()
        info = tarfile.TarInfo(MANIFEST)
        info.size, info.mode, info.mtime = len(text), 0o600, time.time()
        self.tar.addfile(info, io.BytesIO(text))


async def backup(settings: Settings, target: Path, progress: Progress = lambda what, done: None) -> dict[str, Any]:
    """Write everything of ``settings.data`` into the new file ``target``; returns {"files", "bytes", "objects"}.

    Raises:
        FileExistsError: ``target`` exists.
        BadBackup: what was written does not read back, which only a failing disk explains.
    """
    if target.exists():
        raise FileExistsError(target)
    partial = target.with_name(f".{target.name}.partial")
    with tempfile.TemporaryDirectory(prefix="sagewright-backup-", dir=target.parent) as folder:
        place = Path(folder)
        records = await open_records(settings)
        try:
            await records.backup(str(place / "records.sqlite"))
        finally:
            await records.close()
        if (settings.data / "metrics.sqlite").exists():
            _copy_database(settings.data / "metrics.sqlite", place / "metrics.sqlite")
        copy_runs(settings.data / "runs", place / "runs")
        _copy_volumes(settings.data / VOLUMES, place / VOLUMES)
        fd = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            with os.fdopen(fd, "wb") as out:
                with tarfile.open(fileobj=out, mode=_mode(target), format=tarfile.PAX_FORMAT) as tar:
                    writer = Writer(tar, progress)
                    count = _write(settings, place, writer)
                    writer.manifest(
                        version=__version__, created=time.time(), account=settings.account, region=settings.region,
                        objects=count, records=bool(not settings.records),
                    )
                out.flush()
                os.fsync(out.fileno())
            verify(partial, progress)
            partial.replace(target)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
    return {"files": len(writer.files), "bytes": writer.total, "objects": count}


def _mode(target: Path) -> Any:
    return "w:gz" if target.suffix in (".gz", ".tgz") else "w"


def _write(settings: Settings, place: Path, writer: Writer) -> int:
    """Everything but the manifest; returns how many objects."""
    for name in ("records.sqlite", "metrics.sqlite"):
        if (place / name).exists():
            writer.path(name, place / name)
    for path in sorted((place / "runs").glob("*")):
        writer.path(f"runs/{path.name}", path)
    for path in sorted((place / VOLUMES).rglob("*")):
        if path.is_file():
            writer.path(path.relative_to(place).as_posix(), path)
    for name in FILES:
        if (settings.data / name).exists():
            writer.path(name, settings.data / name)
    for folder in FOLDERS:
        for path in sorted((settings.data / folder).rglob("*")):
            if path.is_file() and not path.is_symlink():
                writer.path(path.relative_to(settings.data).as_posix(), path)
    count = 0
    store = objects(settings)
    try:
        if isinstance(store, DirectoryObjects):
            for location, file, stamp in archive.dump(store, place / "index.sqlite"):
                writer.add(f"objects/{location}", file, stamp)
                count += 1
            writer.path("objects/index.sqlite", place / "index.sqlite")
    finally:
        store.close()
    return count


def _copy_database(source: Path, target: Path) -> None:
    with sqlite3.connect(source) as live, sqlite3.connect(target) as copy:
        live.backup(copy)
    live.close()
    copy.close()


def _copy_volumes(source: Path, target: Path) -> None:
    """What tasks keep beyond their end: databases of SQLite as of one moment, other files as they are."""
    for path in sorted(source.glob("[!.]*/**/*")):
        if path.is_symlink() or not path.is_file() or path.name.endswith(("-wal", "-shm", "-journal")):
            continue
        place = target / path.relative_to(source)
        place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with path.open("rb") as file:
            database = file.read(len(SQLITE)) == SQLITE
        if database:
            _copy_database(path, place)
        else:
            shutil.copyfile(path, place)


def verify(path: Path, progress: Progress = lambda what, done: None) -> dict[str, Any]:
    """Read a backup to its end and compare every member with the manifest, which is returned. Raises BadBackup."""
    seen: dict[str, dict[str, Any]] = {}
    manifest: dict[str, Any] | None = None
    total = 0
    try:
        with tarfile.open(path) as tar:
            for member in tar:
                file = tar.extractfile(member)
                if file is None:
                    raise BadBackup(f"{member.name} is not a file")
                if member.name == MANIFEST:
                    manifest = json.loads(file.read())
                    continue
                digest = hashlib.sha256()
                while chunk := file.read(1 << 20):
                    digest.update(chunk)
                seen[member.name] = {"size": member.size, "sha256": digest.hexdigest()}
                total += member.size
                progress(f"checking {member.name}", total)
    except (tarfile.TarError, EOFError, OSError, ValueError) as error:
        raise BadBackup(f"{path} cannot be read as a backup: {error}") from None
    if manifest is None:
        raise BadBackup(f"{path} has no manifest: it is not a backup, or its end is missing")
    if manifest.get("format") != FORMAT:
        raise BadBackup(f"{path} has format {manifest.get('format')}; this version reads format {FORMAT}")
    for name in sorted(set(seen) | set(manifest["files"])):
        if seen.get(name) != manifest["files"].get(name):
            raise BadBackup(f"{path}: {name} is missing, unexpected or damaged")
    return manifest


def restore(path: Path, data: Path, progress: Progress = lambda what, done: None) -> dict[str, Any]:
    """Make ``data`` what the backup says; returns its manifest.

    Raises:
        FileExistsError: ``data`` exists and is not empty.
        BadBackup: nothing was restored.
    """
    if data.exists() and any(data.iterdir()):
        raise FileExistsError(data)
    manifest = verify(path, progress)
    data.parent.mkdir(parents=True, exist_ok=True)
    partial = data.with_name(f".{data.name}.restoring")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(mode=0o700)
    try:
        _extract(path, partial, progress)
        _check_databases(partial)
        if (partial / "objects" / archive.INDEX).exists():
            try:
                archive.adopt(partial / "objects", lambda row: row.path or natural(row.bucket, row.key) or escaped(row.bucket, row.key))
            except ValueError as error:
                raise BadBackup(f"{path}: {error}") from None
        if data.exists():
            data.rmdir()
        partial.replace(data)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    return manifest


def _extract(path: Path, root: Path, progress: Progress) -> None:
    """Files only, each below ``root``. The names were written by us and are not trusted for it."""
    total = 0
    with tarfile.open(path) as tar:
        for member in tar:
            parts = member.name.split("/")
            if member.name == MANIFEST:
                continue
            if not member.isreg() or any(part in ("", ".", "..") for part in parts):
                raise BadBackup(f"{path}: {member.name!r} is not a name that a backup has")
            target = root.joinpath(*parts)
            target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            file = tar.extractfile(member)
            assert file is not None
            fd = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
            with os.fdopen(fd, "wb") as out:
                shutil.copyfileobj(file, out, 1 << 20)
            stamp = int(member.pax_headers.get("SAGEWRIGHT.mtime_ns", int(member.mtime * 1e9)))
            os.utime(target, ns=(stamp, stamp))
            total += member.size
            progress(f"restoring {member.name}", total)


def _check_databases(root: Path) -> None:
    for name in ("records.sqlite", "metrics.sqlite", "runs/metrics.sqlite", "objects/index.sqlite"):
        if (root / name).exists():
            db = sqlite3.connect(root / name)
            try:
                said = db.execute("PRAGMA integrity_check").fetchone()[0]
            except sqlite3.DatabaseError as error:
                said = str(error)
            finally:
                db.close()
            if said != "ok":
                raise BadBackup(f"{name} in the backup is damaged: {said}")
