"""Domain errors. Slices raise these; the wire picks the code that the operation's own model declares.

::

    DomainError
     ├─ NotFound          "Could not find ..."
     ├─ AlreadyExists     "Cannot create already existing ..."
     ├─ InUse             the resource exists and is busy
     ├─ LimitExceeded
     ├─ Invalid           bad input or a wrong state (ValidationException)
     ├─ AccessDenied
     ├─ NotImplementedHere   the operation is known and not built (HTTP 501)
     └─ ServiceError      an explicit code and status, for what only one service says
"""

from __future__ import annotations

from typing import Any


class DomainError(Exception):
    """An error with a message for the caller."""

    def __init__(self, message: str, **members: Any) -> None:
        super().__init__(message)
        self.message = message
        self.members = members
        """Further members of the modelled error shape, by wire name."""


class NotFound(DomainError):
    """The named thing does not exist."""


class AlreadyExists(DomainError):
    """A thing of that name exists already."""


class InUse(DomainError):
    """The thing exists and something else holds it."""


class LimitExceeded(DomainError):
    """A quota or a size limit is reached."""


class Invalid(DomainError):
    """Bad input, or an operation that the current state does not allow."""


class AccessDenied(DomainError):
    """The caller is known and may not do this."""


class NotImplementedHere(DomainError):
    """A known operation that nobody has built (HTTP 501)."""


class ServiceError(DomainError):
    """An error whose code and HTTP status are given, such as S3's ``PreconditionFailed`` (412)."""

    def __init__(self, code: str, message: str, status: int = 400, **members: Any) -> None:
        super().__init__(message, **members)
        self.code = code
        self.status = status
