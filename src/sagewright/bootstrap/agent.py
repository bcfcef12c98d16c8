"""The ports of an agent, and the images, which server and agents build alike."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..adapters.directory import DirectoryObjects
from ..adapters.files import FileLogs
from ..adapters.sqlite.metrics import SqliteMetrics
from ..agent.images import Catalogue
from ..agent.ports import AgentPorts
from ..settings import Settings
from ..stores.images import Images
from ..stores.objects import Objects


class Ports:
    """The agents' ``Factory``, from the settings that the server wrote down (JSON)."""

    def __call__(self, given: dict[str, Any]) -> AgentPorts:
        settings = Settings.load({}, **given)
        return AgentPorts(
            objects=objects(settings), logs=FileLogs(settings.data / "logs"),
            metrics=SqliteMetrics(settings.data / "metrics.sqlite"), images=images(settings),
        )

    def images(self, given: dict[str, Any]) -> Images:
        return images(Settings.load({}, **given))


ports = Ports()


def objects(settings: Settings) -> Objects:
    """The directory of this machine, or an external S3."""
    if settings.objects:
        from ..adapters.s3 import S3Objects

        return S3Objects(settings.objects, region=settings.region, owner=settings.account)
    return DirectoryObjects(settings.data / "objects", durable=settings.durability == "power")


def images(settings: Settings) -> Images:
    """Our own images and those of the directories that the operator names; theirs win."""
    packaged = Path(__file__).parent.parent / "_images"
    ours = packaged if packaged.is_dir() else Path(__file__).parents[3] / "images"
    theirs = [Path(p) for p in settings.images.split(":") if p]
    environments = Path(settings.environments) if settings.environments else settings.data / "environments"
    return Catalogue([*theirs, ours], environments.absolute(), settings.data / "images.toml")
