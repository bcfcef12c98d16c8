"""Which objects an input means: those of a prefix, of a manifest or of an augmented manifest; their order and shares."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from ..stores.compute import LONGEST_MANIFEST, Input
from ..stores.objects import NoSuchBucket, NoSuchKey, ObjectInfo, Objects


class StagingError(Exception):
    """An input is missing or bad: the message is the task's FailureReason after its prefix."""


@dataclass(frozen=True, slots=True)
class Found:
    """An object and the path it gets below the input's own."""

    bucket: str
    key: str
    path: str
    info: ObjectInfo | None = None
    """Where the listing told it."""

    @property
    def uri(self) -> str:
        return f"s3://{self.bucket}/{self.key}"


def failed(message: str) -> StagingError:
    return StagingError(f"ClientError: Data download failed:{message}")


def split_uri(uri: str) -> tuple[str, str]:
    """Bucket and key. Raises StagingError."""
    if not uri.startswith("s3://"):
        raise failed(f"{uri} is not an s3:// URI")
    bucket, _, key = uri[5:].partition("/")
    return bucket, key


def share(count: int, item: Input, epoch: int = 0) -> Sequence[int]:
    """Which of ``count`` things are this host's, in its order.

    A seed draws another order for each epoch, the same one on every host, and shares are cut from it: so things move
    between hosts from epoch to epoch.
    """
    numbers = list(range(count))
    if item.seed is not None:
        random.Random(f"{item.seed}:{epoch}").shuffle(numbers)
    return numbers[item.shard::item.shards]


def select(objects: Objects, item: Input) -> list[Found]:
    """This share's objects; in key order, or as the seed draws them.

    Raises:
        StagingError: nothing there though the input is required, or a bad manifest.
        NoSuchBucket, NoSuchKey
    """
    every = candidates(objects, item)
    return [every[number] for number in share(len(every), item)]


def beside(item: Input, found: list[Found]) -> str:
    """The first key that a prefix takes beside the folder of its name, as ``train`` takes ``train-old/a``; empty if none."""
    key = split_uri(item.uri)[1]
    if item.type != "S3Prefix" or not key or key.endswith("/"):
        return ""
    outside = [one.key for one in found if one.key != key and not one.key.startswith(f"{key}/")]
    return outside[0] if outside and any(one.key.startswith(f"{key}/") for one in found) else ""


def candidates(objects: Objects, item: Input) -> list[Found]:
    """Every object of the input, of all shares, in key order; a manifest keeps its own order in Pipe mode."""
    bucket, key = split_uri(item.uri)
    if item.type == "S3Object":
        try:
            objects.head(bucket, key)
        except (NoSuchBucket, NoSuchKey):
            if item.required:
                raise
            return []
        return [Found(bucket, key, PurePosixPath(key).name)]
    if item.type == "S3Prefix":
        every = list(under(objects, bucket, key))
    elif item.type == "ManifestFile":
        every = manifest(item, read_manifest(objects, item))
        if item.mode == "Pipe":
            return every
    else:
        raise failed(f"{item.type} needs the Pipe input mode")
    if not every and item.required:
        raise failed(f"No objects found under {item.uri}")
    return sorted(every, key=lambda one: (one.bucket, one.key.encode()))


def under(objects: Objects, bucket: str, prefix: str) -> Iterator[Found]:
    after: str | None = ""
    while after is not None:
        page = objects.list(bucket, prefix, after)
        for info in page.objects:
            if not info.key.endswith("/"):
                yield Found(bucket, info.key, relative(prefix, info.key), info)
        after = page.next


def relative(prefix: str, key: str) -> str:
    """The path that a key of a prefix gets: what follows the prefix, or the base name of an exact match.

    A prefix that ends inside a name (``data/tr`` for ``data/train.csv``) keeps the whole name.
    """
    folder = prefix if prefix.endswith("/") or not prefix else prefix.rpartition("/")[0] + "/"
    if key.startswith(prefix + "/"):
        folder = prefix + "/"
    return key[len(folder):] if folder != "/" else key


# manifests


def read_manifest(objects: Objects, item: Input) -> bytes:
    """The manifest's content, of the version that the input names.

    Raises:
        StagingError: it is missing, too large, or has been replaced.
    """
    bucket, key = split_uri(item.uri)
    try:
        info, file = objects.open(bucket, key)
    except (NoSuchKey, NoSuchBucket):
        raise failed(f"The manifest {item.uri} does not exist") from None
    with file:
        if item.version and info.etag != item.version:
            raise failed(f"The manifest {item.uri} was replaced after the job was created")
        if info.size > LONGEST_MANIFEST:
            raise failed(f"The manifest {item.uri} is larger than {LONGEST_MANIFEST} bytes")
        return file.read(LONGEST_MANIFEST)


def manifest(item: Input, text: bytes) -> list[Found]:
    """The objects of a ManifestFile. Raises StagingError."""
    try:
        entries = json.loads(text)
        prefix = str(entries[0]["prefix"])
        names = [name for name in entries[1:] if isinstance(name, str)]
        if len(names) != len(entries) - 1:
            raise ValueError("every entry after the first is a string")
    except (ValueError, LookupError, TypeError):
        raise failed(
            f'{item.uri} is not a manifest: expected [{{"prefix": "s3://bucket/prefix/"}}, "key", ...]'
        ) from None
    bucket, base = split_uri(prefix)
    return [Found(bucket, base + name, name) for name in names]


def lines(text: bytes) -> list[bytes]:
    """The JSON lines of an augmented manifest."""
    return [line for line in text.splitlines() if line.strip()]


def values(item: Input, line: bytes) -> list[Found | bytes]:
    """What one line of an augmented manifest gives: its attributes in the input's order; a ``-ref`` is an object.

    Raises:
        StagingError: no JSON object, or an attribute is missing or is no S3 URI though its name ends in ``-ref``.
    """
    try:
        record = json.loads(line)
        if not isinstance(record, dict):
            raise ValueError("not an object")
    except ValueError:
        raise failed(f"{item.uri} has a line that is not a JSON object: {_shown(line)}") from None
    found: list[Found | bytes] = []
    for name in item.attributes:
        if name not in record:
            raise failed(f"{item.uri} has a line without the attribute {name}: {_shown(line)}")
        found.append(_value(item, name, record[name]))
    return found


def _value(item: Input, name: str, value: Any) -> Found | bytes:
    if not name.endswith("-ref"):
        return value.encode() if isinstance(value, str) else json.dumps(value, separators=(",", ":")).encode()
    if not isinstance(value, str) or not value.startswith("s3://"):
        raise failed(f"{item.uri}: the attribute {name} is not an S3 URI: {value!r}")
    bucket, key = split_uri(value)
    return Found(bucket, key, PurePosixPath(key).name)


def _shown(line: bytes) -> str:
    return line[:200].decode("utf-8", "replace")


def epochs(objects: Objects, item: Input) -> Callable[[int], Iterator[Found | bytes]]:
    """What a pipe carries in each epoch. The listing, or the manifest, is read once, here.

    Raises:
        StagingError, NoSuchBucket: nothing there, or a bad manifest.
    """
    if item.type != "AugmentedManifestFile":
        every = candidates(objects, item)
        return lambda epoch: (every[number] for number in share(len(every), item, epoch))
    rows = lines(read_manifest(objects, item))
    if not rows:
        raise failed(f"The manifest {item.uri} is empty")
    values(item, rows[0])  # a manifest without the attributes is told before the start
    return lambda epoch: (value for number in share(len(rows), item, epoch) for value in values(item, rows[number]))
