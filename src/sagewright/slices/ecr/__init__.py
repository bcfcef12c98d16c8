"""The part of Amazon ECR that container images need: repositories, images, and a registry to push to. See README.md."""

from __future__ import annotations

import asyncio

from ...resources.platform import Platform
from .api import RegistryApi
from .common import store
from .images import Images
from .layers import Layers
from .repositories import Repositories
from .tokens import Tokens


def install(platform: Platform) -> None:
    """Bind the operations, and open the registry's own HTTP API below /v2/."""
    tokens = Tokens(platform)
    for part in (Repositories(platform, tokens), Images(platform), Layers(platform)):
        part.install()
    platform.paths["v2"] = RegistryApi(platform, tokens)
    platform.starters.append(lambda: asyncio.to_thread(store(platform).sweep))
