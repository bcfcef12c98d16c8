"""Signature Version 2 as S3 still gets it: presigned URLs of us-east-1 clients, and old ``AWS key:signature`` headers.

https://docs.aws.amazon.com/AmazonS3/latest/API/RESTAuthentication.html
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Callable
from email.utils import parsedate_to_datetime

from .http import Request, WireFault
from .sigv4 import Verified, expired, incomplete, live_secret, mismatch, skewed
from .types import Authority

# Query keys that are part of the resource, by S3's documentation.
SIGNED_KEYS = frozenset({
    "accelerate", "acl", "analytics", "cors", "defaultObjectAcl", "delete", "inventory", "lifecycle", "location", "logging",
    "metrics", "notification", "object-lock", "partNumber", "policy", "replication", "requestPayment", "restore",
    "response-cache-control", "response-content-disposition", "response-content-encoding", "response-content-language",
    "response-content-type", "response-expires", "select", "select-type", "storageClass", "tagging", "torrent", "uploadId",
    "uploads", "versionId", "versioning", "versions", "website",
})


class SigV2:
    """Verifies against an authority's keys."""

    def __init__(self, authority: Callable[[], Authority | None], clock: Callable[[], float], skew: float) -> None:
        self._authority, self._clock, self._skew = authority, clock, skew

    def verify_header(self, request: Request, bucket_in_host: str) -> Verified:
        """Raises WireFault."""
        key, colon, signature = request.headers["authorization"][4:].partition(":")
        if not colon or not key or not signature:
            raise incomplete("The authorization header must read AWS <access key>:<signature>")
        date = request.headers.get("x-amz-date") or request.headers.get("date", "")
        try:
            moment = parsedate_to_datetime(date).timestamp()
        except (ValueError, TypeError, IndexError, OverflowError):
            raise WireFault("AccessDenied", "AWS authentication requires a valid Date or x-amz-date header", 403) from None
        if abs(self._clock() - moment) > self._skew:
            raise skewed(date)
        secret, principal = live_secret(self._authority(), key, request.headers.get("x-amz-security-token"))
        shown = "" if "x-amz-date" in request.headers else request.headers.get("date", "")
        headers = {k: v for k, v in request.headers.items() if k.startswith("x-amz-")}
        self._compare(request, bucket_in_host, secret, shown, headers, signature)
        return Verified(principal)

    def verify_query(self, request: Request, bucket_in_host: str) -> Verified:
        """Raises WireFault."""
        arg = request.arg
        expires = arg.get("Expires", "")
        if not expires.isascii() or not expires.isdigit() or len(expires) > 12:
            raise WireFault("AccessDenied", f"Invalid date (should be seconds since epoch): {expires}", 403)
        if self._clock() > int(expires):
            raise expired()
        secret, principal = live_secret(
            self._authority(),
            arg["AWSAccessKeyId"], arg.get("x-amz-security-token") or request.headers.get("x-amz-security-token")
        )
        headers = {k.lower(): v for k, v in request.args if k.lower().startswith("x-amz-")}
        headers.update({k: v for k, v in request.headers.items() if k.startswith("x-amz-")})
        self._compare(request, bucket_in_host, secret, expires, headers, arg["Signature"])
        return Verified(principal)

    def verify_text(self, key: str, text: str, signature: str, token: str | None) -> Verified:
        """Check the signature of a POST policy."""
        secret, principal = live_secret(self._authority(), key, token)
        _check(secret, text, signature)
        return Verified(principal)

    def _compare(
        self, request: Request, bucket: str, secret: str, date: str, amz: dict[str, str], signature: str
    ) -> None:
        headers, arg = request.headers, request.arg
        custom = "".join(f"{k}:{v.strip()}\n" for k, v in sorted(amz.items()))
        md5 = headers.get("content-md5", arg.get("content-md5", ""))
        path = (f"/{bucket}" if bucket else "") + request.path
        # A client may send a body with a content type of its library's making that it did not sign, as urllib does.
        for kind in dict.fromkeys((headers.get("content-type", arg.get("content-type", "")), arg.get("content-type", ""))):
            text = f"{request.method}\n{md5}\n{kind}\n{date}\n{custom}{_resource(path, request)}"
            if hmac.compare_digest(_sign(secret, text), signature.encode("utf-8", "replace")):
                return
        raise mismatch()


def _resource(path: str, request: Request) -> str:
    chosen = sorted((piece.partition("=")[0], k, v, "=" in piece) for piece, (k, v) in _pieces(request)
                    if k in SIGNED_KEYS)
    if not chosen:
        return path
    return path + "?" + "&".join(f"{k}={v}" if valued else k for _, k, v, valued in chosen)


def _pieces(request: Request) -> list[tuple[str, tuple[str, str]]]:
    raw = [p for p in request.query.split("&") if p]
    return list(zip(raw, request.args, strict=True))


def _sign(secret: str, text: str) -> bytes:
    return base64.b64encode(hmac.digest(secret.encode(), text.encode("utf-8", "surrogateescape"), "sha1"))


def _check(secret: str, text: str, signature: str) -> None:
    if not hmac.compare_digest(_sign(secret, text), signature.encode("utf-8", "replace")):
        raise mismatch()
