"""What outlives the agent: which package is which model, and what the server has not been told yet. One file, replaced whole."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

REMEMBERED = 50
"""Deployments whose end is remembered."""


@dataclass
class State:
    """Read at start, written at each change."""

    models: dict[str, str] = field(default_factory=dict)
    """Handle → folder name below ``models``: the package's SHA-1."""
    previous: dict[str, str] = field(default_factory=dict)
    """The same before the last deployment; these packages are kept."""
    done: list[str] = field(default_factory=list)
    """Deployments that have ended, well or not."""
    results: list[dict[str, Any]] = field(default_factory=list)
    """DeploymentResults that the server has not confirmed, the oldest first."""
    registration: dict[str, Any] = field(default_factory=dict)
    """The last one heard."""


class Disk:
    """The agent's folder: ``state.json``, ``models/<sha1>/``, ``work/`` (debris of a killed agent goes at start), ``captures/``."""

    def __init__(self, root: str) -> None:
        self.root = Path(root)
        self.models, self.work, self.captures = (self.root / name for name in ("models", "work", "captures"))
        shutil.rmtree(self.work, ignore_errors=True)
        for folder in (self.models, self.work, self.captures):
            folder.mkdir(parents=True, exist_ok=True)

    def load(self) -> State:
        try:
            return State(**json.loads((self.root / "state.json").read_text(encoding="utf-8")))
        except FileNotFoundError:
            return State()

    def save(self, state: State) -> None:
        """All or nothing, also when the power goes."""
        state.done = state.done[-REMEMBERED:]
        write_atomic(self.root / "state.json", json.dumps(asdict(state), indent=1).encode())

    def sweep(self, state: State) -> None:
        """Remove packages that are neither used nor those before."""
        kept = {*state.models.values(), *state.previous.values()}
        for folder in self.models.iterdir():
            if folder.name not in kept:
                shutil.rmtree(folder, ignore_errors=True)


def write_atomic(path: Path, body: bytes) -> None:
    """Replace a file: another name first, on the disk, then renamed."""
    hidden = path.with_name(f".{path.name}.new")
    with hidden.open("wb") as file:
        file.write(body)
        file.flush()
        os.fsync(file.fileno())
    hidden.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
