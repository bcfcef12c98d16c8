"""What settings an app works with: its space's over its profile's over its domain's. Pure.

Groups of settings (``JupyterLabAppSettings``) are merged member by member; lists and plain values are taken whole from the
nearest place that gives them. Shared spaces belong to nobody: they have the domain's settings for spaces.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

GROUPS = {
    "JupyterServer": "JupyterServerAppSettings", "KernelGateway": "KernelGatewayAppSettings", "JupyterLab": "JupyterLabAppSettings",
    "CodeEditor": "CodeEditorAppSettings", "TensorBoard": "TensorBoardAppSettings", "RStudioServerPro": "RStudioServerProAppSettings",
    "RSessionGateway": "RSessionAppSettings", "Canvas": "CanvasAppSettings",
}
"""AppType → its group of settings."""
IN_SPACES = ("JupyterLab", "CodeEditor")
"""Types that run in a space, not for a profile."""
ONE_NAME = ("JupyterServer", "JupyterLab", "CodeEditor", "Canvas")
"""Types of which an owner has one app, ``default``."""
INSTANCES = {"JupyterServer": "system", "TensorBoard": "system", "RStudioServerPro": "ml.t3.medium", "Canvas": "system"}
INSTANCE = "ml.t3.medium"
"""Where nothing says another one."""
VOLUME = 5
"""GB of a space's storage where nothing says how many."""
NONE = "None"
"""An ARN that says: none, whatever the default is."""


def merged(*places: Mapping[str, Any]) -> dict[str, Any]:
    """The nearest place comes last."""
    result: dict[str, Any] = {}
    for place in places:
        for member, value in place.items():
            before = result.get(member)
            result[member] = merged(before, value) if isinstance(before, dict) and isinstance(value, Mapping) else value
    return result


def effective(domain: Mapping[str, Any], profile: Mapping[str, Any] | None, space: Mapping[str, Any] | None) -> dict[str, Any]:
    """The settings for an app, from the documents of its domain, its (or its space's owner's) profile and its space."""
    shared = space is not None and space.get("SpaceSharingSettings", {}).get("SharingType", "Shared") == "Shared"
    places = [domain.get("DefaultUserSettings", {})]
    if shared:
        places.append(domain.get("DefaultSpaceSettings", {}))
    elif profile is not None:
        places.append(profile.get("UserSettings", {}))
    if space is not None:
        places.append(space.get("SpaceSettings", {}))
    return merged(*places)


def resource_spec(settings: Mapping[str, Any], app_type: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """The ResourceSpec that an app runs with: what its caller gave over the default of its type."""
    default = settings.get(GROUPS.get(app_type, ""), {}).get("DefaultResourceSpec", {})
    spec = merged(default, given)
    spec.setdefault("InstanceType", INSTANCES.get(app_type, INSTANCE))
    return {member: value for member, value in spec.items() if value != NONE}


def volume_size(settings: Mapping[str, Any], given: int | None) -> tuple[int, int | None]:
    """(GB of a space's storage, the most it may have or None)."""
    limits = settings.get("SpaceStorageSettings", {}).get("DefaultEbsStorageSettings", {})
    return given or limits.get("DefaultEbsVolumeSizeInGb", VOLUME), limits.get("MaximumEbsVolumeSizeInGb")
