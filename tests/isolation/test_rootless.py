"""The same attempts where the server is an ordinary user: the suite runs once more in a process without privileges."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
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
@pytest.mark.timeout(600)
def test_the_suite_passes_as_an_ordinary_user() -> None:
    python = reachable_python()
    if python is None:
        pytest.skip("no Python of this version that an ordinary user may run")
    result = subprocess.run(
        [python, "-m", "pytest", "tests/isolation", "-q", "-x", "-p", "no:cacheprovider", "--deselect", "tests/isolation/test_rootless.py"],
        user=NOBODY, group=NOBODY, extra_groups=[], cwd=REPOSITORY, capture_output=True, text=True, check=False, timeout=590,
        env={
            "PATH": "/usr/bin:/bin", "HOME": "/tmp", "LANG": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONPATH": f"{REPOSITORY}/src:{sysconfig.get_paths()['purelib']}",
        },
    )
    assert result.returncode == 0, result.stdout[-6000:] + result.stderr[-2000:]
    assert " passed" in result.stdout
    assert "skipped" not in result.stdout.splitlines()[-1], result.stdout[-3000:]


@pytest.mark.skipif(os.getuid() != 0, reason="only root can lend an ordinary user a /dev/fuse")
@pytest.mark.timeout(200)
def test_fast_file_as_an_ordinary_user_who_may_open_dev_fuse() -> None:
    """As most distributions let everybody; in a mount namespace of its own, so that the machine's own stays as it is."""
    python = reachable_python()
    if python is None or not Path("/dev/fuse").exists() or not shutil.which("unshare"):
        pytest.skip("no Python that an ordinary user may run, or no /dev/fuse")
    with tempfile.TemporaryDirectory(prefix="sw-fuse-") as folder:
        Path(folder).chmod(0o755)
        lend = f"mknod -m 666 {folder}/fuse c 10 229 && mount --bind {folder}/fuse /dev/fuse && exec \"$@\""
        drop = f"import os, sys; os.setgroups([]); os.setgid({NOBODY}); os.setuid({NOBODY}); os.execv(sys.argv[1], sys.argv[1:])"
        result = subprocess.run(
            ["unshare", "-m", "sh", "-c", lend, "sh", sys.executable, "-c", drop, python, "-m", "pytest", "tests/isolation/test_lazy.py",
             "-q", "-x", "-p", "no:cacheprovider"],
            cwd=REPOSITORY, capture_output=True, text=True, check=False, timeout=190,
            env={"PATH": "/usr/bin:/bin", "HOME": "/tmp", "LANG": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1", "SAGEWRIGHT_TEST_FUSE": "yes",
                 "PYTHONPATH": f"{REPOSITORY}/src:{sysconfig.get_paths()['purelib']}"},
        )
    assert result.returncode == 0, result.stdout[-6000:] + result.stderr[-2000:]
    assert "skipped" not in result.stdout.splitlines()[-1], result.stdout[-3000:]
