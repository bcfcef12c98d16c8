"""Runs scripts of SageMaker SDK users: the real SDKs, unmodified, in environments of their own (``make clients``)."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from .server import TestServer

CLIENTS = Path(__file__).parents[3] / ".cache" / "clients"
"""``v2`` and ``v3`` cannot share an environment."""


def run(server: TestServer, sdk: str, script: Path, *argv: str, timeout: float = 280, **environ: str) -> dict[str, Any]:
    """Run a script as ``sagewright env`` sets a user up; what it printed after ``RESULT``, as JSON.

    Raises:
        AssertionError: it failed; with what it and the server said.
    """
    python = CLIENTS / sdk / "bin" / "python"
    assert python.exists(), f"{python} is missing: run `make clients`"
    done = subprocess.run(
        [str(python), str(script), *argv], env={**server.environment(), **environ}, capture_output=True, text=True, timeout=timeout,
    )
    assert done.returncode == 0, f"{done.stdout[-4000:]}\n{done.stderr[-4000:]}\n{server.log()}"
    sys.stdout.write(done.stdout[-3000:])
    found: dict[str, Any] = json.loads(next(line for line in done.stdout.splitlines() if line.startswith("RESULT "))[7:])
    return found
