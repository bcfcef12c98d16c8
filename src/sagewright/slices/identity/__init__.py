"""Identity: users, roles, policies, temporary keys, and the record of who did what. See README.md."""

from __future__ import annotations

from ...resources.platform import Platform
from .attachments import Attachments
from .audit import Trail
from .authority import LocalAuthority
from .directory import Directory
from .entities import Entities
from .simulate import Simulator
from .sts import Sts
from .vault import Vault, root_keys


def install(platform: Platform) -> None:
    """Bind IAM, STS and CloudTrail, and set ``platform.authority``, ``platform.identity`` and ``platform.vault``."""
    settings = platform.settings
    vault = Vault(settings.data)
    directory = Directory(platform.records, vault, settings.account, platform.clock, shared=bool(settings.records))
    authority = LocalAuthority(directory, root_keys(settings.data), settings.account, platform.clock)
    for part in (Entities(authority), Attachments(authority), Sts(authority), Simulator(authority), Trail(platform)):
        part.install(platform)
    platform.authority = authority
    platform.identity = authority
    platform.vault = vault
    platform.starters.append(authority.start)
    platform.closers.append(directory.close)
