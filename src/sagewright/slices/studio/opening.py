"""Presigned URLs that lead into an app itself: ``LandingUri`` is ``app:<AppType>:`` and, maybe, a path in it."""

from __future__ import annotations

from ...resources.apps import APP
from ...stores.records import Record
from ...wire.errors import AccessDenied, Invalid
from ...wire.types import Call
from .places import Places
from .resources import space_path


async def app_url(places: Places, call: Call, profile: Record, landing: str, *, seconds: float, lasts: float) -> str | None:
    """The URL that opens the app once, for the profile; None where the landing page is none of an app's, or nobody here runs such apps.

    Raises:
        AccessDenied: the space is private to another profile.
        Invalid: there is no such app, or it is not in service.
    """
    kind, _, rest = landing.partition(":")
    app_type, _, path = rest.partition(":")
    runner = places.platform.app_runners.get(app_type)
    if kind != "app" or runner is None:
        return None
    owner = profile.name
    if "SpaceName" in call.params:
        space = await places.usable(places.spaces, call, space_path(call.params))
        owner, whose = space.name, space.doc.get("OwnershipSettings", {}).get("OwnerUserProfileName", profile.name)
        if space.doc.get("SpaceSharingSettings", {}).get("SharingType") == "Private" and whose != profile.name:
            raise AccessDenied(f"The space {space.name} is private: it is opened by its owner, {whose}, alone.")
    key = f"{profile.parent}/{owner}/{app_type}/default".lower()
    record = await places.platform.records.get(APP, call.scope, key)
    if record is None:
        raise Invalid(f"There is no app of type {app_type} for {owner}. Create one, with the name default, by CreateApp.")
    return await runner.open(record, who=f"{profile.parent}/{profile.name}", seconds=seconds, lasts=lasts, path=path)
