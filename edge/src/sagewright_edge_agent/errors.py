"""What applications are told; codes are those of Edge Manager's agent."""

from __future__ import annotations

STATUS = {
    "INVALID_ARGUMENT": 400, "NOT_FOUND": 404, "ALREADY_EXISTS": 409, "FAILED_PRECONDITION": 412, "OUT_OF_RANGE": 416,
    "RESOURCE_EXHAUSTED": 429, "INTERNAL": 500,
}  # fmt: skip
"""Code → HTTP status."""


class AgentError(Exception):
    """An error with a code for the application."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message
