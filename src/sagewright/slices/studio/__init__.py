"""Studio's control plane and its way in for browsers: see README.md for a workflow that runs."""

from __future__ import annotations

from ...resources.platform import Platform
from .app_operations import Apps
from .apps import AppExecutor
from .configs import LifecycleConfigs, lifecycle_config
from .defaults import Defaults
from .domains import Domains
from .endpoints import Endpoints
from .events import Events
from .executor import PlaceExecutor
from .owner import Owner
from .pages import Pages
from .passwords import Passwords
from .places import Places
from .profiles import UserProfiles
from .resources import app, domain, space, user_profile
from .sessions import Sessions
from .spaces import Spaces
from .static import Static


def install(platform: Platform) -> None:
    """Bind the operations and executors of domains, profiles, spaces and apps, and the pages with their endpoints."""
    places = Places(domain.install(platform), user_profile.install(platform), space.install(platform))
    owner = Owner(platform)
    sessions, passwords = Sessions(platform, places, owner), Passwords(platform)
    Domains(places).install()
    UserProfiles(places).install()
    Spaces(places).install()
    Apps(app.install(platform), places).install()
    LifecycleConfigs(lifecycle_config.install(platform)).install()
    sessions.install()
    PlaceExecutor(platform, places, sessions).install()
    AppExecutor(platform).install()
    defaults = Defaults(platform, owner)
    defaults.install()
    events = Events(platform, sessions)
    events.install()
    Pages(platform, Endpoints(platform, sessions, passwords, events, defaults), Static()).install()
