"""Manifests, indexes and configurations of images. They come from anybody, so that every member is checked.

https://github.com/opencontainers/image-spec (manifest.md, image-index.md, config.md); Docker's schema 2 has the same
members under other media types.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from .reference import DIGEST

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_INDEX = "application/vnd.docker.distribution.manifest.list.v2+json"
INDEXES = (OCI_INDEX, DOCKER_INDEX)
MANIFESTS = (OCI_MANIFEST, DOCKER_MANIFEST)
ACCEPT = ", ".join((*MANIFESTS, *INDEXES))
LARGEST = 4 * 2**20
"""Bytes of a manifest or configuration."""
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "i686": "386"}


class BadImage(Exception):
    """The image is damaged, hostile or not for this machine; the message says what and where."""


@dataclass(frozen=True, slots=True)
class Descriptor:
    """A blob as a manifest names it."""

    digest: str
    size: int
    media_type: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """One platform's image."""

    config: Descriptor
    layers: tuple[Descriptor, ...]

    @property
    def blobs(self) -> tuple[Descriptor, ...]:
        return (self.config, *self.layers)


@dataclass(frozen=True, slots=True)
class Config:
    """What an image's configuration says of running it."""

    entrypoint: tuple[str, ...]
    cmd: tuple[str, ...]
    env: dict[str, str]
    workdir: str
    user: str
    diff_ids: tuple[str, ...]
    """Digests of the uncompressed layers."""
    labels: dict[str, str] = field(default_factory=dict)


def architecture() -> str:
    """This machine's, as images name it."""
    machine = platform.machine()
    return _ARCHITECTURES.get(machine, machine)


def read_json(raw: bytes, what: str) -> dict[str, Any]:
    """Raises BadImage unless ``raw`` is a JSON object of bearable size."""
    if len(raw) > LARGEST:
        raise BadImage(f"{what} has {len(raw)} bytes; {LARGEST} are the most")
    try:
        found = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise BadImage(f"{what} is not JSON: {error}") from None
    if not isinstance(found, dict):
        raise BadImage(f"{what} is not a JSON object")
    return found


def kind_of(document: dict[str, Any], said: str = "") -> str:
    """The media type of a manifest: what it says itself, else what its sender said, else what its members show."""
    own = document.get("mediaType")
    if isinstance(own, str) and own:
        return own
    if said:
        return said.partition(";")[0].strip()
    return OCI_INDEX if "manifests" in document else OCI_MANIFEST


def manifest_of(document: dict[str, Any]) -> Manifest:
    """Raises BadImage."""
    if document.get("schemaVersion") != 2:
        raise BadImage("the manifest is of schema version 1, which registries have given up; push the image anew")
    layers = document.get("layers")
    if not isinstance(layers, list) or len(layers) > 1000:
        raise BadImage("the manifest has no list of layers")
    return Manifest(descriptor(document.get("config"), "config"), tuple(descriptor(x, "layer") for x in layers))


def descriptor(value: Any, what: str) -> Descriptor:
    """Raises BadImage."""
    if not isinstance(value, dict):
        raise BadImage(f"the manifest's {what} is no descriptor")
    digest, size = value.get("digest"), value.get("size")
    if not isinstance(digest, str) or not DIGEST.fullmatch(digest):
        raise BadImage(f"the manifest's {what} has no sha256 digest: {digest!r}")
    if not isinstance(size, int) or isinstance(size, bool) or size < 0:
        raise BadImage(f"the manifest's {what} {digest} has no size")
    media_type = value.get("mediaType")
    return Descriptor(digest, size, media_type if isinstance(media_type, str) else "")


def children(index: dict[str, Any]) -> list[tuple[Descriptor, dict[str, Any]]]:
    """(manifest, platform) of an index, in its order. Raises BadImage."""
    found = index.get("manifests")
    if not isinstance(found, list):
        raise BadImage("the index has no list of manifests")
    pairs = []
    for item in found[:1000]:
        about = item.get("platform") if isinstance(item, dict) else None
        pairs.append((descriptor(item, "manifest"), about if isinstance(about, dict) else {}))
    return pairs


def choose(index: dict[str, Any], wanted: str = "") -> Descriptor:
    """The manifest of an index for Linux on ``wanted``, this machine's architecture by default.

    Raises:
        BadImage: none fits; names those that there are.
    """
    wanted = wanted or architecture()
    pairs = children(index)
    fitting = [
        d for d, about in pairs if about.get("os", "linux") == "linux" and about.get("architecture", wanted) == wanted
    ]
    if not fitting:
        there = ", ".join(sorted({f"{about.get('os')}/{about.get('architecture')}" for _, about in pairs}))
        raise BadImage(f"the image is not for linux/{wanted}; it is for {there or 'nothing'}")
    return fitting[0]


def config_of(document: dict[str, Any]) -> Config:
    """Raises BadImage, also for an image of another kind of machine."""
    system, arch = document.get("os", "linux"), document.get("architecture", architecture())
    if (system, arch) != ("linux", architecture()):
        raise BadImage(f"the image is for {system}/{arch}; this machine is linux/{architecture()}")
    given = document.get("config") or {}
    root = document.get("rootfs")
    if not isinstance(given, dict) or not isinstance(root, dict):
        raise BadImage("the image's configuration has no rootfs")
    env = dict(pair.partition("=")[::2] for pair in _texts(given.get("Env"), "Env") if "=" in pair)
    workdir, user = given.get("WorkingDir") or "/", given.get("User") or ""
    if not isinstance(workdir, str) or not isinstance(user, str) or "\0" in workdir + user:
        raise BadImage("the image's configuration has a WorkingDir or User that is no text")
    return Config(
        entrypoint=_texts(given.get("Entrypoint"), "Entrypoint"), cmd=_texts(given.get("Cmd"), "Cmd"), env=env,
        workdir=workdir if workdir.startswith("/") else f"/{workdir}", user=user,
        diff_ids=_texts(root.get("diff_ids"), "diff_ids"), labels=_labels(given.get("Labels")),
    )


def _labels(value: Any) -> dict[str, str]:
    if not isinstance(value, dict):
        return {}
    return {name: text for name, text in value.items() if isinstance(text, str)}


def _texts(value: Any, what: str) -> tuple[str, ...]:
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(x, str) and "\0" not in x for x in value):
        raise BadImage(f"the image's configuration: {what} is no list of texts")
    return tuple(value)


def dump(document: dict[str, Any]) -> bytes:
    return json.dumps(document, separators=(",", ":"), sort_keys=True).encode()


def new_manifest(config: Descriptor, layers: Iterable[Descriptor]) -> dict[str, Any]:
    """An OCI manifest."""

    def shown(d: Descriptor) -> dict[str, Any]:
        return {"mediaType": d.media_type, "digest": d.digest, "size": d.size}

    return {
        "schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": shown(config), "layers": [shown(layer) for layer in layers],
    }
