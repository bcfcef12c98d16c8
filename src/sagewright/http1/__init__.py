"""HTTP/1.1 for an ASGI app: httptools parses, this decides.

What sets it apart from the general servers: head and body of an answer leave in one write, bodies come in without
being copied, files go out by ``sendfile``, and every wait for the peer has a limit. See docs/decisions/006-one-port.md.
"""

from .connection import Connection, Shared

__all__ = ["Connection", "Shared"]
