"""What exists: domains, user profiles and spaces in them, apps of either, lifecycle configurations.

Keys are what their ARNs end with, in lower case: ``d-1/alice``, ``d-1/alice/jupyterlab/default``; a record's parent is its domain.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...resources.apps import APP
from ...resources.resource import Resource
from ...runtime.lifecycle import Instruction
from .lifecycle import APPS, DOMAIN, PROFILE, PROVISION, SPACE, START, place

domain = Resource(DOMAIN, lifecycle=place(DOMAIN), first=(Instruction(PROVISION),), verbs=())
user_profile = Resource(PROFILE, lifecycle=place(PROFILE), first=(Instruction(PROVISION),), verbs=())
space = Resource(SPACE, lifecycle=place(SPACE), first=(Instruction(PROVISION),), verbs=())
app = Resource(APP, lifecycle=APPS, first=(Instruction(START),), verbs=())


def profile_path(params: Mapping[str, Any]) -> str:
    return f"{params['DomainId']}/{params['UserProfileName']}"


def space_path(params: Mapping[str, Any]) -> str:
    return f"{params['DomainId']}/{params['SpaceName']}"


def app_path(params: Mapping[str, Any]) -> str:
    """A user profile and a space may have the same name; then only one of them can have an app of a type and name."""
    owner = params.get("UserProfileName") or params.get("SpaceName") or "*"
    return f"{params['DomainId']}/{owner}/{params['AppType'].lower()}/{params['AppName']}"
