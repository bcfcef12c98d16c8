"""Signature Version 4: who signed a request, and is it unchanged.

The verifier accepts the Authorization header and presigned query strings, and hands chunk signing on to the body.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

from __future__ import annotations

import calendar
import hashlib
import hmac
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import quote, unquote

from .http import Request, WireFault, split_query
from .types import Authority, Principal

ALGORITHM = "AWS4-HMAC-SHA256"
UNSIGNED = "UNSIGNED-PAYLOAD"
EMPTY_SHA256 = hashlib.sha256(b"").hexdigest()
LONGEST_PRESIGN = 604_800
_SHORT = 512
"""Characters of a path up to which it is remembered."""
_HEX64 = re.compile(r"[0-9a-f]{64}")
_TIME = re.compile(r"(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z")
# Unsigned ones of these change nothing: the payload hash is itself part of what is signed.
_MAY_BE_UNSIGNED = {"x-amz-content-sha256", "x-amz-user-agent"}


@dataclass(frozen=True, slots=True)
class Scope:
    """The credential of a signature."""

    key: str
    date: str
    region: str
    service: str

    @property
    def text(self) -> str:
        return f"{self.date}/{self.region}/{self.service}/aws4_request"


class SigningKey:
    """HMAC-SHA256 by one key. Copying the two hashes that have taken the key in costs a quarter of ``hmac.digest``."""

    __slots__ = ("_inner", "_outer")

    def __init__(self, key: bytes) -> None:
        block = key.ljust(64, b"\0")  # a signing key is itself a digest: never longer than a block
        self._inner = hashlib.sha256(bytes(b ^ 0x36 for b in block))
        self._outer = hashlib.sha256(bytes(b ^ 0x5C for b in block))

    def sign(self, text: str) -> str:
        """The signature in hex."""
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(text.encode())
        outer.update(inner.digest())
        return outer.hexdigest()


@dataclass(frozen=True, slots=True)
class ChunkSigning:
    """What is needed to check the signatures inside an aws-chunked body."""

    signing_key: SigningKey
    stamp: str
    scope: str
    seed: str

    def chunk(self, previous: str, digest: str) -> str:
        return self._sign("AWS4-HMAC-SHA256-PAYLOAD", previous, f"{EMPTY_SHA256}\n{digest}")

    def trailer(self, previous: str, digest: str) -> str:
        return self._sign("AWS4-HMAC-SHA256-TRAILER", previous, digest)

    def _sign(self, kind: str, previous: str, rest: str) -> str:
        return self.signing_key.sign(f"{kind}\n{self.stamp}\n{self.scope}\n{previous}\n{rest}")


@dataclass(frozen=True, slots=True)
class Verified:
    """A caller, and what the body must still prove while it is read."""

    principal: Principal
    region: str = ""
    payload_sha256: str = ""
    """Hex digest that the body must have; empty when the signature does not cover the body."""
    chunks: ChunkSigning | None = None


def unknown_key(key: str) -> WireFault:
    return WireFault(
        "UnrecognizedClientException", f"The security token included in the request is invalid: no live access key {key}.",
        403, query="InvalidClientTokenId", xml="InvalidAccessKeyId", AWSAccessKeyId=key,
    )


def bad_token() -> WireFault:
    return WireFault(
        "UnrecognizedClientException", "The security token included in the request is invalid.", 403,
        query="InvalidClientTokenId", xml="InvalidToken",
    )


def mismatch() -> WireFault:
    return WireFault(
        "InvalidSignatureException",
        "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key "
        "and signing method. Consult the service documentation for details.",
        403, query="SignatureDoesNotMatch",
    )


def incomplete(why: str) -> WireFault:
    return WireFault(
        "IncompleteSignatureException", why, 400, query="IncompleteSignature", xml="AuthorizationHeaderMalformed"
    )


def skewed(stamp: str) -> WireFault:
    return WireFault(
        "InvalidSignatureException", f"Signature not yet current or expired: {stamp} differs too much from the server's time.",
        403, query="SignatureDoesNotMatch", xml="RequestTimeTooSkewed",
    )


def expired() -> WireFault:
    return WireFault(
        "ExpiredTokenException", "Request has expired", 403, query="RequestExpired", xml="AccessDenied"
    )


def header_scope(authorization: str) -> Scope | None:
    """The credential scope of a V4 Authorization header; None for another scheme. Raises WireFault when malformed."""
    said = _authorization(authorization)
    return None if said is None else said[0]


@lru_cache(maxsize=256)  # a client keeps its scope for a day
def parse_scope(credential: str) -> Scope:
    """Raises WireFault."""
    parts = credential.rsplit("/", 4)
    if len(parts) != 5 or parts[4] != "aws4_request" or not all(parts):
        raise incomplete(
            "The authorization is malformed: the Credential must read <access key>/<date>/<region>/<service>/aws4_request"
        )
    return Scope(parts[0], parts[1], parts[2], parts[3])


@lru_cache(maxsize=16)  # routing, authentication and the signature each ask
def _authorization(header: str) -> tuple[Scope, str, str] | None:
    """(scope, signed headers, signature) of a V4 header; None for another scheme. Raises WireFault."""
    if not header.startswith(ALGORITHM):
        if header.startswith("AWS4-"):
            raise incomplete(f"Unsupported signing algorithm: only {ALGORITHM} is understood here")
        return None
    found = {}
    for part in header[len(ALGORITHM) :].split(","):
        name, _, value = part.strip().partition("=")
        found[name] = value
    return parse_scope(found.get("Credential", "")), found.get("SignedHeaders", ""), found.get("Signature", "")


@lru_cache(maxsize=256)
def _names(signed: str) -> tuple[tuple[str, ...], frozenset[str]]:
    """The signed headers in order, and those that a request with them may carry of the ``x-amz-`` kind."""
    names = tuple(signed.split(";"))
    return names, frozenset(names) | _MAY_BE_UNSIGNED


@lru_cache(maxsize=64)
def timestamp(stamp: str) -> float:
    """Epoch seconds of ``20260102T030405Z``. Raises WireFault."""
    found = _TIME.fullmatch(stamp)
    if found is None:
        raise incomplete(f"Date must be in ISO-8601 'basic format'. Got '{stamp}'.")
    year, month, day, hour, minute, second = (int(g) for g in found.groups())
    if not (1970 <= year <= 9999 and 1 <= month <= 12 and 1 <= day <= 31):
        raise incomplete(f"Date must be in ISO-8601 'basic format'. Got '{stamp}'.")
    return float(calendar.timegm((year, month, day, hour, minute, second, 0, 0, 0)))


def live_secret(authority: Authority | None, key: str, token: str | None) -> tuple[str, Principal]:
    """The secret and the owner of a live key whose session token, if it has one, is the given one. Raises WireFault."""
    found = authority.secret(key) if authority is not None else None
    if found is None:
        raise unknown_key(key)
    secret, expected, principal = found
    if (expected or token) and not hmac.compare_digest((expected or "").encode(), (token or "").encode()):
        raise bad_token()
    return secret, principal


class SigV4:
    """Verifies signatures against an authority's keys. Signing keys are cached: four HMACs less a request."""

    def __init__(self, authority: Callable[[], Authority | None], clock: Callable[[], float], skew: float) -> None:
        self._authority, self._clock, self._skew = authority, clock, skew
        self._keys: dict[tuple[str, str, str, str], SigningKey] = {}

    def verify_header(self, request: Request, scope: Scope, body_sha256: Callable[[], str] | None) -> Verified:
        """Check an Authorization header. ``body_sha256`` is None while the body has not been read (S3).

        Raises:
            WireFault: a code that says which part does not hold.
        """
        said_by = _authorization(request.headers["authorization"])
        _, signed, signature = said_by if said_by is not None else (scope, "", "")
        if not signature or not signed:
            raise incomplete("Authorization header requires 'Credential', 'SignedHeaders' and 'Signature' parameters.")
        stamp = request.headers.get("x-amz-date", "")
        if not stamp:
            raise incomplete("Authorization header requires existence of an 'X-Amz-Date' header.")
        if abs(self._clock() - timestamp(stamp)) > self._skew:
            raise skewed(stamp)
        if stamp[:8] != scope.date:
            raise incomplete(f"Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date: '{stamp}'.")
        secret, principal = live_secret(self._authority(), scope.key, request.headers.get("x-amz-security-token"))
        said = request.headers.get("x-amz-content-sha256", "")
        payload = said or (body_sha256() if body_sha256 is not None else EMPTY_SHA256)
        key = self._signing_key(secret, scope)
        self._compare(request, request.query, scope, key, stamp, signed, payload, signature)
        chunks = ChunkSigning(key, stamp, scope.text, signature) if said.startswith("STREAMING-AWS4") else None
        return Verified(principal, scope.region, payload if _HEX64.fullmatch(payload) else "", chunks)

    def verify_query(self, request: Request, body_sha256: Callable[[], str] | None) -> Verified:
        """Check a presigned URL."""
        arg = request.arg
        missing = [n for n in ("X-Amz-Credential", "X-Amz-SignedHeaders", "X-Amz-Signature", "X-Amz-Date", "X-Amz-Expires")
                   if not arg.get(n)]
        if missing or arg.get("X-Amz-Algorithm") != ALGORITHM:
            raise WireFault(
                "IncompleteSignatureException",
                f"The presigned request lacks {', '.join(missing) or 'X-Amz-Algorithm=' + ALGORITHM}", 400,
                query="IncompleteSignature", xml="AuthorizationQueryParametersError",
            )
        scope = parse_scope(arg["X-Amz-Credential"])
        signed_at = timestamp(arg["X-Amz-Date"])
        lifetime = arg["X-Amz-Expires"]
        if not lifetime.isascii() or not lifetime.isdigit() or len(lifetime) > 9 or int(lifetime) > LONGEST_PRESIGN:
            raise WireFault("IncompleteSignatureException", f"X-Amz-Expires must be 0 to {LONGEST_PRESIGN} seconds", 400,
                            query="IncompleteSignature", xml="AuthorizationQueryParametersError")
        now = self._clock()
        if now > signed_at + int(lifetime):
            raise expired()
        if signed_at > now + self._skew:
            raise skewed(arg["X-Amz-Date"])
        if arg["X-Amz-Date"][:8] != scope.date:
            raise incomplete("The date of the Credential is not the date of X-Amz-Date")
        token = arg.get("X-Amz-Security-Token") or request.headers.get("x-amz-security-token")
        secret, principal = live_secret(self._authority(), scope.key, token)
        said = request.headers.get("x-amz-content-sha256") or arg.get("X-Amz-Content-Sha256", "")
        payload = said or (UNSIGNED if scope.service in {"s3", "s3express"} else body_sha256() if body_sha256 else EMPTY_SHA256)
        query = "&".join(p for p in request.query.split("&") if not p.startswith("X-Amz-Signature="))
        key = self._signing_key(secret, scope)
        signature = arg["X-Amz-Signature"]
        self._compare(request, query, scope, key, arg["X-Amz-Date"], arg["X-Amz-SignedHeaders"], payload, signature)
        chunks = ChunkSigning(key, arg["X-Amz-Date"], scope.text, signature) if said.startswith("STREAMING-AWS4") else None
        return Verified(principal, scope.region, payload if _HEX64.fullmatch(payload) else "", chunks)

    def verify_text(self, scope: Scope, text: str, signature: str, token: str | None) -> Verified:
        """Check the signature of a POST policy."""
        secret, principal = live_secret(self._authority(), scope.key, token)
        expected = self._signing_key(secret, scope).sign(text)
        if not hmac.compare_digest(expected.encode(), signature.encode()):
            raise mismatch()
        return Verified(principal, scope.region)

    def _signing_key(self, secret: str, scope: Scope) -> SigningKey:
        cached = self._keys.get((secret, scope.date, scope.region, scope.service))
        if cached is not None:
            return cached
        key = ("AWS4" + secret).encode()
        for part in (scope.date, scope.region, scope.service, "aws4_request"):
            key = hmac.digest(key, part.encode(), "sha256")
        if len(self._keys) > 1024:
            self._keys.clear()
        found = self._keys[secret, scope.date, scope.region, scope.service] = SigningKey(key)
        return found

    def _compare(
        self, request: Request, query: str, scope: Scope, key: SigningKey, stamp: str, signed: str, payload: str, signature: str
    ) -> None:
        names, covered = _names(signed)
        headers = request.headers
        if "host" not in covered:
            raise incomplete("The host header must be signed")
        loose = [n for n in headers if n not in covered and n[:6] == "x-amz-"]
        if loose:
            raise WireFault("InvalidSignatureException",
                            f"There were headers present in the request which were not signed: {', '.join(loose)}", 403,
                            query="SignatureDoesNotMatch", xml="AccessDenied", HeadersNotSigned=", ".join(loose))
        lines = "".join([f"{n}:{' '.join(headers.get(n, '').split())}\n" for n in names])
        asked = canonical_query(query) if query else ""
        given = signature.encode("utf-8", "replace")
        scope_text = scope.text
        for path in canonical_paths(request.path, scope.service):
            text = f"{request.method}\n{path}\n{asked}\n{lines}\n{signed}\n{payload}"
            digest = hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()
            to_sign = f"{ALGORITHM}\n{stamp}\n{scope_text}\n{digest}"
            if hmac.compare_digest(key.sign(to_sign).encode(), given):
                return
        raise mismatch()


def canonical_paths(path: str, service: str) -> list[str]:
    """The ways in which clients write the path that they sign: S3 once encoded, other services normalised and twice."""
    if path == "/":
        return ["/"]
    if service in {"s3", "s3express"}:
        once = quote(unquote(path), safe="/-_.~")
        return [path] if once == path else [path, once]
    return _twice(path) if len(path) <= _SHORT else _twice.__wrapped__(path)


@lru_cache(maxsize=512)
def _twice(path: str) -> list[str]:
    twice = quote(_normalised(path), safe="/-_.~")
    return [twice] if twice == path else [twice, path]


def _normalised(path: str) -> str:
    parts: list[str] = []
    for part in path.split("/"):
        if part == "..":
            if parts:
                parts.pop()
        elif part and part != ".":
            parts.append(part)
    return f"/{'/'.join(parts)}{'/' if parts and path.endswith('/') else ''}"


def canonical_query(query: str) -> str:
    if not query:
        return ""
    pairs = [(quote(k, safe="-_.~"), quote(v, safe="-_.~")) for k, v in split_query(query)]
    return "&".join([f"{k}={v}" for k, v in sorted(pairs)])
