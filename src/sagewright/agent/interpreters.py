"""Finds the Pythons that this machine has, so that an environment can be built on one that its packages support."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

Minor = tuple[int, int]
_RULE = re.compile(r"(>=|<)3\.(\d+)$")


def satisfies(minor: Minor, range_: str) -> bool:
    """Whether a Python such as ``(3, 11)`` lies in a range such as ``>=3.9,<3.13``.

    Raises:
        ValueError: the range holds anything but ``>=3.N`` and ``<3.N``.
    """
    for rule in range_.split(","):
        match = _RULE.match(rule.strip())
        if match is None:
            raise ValueError(f"python range {range_!r}: expected >=3.N and <3.N, separated by ','")
        bound = (3, int(match[2]))
        if minor < bound if match[1] == ">=" else minor >= bound:
            return False
    return True


def installed(environ: Mapping[str, str] | None = None) -> dict[Minor, Path]:
    """Every Python 3 minor version found, with one interpreter each; the system's own before others.

    Looks by file name only and starts nothing: version managers' shims are left out, the versions behind them are in.
    """
    environ = os.environ if environ is None else environ
    found: dict[Minor, Path] = {}
    for folder in _folders(environ):
        for path in sorted(folder.glob("python3.*")):
            match = re.fullmatch(r"python3\.(\d+)", path.name)
            if match and os.access(path, os.X_OK):
                found.setdefault((3, int(match[1])), path)
    return found


def choose(range_: str, found: Mapping[Minor, Path], prefer: Minor = sys.version_info[:2]) -> Minor | None:
    """The preferred minor version when it lies in the range (it is surely there), else the newest that does."""
    fitting = [minor for minor in found if satisfies(minor, range_)]
    if prefer in fitting:
        return prefer
    return max(fitting, default=None)


def _folders(environ: Mapping[str, str]) -> Iterator[Path]:
    yield from (Path("/usr/bin"), Path("/usr/local/bin"), Path(sys.base_prefix, "bin"))
    for name in environ.get("PATH", "").split(os.pathsep):
        if name and Path(name).name != "shims" and not Path(name, os.pardir, "pyvenv.cfg").exists():
            yield Path(name)
    home = Path(environ.get("HOME", "/nonexistent"))
    pyenv = Path(environ.get("PYENV_ROOT") or home / ".pyenv")
    yield from sorted(pyenv.glob("versions/*/bin"), reverse=True)
    data = Path(environ.get("XDG_DATA_HOME") or home / ".local" / "share")
    yield from sorted(data.glob("uv/python/cpython-*/bin"), reverse=True)
