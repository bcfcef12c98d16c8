"""Definitions for tests, in few words."""

from __future__ import annotations

import json
from typing import Any

from sagewright.slices.pipelines import definition
from sagewright.slices.pipelines.definition import Definition
from sagewright.slices.pipelines.expressions import Path, Unresolved


def text(*steps: dict[str, Any], **more: Any) -> str:
    return json.dumps({"Version": "2020-12-01", "Steps": list(steps), **more})


def read(*steps: dict[str, Any], **more: Any) -> Definition:
    return definition.read(text(*steps, **more))


def train(name: str, *after: Any, **more: Any) -> dict[str, Any]:
    return {"Name": name, "Type": "Training", "Arguments": {}, "DependsOn": list(after), **more}


def fail(name: str, *after: Any) -> dict[str, Any]:
    return {"Name": name, "Type": "Fail", "Arguments": {"ErrorMessage": "no"}, "DependsOn": list(after)}


def equal(left: Any = 1, right: Any = 1) -> dict[str, Any]:
    return {"Type": "Equals", "LeftValue": left, "RightValue": right}


def choice(name: str, then: list[dict[str, Any]], other: list[dict[str, Any]], *after: Any, **compared: Any) -> dict[str, Any]:
    return {"Name": name, "Type": "Condition", "DependsOn": list(after), "Arguments": {
        "Conditions": [equal(**compared)], "IfSteps": then, "ElseSteps": other}}


def get(path: str) -> dict[str, str]:
    return {"Get": path}


class Known:
    """A scope that knows what it was told."""

    def __init__(self, values: dict[str, Any] | None = None, files: dict[str, Any] | None = None) -> None:
        self.values, self.files = values or {}, files or {}

    async def get(self, path: Path) -> Any:
        try:
            return self.values[".".join(map(str, path))]
        except KeyError:
            raise Unresolved(f"{path} is unknown") from None

    async def file(self, step: str, name: str) -> Any:
        return await self.object(f"{step}/{name}")

    async def object(self, uri: str) -> Any:
        try:
            return self.files[uri]
        except KeyError:
            raise Unresolved(f"{uri} is unknown") from None
