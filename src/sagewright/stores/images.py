"""Images: a declared, locked environment plus train / process / serve entry points."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol


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

    @property
    def python(self) -> Path:
        return self.environment / "bin" / "python"


class UnknownImage(Exception):
    """No declared image has that repository and tag; the message says how to supply or map one."""


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
