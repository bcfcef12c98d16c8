"""What exists: notebook instances, and the configurations of the scripts that they run."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Mapping
from typing import Any

from ....resources.jobs import capacity_refusal, check_assumable, check_role
from ....resources.lone import next_task
from ....resources.platform import Platform
from ....resources.resource import Resource
from ....runtime.lifecycle import Instruction
from ....wire.errors import Invalid, LimitExceeded
from ....wire.types import Call
from ..table import Facts
from .lifecycle import DELETING, INSTANCES, NOUN, START

CONFIG = "NotebookInstanceLifecycleConfig"
BASE = "/notebook/"
RENAMED = {"LifecycleConfigName": "NotebookInstanceLifecycleConfigName", "SecurityGroupIds": "SecurityGroups"}
"""Members that are called otherwise in descriptions."""


def facts(doc: Mapping[str, Any]) -> Facts:
    """What a notebook instance's document says of its workspace."""
    sockets = (doc.get("_sockets") or []) if doc["_state"] != DELETING else []
    return Facts(doc["NotebookInstanceArn"], BASE, doc["_prefix"], sockets)


def script(hooks: list[dict[str, str]]) -> str:
    """The text of a hook, empty without one. Raises Invalid."""
    if not hooks:
        return ""
    try:
        return base64.b64decode(hooks[0].get("Content", ""), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        raise Invalid("The content of a lifecycle configuration must be a script in base64.") from None


async def check(platform: Platform, call: Call, params: Mapping[str, Any]) -> None:
    """What a request asks of a notebook instance makes sense. Raises DomainError."""
    if role := params.get("RoleArn"):
        check_role(platform, call, role)
        await check_assumable(platform, role)
    name = params.get("LifecycleConfigName")
    if name and await platform.records.get(CONFIG, call.scope, name.lower()) is None:
        raise Invalid(f'Could not find notebook instance lifecycle config "{lifecycle_config.arn(call.region, call.account, name)}".')
    if "InstanceType" in params and (reason := capacity_refusal(platform, {**params})):
        raise LimitExceeded(reason)


async def prepare(platform: Platform, call: Call, doc: dict[str, Any]) -> None:
    await check(platform, call, doc)
    for given, shown in RENAMED.items():
        if given in doc:
            doc[shown] = doc.pop(given)
    doc.setdefault("VolumeSizeInGB", 5)
    doc.setdefault("DirectInternetAccess", "Enabled")
    doc.setdefault("RootAccess", "Enabled")
    doc.setdefault("PlatformIdentifier", "notebook-al2023-v1")
    which = f"{doc['NotebookInstanceArn']} {platform.clock()}"
    doc["_prefix"] = "notebook-" + hashlib.sha256(which.encode()).hexdigest()[:16]
    doc |= next_task(doc)


async def prepare_config(platform: Platform, call: Call, doc: dict[str, Any]) -> None:
    for hook in ("OnCreate", "OnStart"):
        script(doc.get(hook, []))


notebook_instance = Resource(
    NOUN, old=True, lifecycle=INSTANCES, first=(Instruction(START),), prepare=prepare, verbs=(),
)
lifecycle_config = Resource(CONFIG, old=True, prepare=prepare_config, verbs=("Create", "Describe", "List"))
