"""What every protocol does: read a call's parameters, write its result, write its error."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..http import Answer, Request
from ..models import OperationModel, Service
from ..types import Body


@dataclass(slots=True)
class Failure:
    """An error, decided and ready to be written in any protocol."""

    code: str
    """Shape name: what JSON protocols send."""
    message: str
    status: int
    query: str = ""
    """What the query protocol calls it; ``code`` when empty."""
    xml: str = ""
    """What S3 calls it; ``query`` when empty."""
    members: Mapping[str, Any] = field(default_factory=dict)
    """Further members of the error shape."""
    resource: str = ""
    """The path, for S3's error document."""

    @property
    def sender(self) -> bool:
        return self.status < 500


class Codec(ABC):
    """One protocol. Holds only what it has compiled, so one instance serves a whole server."""

    name: str

    def streams(self, op: OperationModel) -> bool:
        """Whether the request body is handed to the operation unread."""
        return False

    @abstractmethod
    def parse(self, op: OperationModel, request: Request, labels: Mapping[str, str], body: bytes | Body) -> dict[str, Any]:
        """Parameters by wire name. ``labels``: decoded parts of the path. Raises WireFault for an unreadable body."""

    @abstractmethod
    def serialize(self, op: OperationModel, result: Mapping[str, Any], request_id: str) -> Answer: ...

    @abstractmethod
    def error(self, service: Service | None, failure: Failure, request_id: str) -> Answer: ...
