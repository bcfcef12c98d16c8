"""The images that jobs can name: the operator's names, images in the store, declared environments, allowed registries."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from pathlib import Path

from ...stores.image_registry import ImageRegistry, NoSuchImage, NoSuchRepository
from ...stores.images import Image, Images, Root, UnknownImage
from . import documents
from .blobs import Blobs
from .documents import BadImage, Config, Manifest
from .reference import BadReference, Reference, parse
from .remote import Puller
from .roots import Roots

LONGEST_LIST = 350
"""Characters that the declared images may take in a message about a name that is not known."""
ENTRIES = {"train": "", "serve": "", "process": ""}
"""An image of its own has an entry for every verb: its ENTRYPOINT."""


class AllImages:
    """An ``Images`` over the store and another one, of declared environments.

    Args:
        mapped: what the operator has mapped a name to; None for a name that is not mapped. Such a name goes to ``declared``
            unless it is mapped to a stored image.
        pull_from: registry hosts whose images are pulled when a job first names them.
    """

    def __init__(
        self, store: Blobs, declared: Images, mapped: Callable[[str], str | None], pull_from: Iterable[str] = (),
    ) -> None:
        self.store, self.roots = store, Roots(store)
        self._declared, self._mapped = declared, mapped
        self._pull_from = frozenset(host.strip().lower() for host in pull_from if host.strip())
        self._known: dict[str, tuple[Manifest, Config]] = {}
        """By manifest digest: what never changes."""

    @property
    def registry(self) -> ImageRegistry:
        return self.store

    def resolve(self, uri: str) -> Image:
        target = self._mapped(uri)
        if target is not None and target.startswith("/"):
            return self._declared.resolve(uri)
        found = self._stored(target or uri)
        if found is not None:
            return found
        try:
            return self._declared.resolve(uri)
        except UnknownImage as error:
            if target is None and (remote := self._remote(uri)) is not None:
                return remote
            raise UnknownImage(self._advice(uri, str(error))) from None

    def all(self) -> list[Image]:
        return [*self._declared.all(), *self.stored()]

    def stored(self) -> list[Image]:
        """Every image in the store that this machine can run, once for each tag."""
        found = []
        for repository in self.store.repositories():
            for image in self.store.images(repository.name):
                for tag in image.tags or (image.digest,):
                    try:
                        found.append(self._image(repository.name, tag, image.digest))
                    except UnknownImage:
                        continue
        return found

    def ready(self, image: Image) -> bool:
        if image.root is None:
            return not image.remote and self._declared.ready(image)
        return self.roots.ready(image.root.path)

    def ensure(self, image: Image, progress: Callable[[str], None] = lambda line: None) -> None:
        if image.root is None and not image.remote:
            self._declared.ensure(image, progress)
            return
        try:
            if image.remote:
                progress(f"Downloading the image {image.remote}")
                Puller(self.store).pull(parse(image.remote), progress)
                image = self.resolve(image.remote)
            manifest = self._manifest(image.lock_hash)[0]
            self.roots.make(manifest, progress)
        except (BadImage, OSError) as error:
            raise RuntimeError(str(error)) from error

    def remove_unused(self) -> list[Path]:
        """Remove unpacked images that no name leads to any more, unless a job runs in them."""
        return self.roots.remove_unused({image.root.path for image in self.stored() if image.root is not None})

    # -- parts

    def _stored(self, uri: str) -> Image | None:
        try:
            reference = parse(uri)
        except BadReference:
            return None
        for name in dict.fromkeys(reference.names):
            digest = self.store.digest_of(name, reference.digest or reference.tag)
            if digest is not None:
                return self._image(name, reference.tag or digest, digest)
        return None

    def _image(self, name: str, tag: str, digest: str) -> Image:
        try:
            manifest, config = self._manifest(digest)
        except (BadImage, NoSuchImage, NoSuchRepository, FileNotFoundError) as error:
            raise UnknownImage(f"the image {name}:{tag} cannot run here: {error}") from None
        path = self.roots.path(manifest)
        root = Root(path, config.entrypoint, config.cmd, config.workdir, config.user, config.labels, self.roots.lock_file(path))
        return Image(
            name=name.rpartition("/")[2], repository=name, tag=tag, folder=path, environment=path, lock_hash=digest,
            entries=ENTRIES, env=config.env, root=root,
        )

    def _manifest(self, digest: str) -> tuple[Manifest, Config]:
        """Of an image or, of an index, of this machine's part. Raises BadImage, FileNotFoundError."""
        if digest not in self._known:
            document = documents.read_json(self.store.path(digest).read_bytes(), "the manifest")
            if documents.kind_of(document) in documents.INDEXES:
                return self._manifest(documents.choose(document).digest)
            manifest = documents.manifest_of(document)
            raw = self.store.path(manifest.config.digest).read_bytes()
            self._known[digest] = manifest, documents.config_of(documents.read_json(raw, "the configuration"))
        return self._known[digest]

    def _remote(self, uri: str) -> Image | None:
        """An image that will be pulled when it is first needed, if its registry is one of those allowed."""
        try:
            reference = parse(uri)
        except BadReference:
            return None
        if reference.registry not in self._pull_from:
            return None
        return Image(
            name=reference.path.rpartition("/")[2], repository=reference.name, tag=reference.tag or reference.digest,
            folder=self.roots.folder, environment=self.roots.folder, entries=ENTRIES, remote=uri,
            lock_hash=hashlib.sha256(uri.encode()).hexdigest(),
        )

    def _advice(self, uri: str, error: str) -> str:
        """How to give the name a meaning. It has to fit a FailureReason, so a long list of what there is gives way."""
        try:
            reference: Reference | None = parse(uri)
        except BadReference:
            reference = None
        name = f"{reference.path}:{reference.tag or 'latest'}" if reference else "NAME:TAG"
        known = error if len(error) <= LONGEST_LIST else f"image {uri} is not known here; `sagewright images list` shows what is"
        return (
            f"{known}. Supply it: `sagewright images import {name} ARCHIVE-OR-FOLDER`, `sagewright images pull {reference or uri}` "
            f"from its registry, or a push to this server's registry; or map its name to a declared environment: "
            f"`sagewright images map {name}=sagemaker-scikit-learn:1.2-1`"
        )
