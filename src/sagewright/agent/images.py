"""The catalogue: image.toml declarations, what a repository name and tag stand for, and environments on demand."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sagewright.stores.images import Image, UnknownImage

from .environments import Environments
from .interpreters import satisfies

_DIGEST = re.compile(r"@sha256:[0-9a-f]+$")
# what the SDKs append to a version, from the right: system and build, then Python, then processor
_TAIL = re.compile(r"(-(slim|alpine|bookworm|bullseye|ubuntu[\d.]*|cu\d+|sagemaker|ec2|v[\d.]+))+$")
_PYTHON = re.compile(r"-py3(\d*)$")
_PROCESSOR = re.compile(r"-(cpu|gpu|arm64|graviton)$")


@dataclass(frozen=True, slots=True)
class Tag:
    """One tag of a declaration."""

    name: str
    repositories: tuple[str, ...]
    aliases: tuple[str, ...]
    python: str
    requirements: tuple[str, ...]
    lock: Path
    unavailable: str = ""
    """Why there is nothing behind this tag; a clear refusal instead of another version."""
    indexes: tuple[str, ...] = ()
    """Package indexes to ask when the machine's own do not have everything."""
    overrides: tuple[str, ...] = ()
    """Requirements that replace what packages say of each other, for the lock."""
    without_gpu: str = ""
    """The tag that stands in on a machine that has no GPU."""


@dataclass(frozen=True, slots=True)
class Declaration:
    """One images/<name>/image.toml."""

    name: str
    folder: Path
    entries: dict[str, str]
    preload: tuple[str, ...]
    env: dict[str, str]
    builtin: str
    metrics: tuple[tuple[str, str], ...] = ()
    tags: dict[str, Tag] = field(default_factory=dict)

    def find(self, repository: str, tag: str) -> Tag | None:
        tail = _TAIL.sub("", tag)
        python = _PYTHON.search(tail)
        minor = (3, int(python[1])) if python and python[1] else None
        version = _PYTHON.sub("", tail)
        for wanted in dict.fromkeys((tag, tail, version, _PROCESSOR.sub("", version))):
            for known in self.tags.values():
                named = repository in known.repositories and wanted in (known.name, *known.aliases)
                if named and (minor is None or satisfies(minor, known.python)):
                    return known
        return None

    def standing_in(self, tag: Tag) -> Tag:
        """The tag that runs on a machine without a GPU."""
        return self.tags[tag.without_gpu] if tag.without_gpu else tag


def read_declaration(folder: Path) -> Declaration:
    """Read ``folder/image.toml``.

    Raises:
        ValueError: naming the file and the key that is wrong.
    """
    path = folder / "image.toml"
    try:
        document = tomllib.loads(path.read_text())
        raw_tags: dict[str, dict[str, Any]] = document.get("tags", {})
        default = tuple(document["repositories"])
        common = tuple(document.get("common", ()))
        tags = {}
        for name, given in raw_tags.items():
            origin = given.get("like", name)
            base = {**raw_tags[origin], **given}
            tags[name] = Tag(
                name=name,
                repositories=tuple(base.get("repositories", default)),
                aliases=tuple(given.get("aliases", ())),
                python=base.get("python", ">=3.8,<3.14"),
                requirements=(*base.get("requirements", ()), *common),
                lock=folder / "locks" / f"{origin}.txt",
                unavailable=base.get("unavailable", ""),
                indexes=tuple(base.get("indexes", ())),
                overrides=tuple(document.get("overrides", ())),
                without_gpu=given.get("without_gpu", ""),
            )
    except (OSError, tomllib.TOMLDecodeError) as e:
        raise ValueError(f"{path}: {e}") from e
    except (KeyError, TypeError, AttributeError) as e:
        raise ValueError(f"{path}: missing or wrong key {e}") from e
    return Declaration(
        name=folder.name, folder=folder, entries=dict(document.get("entries", {})),
        preload=tuple(document.get("preload", ())), env=dict(document.get("env", {})),
        builtin=document.get("builtin", ""), metrics=_metrics(document.get("metrics", {})), tags=tags,
    )


