"""What Linux offers and Python's ``os`` does not: the C library, and how its refusals are told."""

from __future__ import annotations

import ctypes
import os

CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC = 0x00020000, 0x04000000, 0x08000000
CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET = 0x10000000, 0x20000000, 0x40000000

libc = ctypes.CDLL(None, use_errno=True)


class Forbidden(Exception):
    """The kernel, or a container around us, refuses something that the sandbox needs; the message says what."""


def check(result: int, what: str) -> int:
    """``result``, or Forbidden with the C library's error when it is negative."""
    if result < 0:
        code = ctypes.get_errno()
        raise Forbidden("%s: %s" % (what, os.strerror(code)))
    return result
