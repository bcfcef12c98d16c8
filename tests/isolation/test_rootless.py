"""The same attempts where the server is an ordinary user: the suite runs once more in a process without privileges."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

NOBODY = 65534
REPOSITORY = Path(__file__).parents[2]


def reachable_python() -> str | None:
    """A Python of our version that an ordinary user may run; a root user's own may hide in its home."""
    for candidate in (sys.executable, f"/usr/bin/python3.{sys.version_info.minor}", "/usr/bin/python3"):
        try:
            found = subprocess.run(
                [candidate, "-c", "import sys; print(sys.version_info.minor)"], user=NOBODY, group=NOBODY, extra_groups=[],
                capture_output=True, text=True, check=False,
            )
        except OSError:
            continue
        if found.stdout.strip() == str(sys.version_info.minor):
            return candidate
    return None


@pytest.mark.skipif(os.getuid() != 0, reason="already an ordinary user: the suite itself ran as one")
@pytest.mark.timeout(280)
def test_the_suite_passes_as_an_ordinary_user() -> None:
    python = reachable_python()
    if python is None:
        pytest.skip("no Python of this version that an ordinary user may run")
    result = subprocess.run(
        [python, "-m", "pytest", "tests/isolation", "-q", "-x", "-p", "no:cacheprovider", "--deselect", "tests/isolation/test_rootless.py"],
        user=NOBODY, group=NOBODY, extra_groups=[], cwd=REPOSITORY, capture_output=True, text=True, check=False, timeout=270,
        env={
            "PATH": "/usr/bin:/bin", "HOME": "/tmp", "LANG": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONPATH": f"{REPOSITORY}/src:{sysconfig.get_paths()['purelib']}",
        },
    )
    assert result.returncode == 0, result.stdout[-6000:] + result.stderr[-2000:]
    assert " passed" in result.stdout
    assert "skipped" not in result.stdout.splitlines()[-1], result.stdout[-3000:]
