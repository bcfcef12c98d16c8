"""Who is calling: the authentication of one request, by the server's mode.

strict: signatures are verified. lenient: any key is the operator (a known key is its owner), nothing is verified;
for test suites. off: everybody is the operator.
"""

from __future__ import annotations

from collections.abc import Callable

from .http import Request, WireFault
from .models import ServiceInfo
from .sigv2 import SigV2
from .sigv4 import ALGORITHM, Scope, SigV4, Verified, header_scope, incomplete, parse_scope
from .types import Authority, Principal

ANONYMOUS = Principal(arn="*", account="", kind="anonymous")


class Authenticator:
    """Verifies requests of one server."""

    def __init__(
        self, mode: str, authority: Callable[[], Authority | None], operator: Callable[[], Principal],
        clock: Callable[[], float], skew: float,
    ) -> None:
        if mode not in {"strict", "lenient", "off"}:
            raise ValueError(f"auth must be strict, lenient or off, not {mode!r}")
        self._mode, self._authority, self._operator = mode, authority, operator
        self.v4 = SigV4(authority, clock, skew)
        self.v2 = SigV2(authority, clock, skew)

    def signed(self, request: Request) -> bool:
        """Whether a request carries credentials of any kind; says nothing about their truth."""
        return (
            "authorization" in request.headers or "X-Amz-Signature=" in request.query
            or "AWSAccessKeyId=" in request.query or request.content_type.startswith("multipart/form-data")
        )

    @property
    def verifies(self) -> bool:
        return self._mode == "strict"

    def authenticate(
        self, request: Request, info: ServiceInfo | None, bucket_in_host: str, body_sha256: Callable[[], str] | None
    ) -> Verified:
        """Raises WireFault."""
        header = request.headers.get("authorization", "")
        if self._mode == "off":
            return Verified(self._operator(), _region(request))
        if self._mode == "lenient":
            return self._believe(request, header)
        s3 = info is not None and info.name == "s3"
        if header:
            return self._by_header(request, header, info, bucket_in_host, body_sha256)
        arg = request.arg if request.query else {}
        if "X-Amz-Signature" in arg or "X-Amz-Algorithm" in arg:
            _same_service(parse_scope(arg.get("X-Amz-Credential", "")), info)
            return self.v4.verify_query(request, body_sha256)
        if s3 and "AWSAccessKeyId" in arg and "Signature" in arg:
            return self.v2.verify_query(request, bucket_in_host)
        return Verified(ANONYMOUS)

    def _by_header(
        self, request: Request, header: str, info: ServiceInfo | None, bucket: str, body_sha256: Callable[[], str] | None
    ) -> Verified:
        scope = header_scope(header)
        if scope is not None:
            _same_service(scope, info)
            if body_sha256 is None and "x-amz-content-sha256" not in request.headers:
                raise WireFault("InvalidRequest", "Missing required header for this request: x-amz-content-sha256", 400)
            return self.v4.verify_header(request, scope, body_sha256)
        if header.startswith("AWS ") and info is not None and info.name == "s3":
            return self.v2.verify_header(request, bucket)
        raise incomplete(f"Unsupported Authorization: sign requests with {ALGORITHM}")

    def _believe(self, request: Request, header: str) -> Verified:
        try:
            key = _key(request, header)
        except WireFault:
            key = ""
        authority = self._authority()
        found = authority.secret(key) if authority is not None and key else None
        return Verified(found[2] if found is not None else self._operator(), _region(request))


def _key(request: Request, header: str) -> str:
    scope = header_scope(header) if header else None
    if scope is not None:
        return scope.key
    if header.startswith("AWS "):
        return header[4:].partition(":")[0]
    arg = request.arg if request.query else {}
    if "X-Amz-Credential" in arg:
        return parse_scope(arg["X-Amz-Credential"]).key
    return arg.get("AWSAccessKeyId", "")


def _region(request: Request) -> str:
    try:
        scope = header_scope(request.headers.get("authorization", ""))
        if scope is None and "X-Amz-Credential" in request.query:
            scope = parse_scope(request.arg.get("X-Amz-Credential", ""))
    except WireFault:
        return ""
    return scope.region if scope is not None else ""


def _same_service(scope: Scope, info: ServiceInfo | None) -> None:
    if info is None or scope.service == info.signing or (info.name == "s3" and scope.service == "s3express"):
        return
    raise WireFault(
        "InvalidSignatureException", f"Credential should be scoped to correct service: '{info.signing}', not '{scope.service}'.",
        403, query="SignatureDoesNotMatch",
    )
