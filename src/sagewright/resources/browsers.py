"""What pages of ours must know of the browser that asks: its cookie, and whether another site's page made it ask."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from ..wire.errors import AccessDenied
from ..wire.http import Request

SAFE = ("GET", "HEAD", "OPTIONS")


def cookie(headers: Mapping[str, str], name: str) -> str:
    """The value of a cookie; empty without one."""
    # not http.cookies: it reads nothing at all when another cookie of this host has a form it does not like
    for piece in headers.get("cookie", "").replace(",", ";").split(";"):
        key, _, value = piece.strip().partition("=")
        if key == name:
            return value.strip('"')
    return ""


def check_origin(request: Request, *, said: bool = False) -> None:
    """Raises AccessDenied for a change that a page of another site asks for.

    Args:
        said: the request must name its origin, as browsers do for every change; else clients that name none may pass.
    """
    if request.method in SAFE:
        return
    headers = request.headers
    origin = headers.get("origin")
    if origin is None and said:
        raise AccessDenied("A change needs an Origin header, and it must be this server's own.")
    foreign = origin is not None and urlsplit(origin).netloc.lower() != headers.get("host", "").lower()
    if foreign or headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise AccessDenied(f"Pages of {origin} may change nothing here.")
