"""What goes wrong inside a container, and the failure file that tells the platform.

::

    ContainerError
     ├─ CustomerError         bad data or hyperparameters for a built-in: "ClientError: ..."
     ├─ ScriptError           the user's own code: "ExecuteUserScriptError:\\nExitCode N\\n..."
     └─ HttpError             an answer of the model server with a status below or above 500
"""

import os
import sys
from typing import Iterable

from . import paths

LIMIT = 1024
"""Characters of the failure file that the platform shows."""


class ContainerError(Exception):
    """An error with the text for the failure file and the process's exit code."""

    exit_code = 1

    def failure(self) -> str:
        return str(self)


class CustomerError(ContainerError):
    """Data or settings that only the caller can correct; built-in algorithms raise it."""

    def failure(self) -> str:
        return "ClientError: %s" % self


class ScriptError(ContainerError):
    """The user's code, its packages or its import failed. ``kind`` is the class that clients see."""

    def __init__(self, kind: str, exit_code: int, message: str, command: Iterable[str], extra: str = "") -> None:
        super().__init__(message)
        self.kind = kind
        self.exit_code = exit_code
        self.message = message
        self.command = " ".join(command)
        self.extra = extra

    def failure(self) -> str:
        extra = 'ExtraInfo "%s"\n' % self.extra if self.extra else ""
        tail = 'Command "%s"' % self.command
        head = "%s:\nExitCode %d\nErrorMessage \"" % (self.kind, self.exit_code)
        room = max(LIMIT - len(head) - len(extra) - min(len(tail), 300) - 2, 100)
        return '%s%s"\n%s%s' % (head, self.message[:room], extra, tail)


class HttpError(ContainerError):
    """An answer other than success: ``status`` and a text body."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def write_failure(text: str) -> None:
    """Write the failure file, and the same words to the log."""
    sys.stderr.write(text.rstrip("\n") + "\n")
    sys.stderr.flush()
    path = paths.failure()
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8", errors="replace") as file:
        file.write(text)