def _metrics(table: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    pattern: str = table.get("pattern", "")
    return tuple(
        (f"{split}:{name}", pattern.replace("{split}", split).replace("{name}", name))
        for split in table.get("splits", ())
        for name in table.get("names", ())
    )


def repositories(declaration: Declaration) -> list[str]:
    """Every repository name that the declaration's tags answer to."""
    return list(dict.fromkeys(name for tag in declaration.tags.values() for name in tag.repositories))


def gpu_present() -> bool:
    """Whether this machine has an NVIDIA GPU that jobs could use."""
    return any(Path("/dev").glob("nvidia[0-9]*"))


def split_uri(uri: str) -> tuple[str, str]:
    """Repository path and tag of an image URI; registry host, account and digest do not matter."""
    rest = _DIGEST.sub("", uri.strip())
    head, slash, tail = rest.partition("/")
    if slash and ("." in head or ":" in head or head == "localhost"):
        rest = tail
    repository, _, tag = rest.partition(":")
    return repository, tag or "latest"


class Catalogue:
    """Declared images of some folders, and the operator's own names for them. An ``Images``.

    ``folders`` hold one image each in their subfolders; an earlier folder wins. ``mapping`` is a TOML file, read anew
    at each resolve so that an edit counts at once::

        [images]
        "team/trainer" = "sagemaker-xgboost:1.7-1"     # another name; the tag may be left out to keep the caller's
        "team/trainer:2" = "/srv/images/trainer"       # a folder that holds an image.toml
    """

    def __init__(
        self, folders: Sequence[Path], environments: Path, mapping: Path | None = None,
        builder: Environments | None = None, gpu: bool | None = None,
    ) -> None:
        self._folders = tuple(folders)
        self._mapping = mapping
        self._builder = builder or Environments(environments)
        self._gpu = gpu_present() if gpu is None else gpu
        self._declarations = list(self._read())

    def resolve(self, uri: str) -> Image:
        repository, tag = split_uri(uri)
        target = self._mapped(repository, tag)
        if target is not None and target.startswith("/"):
            return self._from_folder(Path(target), repository, tag)
        if target is not None:
            repository, mapped_tag = split_uri(target)
            tag = mapped_tag if ":" in target else tag
        for name in dict.fromkeys((repository, repository.rpartition("/")[2])):
            for declaration in self._declarations:
                found = declaration.find(name, tag)
                if found is not None:
                    return self._image(declaration, name, found)
        raise UnknownImage(self._unknown(uri, repository.rpartition("/")[2]))

    def all(self) -> list[Image]:
        return [
            self._image(declaration, repository, tag)
            for declaration in self._declarations
            for tag in declaration.tags.values()
            for repository in tag.repositories
            if not tag.unavailable
        ]

    def ready(self, image: Image) -> bool:
        return self._builder.ready(image.environment)

    def ensure(self, image: Image, progress: Callable[[str], None] = lambda line: None) -> None:
        if self._builder.ready(image.environment):
            return
        tag = self._declared(image)
        progress(f"Building the environment of {image.repository}:{image.tag}; this happens once")
        try:
            self._builder.build(image.environment, tag.lock, tag.python, progress, tag.indexes)
        except RuntimeError as e:
            raise RuntimeError(f"the environment of {image.repository}:{image.tag} could not be built: {e}") from e
        progress(f"Environment of {image.repository}:{image.tag} is ready")

    def _read(self) -> Iterator[Declaration]:
        for folder in self._folders:
            for path in sorted(folder.glob("*/image.toml")):
                yield read_declaration(path.parent)

    def _declared(self, image: Image) -> Tag:
        for declaration in self._declarations:
            if declaration.folder == image.folder:
                return declaration.tags[image.tag]
        return read_declaration(image.folder).tags[image.tag]

    def _mapped(self, repository: str, tag: str) -> str | None:
        if self._mapping is None or not self._mapping.exists():
            return None
        try:
            names: dict[str, str] = tomllib.loads(self._mapping.read_text()).get("images", {})
        except tomllib.TOMLDecodeError as e:
            raise UnknownImage(f"{self._mapping}: {e}") from e
        return names.get(f"{repository}:{tag}", names.get(repository))

    def _from_folder(self, folder: Path, repository: str, tag: str) -> Image:
        try:
            declaration = read_declaration(folder)
        except ValueError as e:
            raise UnknownImage(f"{self._mapping} maps {repository}:{tag} to {folder}: {e}") from e
        found = next((found for name in repositories(declaration) if (found := declaration.find(name, tag))), None)
        if found is None and len(declaration.tags) == 1:
            (found,) = declaration.tags.values()
        if found is None:
            raise UnknownImage(f"{folder}/image.toml has no tag {tag}; it has {', '.join(declaration.tags)}")
        return self._image(declaration, repository, found)

    def _image(self, declaration: Declaration, repository: str, tag: Tag) -> Image:
        if tag.unavailable:
            raise UnknownImage(f"{repository}:{tag.name} is not available here: {tag.unavailable}")
        tag = tag if self._gpu else declaration.standing_in(tag)
        try:
            lock = tag.lock.read_bytes()
        except OSError:
            raise UnknownImage(f"{repository}:{tag.name} has no lock file {tag.lock}; write it with make lock-images") from None
        environment, digest = self._builder.locate(lock, tag.python)
        return Image(
            name=declaration.name, repository=repository, tag=tag.name, folder=declaration.folder,
            environment=environment, lock_hash=digest, entries=declaration.entries, preload=declaration.preload,
            env=declaration.env, builtin=declaration.builtin, metrics=declaration.metrics,
        )

    def _unknown(self, uri: str, repository: str) -> str:
        tags = [
            tag.name
            for declaration in self._declarations
            for tag in declaration.tags.values()
            if repository in tag.repositories and not tag.unavailable
        ]
        if tags:
            return f"image {uri} is not known: {repository} has the tags {', '.join(tags)}"
        known = sorted({r for d in self._declarations for t in d.tags.values() for r in t.repositories})
        where = self._mapping or "images.toml in the data directory"
        return (
            f"image {uri} is not known. Repositories declared here: {', '.join(known)}. Give its name a meaning in "
            f'{where} ([images] "{repository}" = "sagemaker-scikit-learn:1.2-1", or a folder with an image.toml), '
            f"or add a folder to the setting `images`"
        )
