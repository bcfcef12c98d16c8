"""Which objects a job reads, and where the result of each goes. Blocking."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice
from typing import Any, NamedTuple

from ....resources.arn import join, s3_location, s3_uri
from ....stores.objects import NoSuchBucket, NoSuchKey, Objects
from ....wire.errors import Invalid

MANIFEST = 100 * 2**20
"""Bytes; the largest manifest."""


class NoInput(ValueError):
    """The input cannot be found or read; the message is a FailureReason without its prefix."""


class Source(NamedTuple):
    """An object that a job reads."""

    bucket: str
    key: str
    name: str
    """Of its result, without .out."""
    base: str
    """What its S3 URI begins with, in common with all others of the job."""


def sources(objects: Objects, source: dict[str, Any], part: int = 0, parts: int = 1) -> Iterator[Source]:
    """The objects of an S3DataSource in key order, or every ``parts``-th of them from ``part`` on: an instance's share.

    Raises:
        NoInput: see there; also when there is no object at all.
    """
    uri = source["S3Uri"]
    found = False
    walk = _manifest if source["S3DataType"] == "ManifestFile" else _prefix
    try:
        for number, one in enumerate(walk(objects, uri)):
            found = True
            if number % parts == part:
                yield one
    except NoSuchBucket:
        raise NoInput(f"The bucket of {uri} does not exist.") from None
    except Invalid as error:
        raise NoInput(f"The manifest {uri}: {error}") from None
    if not found:
        raise NoInput(f"No S3 objects found under {s3_uri(uri)}.")


def base(objects: Objects, source: dict[str, Any]) -> str:
    """What the URIs of all objects of a source begin with. Raises NoInput."""
    first = next(islice(sources(objects, source), 1), None)
    assert first is not None  # sources would have raised
    return first.base


def _prefix(objects: Objects, uri: str) -> Iterator[Source]:
    bucket, prefix = s3_location(uri)
    common = f"s3://{bucket}/{prefix[: prefix.rfind('/') + 1]}"
    after: str | None = ""
    while after is not None:
        page = objects.list(bucket, prefix, after)
        for info in page.objects:
            if not (info.key.endswith("/") and info.size == 0):
                yield Source(bucket, info.key, relative(prefix, info.key), common)
        after = page.next


def relative(prefix: str, key: str) -> str:
    """The part of a key that its result keeps: below the prefix if that is a folder, else from its last name on."""
    folder = prefix if prefix.endswith("/") or not prefix else prefix + "/"
    if key.startswith(folder) and key != folder:
        return key[len(folder):]
    return key[prefix.rfind("/") + 1:]


def _manifest(objects: Objects, uri: str) -> Iterator[Source]:
    """A manifest's objects, none of them looked at yet."""
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
            common = s3_uri(prefix)
        except (ValueError, TypeError, KeyError, AttributeError):
            raise NoInput(f'The manifest {uri} is not a JSON list that begins with {{"prefix": "s3://..."}}.') from None
    for name in names:
        if not isinstance(name, str):
            raise NoInput(f"The manifest {uri} names something that is not a key: {name!r}.")
        bucket, key = s3_location(common + name)
        yield Source(bucket, key, name.lstrip("/"), common)


def target(output_path: str, name: str) -> tuple[str, str]:
    """(bucket, key) of a result."""
    return s3_location(join(s3_uri(output_path), name + ".out"))
