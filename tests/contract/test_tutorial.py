"""The code tutorial's Python blocks, in order, as a reader runs them."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from sagewright.testing.server import TestServer

ROOT = Path(__file__).resolve().parents[2]


def test_the_tutorial_runs(server: TestServer, tmp_path: Path) -> None:
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "tutorial-code.md").read_text(), re.DOTALL)
    assert len(blocks) >= 5
    script = tmp_path / "tutorial.py"
    script.write_text("\n".join(blocks))
    done = subprocess.run([sys.executable, str(script)], env=server.environment(), capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "400 rows; mean squared error" in done.stdout
    assert "Completed    Training job completed" in done.stdout
    assert "train:rmse" in done.stdout
