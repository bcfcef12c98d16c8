"""Unpacked images: one root file system for each image, whatever its names, shared read-only by every job of it.

::

    roots/<hex of the configuration's digest>/rootfs    what jobs see
    roots/<hex>/image.json                              the configuration
    roots/<hex>.making                                  locked by whoever makes or removes it
    roots/<hex>.lock                                    locked shared by those who use it, exclusively to remove it

The configuration's digest commits to the digests of all layers, and each is checked while it is unpacked. A root has its
name only when it is whole: it is made under another one.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ..archive import room
from . import documents, layers
from .blobs import Blobs
from .documents import BadImage, Manifest

Progress = Callable[[str], None]


class Roots:
    """The unpacked images of one store."""

    def __init__(self, blobs: Blobs) -> None:
        self._blobs = blobs
        self.folder = blobs.root / "roots"

    def path(self, manifest: Manifest) -> Path:
        """Where the image's root file system is or will be."""
        return self.folder / manifest.config.digest.removeprefix("sha256:") / "rootfs"

    def ready(self, path: Path) -> bool:
        return (path.parent / "image.json").exists()

    def make(self, manifest: Manifest, progress: Progress = lambda line: None) -> Path:
        """Unpack unless it is there; waits for another process that is at it.

        Raises:
            BadImage: damaged or hostile. OSError: no room.
        """
        path = self.path(manifest)
        if self.ready(path):
            return path
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with self._locked(self._making(path)):  # not the lock of those who use it: one who waits would wait for their end
            if self.ready(path):
                return path
            for debris in self.folder.glob(f".{path.parent.name[:16]}-*"):  # of a maker that was killed
                shutil.rmtree(debris, ignore_errors=True)
            draft = self.folder / f".{path.parent.name[:16]}-{secrets.token_hex(4)}"
            draft.mkdir(mode=0o700)
            try:
                self._unpack(manifest, draft / "rootfs", progress)
                (draft / "image.json").write_bytes(self._blobs.path(manifest.config.digest).read_bytes())
                draft.rename(path.parent)
            except BaseException:
                shutil.rmtree(draft, ignore_errors=True)
                raise
        return path

    def _unpack(self, manifest: Manifest, root: Path, progress: Progress) -> None:
        config = documents.config_of(documents.read_json(self._blobs.path(manifest.config.digest).read_bytes(), "the configuration"))
        if len(config.diff_ids) != len(manifest.layers):
            raise BadImage(f"the image has {len(manifest.layers)} layers and its configuration tells of {len(config.diff_ids)}")
        root.mkdir()
        root.chmod(0o755)
        budget = layers.Budget(room(sum(self._blobs.path(layer.digest).stat().st_size for layer in manifest.layers), root))
        left_out: list[str] = []
        for number, (layer, expected) in enumerate(zip(manifest.layers, config.diff_ids, strict=True), 1):
            progress(f"Unpacking layer {number} of {len(manifest.layers)} ({layer.size / 2**20:.1f} MiB)")
            with layers.opened(self._blobs.path(layer.digest)) as plain:
                stream = layers.Digesting(plain)
                layers.apply(stream, root, budget, left_out.append)  # type: ignore[arg-type]
                found = stream.digest(budget.most)
            if found != expected:
                raise BadImage(f"layer {number} unpacks to {found}; the configuration says {expected}")
        layers.finish(root)
        root.chmod(0o755)  # a layer may have said otherwise
        if left_out:
            progress(f"Left out {len(left_out)} device files and pipes, such as {left_out[0]}")

    @contextmanager
    def _locked(self, path: Path, how: int = fcntl.LOCK_EX) -> Iterator[None]:
        """Raises BlockingIOError if ``how`` says not to wait."""
        with path.open("a") as file:
            fcntl.flock(file, how)
            yield

    @staticmethod
    def _making(path: Path) -> Path:
        return path.parent.with_name(f"{path.parent.name}.making")

    @staticmethod
    def lock_file(path: Path) -> Path:
        """Whoever holds a shared lock on this file keeps the root from being removed."""
        return path.parent.with_name(f"{path.parent.name}.lock")

    def hold(self, path: Path) -> int | None:
        """A descriptor that keeps the root from being removed until it is closed, by the process's end at the latest;
        None if the root is not there."""
        fd = os.open(self.lock_file(path), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(fd, fcntl.LOCK_SH)
        if self.ready(path):
            return fd
        os.close(fd)
        return None

    def remove_unused(self, needed: set[Path]) -> list[Path]:
        """Remove the roots that are not ``needed`` and that nobody uses, and debris; those that went."""
        gone = []
        for folder in self.folder.glob("*"):
            if not folder.is_dir() or folder / "rootfs" in needed:
                continue
            if folder.name.startswith("."):
                self._remove_debris(folder)
                continue
            path, now = folder / "rootfs", fcntl.LOCK_EX | fcntl.LOCK_NB
            trash = folder.with_name(f".gone-{folder.name[:16]}-{secrets.token_hex(4)}")
            try:
                with self._locked(self._making(path), now), self._locked(self.lock_file(path), now):
                    folder.rename(trash)
            except BlockingIOError:
                continue
            shutil.rmtree(trash, ignore_errors=True)
            gone.append(path)
        return gone

    def _remove_debris(self, folder: Path) -> None:
        """A draft whose maker was killed: nobody holds its image's lock."""
        prefix = folder.name.removeprefix(".gone-").removeprefix(".").partition("-")[0]
        for lock in self.folder.glob(f"{prefix}*.making"):
            try:
                with self._locked(lock, fcntl.LOCK_EX | fcntl.LOCK_NB):
                    pass
            except BlockingIOError:
                return
        shutil.rmtree(folder, ignore_errors=True)
