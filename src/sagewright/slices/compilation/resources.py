"""What exists: compilation jobs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ...resources.resource import Resource
from ...runtime.lifecycle import Instruction
from ...stores.records import Record
from .lifecycle import LAUNCH, LIFECYCLE
from .request import check


def _output(*path: str) -> Callable[[Mapping[str, Any], Record], Any]:
    """A member of OutputConfig, for the lists."""

    def find(doc: Mapping[str, Any], record: Record) -> Any:
        found: Any = doc["OutputConfig"]
        for name in path:
            found = found.get(name) if found else None
        return found

    return find


compilation_job = Resource(
    "CompilationJob",
    lifecycle=LIFECYCLE,
    first=(Instruction(LAUNCH),),
    prepare=check,
    computed={
        "CompilationTargetDevice": _output("TargetDevice"),
        "CompilationTargetPlatformOs": _output("TargetPlatform", "Os"),
        "CompilationTargetPlatformArch": _output("TargetPlatform", "Arch"),
        "CompilationTargetPlatformAccelerator": _output("TargetPlatform", "Accelerator"),
        # the model requires both, and typed clients insist
        "FailureReason": lambda doc, record: doc.get("FailureReason", ""),
        "ModelArtifacts": lambda doc, record: doc.get("ModelArtifacts", {"S3ModelArtifacts": ""}),
    },
)
