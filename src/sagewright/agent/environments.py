"""Locked environments: built once with uv, kept by the hash of lock and Python, shared by hard links.

An environment is built in its final place, because a virtual environment's scripts name their interpreter by
absolute path. A marker written last says that it is complete; whatever has no marker is debris of a builder that
was killed, and is built anew.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from .interpreters import Minor, choose, installed, satisfies

MARKER = ".complete"
Progress = Callable[[str], None]


class Environments:
    """The environments under one directory. Several processes may share it."""

    def __init__(self, root: Path, pythons: dict[Minor, Path] | None = None) -> None:
        self.root = root
        self._pythons = installed() if pythons is None else pythons

    def locate(self, lock: bytes, range_: str) -> tuple[Path, str]:
        """Where the environment of that lock lives or would live, and its hash. Starts and builds nothing."""
        minor = choose(range_, self._pythons) or _wanted(range_)
        digest = hashlib.sha256(b"python3.%d\n" % minor[1] + lock).hexdigest()[:20]
        return self.root / digest, digest

    def ready(self, environment: Path) -> bool:
        return (environment / MARKER).exists()

    def build(
        self, environment: Path, lock: Path, range_: str, progress: Progress, indexes: Sequence[str] = ()
    ) -> None:
        """Build unless it is there. Blocking; waits for another process that is building the same one.

        ``indexes``: asked too when the machine's own do not have everything that the lock names.

        Raises:
            RuntimeError: with uv's own words, or naming the Python that is missing.
        """
        if self.ready(environment):
            return
        self.root.mkdir(parents=True, exist_ok=True)
        with _exclusive(self.root / f".{environment.name}.lock"):
            if self.ready(environment):
                return
            shutil.rmtree(environment, ignore_errors=True)
            python = self._python(range_, progress)
            uv = [_uv(), "--no-progress"]
            self._run([*uv, "venv", "--quiet", "--python", str(python), str(environment)], progress)
            target = str(environment / "bin" / "python")
            sync = [*uv, "pip", "sync", "--require-hashes", "--compile-bytecode", "--python", target, str(lock)]
            first_of(indexes, lambda options: self._run([*sync, *options], progress))
            (environment / MARKER).write_text(f"{lock.name}\n")

    def _python(self, range_: str, progress: Progress) -> Path:
        minor = choose(range_, self._pythons)
        if minor is not None:
            return self._pythons[minor]
        version = f"3.{_wanted(range_)[1]}"
        progress(f"Looking for Python {range_}: none is installed, asking uv for {version}")
        try:
            self._run([_uv(), "--no-progress", "python", "install", version], progress)
            found = self._output([_uv(), "python", "find", "--managed-python", version])
        except RuntimeError as e:
            have = ", ".join(f"3.{minor}" for _, minor in sorted(self._pythons)) or "none"
            raise RuntimeError(
                f"this image needs Python {range_} and this machine has {have}; "
                f"install one (for instance with `uv python install {version}`) and try again. uv said: {e}"
            ) from None
        return Path(found.strip())

    def _run(self, argv: list[str], progress: Progress) -> None:
        said: list[str] = []
        with subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            errors="replace", env=self._environ(),
        ) as process:
            assert process.stdout is not None
            for line in process.stdout:
                said.append(line.rstrip())
                # uv lists every package it links; one line a step is enough to follow
                if line.strip() and not line.startswith(" + "):
                    progress(line.rstrip())
        if process.returncode:
            raise RuntimeError("\n".join(said[-30:]) or f"{argv[0]} ended with exit status {process.returncode}")

    def _output(self, argv: list[str]) -> str:
        done = subprocess.run(argv, capture_output=True, text=True, env=self._environ(), check=False)
        if done.returncode:
            raise RuntimeError(done.stderr.strip())
        return done.stdout

    def _environ(self) -> dict[str, str]:
        environ = {k: v for k, v in os.environ.items() if k not in {"VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME"}}
        cache = Path(environ.get("UV_CACHE_DIR") or Path(environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "uv"))
        # hard links reach only inside one file system; across two, every environment would be a full copy
        if "UV_CACHE_DIR" not in environ and _device(cache) != _device(self.root):
            environ["UV_CACHE_DIR"] = str(self.root / ".cache")
        return environ


def first_of(indexes: Sequence[str], run: Callable[[list[str]], None]) -> None:
    """``run`` uv with the machine's own package indexes, and if that fails and there are ``indexes``, with these too.

    The machine's own come first, so that one without the internet builds from its mirrors. Every package is held
    to the lock's hashes, so it does not matter which index answers.
    """
    try:
        run([])
    except RuntimeError as own:
        if not indexes:
            raise
        named = [word for url in indexes for word in ("--index", url)]
        try:
            run([*named, "--index-strategy", "unsafe-best-match"])
        except RuntimeError as further:
            raise RuntimeError(f"{own}\nand with {', '.join(indexes)} too:\n{further}") from None


def _uv() -> str:
    try:
        from uv import find_uv_bin
    except ImportError:
        found = shutil.which("uv")
        if found is None:
            raise RuntimeError("uv is not installed; it builds the images' environments (pip install uv)") from None
        return found
    return str(find_uv_bin())


def _wanted(range_: str) -> Minor:
    """The Python to ask uv for: the newest that uv surely knows of the range, else the oldest that the range names."""
    known = max((minor for minor in ((3, n) for n in range(8, 14)) if satisfies(minor, range_)), default=None)
    return known or min((3, n) for n in range(1, 1000) if satisfies((3, n), range_))


def _device(path: Path) -> int:
    while not path.exists():
        path = path.parent
    return path.stat().st_dev


@contextmanager
def _exclusive(path: Path) -> Iterator[None]:
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
