"""The first workflow of a slice's README, as a reader runs it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import sagewright
from sagewright.testing.server import TestServer

SLICES = Path(sagewright.__file__).parent / "slices"


@pytest.mark.parametrize(("name", "said"), [
    ("experiments", "digits-3 0.3 0.27"),
    ("search", "['searched-2', 'searched-1']"),
    ("ecr", "[['1']]"),
    ("sqs", "a book"),
    ("sns", "['today: rain']"),
    ("lineage", "flights ContributedTo clean-flights"),
    ("compilation", "COMPLETED s3://stumps/compiled/model-rasp4b.tar.gz"),
    ("edge", "1 of 3 connected\n1.0 on 1"),
    ("studio_apps", "InService"),
])  # fmt: skip
def test_the_workflow_runs(server: TestServer, tmp_path: Path, name: str, said: str) -> None:
    block = re.findall(r"```python\n(.*?)```", (SLICES / name / "README.md").read_text(), re.DOTALL)[0]
    (tmp_path / "workflow.py").write_text(block)
    done = subprocess.run([sys.executable, str(tmp_path / "workflow.py")], env=server.environment(), capture_output=True, text=True, timeout=400, check=False)
    assert done.returncode == 0, done.stderr
    assert said in done.stdout
