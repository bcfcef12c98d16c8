"""Whether a job's role may read what it is given: checkpoints, its channels' prefixes and manifests, every object that a manifest lists.

The agents read with the platform's own rights, so a manifest must not lead them to objects that the role may not have.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

from ...resources import jobs
from ...resources.arn import s3_location, s3_uri
from ...resources.platform import Platform
from ...stores.compute import LONGEST_MANIFEST
from ...stores.objects import NoSuchBucket, NoSuchKey
from . import live

TURN = 200
"""Objects looked at before others get a turn."""


async def check(platform: Platform, doc: dict[str, Any]) -> tuple[str, dict[str, str]]:
    """Why channels or checkpoints cannot be read, as a FailureReason, empty if they can; and each manifest's ETag by channel.

    A manifest that is missing, too long or no manifest is left to the agent, who says what is wrong with it.
    """
    versions: dict[str, str] = {}
    for item in live.inputs(doc):
        if reason := await _refusal(platform, doc["RoleArn"], item.uri):
            return reason, {}
    for channel in doc.get("InputDataConfig", ()):
        s3 = channel["DataSource"].get("S3DataSource")
        if s3 is None:
            continue
        if reason := await _refusal(platform, doc["RoleArn"], s3["S3Uri"]):
            return reason, {}
        if s3["S3DataType"] == "S3Prefix":
            continue
        version, uris = await asyncio.to_thread(_listed, platform, s3)
        versions[channel["ChannelName"]] = version
        for number, uri in enumerate(uris):
            if reason := await _refusal(platform, doc["RoleArn"], uri):
                return reason, {}
            if number % TURN == 0:
                await asyncio.sleep(0)
    return "", versions


async def _refusal(platform: Platform, role_arn: str, uri: str) -> str:
    why = await jobs.read_refusal(platform, role_arn, uri)
    return f"ClientError: Data download failed:Unable to download object {s3_uri(uri)} (AccessDenied: {why})" if why else ""


def _listed(platform: Platform, s3: dict[str, Any]) -> tuple[str, list[str]]:
    """The ETag of a manifest and the objects that it names, as far as it can be read."""
    try:
        info, file = platform.objects.open(*s3_location(s3["S3Uri"]))
    except (NoSuchKey, NoSuchBucket):
        return "", []
    with file:
        if info.size > LONGEST_MANIFEST:
            return info.etag, []
        text = file.read()
    try:
        if s3["S3DataType"] == "ManifestFile":
            prefix, *names = json.loads(text)
            return info.etag, [prefix["prefix"] + name for name in names if isinstance(name, str)]
        refs = [name for name in s3.get("AttributeNames", ()) if name.endswith("-ref")]
        rows = [json.loads(line) for line in text.splitlines() if line.strip()]
        found = {row[name] for row in rows for name in refs if isinstance(row.get(name), str)}
        return info.etag, sorted(uri for uri in found if uri.startswith("s3://"))
    except (ValueError, LookupError, TypeError, AttributeError):
        return info.etag, []
