"""What the middlewares of one request share."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any, Protocol

from .answers import Peer, Receive, Send
from .body import Incoming
from .http import Request
from .routing import Target

Scope = MutableMapping[str, Any]
Asgi = Callable[[Scope, Receive, Send], Awaitable[None]]

KEY = "sagewright.exchange"


class WireSettings(Protocol):
    """The settings that the wire reads; ``sagewright.settings.Settings`` has them all."""

    @property
    def host(self) -> str: ...
    @property
    def account(self) -> str: ...
    @property
    def region(self) -> str: ...
    @property
    def auth(self) -> str: ...
    @property
    def public_url(self) -> str: ...
    @property
    def max_body(self) -> int: ...
    @property
    def max_payload(self) -> int: ...
    @property
    def clock_skew(self) -> float: ...
    @property
    def cors_origin(self) -> str: ...
    @property
    def trust_forwarded(self) -> bool: ...


@dataclass(slots=True)
class Exchange:
    """One request on its way through the middlewares."""

    request: Request
    request_id: str
    incoming: Incoming
    receive: Receive
    zerocopy: bool = False
    """The server can send files itself."""
    peer: Peer | None = None
    """Sends whole answers at once; None where a middleware must see each message, and with other listeners."""
    started: bool = False
    """Some of the answer is out."""
    target: Target | None = None
    """Set by routing."""

    @property
    def base(self) -> str:
        """The URL that the client used."""
        return f"{self.request.scheme}://{self.request.headers.get('host', '')}"


def exchange_of(scope: Scope) -> Exchange:
    found: Exchange = scope[KEY]
    return found
