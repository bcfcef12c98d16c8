"""What a task's agent on a node may do with objects, as an IAM policy. Pure."""

from __future__ import annotations

import json
from typing import Any

from ...stores.compute import Task

READ, WRITE = ["s3:GetObject", "s3:GetObjectTagging", "s3:GetObjectVersion"], ["s3:PutObject", "s3:PutObjectTagging", "s3:GetObject", "s3:DeleteObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"]


def policy(task: Task) -> str:
    """Read the inputs and models, write the outputs, list their buckets: the task's and its containers'.

    A manifest may name any object. The launch has checked what the job's role may read, and these keys stay with the
    agent, out of the job's reach: so a task with a manifest reads everywhere.
    """
    read, write, buckets = [], [], []
    for item in [item for one in (task, *task.containers) for item in one.inputs]:
        if item.uri.startswith("s3://"):
            bucket, _, key = item.uri[5:].partition("/")
            everywhere = item.type in ("ManifestFile", "AugmentedManifestFile")
            read.append("arn:aws:s3:::*/*" if everywhere else f"arn:aws:s3:::{bucket}/{_literal(key)}*")
            buckets.append("arn:aws:s3:::*" if everywhere else f"arn:aws:s3:::{bucket}")
    for many in [one.models for one in (task, *task.containers) if one.models]:
        read.append(f"arn:aws:s3:::{many['bucket']}/{_literal(many['prefix'])}*")
        buckets.append(f"arn:aws:s3:::{many['bucket']}")
    for output in task.outputs:
        bucket, _, key = output.uri.removeprefix("s3://").partition("/")
        write.append(f"arn:aws:s3:::{bucket}/{_literal(key)}*")
        buckets.append(f"arn:aws:s3:::{bucket}")
    statements = [_allow(READ, read), _allow(WRITE, write), _allow(["s3:ListBucket", "s3:GetBucketLocation"], buckets)]
    return json.dumps({"Version": "2012-10-17", "Statement": [one for one in statements if one["Resource"]]})


def _allow(actions: list[str], resources: list[str]) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": actions, "Resource": sorted(set(resources))}


def _literal(key: str) -> str:
    """A key in which nothing is a wildcard or a variable."""
    return key.replace("$", "${$}").replace("*", "${*}").replace("?", "${?}")
