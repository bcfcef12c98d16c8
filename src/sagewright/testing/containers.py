"""Container images for tests, made without a network: root file systems of this machine's own programs, layers, archives."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..agent.oci.documents import (
    OCI_CONFIG,
    OCI_INDEX,
    OCI_LAYER,
    Descriptor,
    architecture,
    dump,
    new_manifest,
)

PROGRAMS = ("sh", "cat", "id", "ls", "env", "sleep", "touch", "stat", "mkdir", "rm", "readlink", "uname")


def root(folder: Path, programs: Iterable[str] = PROGRAMS, files: Mapping[str, str] | None = None) -> Path:
    """A root file system with programs of this machine and the libraries that they need."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in programs:
        found = shutil.which(name, path="/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin")
        if found is None:
            raise FileNotFoundError(name)
        program(folder, Path(found), f"bin/{name}")
    for path, text in {"etc/passwd": "root:x:0:0:root:/root:/bin/sh\n", "etc/group": "root:x:0:\n", **(files or {})}.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
    return folder


def program(folder: Path, source: Path, name: str) -> None:
    """Copy a program or a shared library, and the libraries that it needs."""
    copy(folder, source, name)
    said = subprocess.run(["ldd", source], capture_output=True, text=True, check=False).stdout
    for library in re.findall(r"(/\S+)", said):
        copy(folder, Path(library), library.lstrip("/"))


def copy(folder: Path, source: Path, name: str = "") -> None:
    """Copy a file, to its own place unless another is named."""
    target = folder / (name or str(source).lstrip("/"))
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source.resolve(), target)


def python(folder: Path, modules: str = "os, socket, threading, encodings.idna") -> list[str]:
    """Add this machine's Python with those modules of its library, and what they import; the command to start it."""
    found = Path(sys._base_executable).resolve()  # type: ignore[attr-defined]
    program(folder, found, "bin/py3")
    code = f"import sys, {modules}\nfor m in list(sys.modules.values()):\n print(getattr(m, '__file__', None) or '')"
    said = subprocess.run([found, "-I", "-S", "-c", code], capture_output=True, text=True, check=True).stdout
    for path in map(Path, said.split()):
        if path.suffix == ".so":
            program(folder, path, str(path).lstrip("/"))
        else:
            copy(folder, path)
    return ["/bin/py3", "-S"]


PYTHON_ENV = f"PYTHONHOME={sys.base_prefix}"
"""What that Python needs to find its library."""


def tar(members: Iterable[tarfile.TarInfo | tuple[str, bytes | str]], **more: Any) -> bytes:
    """A tar of given members; (name, content) is an ordinary file."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", **more) as archive:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                archive.addfile(member, io.BytesIO(b"x" * member.size) if member.isreg() else None)
                continue
            name, content = member
            data = content.encode() if isinstance(content, str) else content
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(data), 0o755 if name.startswith("bin/") else 0o644
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def special(name: str, kind: bytes, link: str = "", mode: int = 0o755) -> tarfile.TarInfo:
    """A member that is no ordinary file."""
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.mode = kind, link, mode
    if kind in (tarfile.CHRTYPE, tarfile.BLKTYPE):
        info.devmajor, info.devminor = 1, 3
    return info


def tar_of(folder: Path) -> bytes:
    """The tar of a root file system."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for child in sorted(folder.iterdir()):
            archive.add(child, child.name)
    return out.getvalue()


def digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


@dataclass
class Container:
    """An image to be: layers as plain tars, and what its configuration says (``Entrypoint``, ``Cmd``, ``Env`` ...)."""

    layers: list[bytes]
    config: dict[str, Any] = field(default_factory=dict)
    compress: bool = True
    arch: str = field(default_factory=architecture)

    @property
    def configuration(self) -> bytes:
        return dump({
            "architecture": self.arch, "os": "linux", "config": self.config,
            "rootfs": {"type": "layers", "diff_ids": [digest(layer) for layer in self.layers]},
        })

    @property
    def packed(self) -> list[bytes]:
        """The layers as they are stored."""
        return [gzip.compress(layer, 1, mtime=0) if self.compress else layer for layer in self.layers]

    @property
    def manifest(self) -> bytes:
        kind = OCI_LAYER + ("+gzip" if self.compress else "")
        described = [Descriptor(digest(layer), len(layer), kind) for layer in self.packed]
        raw = self.configuration
        return dump(new_manifest(Descriptor(digest(raw), len(raw), OCI_CONFIG), described))

    @property
    def blobs(self) -> dict[str, bytes]:
        """Digest → bytes, the manifest not among them."""
        return {digest(data): data for data in (self.configuration, *self.packed)}

    def index(self, *others: Container) -> bytes:
        """An index of this image and others, each for its architecture."""
        return dump({
            "schemaVersion": 2, "mediaType": OCI_INDEX,
            "manifests": [
                {"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": digest(one.manifest),
                 "size": len(one.manifest), "platform": {"os": "linux", "architecture": one.arch}}
                for one in (*others, self)
            ],
        })

    def layout(self, folder: Path) -> Path:
        """Write an OCI layout."""
        for path, data in self._layout().items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(data)
        return folder

    def oci_archive(self, path: Path, mode: str = "w") -> Path:
        with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
            _add(archive, self._layout())
        return path

    def docker_archive(self, path: Path, name: str = "team/thing:1", mode: str = "w") -> Path:
        """As `docker save` wrote it before Docker 25: plain layers by name, a second one of equal content as a link."""
        hexes = [digest(layer)[7:] for layer in self.layers]
        config = digest(self.configuration)[7:] + ".json"
        document = [{"Config": config, "RepoTags": [name], "Layers": [f"{n}-{h}/layer.tar" for n, h in enumerate(hexes)]}]
        with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
            seen: dict[str, str] = {}
            for n, (h, layer) in enumerate(zip(hexes, self.layers, strict=True)):
                name_ = f"{n}-{h}/layer.tar"
                if h in seen:
                    archive.addfile(special(name_, tarfile.SYMTYPE, f"../{seen[h]}"))
                else:
                    _add(archive, {name_: layer})
                    seen[h] = name_
            _add(archive, {config: self.configuration, "manifest.json": json.dumps(document).encode()})
        return path

    def _layout(self) -> dict[str, bytes]:
        raw = self.manifest
        index = {"schemaVersion": 2, "manifests": [
            {"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": digest(raw), "size": len(raw)}]}
        files = {"oci-layout": b'{"imageLayoutVersion": "1.0.0"}', "index.json": dump(index)}
        return files | {f"blobs/sha256/{key[7:]}": data for key, data in {**self.blobs, digest(raw): raw}.items()}


def _add(archive: tarfile.TarFile, files: Mapping[str, bytes]) -> None:
    for name, data in files.items():
        info = tarfile.TarInfo(name)
        info.size = len(data)
        archive.addfile(info, io.BytesIO(data))
