"""Expressions in a definition: ``Get``, ``Std:Join``, ``Std:JsonGet``. Reading them is pure; looking things up is the scope's work."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Protocol

import orjson

Path = tuple[str | int, ...]
EXECUTION = frozenset({
    "StartDateTime", "CurrentDateTime", "PipelineName", "PipelineArn", "PipelineExecutionId", "PipelineExecutionArn",
    "TrainingJobName", "ProcessingJobName",
})
"""What ``Execution.X`` may name."""
_PART = re.compile(r"""(?:^|(?!^)\.)(?P<member>[^.\[\]]+)|\[(?P<index>[0-9]{1,9})\]|\[(?P<quote>['"])(?P<key>.*?)(?P=quote)\]""")


class Unresolved(Exception):
    """An expression leads nowhere; says which and why."""


class Scope(Protocol):
    """Looks up what expressions name. Every method raises Unresolved."""

    async def get(self, path: Path) -> Any:
        """What a reference such as ``("Steps", "Train", "ModelArtifacts", "S3ModelArtifacts")`` leads to."""
        ...

    async def file(self, step: str, name: str) -> Any:
        """The JSON of a step's property file."""
        ...

    async def object(self, uri: str) -> Any:
        """The JSON of an object in S3."""
        ...


def parts(text: Any) -> Path:
    """``Steps.S.a[0]['k']`` → ("Steps", "S", "a", 0, "k"). Raises Unresolved for what is no path."""
    if not isinstance(text, str):
        raise Unresolved(f"{text!r} is no path")
    found: list[str | int] = []
    at = 0
    while at < len(text):
        match = _PART.match(text, at)
        if match is None:
            raise Unresolved(f"{text} is no path")
        if match["index"] is not None:
            found.append(int(match["index"]))
        else:
            found.append(match["member"] if match["member"] is not None else match["key"])
        at = match.end()
    if not found:
        raise Unresolved("an empty path leads nowhere")
    return tuple(found)


def references(value: Any) -> Iterator[Path]:
    """The path of every Get in a value, at any depth."""
    if isinstance(value, list):
        for each in value:
            yield from references(each)
    elif isinstance(value, Mapping):
        if _is(value, "Get"):
            try:
                yield parts(value["Get"])
            except Unresolved:
                yield (str(value["Get"]),)
        else:
            for each in value.values():
                yield from references(each)


def check(value: Any) -> None:
    """Raises Unresolved for an expression, at any depth, that could never be resolved whatever it leads to."""
    if isinstance(value, list):
        for each in value:
            check(each)
    elif isinstance(value, Mapping):
        if _is(value, "Get"):
            parts(value["Get"])
        elif _is(value, "Std:Join"):
            _check_join(value["Std:Join"])
        elif _is(value, "Std:JsonGet"):
            _check_json_get(value["Std:JsonGet"])
        else:
            for each in value.values():
                check(each)


def _check_join(given: Any) -> None:
    if not isinstance(given, Mapping) or not isinstance(given.get("Values"), list) or not isinstance(given.get("On", ""), str):
        raise Unresolved(f"a Join needs a list of Values, and maybe a text On, not {given!r}")
    check(given["Values"])


def _check_json_get(given: Any) -> None:
    if not isinstance(given, Mapping):
        raise Unresolved(f"a JsonGet needs an object, not {given!r}")
    if isinstance(given.get("Path"), str):
        parts(given["Path"])
    elif not isinstance(given.get("Path"), Mapping):
        raise Unresolved(f"a JsonGet needs a Path, which {given!r} has not")
    if "S3Uri" not in given:
        _property_file(given)
    check([given.get("S3Uri"), given["Path"]])


def _property_file(given: Mapping[str, Any]) -> tuple[str, str]:
    """Its step and its name."""
    file = given.get("PropertyFile")
    path = parts(file["Get"]) if isinstance(file, Mapping) and _is(file, "Get") else ()
    if len(path) != 4 or path[0] != "Steps" or path[2] != "PropertyFiles":
        raise Unresolved(f"a JsonGet needs an S3Uri or a PropertyFile such as Steps.S.PropertyFiles.F, not {given!r}")
    return str(path[1]), str(path[3])


async def resolve(value: Any, scope: Scope) -> Any:
    """The value with every expression replaced by what it leads to. Raises Unresolved."""
    if isinstance(value, list):
        return [await resolve(each, scope) for each in value]
    if not isinstance(value, Mapping):
        return value
    if _is(value, "Get"):
        return await scope.get(parts(value["Get"]))
    if _is(value, "Std:Join"):
        join = value["Std:Join"]
        return text(join.get("On", "")).join([text(await resolve(each, scope)) for each in join.get("Values", ())])
    if _is(value, "Std:JsonGet"):
        return await _json_get(value["Std:JsonGet"], scope)
    return {key: await resolve(each, scope) for key, each in value.items()}


async def _json_get(given: Mapping[str, Any], scope: Scope) -> Any:
    if "S3Uri" in given:
        where = text(await resolve(given["S3Uri"], scope))
        found = await scope.object(where)
    else:
        step, where = _property_file(given)
        found = await scope.file(step, where)
    wanted = parts(str(await resolve(given.get("Path", ""), scope)))
    # what a @step returned and could not be written as JSON
    if wanted[0] == "Result" and isinstance(found, Mapping) and found.get("Exception"):
        raise Unresolved(f"{where}: {found['Exception']}")
    value = walk(found, wanted, where)
    if why := unstorable(value):
        raise Unresolved(f"{'.'.join(map(str, wanted))} of {where} is no value that a request can have: {why}")
    return value


def walk(value: Any, path: Path, where: str) -> Any:
    """What a path leads to in a document. Raises Unresolved, which names ``where`` and the part that is not there."""
    for part in path:
        try:
            if isinstance(value, list) and (isinstance(part, int) or part.isdecimal()):
                value = value[int(part)]
            elif isinstance(value, Mapping):
                value = value[part]
            else:
                raise KeyError(part)
        except (KeyError, IndexError, TypeError, ValueError):
            raise Unresolved(f"{where} has no {'.'.join(map(str, path))}: {part!r} is not there") from None
    return value


def unstorable(value: Any) -> str:
    """Why no document can have a value that JSON had: no number, more than 64 bits, half a character, too deep. Empty if one can."""
    try:
        json.dumps(value, allow_nan=False)
        orjson.dumps(value)
    except (ValueError, TypeError, RecursionError) as error:
        return str(error)
    return ""


def text(value: Any) -> str:
    """A value as it stands in a text."""
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else json.dumps(value)


def moment(seconds: float) -> str:
    """A time as ``Execution.StartDateTime`` shows it."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _is(value: Mapping[str, Any], name: str) -> bool:
    return len(value) == 1 and name in value
