"""A resource is a declaration; its generic verbs come from the service model.

Describe answers with every member of its output shape that the document has; List with those of its item shape. The
document is the Create input plus Arn, times and status, under wire names. Members whose names begin with an
underscore are the platform's own and never leave.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..runtime.lifecycle import Instruction, Lifecycle
from ..stores.records import Record
from ..wire.types import Call, Handler
from .arn import arn
from .desk import Desk
from .platform import Platform

Computed = Callable[[Mapping[str, Any], Record], Any]
Prepare = Callable[[Platform, Call, dict[str, Any]], Awaitable[None]]


def kebab(noun: str) -> str:
    """``TrainingJob`` → ``training-job``, as ARNs have it."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", noun).lower()


@dataclass
class Resource:
    """One noun of a service. A declaration only: ``install`` makes the desk that answers for it on one platform.

    Args:
        noun: as in the operations' names: ``TrainingJob``.
        lifecycle: None for a document that is complete at once.
        first: the instructions a new document starts with.
        prepare: (platform, call, document) checks meaning and adds members before the document is written. Raises DomainError.
        computed: members that neither the document nor the model has; None leaves the member out.
        human: what error messages call it; the ARN's type with spaces unless given.
        old: missing and existing answer with ValidationException, as the service's older nouns do
            (``Could not find model "arn"``).
        taken: what a duplicate name answers with; the ARN follows in parentheses.
        verbs: the generic verbs to bind, of Create, Describe, List, Delete.
        stem: what the members of its name and ARN begin with (``TrackingServer``); the noun unless given.
        places: where a document has what a List filter ``<member>Equals`` asks for, by member, unless it is that member itself.
    """

    noun: str
    service: str = "sagemaker"
    lifecycle: Lifecycle | None = None
    first: tuple[Instruction, ...] = ()
    prepare: Prepare | None = None
    computed: dict[str, Computed] = field(default_factory=dict)
    human: str = ""
    old: bool = False
    taken: str = ""
    verbs: tuple[str, ...] = ("Create", "Describe", "List", "Delete")
    stem: str = ""
    places: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.slug = kebab(self.noun)
        self.human = self.human or self.slug.replace("-", " ")
        article = "an" if self.human[0] in "aeio" else "a"  # a user profile
        self.taken = self.taken or (
            f"{self.human.capitalize()} names must be unique within an AWS account and region, and {article} {self.human} with "
            "this name already exists"
        )
        stem = self.stem or self.noun
        self.name_member, self.arn_member = f"{stem}Name", f"{stem}Arn"

    def arn(self, region: str, account: str, name: str) -> str:
        return arn(self.service, region, account, f"{self.slug}/{name.lower()}")

    def install(self, platform: Platform) -> Desk:
        """Bind the generic verbs and register the lifecycle."""
        desk = Desk(self, platform)
        if self.lifecycle:
            platform.reconciler.lifecycle(self.noun, self.lifecycle)
        platform.nouns[self.slug] = desk
        verbs: dict[str, Handler] = {"Create": desk.create, "Describe": desk.describe, "List": desk.list, "Delete": desk.delete}
        for verb in self.verbs:
            name = f"List{self.noun}s" if verb == "List" else f"{verb}{self.noun}"
            platform.operations.bind(self.service, name, verbs[verb], resources=None if verb == "List" else desk.arns)
        return desk
