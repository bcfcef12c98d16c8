"""What a training job stores while it runs: its checkpoints, and what debugger, profiler and TensorBoard hooks write. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from ...resources.arn import join, s3_uri
from ...stores.compute import Input, Output
from ...wire.errors import Invalid


@dataclass(frozen=True, slots=True)
class Live:
    """One folder that is kept in step with a prefix."""

    member: str
    """Of the request, with an optional ``LocalPath``."""
    file: str
    """What the container is told of it, in /opt/ml/input/config."""
    path: str
    """Where it lies unless the request says otherwise."""
    uri: str
    """The member of ``member`` that names the S3 URI."""
    below: str = ""
    """What stands below the URI, after the job's name; empty: the URI is the prefix itself."""

    def local(self, doc: dict[str, Any]) -> str:
        path: str = doc[self.member].get("LocalPath") or self.path
        return path

    def prefix(self, doc: dict[str, Any]) -> str:
        """The ``s3://`` URI of the prefix; empty if there is none."""
        given = doc.get(self.member, {})
        if self.uri not in given or given.get("DisableProfiler"):
            return ""
        base = s3_uri(given[self.uri])
        return join(base, doc["TrainingJobName"], self.below) if self.below else base


CHECKPOINTS = Live("CheckpointConfig", "checkpointconfig", "/opt/ml/checkpoints/", "S3Uri")
ALL = (
    CHECKPOINTS,
    Live("DebugHookConfig", "debughookconfig", "/opt/ml/output/tensors", "S3OutputPath", "debug-output"),
    Live("ProfilerConfig", "profilerconfig", "/opt/ml/output/profiler", "S3OutputPath", "profiler-output"),
    Live("TensorBoardOutputConfig", "tensorboardoutputconfig", "/opt/ml/output/tensorboard", "S3OutputPath", "tensorboard-output"),
)


def check(doc: dict[str, Any]) -> None:
    """Every LocalPath is one that can be kept in step. Raises Invalid."""
    for live in ALL:
        if live.member not in doc:
            continue
        path = live.local(doc)
        parts = PurePosixPath(path).parts
        if parts[:3] != ("/", "opt", "ml") or len(parts) < 4 or ".." in parts or parts[3] == "input":
            raise Invalid(f"Invalid LocalPath {path!r} in {live.member}: it must lie below /opt/ml and not in /opt/ml/input.")


def uris(doc: dict[str, Any]) -> Iterator[str]:
    """The prefixes that the job writes while it runs."""
    yield from (prefix for live in ALL if (prefix := live.prefix(doc)))


def files(doc: dict[str, Any]) -> dict[str, str]:
    """Name → text of the configuration files that tell the container of it."""
    return {
        f"{live.file}.json": json.dumps({"LocalPath": live.path} | doc[live.member]) for live in ALL if live.member in doc
    }


def inputs(doc: dict[str, Any]) -> list[Input]:
    """The checkpoints of an earlier job or attempt: the folder alone, so that ``run-1`` does not find those of ``run-10``."""
    uri = CHECKPOINTS.prefix(doc)
    path = CHECKPOINTS.local(doc).rstrip("/") if uri else ""
    return [Input(path, uri.rstrip("/") + "/", required=False, writable=True, label="checkpoints")] if uri else []


def outputs(doc: dict[str, Any], *, erase: bool) -> list[Output]:
    """
    Args:
        erase: the job may delete the checkpoints that it found.
    """
    return [
        Output(live.local(doc).rstrip("/"), prefix, mode="Continuous", erase=erase and live is CHECKPOINTS)
        for live in ALL if (prefix := live.prefix(doc))
    ]
