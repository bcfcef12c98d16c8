"""Files that only their owner reads, such as keys: whole, on the disk, and never replaced."""

from __future__ import annotations

import os
import secrets
from pathlib import Path


def write_private(path: Path, content: bytes) -> bool:
    """Write a file of mode 0600 durably, unless it exists. Returns whether it was written; others never see half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(draft, path)  # unlike a rename it never replaces what another process wrote meanwhile
        except FileExistsError:
            return False
        return True
    finally:
        draft.unlink()
