"""Images: a declared, locked environment plus train / process / serve entry points."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Root:
    """A root file system that an image brings along, with what its configuration says of running it."""

    path: Path
    """Unpacked after ``Images.ensure``; shared by all jobs, none of which may write there."""
    entrypoint: tuple[str, ...] = ()
    cmd: tuple[str, ...] = ()
    workdir: str = "/"
    user: str = ""
    """``name``, ``uid``, ``name:group`` ...; root when empty."""
    labels: Mapping[str, str] = field(default_factory=dict)
    hold: Path | None = None
    """A file; whoever has a shared lock on it keeps the root from being removed."""


@dataclass(frozen=True, slots=True)
class Image:
    """What a repository name and tag stand for. Paths are this machine's."""

    name: str
    """Folder name under images/, such as ``xgboost``."""
    repository: str
    tag: str
    folder: Path
    """Holds image.toml and the entry points."""
    environment: Path
    """The environment's prefix; complete only after ``Images.ensure``."""
    lock_hash: str
    entries: dict[str, str] = field(default_factory=dict)
    """``train`` / ``serve`` → a Python file inside ``folder``; a verb that is missing has no default entry."""
    preload: tuple[str, ...] = ()
    """Modules that the warm parent imports."""
    env: dict[str, str] = field(default_factory=dict)
    """Environment variables that the image sets."""
    builtin: str = ""
    """Name of the built-in algorithm, when this repository is one (``xgboost``)."""

    metrics: tuple[tuple[str, str], ...] = ()
    """(name, regex) of the metrics that the built-in algorithm prints."""
    root: Root | None = None
    """Set for an image with a root file system of its own; ``environment`` and ``entries`` mean nothing to it then."""
    remote: str = ""
    """A reference that ``Images.ensure`` will pull; what the image is shows when it is resolved again after that."""

    @property
    def python(self) -> Path:
        return self.environment / "bin" / "python"


class UnknownImage(Exception):
    """No declared image has that repository and tag; the message says how to supply or map one."""


LABEL = "com.amazonaws.sagemaker.capabilities.accept-bind-to-port"
"""By which an image promises to listen where SAGEMAKER_BIND_TO_PORT says."""


def unlabelled(uri: str, image: Image) -> str:
    """Why an image cannot be one of several containers; empty if it can. Declared environments always can."""
    if image.root is None or image.root.labels.get(LABEL) == "true":
        return ""
    return f"Your Ecr Image {uri} does not contain required {LABEL}=true Docker label(s)."


class Images(Protocol):
    """The catalogue. Matches on repository name and tag; registry host and account do not matter."""

    def resolve(self, uri: str) -> Image:
        """Raises UnknownImage. Does not build anything."""
        ...

    def all(self) -> list[Image]: ...

    def ready(self, image: Image) -> bool: ...

    def ensure(self, image: Image, progress: Callable[[str], None] = lambda line: None) -> None:
        """Build the environment unless it is there. Blocking, safe against other processes building the same one.

        Raises:
            RuntimeError: with the builder's own words.
        """
        ...
