"""Results of the same example by both SDKs on several backends, of tests that know nothing of each other and run in other
processes."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest

from .server import TestServer


def agree(factory: pytest.TempPathFactory, what: str, server: TestServer, sdk: str, found: Any, *, within: float = 0.0) -> None:
    """Keep a result, as JSON, for those that come later; it is the same as all that were first, on either backend.

    Args:
        what: the example, and by which SDK where that counts.
        within: by how much numbers, in one list or alone, may differ.
    """
    by = f"{sdk} on {'Ray' if 'ray' in server.settings else 'local processes'}"
    base = factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "agree"  # that of the whole run
    folder.mkdir(exist_ok=True)
    mine = folder / f"{what}.{by}.json"
    written = mine.with_suffix(".part")
    written.write_text(json.dumps(found))
    written.replace(mine)  # before the others' are looked for: of two at the same time one at least sees the other
    for other in folder.glob(f"{what}.*.json"):
        known = json.loads(other.read_text())
        assert found == (pytest.approx(known, abs=within) if within else known), f"{what}: {by} is not as {other.name} says"
