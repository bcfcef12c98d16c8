"""The ports of an agent, and the images, which server and agents build alike."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..adapters.directory import DirectoryObjects
from ..adapters.files import FileLogs
from ..adapters.sqlite.metrics import SqliteMetrics
from ..agent.images import Catalogue
from ..agent.oci.blobs import Blobs
from ..agent.oci.images import AllImages
from ..agent.oci.names import Names
from ..agent.ports import AgentPorts
from ..settings import Settings
from ..stores.images import Images
from ..stores.objects import Objects


class Ports:
    """The agents' ``Factory``, from the settings that the server wrote down (JSON)."""

    def images(self, given: dict[str, Any]) -> Images:
        return images(Settings.load({}, **given))

    def __call__(self, given: dict[str, Any], images: Images) -> AgentPorts:
        settings = Settings.load({}, **given)
        return AgentPorts(
            objects=objects(settings), logs=FileLogs(settings.data / "logs"),
            metrics=SqliteMetrics(settings.data / "metrics.sqlite"), images=images,
        )


ports = Ports()


def objects(settings: Settings) -> Objects:
    """The directory of this machine, or an external S3."""
    if settings.objects:
        from ..adapters.s3 import S3Objects

        return S3Objects(settings.objects, region=settings.region, owner=settings.account)
    return DirectoryObjects(settings.data / "objects", durable=settings.durability == "power")


def image_store(settings: Settings) -> Blobs:
    """The container images that were pushed, pulled or imported here."""
    return Blobs(settings.data / "oci")


def images(settings: Settings) -> AllImages:
    """Container images, our own declared images and those of the directories that the operator names; theirs win."""
    packaged = Path(__file__).parent.parent / "_images"
    ours = packaged if packaged.is_dir() else Path(__file__).parents[3] / "images"
    theirs = [Path(p) for p in settings.images.split(":") if p]
    environments = Path(settings.environments) if settings.environments else settings.data / "environments"
    names = settings.data / "images.toml"
    declared = Catalogue([*theirs, ours], environments.absolute(), names)
    return AllImages(image_store(settings), declared, Names(names).target, settings.registries.split(","))
