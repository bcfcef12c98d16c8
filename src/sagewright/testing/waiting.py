"""Waiting for what announces itself to nobody: another process, its files, an API that is asked as its users ask it."""

import time
from collections.abc import Callable
from typing import TypeVar

Found = TypeVar("Found")


def until(found: Callable[[], Found], seconds: float = 120.0, why: Callable[[], str] = lambda: "it did not come to pass") -> Found:
    """What ``found`` returns, as soon as that is true in the sense of ``bool``.

    The seconds are those of a busy machine: nobody waits for them but a test that fails.

    Raises:
        AssertionError: ``why()``, when ``seconds`` have passed.
    """
    end = time.monotonic() + seconds
    while not (value := found()):
        assert time.monotonic() < end, why()
        time.sleep(0.02)
    return value
