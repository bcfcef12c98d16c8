"""What exists: domains, user profiles and spaces in them, apps of either, lifecycle configurations.

Keys are what their ARNs end with, in lower case: ``d-1/alice``, ``d-1/alice/jupyterlab/default``; a record's parent is its domain.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...resources.apps import APP
from ...resources.resource import Computed, Resource
from ...runtime.lifecycle import Instruction
from ...stores.records import Record
from .lifecycle import APPS, DOMAIN, PROFILE, PROVISION, SPACE, START, place


def _summary(member: str, *members: str) -> Computed:
    """Some members of a group of the document."""

    def summary(doc: Mapping[str, Any], record: Record) -> dict[str, Any] | None:
        group = doc.get(member)
        return {m: group[m] for m in members if m in group} if group else None

    return summary


SUMMARIES: dict[str, Computed] = {
    "SpaceSettingsSummary": _summary("SpaceSettings", "AppType", "RemoteAccess", "SpaceStorageSettings"),
    "SpaceSharingSettingsSummary": _summary("SpaceSharingSettings", "SharingType"),
    "OwnershipSettingsSummary": _summary("OwnershipSettings", "OwnerUserProfileName"),
}

domain = Resource(DOMAIN, lifecycle=place(DOMAIN), first=(Instruction(PROVISION),), verbs=())
user_profile = Resource(PROFILE, lifecycle=place(PROFILE), first=(Instruction(PROVISION),), verbs=())
space = Resource(SPACE, lifecycle=place(SPACE), first=(Instruction(PROVISION),), computed=SUMMARIES, verbs=())
app = Resource(APP, lifecycle=APPS, first=(Instruction(START),), verbs=())


def profile_path(params: Mapping[str, Any]) -> str:
    return f"{params['DomainId']}/{params['UserProfileName']}"


def space_path(params: Mapping[str, Any]) -> str:
    return f"{params['DomainId']}/{params['SpaceName']}"


def app_path(params: Mapping[str, Any]) -> str:
    """A user profile and a space may have the same name; then only one of them can have an app of a type and name."""
    owner = params.get("UserProfileName") or params.get("SpaceName") or "*"
    return f"{params['DomainId']}/{owner}/{params['AppType'].lower()}/{params['AppName']}"
