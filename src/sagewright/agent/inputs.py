"""Puts a task's inputs in place, each in its mode, and keeps those alive that are served while the task runs."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from ..stores.compute import Input
from . import fastfile
from .fuse import Server, Tree
from .pipes import Pipe
from .selection import failed, read_manifest
from .staging import stage
from .view import Mount

if TYPE_CHECKING:
    from .run import Run
    from .workload import Workload


class Inputs:
    """The inputs of one running task.

    Args:
        check: called between objects; may raise Cancelled.
        broken: called, on another thread, when an input turns out bad while the task runs.
    """

    def __init__(self, run: Run, check: Callable[[], None], broken: Callable[[], None]) -> None:
        self._run, self._check, self._broken = run, check, broken
        self.layout, self.task, self.user, self.objects = run.layout, run.task, run.user, run.ports.objects
        self.mounts: list[Mount] = []
        self.pipes: list[Pipe] = []
        self.servers: list[Server] = []
        self._trees: dict[str, Tree] = {}
        self.notes: list[str] = []
        """What the task's log is told about how its inputs came."""

    def put(self) -> None:
        """Put every input in place.

        Raises:
            StagingError, Cancelled
        """
        for index, item in enumerate(self.task.inputs):
            path = item.path.rstrip("/")
            if item.manifest:
                self._manifest(item, path)
            if item.type == "Folder":
                self._folder(item, path)
            elif item.mode == "Pipe":
                self._pipe(item, path)
            elif item.mode == "FastFile":
                self._fast(item, path, index)
            else:
                self._files(item, path, index)
        self._nested()
        for path, name in self.task.volumes.items():
            self._volume(path.rstrip("/"), name)

    def start(self) -> None:
        """Serve what is served while the task runs."""
        for pipe in self.pipes:
            pipe.start()

    def serve(self, workload: Workload) -> None:
        """Serve the file systems that a sandbox has mounted."""
        while workload.lazy:
            target, fd, owner = workload.lazy.pop()
            self.servers.append(fastfile.server(self.objects, self._trees[target], fd, owner, self._say))
            self.servers[-1].start()
            fastfile.read_ahead(workload.pid, target)

    def release(self) -> None:
        """Let go of processes that wait for data: they are being killed, and could not die before it has come."""
        for server in self.servers:
            server.close()

    def close(self) -> str:
        """End the serving, when no process of the task is left; why an input was bad, if one was."""
        self.release()
        for pipe in self.pipes:
            pipe.close()
        return next((pipe.error for pipe in self.pipes if pipe.error), "")

    # one mode each

    def _files(self, item: Input, path: str, index: int) -> None:
        own = item.writable or item.unpack or path in {output.path.rstrip("/") for output in self.task.outputs}
        point = self.layout.inside(path)
        self._run.make(point)
        target = point if own else self.layout.inputs / str(index)
        staged = stage(self.objects, item, target, own, self._check)
        if staged.beside:
            self.notes.append(
                f"NOTE: {item.uri} is a prefix of names, not a folder: {item.label or path} has objects such as {staged.beside} too. "
                "For the folder alone end the URI with /."
            )
        if own:
            self._give_tree(target)
        else:
            self._readable(target)
            self.mounts.append(Mount(target, path, owned=self._run.idmap, upper=self._run.upper(f"input-{index}")))

    def _fast(self, item: Input, path: str, index: int) -> None:
        whole = not any(other.startswith(path + "/") for other in self._paths() | {i.path for i in self.task.inputs})
        found = fastfile.view(self.objects, item, whole=whole, fuse=bool(self._run.can.get("fuse")))
        self._run.make(self.layout.inside(path))
        if found.folder is not None:
            self.mounts.append(Mount(found.folder, path, owned=self._run.idmap))
        elif found.tree is not None:
            self.layout.inputs.mkdir(exist_ok=True)
            self._trees[path] = found.tree
            self.mounts.append(Mount(self.layout.inputs, path, lazy=True))
        else:
            target = self.layout.inputs / str(index)
            copied = stage(self.objects, fastfile.named(item, fastfile.folder(self.objects, item)), target, False, self._check)
            self._readable(target)
            self.mounts.append(Mount(target, path, owned=self._run.idmap))
            if copied.copied:
                self.notes.append(
                    f"FastFile: the channel {item.label} was copied before the start ({copied.copied} objects): "
                    + ("another input lies inside it" if not whole else str(self._run.can.get("fuse_reason", "")))
                )

    def _say(self, line: str) -> None:
        self._run.sink.write([line])

    def _pipe(self, item: Input, path: str) -> None:
        folder = self.layout.inside(path).parent
        self._run.make(folder)
        self.pipes.append(Pipe(self.objects, item, folder, self.user.uid, self._broken))

    def _folder(self, item: Input, path: str) -> None:
        root = Path(unquote(urlsplit(item.uri).path))
        if not (root / item.below).is_dir():
            raise failed(f"{root / item.below} is not a directory of this machine")
        self._run.make(self.layout.inside(path))
        owned = self.user.userns is not None
        self.mounts.append(Mount(root, path, writable=item.writable, owned=owned, below=item.below))

    def _volume(self, path: str, name: str) -> None:
        """A folder that outlives the task, shown as the task user's own."""
        folder = self.layout.volume(name)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not self._run.idmap:
            self.user.give(folder)
            self._give_tree(folder)
        if not path.startswith("/home/"):  # which is the sandbox's own, made with it
            self._run.make(self.layout.inside(path))
        self.mounts.append(Mount(folder, path, writable=True, owned=self._run.idmap))

    def _manifest(self, item: Input, path: str) -> None:
        target = self.layout.inside(f"{path}-manifest")
        self._run.make(target.parent)
        target.write_bytes(read_manifest(self.objects, item))
        self.user.give(target)

    # whose files they are

    def _give_tree(self, folder: Path) -> None:
        if self.user.uid is None:
            return
        for place, folders, files in os.walk(folder):
            for name in (*folders, *files):
                self.user.give(Path(place, name))

    def _readable(self, folder: Path) -> None:
        """Without id-mapped mounts the task's user must be able to read what root staged."""
        if self.user.uid is None or self._run.idmap:
            return
        for place, _, files in os.walk(folder):
            Path(place).chmod(0o755)
            for path in (Path(place, name) for name in files):
                path.chmod(path.stat().st_mode | 0o444)

    # inputs within inputs

    def _paths(self) -> set[str]:
        """Every path that is put in place for itself."""
        wanted = {path.rstrip("/") for path in self.task.directories}
        wanted |= {output.path.rstrip("/") for output in self.task.outputs}
        wanted |= {item.path.rstrip("/") for item in self.task.inputs if item.writable or item.unpack}
        return wanted | {str(PurePosixPath(path).parent) for path in self.task.files}

    def _nested(self) -> None:
        """Mount points that lie inside a read-only input must exist there; what is writable there is mounted again."""
        points = {mount.target: mount for mount in self.mounts}
        for path in self._paths() - set(points):
            if any(path.startswith(target + "/") for target in points):
                self.mounts.append(Mount(self.layout.inside(path), path, writable=True))
        for mount in self.mounts:
            for outer in points.values():
                if mount.target.startswith(outer.target + "/"):
                    (outer.source / mount.target[len(outer.target) + 1:]).mkdir(parents=True, exist_ok=True)


