"""The files of a multi-model endpoint's models on its instance: fetched once for all workers, unpacked, removed.

They lie in a folder of the agent's own that the sandbox sees read-only: no model's code can touch another's files, nor lead
the agent astray with a link.
"""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path
from typing import BinaryIO

from ..stores.objects import NoSuchBucket, NoSuchKey, ObjectInfo, Objects
from .archive import BadArchive, unpack

GUESS = 4
"""What an archive's size is multiplied by for a first guess of what it unpacks to."""
SEEN = "/opt/ml/models"
"""Where the sandbox sees the folder."""


class NoModel(Exception):
    """There is no such model, or it is no archive; the message is for the caller."""


class Unreadable(Exception):
    """The object store did not give the model away; the message is for the caller."""


class Full(Exception):
    """The disk is full; ``wanted`` is how many bytes would be needed, if that is known."""

    def __init__(self, message: str, wanted: int = 1 << 62) -> None:
        super().__init__(message)
        self.wanted = wanted


class ModelFiles:
    """Blocking; each call is about one model, and the caller sees to it that there is one call for a model at a time.

    Args:
        plain: the sandbox does not map owners: files must be readable by everybody.
    """

    def __init__(self, objects: Objects, folder: Path, plain: bool) -> None:
        self.folder = folder
        self._objects, self._plain = objects, plain
        folder.mkdir(mode=0o755, parents=True, exist_ok=True)

    def spare(self) -> int:
        """Bytes that may still be taken so that a tenth of the disk stays free."""
        disk = shutil.disk_usage(self.folder)
        return disk.free - disk.total // 10

    def fetch(self, bucket: str, key: str, name: str, left: int | None) -> int:
        """Unpack a model's archive into ``<name>/model``; bytes that its files take.

        Args:
            left: bytes that it may take, as far as an archive tells; None: as many as there are.

        Raises:
            NoModel, Unreadable, Full
        """
        making = self.folder / f".{name}"
        try:
            info, file = self._open(bucket, key)
            with file:
                if left is not None and info.size * GUESS > left:
                    raise Full("the models' share of the disk is used up", info.size * GUESS)
                shutil.rmtree(making, ignore_errors=True)
                target = making / "model"
                target.mkdir(parents=True)
                unpack(file, info.size, target)
            taken = self._finish(making)
            making.rename(self.folder / name)
        except (NoSuchBucket, NoSuchKey):
            raise NoModel(
                f"Failed to download model data(bucket: {bucket}, key: {key}). Please ensure that there is an object located at the "
                "URL and that the role passed to CreateModel has permissions to download the model."
            ) from None
        except BadArchive as error:
            if "more than" in str(error) and shutil.disk_usage(self.folder).free < info.size * 2:
                raise Full(str(error)) from None
            if isinstance(error.__context__, OSError) and error.__context__.errno == errno.ENOSPC:
                raise Full(str(error)) from None
            raise NoModel(f"Unable to extract model data archive for model s3://{bucket}/{key}: {error}") from None
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise Full(str(error)) from None
            raise
        finally:
            if making.exists():
                shutil.rmtree(making, ignore_errors=True)
        return taken

    def _open(self, bucket: str, key: str) -> tuple[ObjectInfo, BinaryIO]:
        try:
            return self._objects.open(bucket, key)
        except (NoSuchBucket, NoSuchKey):
            raise
        except Exception as error:  # every store has failures of its own kind
            text = f"Failed to download model data(bucket: {bucket}, key: {key}): the object store failed. The instance's log says why."
            raise Unreadable(text) from error

    def remove(self, name: str) -> None:
        """Remove a model's files; fine if there are none."""
        shutil.rmtree(self.folder / name, ignore_errors=True)

    def _finish(self, folder: Path) -> int:
        taken = 0
        for place, _, files in os.walk(folder):
            Path(place).chmod(0o755)
            for path in (Path(place, name) for name in files):
                if path.is_symlink():
                    continue
                status = path.stat()
                taken += status.st_blocks * 512
                if self._plain:
                    path.chmod(status.st_mode | 0o444)
        return taken

