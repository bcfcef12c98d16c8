"""The archives of a job of several hosts: each host stores its own, and the server makes one of them.

They lie in a bucket where the job, and whoever else has its role, may put something else in their place.
"""

from __future__ import annotations

import contextlib
import gzip
import tarfile
import zlib
from typing import Any

from ...resources.arn import join, s3_location
from ...stores.objects import NewObject, NoSuchKey, Objects
from .request import output_base

MAX_HEADER = 2**20
_HEADERS = {tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK}


class BadPart(Exception):
    """What lies in the place of a host's archive is none; the message says where."""


class _Member(tarfile.TarInfo):
    """Refuses what the module would read into memory whole: extended headers of a size that no name needs, and the maps of sparse
    files, which hosts do not store."""

    def _proc_member(self, archive: tarfile.TarFile) -> tarfile.TarInfo:
        if self.type in _HEADERS and self.size > MAX_HEADER:
            raise BadPart(f"an extended header of {self.size} bytes")
        found: tarfile.TarInfo = super()._proc_member(archive)  # type: ignore[misc]
        return found

    def _proc_sparse(self, archive: tarfile.TarFile) -> tarfile.TarInfo:
        raise BadPart("a sparse file")

    def _proc_gnusparse_10(self, *_: object) -> None:
        raise BadPart("a sparse file")


def parts_of(doc: dict[str, Any]) -> dict[str, list[str]]:
    """Of each archive that a job of several hosts makes, where the hosts' own lie; none of a job that makes no archives."""
    if doc["OutputDataConfig"]["CompressionType"] == "NONE":
        return {}
    base, hosts = output_base(doc, doc["TrainingJobName"]), [task["Host"] for task in doc["_tasks"].values()]
    return {name: [join(base, f".{host}", name) for host in hosts] for name in ("model.tar.gz", "output.tar.gz")}


def join_archives(objects: Objects, parts: list[str], target: str) -> None:
    """One archive of those parts that there are; none if there are none. On a clash of names the last one's file stays.

    Raises:
        BadPart: a part is no archive.
    """
    with contextlib.ExitStack() as stack:
        found = []
        for part in parts:
            with contextlib.suppress(NoSuchKey):
                found.append((part, stack.enter_context(objects.open(*s3_location(part))[1])))
        if not found:
            return
        writer = objects.writer(*s3_location(target), NewObject(content_type="application/x-tar"))
        try:
            with tarfile.open(fileobj=writer, mode="w|gz") as whole:  # type: ignore[call-overload]
                for part, stream in found:
                    try:
                        _add(stream, whole)
                    except (BadPart, tarfile.TarError, EOFError, ValueError, zlib.error, gzip.BadGzipFile) as error:
                        raise BadPart(f"{part} is no readable archive: {error}") from None
            writer.commit()
        except BaseException:
            writer.abort()
            raise


def _add(stream: Any, whole: Any) -> None:
    with tarfile.open(fileobj=stream, mode="r:gz", tarinfo=_Member) as archive:
        while (member := archive.next()) is not None:
            whole.addfile(member, archive.extractfile(member) if member.isfile() else None)
            archive.members.clear()  # type: ignore[attr-defined]  # the module would keep all of them in memory
            whole.members.clear()
