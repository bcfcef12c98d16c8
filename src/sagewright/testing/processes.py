"""Looking for processes, of which each may end at any moment: who ends while it is looked at is not there."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable
from pathlib import Path

import psutil


def living(test: Callable[[psutil.Process], bool], among: Iterable[psutil.Process] | None = None) -> list[psutil.Process]:
    """Those of which ``test`` is true, zombies left out; of all processes unless told otherwise."""
    found = []
    for process in psutil.process_iter() if among is None else among:
        with contextlib.suppress(psutil.Error, OSError):  # it has ended, or is another user's
            if process.is_running() and process.status() != psutil.STATUS_ZOMBIE and test(process):
                found.append(process)
    return found


def children(of: int | None, word: str) -> list[psutil.Process]:
    """The living children of a process, this one by default, whose command holds the word."""
    there: list[psutil.Process] = []
    with contextlib.suppress(psutil.Error):
        there = psutil.Process(of or os.getpid()).children()
    return living(lambda p: word in " ".join(p.cmdline()), there)


def seeing(folder: str) -> list[psutil.Process]:
    """Those that have a mount from a path that holds ``folder``."""
    return living(lambda p: folder in Path(f"/proc/{p.pid}/mountinfo").read_text())


def kill(processes: Iterable[psutil.Process]) -> None:
    """SIGKILL to each that is there still: the end of one may be that of others."""
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
