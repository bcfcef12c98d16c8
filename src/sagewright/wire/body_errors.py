"""What may be wrong with a request's body, as S3 says it."""

from __future__ import annotations

from .errors import ServiceError


def incomplete_body() -> ServiceError:
    return ServiceError("IncompleteBody", "You did not provide the number of bytes specified by the Content-Length HTTP header", 400)


def slow_body() -> ServiceError:
    return ServiceError("RequestTimeout", "The request body did not arrive: nothing was sent within the timeout period.", 400)


def too_large(limit: int) -> ServiceError:
    return ServiceError("EntityTooLarge", f"The request body is larger than {limit} bytes", 413)


def bad_chunk(why: str) -> ServiceError:
    return ServiceError("InvalidRequest", f"The aws-chunked body is malformed: {why}", 400)


def sha_mismatch(said: str, found: str) -> ServiceError:
    return ServiceError(
        "XAmzContentSHA256Mismatch", "The provided 'x-amz-content-sha256' header does not match what was computed.", 400,
        ClientComputedContentSHA256=said, S3ComputedContentSHA256=found,
    )
