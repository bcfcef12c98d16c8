"""Writes web/src/pages/resources/nouns.json: what Studio's model-driven pages list, show and delete. ``--check`` only compares.

    python scripts/nouns.py [--check]

Names and kinds of members come from botocore's model of SageMaker; a noun is there when this server lists it.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import botocore.session

ROOT = Path(__file__).resolve().parent.parent
PATH = ROOT / "web" / "src" / "pages" / "resources" / "nouns.json"
QUERY = ("NameContains", "StatusEquals", "SortBy", "SortOrder", "MaxResults", "NextToken")
WORDS = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z][a-z0-9]*|[A-Z]+")
TOLD_BY = {"ModelPackage": "ModelPackageArn"}
"""Nouns that their name alone does not tell apart: versions of packages have none of their own."""
NONE = {"TrainingJobsForHyperParameterTuningJob"}
"""Lists of what another list has already."""
ODD = {"Actions": "Action", "Artifacts": "Artifact", "Contexts": "Context", "Aliases": "Alias", "StudioLifecycleConfigs": "StudioLifecycleConfig"}


def singular(plural: str, operations: set[str]) -> str:
    """The noun of ``ListXs``, as Describe or Delete say it."""
    guesses = [ODD.get(plural, ""), plural.removesuffix("s"), re.sub("ies$", "y", plural), plural]
    return next((g for g in guesses if g and {f"Describe{g}", f"Delete{g}", f"Create{g}"} & operations), plural.removesuffix("s"))


def kind_of(name: str, shape: Any) -> str:
    """How a member is shown."""
    if shape.type_name == "timestamp":
        return "time"
    if shape.type_name in ("structure", "list", "map"):
        return "group"
    if shape.type_name == "boolean":
        return "flag"
    if shape.type_name in ("integer", "long", "float", "double"):
        return "number"
    return "status" if name.endswith("Status") else "arn" if name.endswith("Arn") else "text"


def members(shape: Any) -> dict[str, Any]:
    return dict(shape.members) if shape is not None else {}


def identity(noun: str, names: list[str]) -> str:
    """The member that tells one from another: its own name, else id, else ARN, else any of these."""
    for wanted in (TOLD_BY.get(noun, ""), f"{noun}Name", f"{noun}Id", f"{noun}Arn", "Name", "Id", "Arn"):
        if wanted in names:
            return wanted
    for ending in ("Name", "Id", "Arn"):
        for name in names:
            if name.endswith(ending):
                return name
    return names[0]


def verb(model: Any, operation: str, summary: list[str], needs: list[str]) -> dict[str, Any] | None:
    """``{operation, keys}``: input member → member of the summary, or of the list's own request, that gives it."""
    shape = model.operation_model(operation).input_shape
    inputs = members(shape)
    known = [*summary, *needs]
    keys: dict[str, str] = {}
    for name in inputs:
        required = name in shape.required_members
        arn = name.removesuffix("Name") + "Arn"
        given = TOLD_BY.get(arn.removesuffix("Arn"), name) if name in known else arn if name.endswith("Name") and arn in known else None
        if given is None and required and name.endswith("Name") and "Name" in known:
            given = "Name"
        if required and given is None:
            return None
        if given is not None and (required or name == given) and inputs[name].type_name in ("string", "integer"):
            keys[name] = given
    return {"operation": operation, "keys": keys}


def noun_of(model: Any, operation: str, bound: set[str]) -> tuple[str, dict[str, Any]] | None:
    """What the pages need of one List operation; None where it lists no things of their own."""
    about = model.operation_model(operation)
    inputs, outputs = members(about.input_shape), members(about.output_shape)
    lists = [(n, s) for n, s in outputs.items() if s.type_name == "list" and s.member.type_name == "structure"]
    if len(lists) != 1 or operation == "ListTags" or operation.removeprefix("List") in NONE:
        return None
    items, shape = lists[0]
    fields = members(shape.member)
    plural = operation.removeprefix("List")
    noun = singular(plural, set(model.operation_names))
    needs = list(about.input_shape.required_members)
    if any(inputs[n].type_name not in ("string", "integer") for n in needs):
        return None
    name = identity(noun, list(fields))
    stati = [n for n in fields if n.endswith("Status") and fields[n].type_name == "string"]
    stati.sort(key=lambda n: n != f"{noun}Status")
    order = [name, *(n for n in stati if n != name)]
    order += [n for n in fields if n not in order]
    found: dict[str, Any] = {
        "list": operation, "items": items, "id": name, "columns": [[n, kind_of(n, fields[n])] for n in order],
        "query": [q for q in QUERY if q in inputs],
    }
    if needs:
        found["needs"] = needs
    also = [n for n, i in inputs.items() if n not in (*needs, *QUERY) and i.type_name == "string" and re.search(r"(Name|Arn|Id|IdEquals|NameEquals|Uri)$", n)]
    if also:
        found["also"] = also
    for member, key in (("StatusEquals", "statuses"), ("SortBy", "sorts")):
        if member in inputs and getattr(inputs[member], "enum", None):
            found[key] = list(inputs[member].enum)
    for key, name in (("describe", f"Describe{noun}"), ("delete", f"Delete{noun}")):
        if name in bound and (made := verb(model, name, list(fields), needs)):
            found[key] = made
    if f"Create{noun}" in bound:
        create = model.operation_model(f"Create{noun}").input_shape
        found["create"] = list(create.required_members)
    return noun, found


def times(model: Any) -> list[str]:
    """Names of members that are times, wherever they stand in an answer."""
    found, seen = set(), set()

    def walk(shape: Any) -> None:
        if shape.name in seen:
            return
        seen.add(shape.name)
        if shape.type_name == "structure":
            for name, member in shape.members.items():
                if member.type_name == "timestamp":
                    found.add(name)
                walk(member)
        elif shape.type_name == "list":
            walk(shape.member)
        elif shape.type_name == "map":
            walk(shape.value)

    for name in model.operation_names:
        if (output := model.operation_model(name).output_shape) is not None:
            walk(output)
    return sorted(found)


def table() -> str:
    from sagewright.bootstrap.coverage import coverage

    model = botocore.session.get_session().get_service_model("sagemaker")
    bound = {name for name, state in coverage()["sagemaker"].items() if state != "missing"}
    lists = [o for o in model.operation_names if o.startswith("List") and o in bound]
    found = dict(made for o in sorted(lists) if (made := noun_of(model, o, bound)) is not None)
    rows = ",\n".join(f"    {json.dumps(noun)}: {json.dumps(about)}" for noun, about in sorted(found.items()))
    return f'{{\n  "times": {json.dumps(times(model))},\n  "nouns": {{\n{rows}\n  }}\n}}\n'


def main() -> int:
    text = table()
    if PATH.exists() and PATH.read_text() == text:
        return 0
    if "--check" in sys.argv[1:]:
        print(f"{PATH.relative_to(ROOT)} is not what the model says; run `make docs`", file=sys.stderr)
        return 1
    PATH.parent.mkdir(parents=True, exist_ok=True)
    PATH.write_text(text)
    print(f"wrote {PATH.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
