"""Data capture of a transform job: two manifests, of what it read and of what it stored. Blocking.

``<destination>/input/yyyy/mm/dd/hh/<uuid>.json`` and the same under ``output``: JSON arrays whose first element is
``{"prefix": "s3://.../"}`` and the others keys below it, both in the same order. The hour is that of the job's start, in UTC.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from ....resources.arn import join, s3_location, s3_uri
from ....stores.objects import NewObject, Objects
from .inputs import base, sources, target
from .pump import MARK, written


def manifests(doc: dict[str, Any], mark: str) -> dict[str, tuple[str, str]]:
    """(bucket, key) of the manifest of each side, the same at every run of the job."""
    began = datetime.fromtimestamp(doc["TransformStartTime"], UTC)
    destination = s3_uri(doc["DataCaptureConfig"]["DestinationS3Uri"])
    return {
        side: s3_location(join(destination, side, began.strftime("%Y/%m/%d/%H"), f"{uuid.uuid5(uuid.NAMESPACE_URL, mark + side)}.json"))
        for side in ("input", "output")
    }


def capture(objects: Objects, doc: dict[str, Any], mark: str) -> None:
    """Write both, of the objects that have a result; neither if there is none."""
    source, output = doc["TransformInput"]["DataSource"]["S3DataSource"], s3_uri(doc["TransformOutput"]["S3OutputPath"])

    def done() -> Iterator[tuple[str, str]]:
        for one in sources(objects, source):
            if written(objects, target(output, one.name), mark):
                yield f"s3://{one.bucket}/{one.key}".removeprefix(one.base), one.name + ".out"

    if next(done(), None) is None:
        return
    for side, prefix in (("input", base(objects, source)), ("output", output.rstrip("/") + "/")):
        names = (names[side == "output"] for names in done())
        writer = objects.writer(*manifests(doc, mark)[side], NewObject(content_type="application/json", metadata={MARK: mark}))
        try:
            writer.write(b"[" + json.dumps({"prefix": prefix}).encode())
            for name in names:
                writer.write(b", " + json.dumps(name).encode())
            writer.write(b"]")
        except BaseException:
            writer.abort()
            raise
        writer.commit()
