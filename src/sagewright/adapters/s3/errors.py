"""The other side's error codes as the port's errors."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from botocore.exceptions import ClientError

from ...stores.objects import (
    BadDigest,
    BucketExists,
    BucketNotEmpty,
    InvalidPart,
    NoSuchBucket,
    NoSuchKey,
    NoSuchUpload,
    PartTooSmall,
    PreconditionFailed,
)

_ERRORS: dict[str, type[Exception]] = {
    "NoSuchBucket": NoSuchBucket, "NoSuchKey": NoSuchKey, "NoSuchUpload": NoSuchUpload, "InvalidPart": InvalidPart,
    "InvalidPartOrder": InvalidPart, "BucketNotEmpty": BucketNotEmpty, "PreconditionFailed": PreconditionFailed, "412": PreconditionFailed,
    "ConditionalRequestConflict": PreconditionFailed, "BadDigest": BadDigest, "InvalidDigest": BadDigest,
    "XAmzContentChecksumMismatch": BadDigest, "BucketAlreadyOwnedByYou": BucketExists, "BucketAlreadyExists": BucketExists,
    "404": NoSuchKey,
}  # fmt: skip


@contextlib.contextmanager
def translated(name: Any = "") -> Iterator[None]:
    """Raises the port's error for a code it knows; any other ClientError passes."""
    try:
        yield
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code == "EntityTooSmall":
            raise PartTooSmall(0, 0, "") from error
        known = _ERRORS.get(code)
        if known is None:
            raise
        raise known(name) from error
