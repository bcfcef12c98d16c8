"""What requests mean beyond their shape: roles, settings, lifecycle configurations, storage, and who an app belongs to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...resources.arn import parse
from ...resources.jobs import check_assumable, check_role
from ...resources.platform import Platform
from ...wire.errors import Invalid
from ...wire.types import Call
from .settings import GROUPS, IN_SPACES, NONE, ONE_NAME, volume_size

CONFIG = "StudioLifecycleConfig"


async def check_settings(platform: Platform, call: Call, settings: Mapping[str, Any] | None, *, space: bool = False) -> None:
    """UserSettings, DefaultSpaceSettings, or with ``space`` SpaceSettings. Raises Invalid or AccessDenied."""
    settings = settings or {}
    if role := settings.get("ExecutionRole"):
        check_role(platform, call, role)
        await check_assumable(platform, role)
    for app_type, group in GROUPS.items():
        if group in settings:
            # a space names its script and has no list of those that others may choose from
            await _check_group(platform, call, app_type, settings[group], lists=not (space and app_type in IN_SPACES))
    storage = settings.get("SpaceStorageSettings", {}).get("DefaultEbsStorageSettings", {})
    if storage and storage["DefaultEbsVolumeSizeInGb"] > storage["MaximumEbsVolumeSizeInGb"]:
        raise Invalid("DefaultEbsVolumeSizeInGb must not be greater than MaximumEbsVolumeSizeInGb.")


async def _check_group(platform: Platform, call: Call, app_type: str, group: Mapping[str, Any], *, lists: bool) -> None:
    listed = group.get("LifecycleConfigArns", [])
    for where in listed:
        await config_of(platform, call, where, app_type)
    default = group.get("DefaultResourceSpec", {}).get("LifecycleConfigArn", NONE)
    if default != NONE:
        await config_of(platform, call, default, app_type)
        if lists and default not in listed:
            raise Invalid(f"The default lifecycle configuration {default} must be one of LifecycleConfigArns.")
    idle = group.get("AppLifecycleManagement", {}).get("IdleSettings", {})
    least, limit = idle.get("MinIdleTimeoutInMinutes"), idle.get("MaxIdleTimeoutInMinutes")
    timeout = idle.get("IdleTimeoutInMinutes")
    for low, high, what in ((least, limit, "MaxIdleTimeoutInMinutes"), (least, timeout, "IdleTimeoutInMinutes"), (timeout, limit, "MaxIdleTimeoutInMinutes")):
        if low is not None and high is not None and low > high:
            raise Invalid(f"{what} ({high}) must not be smaller than {'MinIdleTimeoutInMinutes' if low is least else 'IdleTimeoutInMinutes'} ({low}).")


async def config_of(platform: Platform, call: Call, where: str, app_type: str) -> dict[str, Any]:
    """The document of a lifecycle configuration for apps of this type. Raises Invalid."""
    found = parse(where)
    record = await platform.records.get(CONFIG, f"{found.account}/{found.region}", found.name.lower())
    if record is None or found.account != call.account:
        raise Invalid(f"Studio lifecycle config {where} does not exist.")
    theirs = record.doc["StudioLifecycleConfigAppType"]
    if theirs != app_type:
        raise Invalid(f"Studio lifecycle config {where} is for apps of type {theirs}, not {app_type}.")
    return record.doc


def check_domain(doc: Mapping[str, Any]) -> None:
    """Raises Invalid."""
    if "ExecutionRole" not in doc["DefaultUserSettings"]:
        raise Invalid("DefaultUserSettings needs an ExecutionRole.")
    if doc["AppNetworkAccessType"] == "VpcOnly" and not (doc.get("VpcId") and doc.get("SubnetIds")):
        raise Invalid("AppNetworkAccessType VpcOnly needs a VpcId and SubnetIds.")


def check_space(doc: Mapping[str, Any], settings: Mapping[str, Any]) -> None:
    """A space's ownership, type and storage. ``settings``: the effective ones. Raises Invalid."""
    if ("OwnershipSettings" in doc) != ("SpaceSharingSettings" in doc):
        raise Invalid("OwnershipSettings and SpaceSharingSettings must be given together.")
    app_type = doc.get("SpaceSettings", {}).get("AppType")
    if doc.get("SpaceSharingSettings", {}).get("SharingType") == "Private" and app_type not in IN_SPACES:
        raise Invalid(f"A private space needs SpaceSettings.AppType, one of {', '.join(IN_SPACES)}.")
    size, limit = volume_size(settings, volume_of(doc))
    if limit is not None and size > limit:
        raise Invalid(f"EbsVolumeSizeInGb {size} exceeds the {limit} GB that the domain or profile allows.")


def volume_of(doc: Mapping[str, Any]) -> int | None:
    found: int | None = doc.get("SpaceSettings", {}).get("SpaceStorageSettings", {}).get("EbsStorageSettings", {}).get("EbsVolumeSizeInGb")
    return found


def check_app(params: Mapping[str, Any]) -> None:
    """Whose app it is, and what it may be called. Raises Invalid."""
    if ("UserProfileName" in params) == ("SpaceName" in params):
        raise Invalid("Exactly one of UserProfileName and SpaceName must be given.")
    app_type = params["AppType"]
    if app_type in IN_SPACES and "SpaceName" not in params:
        raise Invalid(f"Apps of type {app_type} run in a space: give SpaceName.")
    if app_type == "Canvas" and "SpaceName" in params:
        raise Invalid("Apps of type Canvas run for a user profile: give UserProfileName.")
    if app_type in ONE_NAME and params["AppName"] != "default":
        raise Invalid(f"The name of a {app_type} app must be default.")
