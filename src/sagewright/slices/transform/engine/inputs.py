"""Which objects a job reads, and where the result of each goes. Blocking."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from ....resources.arn import join, s3_location, s3_uri
from ....stores.objects import NoSuchBucket, NoSuchKey, Objects

MANIFEST = 100 * 2**20
"""Bytes; the largest manifest."""


class NoInput(ValueError):
    """The input cannot be found or read; the message is a FailureReason without its prefix."""


def sources(objects: Objects, source: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """(bucket, key, name of the result without .out) of every object of an S3DataSource, in key order.

    Raises:
        NoInput: see there; also when there is no object at all.
    """
    uri = source["S3Uri"]
    found = False
    walk = _manifest if source["S3DataType"] == "ManifestFile" else _prefix
    try:
        for one in walk(objects, uri):
            found = True
            yield one
    except NoSuchBucket:
        raise NoInput(f"The bucket of {uri} does not exist.") from None
    if not found:
        raise NoInput(f"No S3 objects found under {s3_uri(uri)}.")


def _prefix(objects: Objects, uri: str) -> Iterator[tuple[str, str, str]]:
    bucket, prefix = s3_location(uri)
    after: str | None = ""
    while after is not None:
        page = objects.list(bucket, prefix, after)
        for info in page.objects:
            if not (info.key.endswith("/") and info.size == 0):
                yield bucket, info.key, relative(prefix, info.key)
        after = page.next


def relative(prefix: str, key: str) -> str:
    """The part of a key that its result keeps: below the prefix if that is a folder, else from its last name on."""
    folder = prefix if prefix.endswith("/") or not prefix else prefix + "/"
    if key.startswith(folder) and key != folder:
        return key[len(folder):]
    return key[prefix.rfind("/") + 1:]


def _manifest(objects: Objects, uri: str) -> Iterator[tuple[str, str, str]]:
    try:
        info, stream = objects.open(*s3_location(uri))
    except NoSuchKey:
        raise NoInput(f"The manifest {uri} does not exist.") from None
    with stream:
        if info.size > MANIFEST:
            raise NoInput(f"The manifest {uri} is larger than {MANIFEST} bytes.")
        try:
            first, *names = json.loads(stream.read())
            prefix = first["prefix"]
        except (ValueError, TypeError, KeyError):
            raise NoInput(f'The manifest {uri} is not a JSON list that begins with {{"prefix": "s3://..."}}.') from None
    for name in names:
        if not isinstance(name, str):
            raise NoInput(f"The manifest {uri} names something that is not a key: {name!r}.")
        bucket, key = s3_location(prefix + name)
        try:
            objects.head(bucket, key)
        except NoSuchKey:
            raise NoInput(f"{prefix + name} of the manifest {uri} does not exist.") from None
        yield bucket, key, name.lstrip("/")


def target(output_path: str, name: str) -> tuple[str, str]:
    """(bucket, key) of a result."""
    return s3_location(join(s3_uri(output_path), name + ".out"))
